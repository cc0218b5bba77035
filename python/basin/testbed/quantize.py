"""Fake quantization, round to nearest, in numpy: x -> the value its code stands for, in float32.

Every function works along the last axis of x [rows, K], K the axis that a matrix product sums over:
rows are tokens of an activation, or output channels of a weight. Blocks are cut along K; the last
one is shorter where K is no multiple. Rounding is half to even; an all-zero group stays zero.
Formats: OCP 8-bit and microscaling specifications; NVFP4 as arXiv 2601.22966 uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

E4M3_MAX, E2M1_MAX = 448.0, 6.0


def _e4m3(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -E4M3_MAX, E4M3_MAX).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)


def _e2m1(x: np.ndarray) -> np.ndarray:
    """The nearest of 0, .5, 1, 1.5, 2, 3, 4, 6 with x's sign."""
    size = np.abs(x)
    step = np.where(size < 2, 0.5, np.where(size < 4, 1.0, 2.0)).astype(np.float32)
    return np.sign(x) * np.minimum(np.rint(size / step) * step, E2M1_MAX)


def _safe(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0, scale, 1).astype(np.float32)


def _blocks(x: np.ndarray, size: int) -> np.ndarray:
    """[rows, K] -> [rows, blocks, size], zeros after the end."""
    rows, width = x.shape
    padded = np.pad(x, ((0, 0), (0, -width % size)))
    return padded.reshape(rows, -1, size)


def _amax(x: np.ndarray, per_row: bool) -> np.ndarray:
    return np.abs(x).max(axis=-1, keepdims=True) if per_row else np.abs(x).max(keepdims=True)


def fp8(x: np.ndarray, per_row: bool) -> np.ndarray:
    """E4M3, scale amax / 448 of the row or of the whole tensor."""
    scale = _safe(_amax(x, per_row) / E4M3_MAX)
    return _e4m3(x / scale) * scale


def integer(x: np.ndarray, bits: int) -> np.ndarray:
    """Symmetric integers, scale amax / (2^(bits-1) - 1) of the row."""
    limit = 2 ** (bits - 1) - 1
    scale = _safe(_amax(x, True) / limit)
    return np.clip(np.rint(x / scale), -limit, limit) * scale


def grouped_integer(x: np.ndarray, bits: int, size: int) -> np.ndarray:
    """`integer` in groups of `size` along K."""
    blocks = _blocks(x, size)
    flat = integer(blocks.reshape(-1, size), bits)
    return flat.reshape(len(x), -1)[:, : x.shape[1]]


def nvfp4(x: np.ndarray, per_row: bool) -> np.ndarray:
    """E2M1 in blocks of 16 with E4M3 scales under a float32 one.

    s2 = amax / (6 * 448) of the row (dynamic, activations) or of the tensor (weights);
    s1 = e4m3(amax of the block / 6 / s2); the value is e2m1(x / (s1 s2)) s1 s2.
    """
    second = _safe(_amax(x, per_row) / (E2M1_MAX * E4M3_MAX))[..., None]
    blocks = _blocks(x, 16)
    first = _e4m3(np.abs(blocks).max(axis=-1, keepdims=True) / E2M1_MAX / second)
    scale = first * second
    # A block far below the largest has an E4M3 scale of zero, so all its values are lost.
    values = np.where(scale > 0, _e2m1(blocks / _safe(scale)) * scale, 0)
    return values.reshape(len(x), -1)[:, : x.shape[1]].astype(np.float32)


def mxfp4(x: np.ndarray) -> np.ndarray:
    """E2M1 in blocks of 32, scale 2^(floor(log2 amax) - 2) (OCP MX 1.0, section 6.3)."""
    blocks = _blocks(x, 32)
    _, exponent = np.frexp(np.abs(blocks).max(axis=-1, keepdims=True))
    scale = np.ldexp(np.float32(1), np.clip(exponent - 3, -127, 127)).astype(np.float32)
    return (_e2m1(blocks / scale) * scale).reshape(len(x), -1)[:, : x.shape[1]]


Quantizer = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scheme:
    """What is done to weights [out, K] and to activations [tokens, K]; None leaves them."""

    name: str
    weight: Quantizer | None
    activation: Quantizer | None


SCHEMES = (
    Scheme("fp32", None, None),
    Scheme("FP8 E4M3 W8A8 (w tensor, a token)", lambda w: fp8(w, False), lambda x: fp8(x, True)),
    Scheme("INT8 W8A8 (w channel, a token)", lambda w: integer(w, 8), lambda x: integer(x, 8)),
    Scheme("NVFP4 W4A4 (w tensor, a token)", lambda w: nvfp4(w, False), lambda x: nvfp4(x, True)),
    Scheme("NVFP4 W4A16", lambda w: nvfp4(w, False), None),
    Scheme("INT4 g32 W4A16", lambda w: grouped_integer(w, 4, 32), None),
    Scheme("MXFP4 W4A4", mxfp4, mxfp4),
    Scheme("INT4 W4A4 (w channel, a token)", lambda w: integer(w, 4), lambda x: integer(x, 4)),
)
