"""Models open in ONNX Runtime: the model's own order of summation, narrow floats."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import helper

from basin.errors import VerifyError
from basin.inputs.types import NARROW_TYPES, narrow_dtype

# Type name -> ONNX element type, for floats that ONNX Runtime's numpy interface does not know.
_ONNX_TYPE = {
    name: helper.np_dtype_to_tensor_dtype(narrow_dtype(kind)) for kind, name in NARROW_TYPES.items()
}


def open_session(
    path: str | os.PathLike[str],
    providers: Sequence[str] = ("CPUExecutionProvider",),
    optimize: bool = False,
    threads: int = 1,
) -> ort.InferenceSession:
    """Open a model without graph optimizations unless `optimize`; 0 `threads` are one per core.

    Raises VerifyError with ONNX Runtime's reason.
    """
    if not Path(path).is_file():
        raise VerifyError(f"{path}: no such file")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(os.fspath(path), options, providers=list(providers))
    except Exception as error:
        raise VerifyError(f"{path}: ONNX Runtime does not load it: {error}") from error


def run_session(
    session: ort.InferenceSession, values: Mapping[str, np.ndarray], path: str | os.PathLike[str]
) -> dict[str, object]:
    """Run a session opened from `path`; returns arrays (or ORT's lists and dicts) by output name.

    Raises VerifyError for inputs that are missing or too many, and with ONNX Runtime's reason.
    """
    wanted = [i.name for i in session.get_inputs()]
    for name in wanted:
        if name not in values:
            raise VerifyError(f"{path}: no value for input '{name}'")
    overridable = session.get_overridable_initializers()
    optional = {i.name for i in overridable}
    for name in values:
        if name not in wanted and name not in optional:
            raise VerifyError(f"{path}: the model has no input '{name}'")
    names = [o.name for o in session.get_outputs()]
    types = [v.type for v in (*session.get_inputs(), *session.get_outputs(), *overridable)]
    try:
        if not any(_narrow_dtype(kind) for kind in types):
            return dict(zip(names, session.run(names, dict(values)), strict=True))
        feeds = {name: _ort_value(value) for name, value in values.items()}
        results = session.run_with_ort_values(names, feeds)
    except Exception as error:
        raise VerifyError(f"{path}: ONNX Runtime does not run it: {error}") from error
    return {name: _to_numpy(result) for name, result in zip(names, results, strict=True)}


def _narrow_dtype(kind: str) -> np.dtype | None:
    """Map ORT's "tensor(bfloat16)", "tensor(float8e4m3fn)", ... to its numpy type, else None."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return narrow_dtype(name) if name in NARROW_TYPES else None


def _ort_value(value: np.ndarray) -> ort.OrtValue:
    array = np.asarray(value)
    kind = _ONNX_TYPE.get(array.dtype.name)
    if kind is None:
        return ort.OrtValue.ortvalue_from_numpy(array)
    raw = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").reshape(array.shape)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, kind)


def _to_numpy(value: ort.OrtValue) -> np.ndarray:
    """Return an array; narrow floats, which numpy() refuses, are read from ORT's own memory."""
    dtype = _narrow_dtype(value.data_type())
    if dtype is None:
        array: np.ndarray = value.numpy()
        return array
    shape = tuple(value.shape())
    size = int(np.prod(shape)) * dtype.itemsize
    data = ctypes.string_at(value.data_ptr(), size) if size else b""
    return np.frombuffer(data, dtype).reshape(shape)
