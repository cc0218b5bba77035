"""Quantization in NumPy, written from the definition of schemes and not from the compiler's code.

A scheme is the dictionary of its YAML. Formats round as ml_dtypes does, after clamping.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

F32 = np.float32
LARGEST = {"int4": 7, "int8": 127, "int16": 32767, "float4e2m1": 6, "float8e4m3": 448}
EXPONENT = {"int4": 2, "int8": 6, "int16": 14, "float4e2m1": 2, "float8e4m3": 8}
TYPES = {"float4e2m1": ml_dtypes.float4_e2m1fn, "float8e4m3": ml_dtypes.float8_e4m3fn}


def round_to(x: np.ndarray, format: str) -> np.ndarray:
    """The nearest numbers of a format, ties to even, saturating."""
    most = LARGEST[format]
    if format in TYPES:
        return np.clip(x, -most, most).astype(TYPES[format]).astype(F32)
    return np.clip(np.rint(x), -most - 1, most).astype(F32)


def fake_quantize(
    x: np.ndarray, part: dict[str, Any], largest: float | None = None, lowest: float | None = None
) -> np.ndarray:
    """The values [rows, K] that codes and scales stand for. All arithmetic is in f32.

    `largest` is the calibrated magnitude, or with `lowest` the upper end of the range.
    """
    x = x.astype(F32)
    if not part.get("symmetric", True):
        if part.get("dynamic", True):
            return _with_zero_point(x, x.min(initial=0), x.max(initial=0), 0)
        return _with_zero_point(x, lowest, largest, 2.0**-126)
    rows, depth = x.shape
    size, tall = depth, 1
    if part["granularity"] == "block":
        size, *more = part["block"]
        tall = more[0] if more else 1
    if part["granularity"] == "tensor":
        tall = rows
    most = F32(LARGEST[part["format"]])
    padded = np.pad(x, ((0, -rows % tall), (0, -depth % size)))
    cut = padded.reshape(padded.shape[0] // tall, tall, padded.shape[1] // size, size)
    amax = np.abs(cut).max(axis=(1, 3), keepdims=True)
    dynamic = part.get("dynamic", True)
    kind = part.get("scale", "float32")
    if part.get("full-range"):
        flat = cut.swapaxes(1, 2).reshape(cut.shape[0], cut.shape[2], -1)
        first = np.abs(flat).argmax(axis=2, keepdims=True)
        scale = np.take_along_axis(flat, first, axis=2)[:, None, :, :] / -F32(most + 1)
        scale = np.where(np.abs(scale) < F32(2.0**-126), F32(2.0**-126), scale)
    elif kind == "float32":
        scale = np.maximum((amax if dynamic else F32(largest)) / most, F32(2.0**-126))
        scale = np.broadcast_to(scale, amax.shape)
    elif kind == "power-of-two":
        _, exponent = np.frexp(np.maximum(amax, F32(2.0**-100)))
        scale = np.ldexp(F32(1), exponent - 1 - EXPONENT[part["format"]])
    else:
        if part.get("second", "tensor") == "token":
            whole = amax.max(axis=2, keepdims=True)
        else:
            whole = amax.max(keepdims=True) if dynamic else np.full((1,) * 4, largest, F32)
        second = np.maximum(whole / F32(most * 448), F32(2.0**-100))
        first = round_to(amax / most / second, "float8e4m3")
        scale = np.maximum(first, F32(2.0**-9)) * second
    made = round_to(cut / scale, part["format"]) * scale
    return made.astype(F32).reshape(padded.shape)[:rows, :depth]


def _with_zero_point(x: np.ndarray, low: float, high: float, least: float) -> np.ndarray:
    """QuantizeLinear of ONNX with the scale of DynamicQuantizeLinear, and back."""
    low, high = min(F32(0), F32(low)), max(F32(0), F32(high))
    scale = max(F32(F32(high - low) / F32(255)), F32(least))
    if scale == 0:
        return x
    zero = np.rint(np.clip(F32(-low) / scale, 0, 255)).astype(F32)
    codes = np.clip(np.rint(x / scale) + zero, 0, 255).astype(F32)
    return ((codes - zero) * scale).astype(F32)
