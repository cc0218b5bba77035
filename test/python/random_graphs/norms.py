"""Norms: root mean square and layer, in the ways that exporters and near misses write them."""

from __future__ import annotations

import numpy as np

from .builder import F8, F32, I32, I64, MS, Builder


def _epsilon(b: Builder) -> str:
    """An epsilon of several ranks and forms, among them an integer and one cast to it and back."""
    value = b.pick([1e-5, 1e-6, 1e-5, 1e-12, 0.0, 1.0, 2.5, 1e-2])
    shape = b.pick([(), (), (1,), (1, 1), (1, 1, 1)])
    eps = b.floats(np.full(shape, value), "eps")
    kind = b.rng.random()
    if kind < 0.04:
        return b.cast(b.const(np.full(shape, int(np.ceil(value)), np.int64)), b.element)
    if kind < 0.08:
        return b.cast(b.cast(eps, b.pick([I32, I64, F8])), b.element)
    if kind < 0.12:
        return b.node("Mul", [eps, b.floats(2.0)])
    if kind < 0.15:
        return b.node("Add", [eps, b.floats(0.0)])
    return eps


def _vector(b: Builder, d: int, rank: int) -> str:
    """A weight of mostly d elements, sometimes of one, of a high rank or of another size."""
    kind = b.rng.random()
    if kind < 0.72:
        return b.weight(d, stem="gamma")
    if kind < 0.79:
        return b.weight(*((1,) * (max(rank, 1) - 1)), d, stem="gamma")
    if kind < 0.84:
        return b.weight(*([1] * rank), d, stem="gamma")
    if kind < 0.88:
        return b.weight(*b.pick([(), (1,), (1, 1)]), stem="gamma")
    if kind < 0.92:
        return b.weight(d, d, stem="gamma")
    if kind < 0.96:
        return b.weight(2, 1, d, stem="gamma")
    return b.weight(d, 1, stem="gamma")


def _square(b: Builder, x: str) -> str:
    kind = b.rng.random()
    if kind < 0.45:
        return b.node("Mul", [x, x])
    power = b.pick([2.0, 2.0, 2.0, 2.0, 3.0, 1.0]) if kind > 0.9 else 2.0
    exponent = b.floats(power) if b.chance(0.8) else b.const(np.array([power], np.float32))
    return b.node("Pow", [x, exponent])


def _axes(b: Builder, rank: int) -> list[int]:
    kind = b.rng.random()
    if kind < 0.85:
        return [-1]
    if kind < 0.93:
        return [rank - 1]
    return b.pick([[0], [-2], [-2, -1], [rank - 2]]) if rank > 1 else [0]


def _root(b: Builder, numerator: str, variance: str) -> str:
    """numerator / sqrt(variance), in its many ways."""
    kind = b.pick(["div", "recip", "pow", "one", "div", "recip", "half"])
    if kind == "pow":
        return b.commuted("Mul", numerator, b.node("Pow", [variance, b.floats(-0.5)]))
    if kind == "half":
        return b.node("Div", [numerator, b.node("Pow", [variance, b.floats(0.5)])])
    root = b.maybe_cast(b.node("Sqrt", [variance]), 0.04)
    if kind == "div":
        return b.node("Div", [numerator, root])
    if kind == "recip":
        return b.commuted("Mul", numerator, b.node("Reciprocal", [root]))
    one = b.floats(1.0 if b.chance(0.9) else 2.0)
    return b.commuted("Mul", numerator, b.node("Div", [one, root]))


def decomposed(b: Builder, x: str, d: int, rank: int, layer: bool) -> str:
    """A norm in primitive nodes."""
    source = x
    if b.chance(0.15):
        source = b.commuted("Mul", x, _vector(b, d, rank))  # a pre-affine vector
    working = b.cast(source, b.pick([F32, F32, b.element])) if b.chance(0.2) else source
    wide, b.element = b.element, (F32 if working != source else b.element)
    axes = _axes(b, rank)
    if layer:
        mean = b.maybe_cast(b.reduce("ReduceMean", working, axes), 0.05)
        centred = b.node("Sub", [working, mean])
        other = centred
        if b.chance(0.2):
            other = b.node("Sub", [working, b.reduce("ReduceMean", working, axes)])
    else:
        centred = other = working
    square = b.maybe_cast(_square(b, b.maybe_cast(centred, 0.04)), 0.04)
    variance = b.maybe_cast(b.reduce("ReduceMean", square, axes, 1 if b.chance(0.97) else 0), 0.05)
    if b.chance(0.95):
        variance = b.commuted("Add", variance, _epsilon(b))
    y = b.maybe_cast(_root(b, other, variance), 0.05)
    b.element = wide
    if working != source:
        y = b.cast(y, b.element)
    if b.chance(0.85):
        y = b.commuted("Mul", y, _vector(b, d, rank))
    if b.chance(0.8 if layer else 0.1):
        y = b.commuted("Add", y, _vector(b, d, rank))
    if b.chance(0.06):
        b.output(b.pick([square, variance, centred]))
    return b.maybe_cast(y, 0.05)


def fused(b: Builder, x: str, d: int, rank: int, layer: bool) -> str:
    """A norm as one operator."""
    eps = b.pick([1e-5, 1e-6, 1e-2])
    axis = b.pick([None, -1, -1, -1, rank - 1] + ([-2, 1] if b.chance(0.2) else []))
    weight = b.weight(d, stem="gamma") if b.chance(0.9) else _vector(b, d, rank)
    if layer:
        bias = [b.weight(d, stem="beta")] if b.chance(0.7) else []
        return b.node("LayerNormalization", [x, weight, *bias], axis=axis, epsilon=eps)
    op = "RMSNormalization" if b.opset >= 23 and b.chance(0.7) else "SimplifiedLayerNormalization"
    extra = {} if op == "RMSNormalization" else {"stash_type": 1}
    return b.node(op, [x, weight], axis=axis, epsilon=eps, **extra)


def skip(b: Builder, x: str, residual: str, d: int, layer: bool) -> tuple[str, str]:
    """A Skip operator: its normalized value and its sum. Its vectors may be one initializer."""
    gamma = b.weight(d, stem="gamma")
    vectors = [gamma]
    if layer:
        vectors.append(gamma if b.chance(0.15) else b.weight(d, stem="beta"))
    if b.chance(0.4):
        if layer and len(vectors) == 1:
            vectors.append("")
        vectors.append(b.pick(vectors) if b.chance(0.4) else b.weight(d, stem="bias"))
    op = "SkipLayerNormalization" if layer else "SkipSimplifiedLayerNormalization"
    name, total = b.name("skip"), b.name("sum")
    from onnx import helper

    node = helper.make_node(
        op, [x, residual, *vectors], [name, "", "", total], domain=MS, epsilon=b.pick([1e-5, 1e-2])
    )
    b.nodes.append(node)
    return name, total


def norm(b: Builder, x: str, d: int, rank: int) -> str:
    """A norm of any form over x [..., d]."""
    layer = b.chance(0.5)
    if b.chance(0.25):
        return fused(b, x, d, rank, layer)
    return decomposed(b, x, d, rank, layer)


def graph(b: Builder) -> None:
    """A graph of one or two norms on an input of any rank."""
    d = int(b.pick([1, 2, 3, 4, 8]))
    rank = int(b.pick([1, 2, 3, 3, 3, 4, 5]))
    dims: list = ["batch", "seq", "other", 2][: rank - 1]
    last = d if b.chance(0.9) else "width"
    if b.chance(0.3):
        dims = [int(b.pick([1, 2, 3, d])) for _ in dims]
    x = b.input("x", b.element, [*dims, last])
    if b.chance(0.2) and rank >= 3:
        other = x if b.chance(0.3) else b.input("residual", b.element, [*dims, last])
        y, total = skip(b, x, other, d, b.chance(0.5))
        if b.chance(0.5):
            b.output(total)
    else:
        y = norm(b, x, d, rank)
    if b.chance(0.25):
        y = norm(b, y, d, rank)
    b.output(y)
