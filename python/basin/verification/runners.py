"""Runs models for a comparison: in ONNX Runtime, or in onnx's reference evaluator.

Both have `session`, whose `get_inputs` is the signature, and `run`, which returns outputs by name.
"""

from __future__ import annotations

import os

import numpy as np
import onnx

from basin.errors import VerifyError
from basin.inputs.signature import Input
from basin.verification.sessions import open_session, run_session

Path = str | os.PathLike[str]


class RuntimeRunner:
    """ONNX Runtime with one thread, optimizations off."""

    def __init__(self, path: Path) -> None:
        self.session = open_session(path)
        self._path = path

    def run(self, values: dict[str, np.ndarray]) -> dict[str, object]:
        """Raises VerifyError with the runtime's reason."""
        return run_session(self.session, values, self._path)


class ReferenceRunner:
    """onnx's reference evaluator: every node in its own type, with or without a kernel for it."""

    def __init__(self, path: Path) -> None:
        from onnx.reference import ReferenceEvaluator

        try:
            model = onnx.load(os.fspath(path))
            self._evaluator = ReferenceEvaluator(model)
        except Exception as error:
            raise VerifyError(
                f"{path}: the reference evaluator does not load it: {error}"
            ) from error
        self._path = path
        self._names = [o.name for o in model.graph.output]
        self.session = _Signature(model)

    def run(self, values: dict[str, np.ndarray]) -> dict[str, object]:
        """Raises VerifyError with the evaluator's reason."""
        try:
            with np.errstate(all="ignore"):
                results = self._evaluator.run(None, values)
        except Exception as error:
            raise VerifyError(
                f"{self._path}: the reference evaluator does not run it: {error}"
            ) from error
        return dict(zip(self._names, results, strict=True))


class _Signature:
    """The inputs of a model that ONNX Runtime may not load."""

    def __init__(self, model: onnx.ModelProto) -> None:
        known = {t.name for t in model.graph.initializer}
        self._inputs = [_describe(i) for i in model.graph.input if i.name not in known]

    def get_inputs(self) -> list[Input]:
        return self._inputs


def _describe(info: onnx.ValueInfoProto) -> Input:
    """An input, its type as ONNX Runtime names it: f32 and f64 as C does, others in lower case."""
    tensor = info.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = [
        d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim
    ]
    return Input(info.name, f"tensor({name})", shape)
