"""The numpy types of models' inputs, narrow floats included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from basin.errors import VerifyError

if TYPE_CHECKING:
    import onnxruntime as ort

# ONNX Runtime's type name -> numpy type; the narrow ones live in ml_dtypes.
NARROW_TYPES = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
}
_TYPES = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"}
_TYPES |= {f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


def input_dtype(item: ort.NodeArg) -> np.dtype[Any]:
    """The numpy type of an input. Raises VerifyError for one that numpy has none for."""
    kind = item.type.removeprefix("tensor(").removesuffix(")")
    if item.type.startswith("tensor(") and kind in _TYPES:
        return np.dtype(_TYPES[kind])
    if kind in NARROW_TYPES:
        return narrow_dtype(kind)
    raise VerifyError(
        f"input '{item.name}': cannot draw values of type {item.type}; give its value"
    )


def narrow_dtype(kind: str) -> np.dtype[Any]:
    """The numpy type of one of NARROW_TYPES by ONNX Runtime's name."""
    scalar: type[np.generic] = getattr(ml_dtypes, NARROW_TYPES[kind])
    return np.dtype(scalar)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether the type is a real float, ml_dtypes' narrow ones included."""
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))
