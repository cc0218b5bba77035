"""Softmax attention in primitive nodes, with variations of exporters and with near misses."""

from __future__ import annotations

import numpy as np

from . import masks
from .builder import F16, F32, I32, I64, MS, Builder, Dim
from .masks import Scores

# The input shapes of a tensor with heads, by the order of its axes.
LAYOUTS = ("bhsd", "bshd", "bsd", "hsd")


def _heads(
    b: Builder, name: str, layout: str, batch: Dim, heads: int, seq: Dim, d: int
) -> tuple[str, str]:
    """An input that becomes [batch, heads, seq, d] (hsd stays of rank 3), and its layout."""
    if layout == "bhsd":
        return b.input(name, b.element, [batch, heads, seq, d]), layout
    if layout == "hsd":
        return b.input(name, b.element, [batch, seq, d]), layout
    if layout == "bshd":
        x = b.input(name, b.element, [batch, seq, heads, d])
    else:
        x = b.input(name, b.element, [batch, seq, heads * d])
        if b.chance(0.2):
            x = b.node("MatMul", [x, b.weight(heads * d, heads * d, spread=0.5)])
        x = b.node("Reshape", [x, b.ints([0, 0, heads, d])])
    perm = [0, 2, 1, 3] if b.chance(0.95) else b.pick([[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3]])
    return b.node("Transpose", [x], perm=perm), layout


def _repeat(b: Builder, x: str, kv: int, groups: int, d: int) -> str:
    """Key heads for groups of query heads: each repeated in a row (right), or all in turn."""
    if b.chance(0.85):
        x = b.unsqueeze(x, 2)
        target = [1, 1, groups, 1, 1]
    else:
        x = b.unsqueeze(x, 1)
        target = [1, groups, 1, 1, 1]
    if b.chance(0.7):
        x = b.node("Expand", [x, b.ints(target)])
    else:
        x = b.node("Tile", [x, b.ints(target)])
    return (
        b.node("Reshape", [x, b.ints([0, kv * groups, -1, d])])
        if b.chance(0.7)
        else _flat(b, x, kv * groups, d)
    )


def _flat(b: Builder, x: str, heads: int, d: int) -> str:
    shape = b.node("Shape", [x])
    parts = [b.slice(shape, 0, 0, 1), b.ints([heads]), b.slice(shape, 0, 3, 4), b.ints([d])]
    return b.node("Reshape", [x, b.node("Concat", parts, axis=0)])


def _scaled(b: Builder, x: str, factor: float) -> str:
    """x times a factor, as Mul or Div, by constants of several ranks, now and then by integers."""
    shape = b.pick([(), (), (1,), (1, 1, 1, 1), (1, 1, 1)])
    kind = b.rng.random()
    if kind < 0.45:
        return b.commuted("Mul", x, b.floats(np.full(shape, factor)))
    if kind < 0.8:
        return b.node("Div", [x, b.floats(np.full(shape, 1 / factor))])
    if kind < 0.86:
        root = b.node("Sqrt", [b.floats(np.full(shape, 1 / factor**2))])
        return b.node("Div", [x, root])
    if kind < 0.92:
        # The sqrt of an integer, by Casts. sqrt(d) is an integer only if d is a square.
        number = b.const(np.asarray(max(1, round(1 / factor**2)), np.int64))
        root = b.node("Sqrt", [b.cast(number, b.element)])
        if b.chance(0.4):
            root = b.cast(b.cast(root, b.pick([I64, I32])), b.element)
        return b.node("Div", [x, root])
    if kind < 0.96:
        through = b.cast(b.floats(1 / factor), b.pick([I32, I64]))
        return b.node("Div", [x, b.cast(through, b.element)])
    return b.commuted("Mul", x, b.weight(int(b.pick([1, 1, 2]))))


def _scores(b: Builder, q: str, k: str, d: int) -> str:
    """q k^T. The scale is applied before, after, to both factors, or wrongly."""
    factor = 1 / np.sqrt(d) if b.chance(0.8) else float(b.pick([1.0, 0.5, 0.3, 2.0, -1.0]))
    where = b.pick(["before", "after", "split", "none", "after", "both"])
    if where == "before":
        q = _scaled(b, q, factor)
    elif where == "split":
        q, k = _scaled(b, q, np.sqrt(abs(factor))), _scaled(b, k, np.sqrt(abs(factor)))
    elif where == "both":
        q = _scaled(b, q, factor)
    s = b.node("MatMul", [q, k])
    return _scaled(b, s, factor) if where in ("after", "both") else s


def _has_fused(b: Builder) -> bool:
    """Whether ONNX Runtime's operator is drawn, which its CPU provider has in f32."""
    return b.element == F32 and b.chance(0.1)


def _fused_scores(b: Builder, q: str, k: str, d: int) -> str:
    """q k^T in one operator; sometimes with keys that are transposed apart."""
    alpha = float(b.pick([1 / np.sqrt(d), 1.0, -0.5]))
    if b.chance(0.2):
        k = b.node("Transpose", [k], perm=[0, 1, 3, 2] if b.chance(0.8) else [0, 2, 1])
        return b.node("FusedMatMul", [q, k], domain=MS, alpha=alpha)
    return b.node("FusedMatMul", [q, k], domain=MS, alpha=alpha, transB=1)


def _einsum_scores(b: Builder, q: str, k: str, joined: bool) -> str:
    """q k^T as an Einsum, of keys as they are; now and then of letters in a wrong order."""
    equation = b.pick(["xqd,xkd->xqk", "...qd,...kd->...qk"] if joined else
                      ["bhqd,bhkd->bhqk", "bhqd, bhkd -> bhqk", "...qd,...kd->...qk"])  # fmt: skip
    if b.chance(0.1):
        equation = "xqd,xkd->xkq" if joined else "bhqd,bhkd->bhkq"
    if b.chance(0.2) and "." not in equation:
        left, right = equation.replace(" ", "").split("->")
        first, second = left.split(",")
        return b.node("Einsum", [k, q], equation=f"{second},{first}->{right}")
    return b.node("Einsum", [q, k], equation=equation)


def _bias(b: Builder, s: Scores) -> str:
    """A second summand: an input, or weights, larger than the scores now and then."""
    rows: Dim = b.pick([s.queries, s.queries, 1])
    shape = b.pick([[s.heads, rows, s.keys], [rows, s.keys], [1, s.heads, rows, s.keys]])
    if b.chance(0.1):
        shape = [b.pick([s.batch, s.heads]), rows, s.keys]
    bias = b.input("bias", b.element, shape)
    factor = float(b.pick([0.5, 2.0, -1.0]))
    return _scaled(b, bias, factor) if b.chance(0.2) else bias


def _altered(b: Builder, s: Scores) -> str:
    """Scores with what else may stand between their product and the mask."""
    kind = b.rng.random()
    if kind < 0.35:
        both = [s.value, _bias(b, s)]
        value = b.node("Sub", both) if b.chance(0.15) else b.commuted("Add", *both)
        return _scaled(b, value, 0.5) if b.chance(0.3) else value
    if kind < 0.45:
        # A factor for each score, row or head; or the scores divided by a tensor.
        factor = b.input("factor", b.element, masks.mask_shape(b, s))
        if b.chance(0.1):
            return b.node("Div", [s.value, factor])
        return b.commuted("Mul", s.value, factor)
    if kind < 0.6:
        heads = s.heads if b.chance(0.9) else 1
        return b.commuted("Mul", s.value, b.weight(*b.pick([[1], []]), heads, 1, 1, stem="heads"))
    if kind < 0.7:
        low = b.floats(float(b.pick([-3e38, -3e38, -1e4, 0.0])))
        return b.node("Max", [s.value, low])
    shape = b.node("Shape", [s.value])
    rows = b.slice(shape, 0, 2, 4)
    joined = b.node("Reshape", [s.value, b.node("Concat", [b.ints([-1]), rows], axis=0)])
    if b.chance(0.5):
        joined = b.node("Add", [joined, b.floats(np.full((1, 1, 1), 0.5))])
    return b.node("Reshape", [joined, shape])


def _row(b: Builder, op: str, value: str) -> str:
    """A number for each row: with its axis, or with an axis that is lost and added again."""
    if b.chance(0.7):
        return b.reduce(op, value, [-1])
    row = b.reduce(op, value, [-1], keepdims=0)
    if b.chance(0.1):
        return row
    row = b.unsqueeze(row, -1)
    return b.node("Expand", [row, b.node("Shape", [value])]) if b.chance(0.3) else row


def _written_softmax(b: Builder, s: str, heads: int, joined: bool) -> str:
    """exp(s) / sum(exp(s)), with or without a sink in the sum, in a right or a wrong way."""
    top, sink = None, None
    logit = b.weight(1, heads, 1, 1, stem="sink")
    if b.chance(0.6):
        top = _row(b, "ReduceMax", s)
        if not joined and b.chance(0.3):
            top = b.commuted("Max", top, logit if b.chance(0.6) else b.floats(0.0))
        s = b.node("Sub", [s, top])
    e = b.node("Exp", [s])
    total = _row(b, "ReduceSum", e)
    if not joined and b.chance(0.5):
        kind = b.rng.random()
        if kind < 0.3:
            sink = b.floats(float(b.pick([1.0, 1.0, 2.0, -1.0])))
        elif kind < 0.6 and top is not None:
            sink = b.node("Exp", [b.node("Neg", [top])])
        elif top is not None and b.chance(0.9):
            sink = b.node("Exp", [b.node("Sub", [logit, top])])
        else:
            sink = b.node("Exp", [logit])
        total = b.commuted("Add", total, sink)
    if b.chance(0.2):
        return b.commuted("Mul", e, b.node("Reciprocal", [total]))
    return b.node("Div", [e, total])


def _softmax(b: Builder, s: str) -> str:
    axis = -1 if b.chance(0.9) else b.pick([3, None, -2, 1])
    if b.chance(0.15):
        top = b.reduce("ReduceMax", s, [-1]) if b.chance(0.9) else b.reduce("ReduceMax", s, [-2])
        s = b.node("Sub", [s, top])
    if b.chance(0.2):
        wide = b.cast(s, F32)
        return b.cast(b.node("Softmax", [wide], axis=axis), b.element)
    return b.node("Softmax", [b.maybe_cast(s, 0.05)], axis=axis)


def _sink_column(b: Builder, s: str, heads: int) -> tuple[str, bool]:
    """One logit a head beside the scores, first or last."""
    if b.chance(0.25):
        number, last = float(b.pick([0.0, 0.0, 1.5])), b.chance(0.7)
        width = 1 if b.chance(0.9) else 2
        pads = [0, 0, 0, 0 if last else width, 0, 0, 0, width if last else 0]
        return b.node("Pad", [s, b.ints(pads), b.floats(number)]), last
    logit = b.weight(1, heads, 1, 1, stem="sink") if b.chance(0.9) else b.weight(1, 1, 1, heads)
    if b.chance(0.3):
        logit = b.node("Reshape", [b.weight(heads, stem="sink"), b.ints([1, -1, 1, 1])])
    shape = b.node("Shape", [s])
    rows = b.node("Concat", [b.slice(shape, 0, 0, 3), b.ints([1])], axis=0)
    column = b.node("Expand", [logit, rows])
    last = b.chance(0.7)
    return b.node("Concat", [s, column] if last else [column, s], axis=-1), last


def _cut(b: Builder, p: str, last: bool) -> str:
    if b.chance(0.06):
        last = not last
    return b.slice(p, -1, 0, -1) if last else b.slice(p, -1, 1, 2**62)


def _rows(b: Builder, x: str, kv: int, d: int, n: int, batch: Dim) -> str:
    """Learned rows before keys or values."""
    rows = b.weight(1, kv, n, d, stem="rows")
    if batch != 1:
        shape = b.node(
            "Concat", [b.slice(b.node("Shape", [x]), 0, 0, 1), b.ints([1, 1, 1])], axis=0
        )
        rows = b.node("Expand", [rows, shape])
    return b.node("Concat", [rows, x] if b.chance(0.93) else [x, rows], axis=2)


def _turn_keys(b: Builder, k: str, layout: str) -> str:
    """Keys with their last two axes changed places; now and then by another permutation."""
    if layout == "hsd":
        return b.node("Transpose", [k], perm=[0, 2, 1])
    perm = [0, 1, 3, 2] if b.chance(0.95) else b.pick([[0, 1, 2, 3], [1, 0, 3, 2], [0, 3, 1, 2]])
    return b.node("Transpose", [k], perm=perm)


def _sizes(b: Builder) -> tuple[Dim, int, int, int, Dim, Dim]:
    """batch, query heads, key heads, head dim, queries, keys."""
    kv = int(b.pick([1, 2, 2, 3]))
    heads = kv * int(b.pick([1, 1, 2, 3]))
    d = int(b.pick([1, 2, 4, 4, 8]))
    queries: Dim = b.pick(["seq", "seq", "seq", 4, 3, heads])
    keys: Dim = b.pick([queries, queries, "other", 5, 2, d])
    batch: Dim = b.pick(["batch", "batch", 1, 2, heads])
    return batch, heads, kv, d, queries, keys


def attend(b: Builder) -> str:
    """One attention over inputs."""
    batch, heads, kv, d, queries, keys = _sizes(b)
    layout = b.pick(["bhsd", "bhsd", "bshd", "bsd", "bsd", "hsd"])
    q, lq = _heads(b, "q", layout, batch, heads, queries, d)
    if layout != "hsd" and b.chance(0.2):
        layout = b.pick(["bhsd", "bshd", "bsd"])
    if b.chance(0.05) and layout == lq and heads == kv and keys == queries:
        k = v = q
    else:
        k, _ = _heads(b, "k", layout, batch, kv, keys, d)
        v, _ = _heads(b, "v", layout, batch, kv, keys, d)
    total = keys
    if lq != "hsd" and b.chance(0.15):
        past = [b.input(f"past_{n}", b.element, [batch, kv, "past", d]) for n in ("key", "value")]
        k, v = (b.node("Concat", [p, x], axis=2) for p, x in zip(past, (k, v)))
        total = "past + " + str(keys) if isinstance(keys, str) else "total"
        if b.chance(0.6):
            b.output(k)
            b.output(v)
    counted = k
    if total == keys and lq != "hsd" and b.chance(0.08):
        rows = int(b.pick([1, 2]))
        k, v = (_rows(b, x, kv, d, rows, batch) for x in (k, v))
    if lq != "hsd" and heads != kv:
        k, v = (_repeat(b, x, kv, heads // kv, d) for x in (k, v))
    if _has_fused(b):
        s = _fused_scores(b, q, k, d)
    elif b.chance(0.1):
        s = _einsum_scores(b, q, k, lq == "hsd")
    else:
        s = _scores(b, q, _turn_keys(b, k, lq), d)
    if b.chance(0.1):
        cap = float(b.pick([5.0, 30.0]))
        inner = b.node("Div", [s, b.floats(cap)])
        s = b.commuted("Mul", b.node("Tanh", [inner]), b.floats(cap if b.chance(0.9) else 2 * cap))
    if lq != "hsd" and b.chance(0.2):
        s = _altered(b, Scores(s, batch, heads, queries, total, (q, counted)))
    if b.chance(0.7) and lq != "hsd":
        s = masks.apply(b, Scores(s, batch, heads, queries, total, (q, counted)))
        if b.chance(0.2):
            s = _altered(b, Scores(s, batch, heads, queries, total, (q, counted)))
    elif b.chance(0.3) and lq == "hsd":
        mask = b.input("mask", b.element, [b.pick([batch, 1]), queries, keys])
        s = b.commuted("Add", s, mask)
    column = lq != "hsd" and b.chance(0.12)
    if column:
        s, last = _sink_column(b, s, heads)
    if not column and b.chance(0.15):
        p = _written_softmax(b, s, heads, lq == "hsd")
    else:
        p = _softmax(b, s)
    if column:
        p = _cut(b, p, last)
    if b.chance(0.15):
        p = b.node("Where", [b.node("IsNaN", [p]), b.floats(0.0), p])
    if b.chance(0.05):
        b.output(p)
    if _has_fused(b):
        y = b.node("FusedMatMul", [p, v], domain=MS, alpha=float(b.pick([1.0, 1.0, 2.0])))
    else:
        y = b.node("MatMul", [b.maybe_cast(p, 0.05), v])
    return _finish(b, y, lq, heads, d)


def _finish(b: Builder, y: str, layout: str, heads: int, d: int) -> str:
    """y as [batch, seq, heads * d], sometimes with a gate, or unchanged."""
    if layout == "hsd" or b.chance(0.3):
        return y
    y = b.node("Transpose", [y], perm=[0, 2, 1, 3])
    if b.chance(0.85):
        y = b.node("Reshape", [y, b.ints([0, 0, heads * d])])
        if b.chance(0.15):
            gate = b.input("gate", b.element, ["batch", "seq", heads * d])
            y = b.commuted("Mul", y, b.node("Sigmoid", [gate]))
    return y


def graph(b: Builder) -> None:
    """A graph of one attention."""
    if b.chance(0.06):
        b.element = F16
    b.output(attend(b))
