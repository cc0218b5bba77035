"""Rewrites of models whose weights ONNX Runtime quantized: scales take the powers of two.

No bit may differ. Where a weight has a scale for each column, or one that all columns share and a
factor for the whole stream, the rewritten model has no multiplication more.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

basin = pytest.importorskip("basin")
quantization = pytest.importorskip("onnxruntime.quantization")
from basin.verify import verify  # noqa: E402
from rewrite_passes import SMALL_REWRITES  # noqa: E402
from trained_models import MODELS  # noqa: E402

U8, S8 = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
STATIC = dict(activation_type=U8, weight_type=S8, op_types_to_quantize=["MatMul", "Gemm"])
QDQ, OPERATORS = quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator
SCHEMES = {
    "dynamic": dict(weight_type=S8),
    "dynamic-columns": dict(weight_type=S8, per_channel=True),
    "pairs": STATIC | dict(quant_format=QDQ),
    "pairs-columns": STATIC | dict(quant_format=QDQ, per_channel=True),
    "pairs-everywhere": dict(
        quant_format=QDQ, activation_type=U8, weight_type=S8, per_channel=True
    ),
    "operators": STATIC | dict(quant_format=OPERATORS),
    "blocks": {},
}
CHOSEN = [path for path in MODELS if path.stem in ("tiny-shakespeare", "text-small", "stories260K")]


class Tokens(quantization.CalibrationDataReader):
    """Two sequences of tokens."""

    def __init__(self, path: Path) -> None:
        name = onnx.load(path).graph.input[0].name
        rng = np.random.default_rng(0)
        self.feeds = iter([{name: rng.integers(0, 60, (1, 24))} for _ in range(2)])

    def get_next(self) -> dict | None:
        return next(self.feeds, None)


def quantize(path: Path, target: Path, scheme: str) -> None:
    options = SCHEMES[scheme]
    if scheme == "blocks":
        nbits = pytest.importorskip("onnxruntime.quantization.matmul_nbits_quantizer")
        config = nbits.DefaultWeightOnlyQuantConfig(block_size=32, bits=4, is_symmetric=True)
        quantizer = nbits.MatMulNBitsQuantizer(onnx.load(path), algo_config=config)
        quantizer.process()
        onnx.save(quantizer.model.model, target)
    elif scheme.startswith("dynamic"):
        quantization.quantize_dynamic(str(path), str(target), **options)
    else:
        quantization.quantize_static(str(path), str(target), Tokens(path), **options)


@pytest.fixture(
    scope="module",
    params=[(path, scheme) for path in CHOSEN for scheme in SCHEMES],
    ids=lambda param: f"{param[0].stem}-{param[1]}",
)
def quantized(request, tmp_path_factory) -> tuple[Path, str]:
    path, scheme = request.param
    target = tmp_path_factory.mktemp("quantized") / "model.onnx"
    quantize(path, target, scheme)
    return target, scheme


def count_nodes(path: Path) -> Counter:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("name", SMALL_REWRITES)
def test_no_bit_differs(quantized: tuple[Path, str], name: str, tmp_path: Path) -> None:
    path, _ = quantized
    target = tmp_path / "out.onnx"
    model = basin.load(path)
    model.run(f"basin-raise,{SMALL_REWRITES[name]},convert-sink-to-onnx")
    model.save(target)
    report = verify(path, target, random=2)
    assert report.passed, str(report)


# Where each node has a pair, norms round inside and do not follow a scale. So the stream is
# restored for the norm that reads each of its parts.
PRODUCTS = {"pairs-everywhere": 1}


def test_a_factor_of_the_stream_needs_no_product(
    quantized: tuple[Path, str], tmp_path: Path
) -> None:
    path, scheme = quantized
    target = tmp_path / "out.onnx"
    basin.rewrite(path, target, [("rescale-residual", {"k": 3})])
    more = count_nodes(target)["Mul"] - count_nodes(path)["Mul"]
    streams = len(basin.load(path).inspect()["residual_streams"])
    assert more <= streams * PRODUCTS.get(scheme, 0)


def test_the_scales_are_proven_to_cancel(quantized: tuple[Path, str]) -> None:
    """So a model that is too large to run is rewritten as well."""
    model = basin.load(quantized[0])
    model.run("basin-raise,sink-rescale-residual{k=3},convert-sink-to-onnx")
    assert model.find_scale_mismatch() is None
