"""Masks for scores [batch, heads, queries, keys]: causal or nearly so, padding, windows, fills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .builder import BOOL, F8, F32, I32, I64, Builder, Dim


@dataclass
class Scores:
    """The scores to mask, and their sizes.

    `sources` are values of four axes whose third axis has the size of the queries and of the keys.
    """

    value: str
    batch: Dim
    heads: int
    queries: Dim
    keys: Dim
    sources: tuple[str, str]


LOW = (-np.inf, -1e4, -65504.0, float(np.finfo(np.float32).min), -1e9, -1e4, -100.0, -10.0)


def _fill(b: Builder) -> float:
    value = float(b.pick(LOW))
    return max(value, -65504.0) if b.element != F32 and np.isfinite(value) else value


def _size(b: Builder, s: Scores, axis: int) -> str:
    """The number of queries (-2) or keys (-1) as an i64 scalar, from some value's shape."""
    known = s.queries if axis == -2 else s.keys
    if isinstance(known, int) and b.chance(0.5):
        return b.ints(known)
    if b.chance(0.1):
        return b.node("Gather", [b.node("Shape", [s.value]), b.ints(4 + axis)])
    shape = b.node("Shape", [s.sources[axis + 2]])
    return b.node("Gather", [shape, b.ints(2)])


def _both_sizes(b: Builder, s: Scores) -> str:
    """[queries, keys]."""
    if b.chance(0.1):
        return b.node("Slice", [b.node("Shape", [s.value]), b.ints([2]), b.ints([4])])
    parts = [b.unsqueeze(_size(b, s, axis), 0) for axis in (-2, -1)]
    return b.node("Concat", parts, axis=0)


def _range(b: Builder, count: str) -> str:
    start = b.ints(0 if b.chance(0.92) else 1)
    step = b.ints(1 if b.chance(0.95) else 2)
    return b.node("Range", [start, count, step])


def _compared(b: Builder, s: Scores) -> str:
    """keep [queries, keys] by comparisons of Ranges, sometimes off by one or of other axes."""
    keys = b.unsqueeze(_range(b, _size(b, s, -1)), 0)
    counted = _size(b, s, -2)
    rows = _range(b, counted)
    kind = b.rng.random()
    if kind < 0.4:
        # Positions begin after the past, so the triangle is aligned at the end.
        past = b.node("Sub", [_size(b, s, -1), counted])
        rows = b.commuted("Add", rows, past)
    elif kind < 0.5:
        rows = b.commuted("Add", rows, b.ints(b.pick([0, 1, 2])))
    rows = b.unsqueeze(rows, 1)
    if b.chance(0.1):
        keys = b.cast(b.cast(keys, b.pick([BOOL, I32, F8, F32])), I64)
    if b.chance(0.05):
        keys, rows = rows, keys
    if b.chance(0.15):
        near = b.node("Less", [b.node("Sub", [rows, keys]), b.ints(b.pick([1, 2, 3]))])
        seen = b.node("LessOrEqual", [keys, rows])
        return b.commuted("And", seen, near)
    op, flip = b.pick([("LessOrEqual", False), ("GreaterOrEqual", True), ("Less", False)])
    return b.node(op, [rows, keys] if flip else [keys, rows])


def _triangle(b: Builder, s: Scores) -> str:
    """A constant triangle, cut to size by Slices: keep, boolean."""
    n = int(b.pick([8, 12]))
    k = int(b.pick([0, 0, 0, 0, 1, -1]))
    table = np.tril(np.ones((n, n), bool), k)
    if b.chance(0.1):
        table = table.T.copy()
    value = b.const(table.reshape(b.pick([(n, n), (1, 1, n, n)])), "tri")
    total, new = _size(b, s, -1), _size(b, s, -2)
    end = b.node("Reshape", [total, b.ints([1])])
    first = b.node("Reshape", [b.node("Sub", [total, new]), b.ints([1])])
    kind = b.rng.random()
    row_start, row_end = (
        (first, end) if kind < 0.7 else (b.ints([0]), b.node("Reshape", [new, b.ints([1])]))
    )
    steps = [b.ints([1 if b.chance(0.9) else 2])] if b.chance(0.4) else []
    value = b.node("Slice", [value, row_start, row_end, b.ints([-2]), *steps])
    column = b.ints([0 if b.chance(0.92) else 1])
    steps = [b.ints([1 if b.chance(0.9) else 2])] if b.chance(0.4) else []
    return b.node("Slice", [value, column, end, b.ints([-1]), *steps])


def _trilu(b: Builder, s: Scores) -> str:
    """Trilu of ones as wide as the scores: keep, boolean."""
    shape = _both_sizes(b, s)
    if b.chance(0.15):
        shape = b.node("Concat", [b.ints([1, 1]), shape], axis=0)
    element = b.pick([I32, I64, F32])
    one = b.pick([1, 1, 1, 0, 2])
    value = _tensor(one, element)
    ones = b.node("ConstantOfShape", [shape], value=value)
    upper = 1 if b.chance(0.3) else 0
    k = b.pick([None, 0, 0, 1, -1])
    parts = [ones] + ([b.ints(k)] if k is not None else [])
    kept = b.node("Trilu", parts, upper=upper)
    kept = b.cast(kept, BOOL)
    return b.node("Not", [kept]) if upper and b.chance(0.8) else kept


def _tensor(value: float, element: int):
    from onnx import helper

    return helper.make_tensor("v", element, [1], [value])


def mask_shape(b: Builder, s: Scores) -> list[Dim]:
    """The shape of a mask that is an input: rank 2 to 5, broadcast or larger than the scores."""
    kind = b.rng.random()
    heads: Dim = s.heads if b.chance(0.3) else 1
    if kind < 0.6:
        return [s.batch, heads, b.pick([s.queries, s.queries, 1]), s.keys]
    if kind < 0.75:
        return [b.pick([s.queries, 1]), s.keys]
    if kind < 0.85:
        return [heads, b.pick([s.queries, 1]), s.keys]
    if kind < 0.92:
        return [1, 1, s.queries, 1 if b.chance(0.5) else s.keys]
    if kind < 0.96:
        return [b.pick([1, 2]), s.batch, heads, s.queries, s.keys]
    return [s.keys]


def _padding(b: Builder, s: Scores) -> str:
    """A boolean mask from an input: a 2-D attention_mask of tokens, or one of the scores' rank."""
    if b.chance(0.5):
        name = "attention_mask"
        element = b.pick([I64, BOOL, I32])
        value = b.input(name, element, [s.batch, s.keys])
        keep = value if element == BOOL else b.cast(value, BOOL)
        return b.unsqueeze(keep, 1, 2) if b.chance(0.9) else b.unsqueeze(keep, 0, 1)
    return b.input("mask", BOOL, mask_shape(b, s))


def keep_mask(b: Builder, s: Scores) -> str:
    """A boolean mask that is true for each key that is seen (or should be)."""
    parts = []
    kinds = [_compared, _triangle, _trilu, None]
    maker = b.pick(kinds)
    if maker is not None:
        parts.append(maker(b, s))
    if maker is None or b.chance(0.4):
        parts.append(_padding(b, s))
    keep = parts[0]
    for part in parts[1:]:
        keep = b.commuted("And" if b.chance(0.93) else "Or", keep, part)
    if b.chance(0.08):
        keep = b.cast(b.cast(keep, b.pick([F32, I32, I64])), BOOL)
    return keep


def _additive(b: Builder, keep: str, fill: float) -> str:
    """A boolean mask as summands."""
    low, zero = b.floats(fill), b.floats(0.0)
    kind = b.rng.random()
    if kind < 0.5:
        return b.node("Where", [keep, zero, low])
    if kind < 0.7:
        return b.node("Where", [b.node("Not", [keep]), low, zero])
    if not np.isfinite(fill):
        return b.node("Where", [keep, zero, low])
    inverted = b.node("Sub", [b.floats(1.0), b.cast(keep, b.element)])
    return b.commuted("Mul", inverted, low)


def apply(b: Builder, s: Scores) -> str:
    """Masked scores."""
    kind = b.rng.random()
    fill = _fill(b)
    if kind < 0.12:
        mask = b.input("mask", b.element, mask_shape(b, s))
        return b.commuted("Add", s.value, b.maybe_cast(mask, 0.1, ints=False))
    if kind < 0.2:
        # A Trilu of the fill itself, as older exporters write it.
        shape = _both_sizes(b, s)
        low = b.node("Expand", [b.floats(fill if np.isfinite(fill) else -1e9), shape])
        k = b.pick([1, 1, 1, 0, 2])
        tri = b.node("Trilu", [low, b.ints(k)], upper=1 if b.chance(0.9) else 0)
        masked = b.commuted("Add", s.value, tri)
        if b.chance(0.2):
            return b.commuted("Add", masked, _additive(b, _padding(b, s), fill))
        return masked
    keep = keep_mask(b, s)
    if kind < 0.5:
        masked = b.node("Where", [keep, s.value, b.floats(fill)])
        if b.chance(0.1):
            second = b.floats(fill if b.chance(0.8) else -1e30)
            return b.node("Where", [keep_mask_again(b, s), masked, second])
        return masked
    if kind < 0.62:
        return b.node("Where", [b.node("Not", [keep]), b.floats(fill), s.value])
    mask = _additive(b, keep, fill)
    if b.chance(0.12):
        mask = b.commuted("Add", mask, _additive(b, keep_mask_again(b, s), fill))
    return b.commuted("Add", s.value, mask)


def keep_mask_again(b: Builder, s: Scores) -> str:
    """A second mask that needs no further input."""
    return b.pick([_compared, _trilu])(b, s)
