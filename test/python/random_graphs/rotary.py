"""Rotary embedding: halves or pairs, whole or part, tables that broadcast in several ways."""

from __future__ import annotations

from .builder import I64, MS, Builder, Dim


def _table_shape(b: Builder, rank: int, seq: Dim, width: int, axis: int) -> list[Dim]:
    """The shape of cos and sin. `axis` is the sequence axis of x, counted from the end."""
    kind = b.rng.random()
    batch: Dim = b.pick(["batch", 1])
    if kind < 0.3:
        return [seq, width]
    if kind < 0.6:
        return [batch, seq, width] if rank == 3 or b.chance(0.4) else [batch, 1, seq, width]
    if kind < 0.75:
        return [1, 1, seq, width] if axis == -2 else [1, seq, 1, width]
    if kind < 0.85:
        return [seq, 1, width]
    if kind < 0.92:
        return [1, width]
    return [width]


def _halves(b: Builder, x: str, d: int, interleaved: bool) -> tuple[str, str]:
    if b.chance(0.15):
        # An axis of two for the pairs, or for the halves; now and then the other one.
        last = interleaved if b.chance(0.95) else not interleaved
        shape = b.slice(b.node("Shape", [x]), 0, 0, -1)
        sizes = [d // 2, 2] if last else [2, d // 2]
        pairs = b.node("Reshape", [x, b.node("Concat", [shape, b.ints(sizes)], axis=0)])
        axis = -1 if last else -2
        first, second = (b.node("Gather", [pairs, b.ints(i)], axis=axis) for i in (0, 1))
        return first, second
    if interleaved:
        return b.slice(x, -1, 0, d, 2), b.slice(x, -1, 1, d, 2)
    if b.chance(0.4):
        first, second = b.node("Split", [x, b.ints([d // 2, d - d // 2])], 2, axis=-1)
        return first, second
    return b.slice(x, -1, 0, d // 2), b.slice(x, -1, d // 2, 2**62)


def _rotate(b: Builder, x: str, d: int) -> str:
    """(-second, first), sometimes in the wrong order."""
    first, second = _halves(b, x, d, False)
    if b.chance(0.05):
        first, second = second, first
    negated = (
        b.node("Neg", [second]) if b.chance(0.8) else b.commuted("Mul", second, b.floats(-1.0))
    )
    if b.chance(0.1):
        # The opposite angle.
        return b.node("Concat", [second, b.node("Neg", [first])], axis=-1)
    return b.node("Concat", [negated, first] if b.chance(0.96) else [first, negated], axis=-1)


def _by_parts(b: Builder, x: str, d: int, cos: str, sin: str, interleaved: bool, shape) -> str:
    first, second = _halves(b, x, d, interleaved)
    products = [b.commuted("Mul", part, t) for part in (first, second) for t in (cos, sin)]
    if b.chance(0.1):
        left = b.commuted("Add", products[0], products[3])
        right = b.node("Sub", [products[2], products[1]])
    else:
        left = b.node("Sub", [products[0], products[3]])
        right = b.commuted("Add", products[2], products[1])
    if not interleaved or b.chance(0.2):
        return b.node("Concat", [left, right], axis=-1)
    stacked = b.node("Concat", [b.unsqueeze(left, -1), b.unsqueeze(right, -1)], axis=-1)
    return b.node("Reshape", [stacked, b.ints(shape)])


def _tables(b: Builder, shape: list[Dim], rank: int) -> tuple[str, str]:
    """Tables that are inputs, or caches that positions index."""
    width = int(shape[-1])
    if b.chance(0.25) and len(shape) >= 2:
        caches = [b.floats(b.rng.standard_normal((16, width)), n) for n in ("cos", "sin")]
        positions = b.input("position_ids", I64, ["batch", "seq"])
        cos, sin = (b.node("Gather", [cache, positions]) for cache in caches)
        if rank == 4:
            axis = 1 if b.chance(0.7) else 2
            cos, sin = (b.unsqueeze(t, axis) for t in (cos, sin))
        return cos, sin
    names = ("cos", "sin")
    cos, sin = (b.input(n, b.element, shape) for n in names)
    if len(shape) == 3 and rank == 4 and b.chance(0.6):
        axis = 1 if b.chance(0.7) else 2
        cos, sin = (b.unsqueeze(t, axis) for t in (cos, sin))
    if b.chance(0.08):
        cos, sin = (b.maybe_cast(t, 1.0) for t in (cos, sin))
    return cos, sin


def _operator(b: Builder, x: str, rank: int, heads: int, d: int) -> str:
    """The runtime's or the standard's operator, with positions of shape [1] or [batch, seq]."""
    half = max(d // 2, 1)
    if rank == 3 and not heads:
        heads = 1
    cos, sin = (b.floats(b.rng.standard_normal((16, half)), n) for n in ("cos", "sin"))
    interleaved = int(b.chance(0.4))
    if b.opset >= 23 and b.chance(0.6):
        count = heads if rank == 3 else None
        if b.chance(0.6):
            positions = b.input("position_ids", I64, ["batch", "seq"])
            parts = [x, cos, sin, positions]
        else:
            tables = [b.input(n, b.element, ["batch", "seq", half]) for n in ("cos", "sin")]
            parts = [x, *tables]
        return b.node("RotaryEmbedding", parts, interleaved=interleaved, num_heads=count)
    shape: list[Dim] = [1] if b.chance(0.4) else ["batch", "seq"]
    positions = b.input("position_ids", I64, shape)
    return b.node(
        "RotaryEmbedding", [x, positions, cos, sin], domain=MS, interleaved=interleaved,
        num_heads=heads if rank == 3 and b.chance(0.8) else None,
    )  # fmt: skip


def rotated(b: Builder, x: str, rank: int, d: int, seq: Dim, axis: int, shape: list[int]) -> str:
    """x with its last axis rotated."""
    interleaved = b.chance(0.3)
    by_parts = interleaved or b.chance(0.3)
    width = d // 2 if by_parts else d
    if b.chance(0.05):
        width = 1
    cos, sin = _tables(b, _table_shape(b, rank, seq, width, axis), rank)
    if by_parts:
        return _by_parts(b, x, d, cos, sin, interleaved, shape)
    turned = b.maybe_cast(_rotate(b, x, d), 0.06)
    straight = b.commuted("Mul", x, cos)
    around = b.commuted("Mul", turned, sin if b.chance(0.97) else cos)
    return b.commuted("Add", straight, around)


def _three_parts(b: Builder, x: str, rank: int, d: int, seq: Dim, axis: int) -> str:
    """A part that is rotated by parts, and one that is not, in one Concat."""
    first, second = b.node("Split", [x, b.ints([d // 2, d - d // 2])], 2, axis=-1)
    before = b.chance(0.5)
    kept, turned = (first, second) if before else (second, first)
    if b.chance(0.1):
        kept, turned = turned, kept
    cos, sin = _tables(b, _table_shape(b, rank, seq, d // 4, axis), rank)
    left, right = _halves(b, turned, d // 2, b.chance(0.5))
    parts = [
        b.node("Sub", [b.commuted("Mul", left, cos), b.commuted("Mul", right, sin)]),
        b.commuted("Add", b.commuted("Mul", right, cos), b.commuted("Mul", left, sin)),
    ]
    return b.node("Concat", [kept, *parts] if before else [*parts, kept], axis=-1)


def graph(b: Builder) -> None:
    """A graph of one rotation on an input of rank 3 or 4."""
    d, heads = int(b.pick([2, 4, 4, 8])), int(b.pick([1, 2, 3, 4]))
    seq: Dim = b.pick(["seq", "seq", 3, heads])
    batch: Dim = b.pick(["batch", 1, 2, heads])
    layout = b.pick(["bhsd", "bhsd", "bshd", "bsd", "hsd"])
    sizes = {
        "bhsd": [batch, heads, seq, d],
        "bshd": [batch, seq, heads, d],
        "bsd": [batch, seq, d],
        "hsd": [heads, seq, d],
    }[layout]
    x = b.input("x", b.element, sizes)
    axis = -3 if layout == "bshd" else -2
    rank = len(sizes)
    if b.chance(0.2):
        b.output(_operator(b, x, rank, heads if d % heads == 0 else 1, d))
        return
    shape = [0] * (rank - 1) + [d]
    if b.chance(0.1) and d >= 4:
        b.output(_three_parts(b, x, rank, d, seq, axis))
        return
    if b.chance(0.2) and d >= 4:
        part, rest = b.slice(x, -1, 0, d // 2), b.slice(x, -1, d // 2, d)
        y = rotated(b, part, rank, d // 2, seq, axis, [0] * (rank - 1) + [d // 2])
        b.output(b.node("Concat", [y, rest], axis=-1))
        return
    y = rotated(b, x, rank, d, seq, axis, shape)
    if layout == "bshd" and b.chance(0.5):
        y = b.node("Transpose", [y], perm=[0, 2, 1, 3])
    b.output(y)
