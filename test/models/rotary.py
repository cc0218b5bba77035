"""The ways in which graphs write rotary position embedding, on values [batch, heads, seq, dim].

Halves:      pairs (i, i + r/2), the Llama and NeoX order.
Interleaved: pairs (2i, 2i + 1), GPT-J's.
Partial:     only the first r of the dim coordinates turn.
Tables:      "gathered" from constant tables by position, or "computed" from positions by MatMul.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from builder import Builder
from onnx import TensorProto

HEAD_DIM = 8
POSITIONS = 16


@dataclass(frozen=True)
class Tables:
    """Names of cos and sin, [batch or 1, 1, seq, r] or r/2 wide, and of the position ids."""

    cos: str
    sin: str
    positions: str
    turned: int


def angles(turned: int) -> np.ndarray:
    """Return position times frequency, [POSITIONS, turned / 2]."""
    frequency = 1.0 / 100.0 ** (np.arange(0, turned, 2) / turned)
    return np.outer(np.arange(POSITIONS), frequency)


def _widen(kind: str, array: np.ndarray) -> np.ndarray:
    """Repeat half-width tables to full width, in the order in which the form pairs coordinates."""
    if kind == "interleaved":
        return np.repeat(array, 2, axis=-1)
    return np.concatenate([array, array], axis=-1)


def tables(g: Builder, kind: str, source: str, positions: str) -> Tables:
    """Make the tables once for all layers; `positions` is int64 [batch or 1, seq]."""
    turned = 4 if kind == "partial" else HEAD_DIM
    if kind in ("op", "ms_op", "ms_op_interleaved"):
        table = angles(turned)
        cos, sin = g.const(np.cos(table), name="cos"), g.const(np.sin(table), name="sin")
        return Tables(cos, sin, positions, turned)
    if source == "gathered":
        table = _widen(kind, angles(turned))
        names = []
        for label, array in (("cos", np.cos(table)), ("sin", np.sin(table))):
            rows = g.op("Gather", g.const(array, name=label), positions, axis=0)
            names.append(g.unsqueeze(rows, [1]))
        return Tables(names[0], names[1], positions, turned)
    frequency = g.const(angles(turned)[1][None, None, :], np.float32, name="inv_freq")
    column = g.unsqueeze(g.op("Cast", positions, to=TensorProto.FLOAT), [-1])
    half = g.op("MatMul", column, frequency)
    full = g.op("Concat", half, half, axis=-1)
    cos, sin = (g.unsqueeze(g.op(kind_, full), [1]) for kind_ in ("Cos", "Sin"))
    return Tables(cos, sin, positions, turned)


def _rotate_halves(g: Builder, x: str, turned: int, split: bool) -> str:
    half = turned // 2
    if split:
        first, second = g.op("Split", x, g.const([half, half]), outputs=2, axis=-1)
    else:
        first = g.slice(x, 0, half, -1)
        second = g.slice(x, half, np.iinfo(np.int64).max, -1)
    return g.op("Concat", g.op("Neg", second), first, axis=-1)


def _rotate_pairs(g: Builder, x: str, heads: int) -> str:
    even = g.slice(x, 0, np.iinfo(np.int64).max, -1, 2)
    odd = g.slice(x, 1, np.iinfo(np.int64).max, -1, 2)
    stacked = g.op("Concat", g.unsqueeze(g.op("Neg", odd), [-1]), g.unsqueeze(even, [-1]), axis=-1)
    return g.reshape(stacked, [0, heads, -1, HEAD_DIM])


def apply(g: Builder, kind: str, x: str, heads: int, t: Tables) -> str:
    """Return x turned, same shape [batch, heads, seq, dim]."""
    if kind == "op":
        return g.op("RotaryEmbedding", x, t.cos, t.sin, t.positions, interleaved=0)
    if kind.startswith("ms_op"):
        interleaved = int(kind.endswith("interleaved"))
        return g.op(
            "RotaryEmbedding",
            *(x, t.positions, t.cos, t.sin),
            domain="com.microsoft",
            interleaved=interleaved,
        )
    rest = None
    if t.turned < HEAD_DIM:
        rest = g.slice(x, t.turned, np.iinfo(np.int64).max, -1)
        x = g.slice(x, 0, t.turned, -1)
    if kind == "interleaved":
        other = _rotate_pairs(g, x, heads)
    else:
        other = _rotate_halves(g, x, t.turned, split=kind == "split")
    y = g.op("Add", g.op("Mul", x, t.cos), g.op("Mul", other, t.sin))
    return g.op("Concat", y, rest, axis=-1) if rest else y
