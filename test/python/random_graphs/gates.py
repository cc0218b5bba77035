"""Low-rank self-gates and dynamic tanh."""

from __future__ import annotations

from .builder import Builder, Dim


def _swish(b: Builder, x: str) -> str:
    if b.opset >= 24 and b.chance(0.5):
        return b.node("Swish", [x])
    return b.commuted("Mul", x, b.node("Sigmoid", [x]))


def gate(b: Builder, x: str, d: int) -> str:
    """act(swish(x W + a) U + b) * x, with and without a and b."""
    r, width = int(b.pick([1, 2, 3])), d if b.chance(0.7) else 1
    low = b.node("MatMul", [b.maybe_cast(x, 0.05), b.weight(d, r)])
    if b.chance(0.2):
        low = b.commuted("Add", low, b.weight(*b.pick([(), (1,), (r,), (r,), (1, r)])))
    score = b.node("MatMul", [_swish(b, low), b.weight(r, width)])
    if b.chance(0.2):
        shapes = [(), (1,), (width,), (width,), (1, width), (d,)]
        score = b.commuted("Add", score, b.weight(*b.pick(shapes)))
    act = b.pick(["Sigmoid", "Sigmoid", "Tanh", "silu", "none"])
    if act == "silu":
        score = _swish(b, score)
    elif act != "none":
        score = b.node(act, [b.maybe_cast(score, 0.06)])
    return b.commuted("Mul", b.maybe_cast(score, 0.05), x)


def dyt(b: Builder, x: str, d: int, rank: int) -> str:
    """gamma * f(alpha * x + shift) + beta, where f is tanh or erf."""
    alpha = b.weight(*b.pick([(), (1,), (1,), (1, 1), (d,)]), stem="alpha")
    inner = b.maybe_cast(b.commuted("Mul", x, alpha), 0.06)
    if b.chance(0.3):
        shift = b.weight(*b.pick([(), (1,), (1,), (1, 1), (d,)]), stem="shift")
        inner = b.maybe_cast(b.commuted("Add", inner, shift), 0.06)
    y = b.maybe_cast(b.node(b.pick(["Tanh", "Tanh", "Erf"]), [inner]), 0.06)
    shapes = [(d,), (d,), (d,), (1,), (1, d), (d, d), (1,) * rank + (d,)]
    y = b.commuted("Mul", y, b.weight(*b.pick(shapes), stem="gamma"))
    return b.commuted("Add", y, b.weight(*b.pick(shapes[:4]), stem="beta")) if b.chance(0.6) else y


def graph(b: Builder) -> None:
    """A graph of a gate, a dynamic tanh, or both."""
    d, rank = int(b.pick([1, 2, 4])), int(b.pick([1, 2, 3, 4]))
    dims: list[Dim] = ["batch", "seq", "other"][: rank - 1]
    x = b.input("x", b.element, [*dims, d])
    kind = b.rng.random()
    y = gate(b, x, d) if kind < 0.5 else dyt(b, x, d, rank)
    if kind > 0.85:
        y = gate(b, y, d)
    b.output(y)
