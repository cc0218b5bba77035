"""ONNX Runtime's own quantizers, as a user would call them on a decoder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from basin.analysis.batch import Batch
from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.inputs.signature import read_facts
from basin.verification.sessions import open_session

__all__ = ["PEERS"]


def _heads(path: Path) -> list[str]:
    """Products that write outputs, which Basin leaves as they are, too."""
    graph = onnx.load(path, load_external_data=False).graph
    outputs = {one.name for one in graph.output}
    return [n.name for n in graph.node if n.op_type == "MatMul" and n.output[0] in outputs]


class _Reader:
    """Inputs for the calibration, one sequence at a time."""

    def __init__(self, path: Path, data: Dataset) -> None:
        feeder = Feeder(open_session(path).get_inputs(), read_facts(path))
        self._feeds = iter([feeder.feed(Batch.of(np.asarray(x)[None])) for x in data.sequences])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, or None at the end."""
        return next(self._feeds, None)


def _static(path: Path, target: Path, data: Dataset) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(_Reader, CalibrationDataReader):  # type: ignore[misc]
        pass

    quantize_static(
        path,
        target,
        Reader(path, data),
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=_heads(path),
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": True, "MatMulConstBOnly": True},
    )


def _dynamic(path: Path, target: Path, data: Dataset) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        path,
        target,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=_heads(path),
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def _nbits(path: Path, target: Path, data: Dataset) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    made = MatMulNBitsQuantizer(
        onnx.load(path), block_size=32, is_symmetric=True, nodes_to_exclude=_heads(path)
    )
    made.process()
    made.model.save_model_to_file(str(target), False)


def _quiet(quantize: Callable[[Path, Path, Dataset], None]) -> Callable[..., None]:
    def call(*args: Any) -> None:
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)
        try:
            quantize(*args)
        finally:
            logging.root.setLevel(level)

    return call


# Writes the quantized model; the data are those of the calibration.
PEERS: dict[str, Callable[..., None]] = {
    "onnxruntime quantize_static, QDQ, int8": _quiet(_static),
    "onnxruntime quantize_dynamic, int8": _quiet(_dynamic),
    "onnxruntime MatMulNBits, int4, block 32": _quiet(_nbits),
}
