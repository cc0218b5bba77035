"""Whole blocks: residual streams from an embedding to a head, used as they are and in odd ways."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from . import gates, norms
from .builder import BF16, F8, F16, I32, I64, Builder


class Stream:
    """A residual stream of `d` dimensions: its value, and what is shared along it."""

    def __init__(self, b: Builder, d: int) -> None:
        self.b = b
        self.d = d
        self.value = ""
        self.table: str | None = None
        self.shared: list[str] = []

    def vector(self) -> str:
        """A vector of d elements, which sometimes has other uses as well."""
        b = self.b
        if self.shared and b.chance(0.3):
            return b.pick(self.shared)
        name = b.weight(self.d, stem="vector")
        self.shared.append(name)
        return name


def _start(b: Builder, d: int) -> Stream:
    """A stream from token ids, sometimes with positions, or from a float input."""
    s = Stream(b, d)
    kind = b.rng.random()
    if kind < 0.65:
        ids = b.input("input_ids", I64, ["batch", "seq"])
        s.table = b.weight(11, d, stem="table")
        s.value = b.node("Gather", [s.table, ids])
        if b.chance(0.3):
            positions = b.input("position_ids", I64, ["batch", "seq"])
            places = b.weight(16, d, stem="places")
            s.value = b.commuted("Add", s.value, b.node("Gather", [places, positions]))
        if b.chance(0.2):
            s.value = b.commuted("Mul", s.value, b.floats(b.pick([2.0, 0.5, 3.0, np.sqrt(d)])))
    elif kind < 0.9:
        s.value = b.input("x", b.element, ["batch", "seq", d])
    else:
        last = "width" if b.chance(0.5) else d
        s.value = b.input("x", b.element, ["batch", "seq", last])
    return s


def _normed(s: Stream) -> str:
    """The stream through a norm (or a dynamic tanh)."""
    b = s.b
    kind = b.rng.random()
    if kind < 0.55:
        layer = b.chance(0.5)
        weights = [s.vector()] + ([s.vector()] if layer and b.chance(0.7) else [])
        op = "LayerNormalization" if layer else "SimplifiedLayerNormalization"
        return b.node(op, [s.value, *weights], axis=-1, epsilon=b.pick([1e-5, 1e-2, 1e-6]))
    if kind < 0.93:
        return norms.decomposed(b, s.value, s.d, 3, b.chance(0.5))
    return gates.dyt(b, s.value, s.d, 3)


def _activated(b: Builder, x: str, d: int) -> str:
    """A projection of x and an activation, or SwiGLU with its factors in any order."""
    g = b.node("MatMul", [x, b.weight(d, 2 * d, spread=0.5)])
    if b.chance(0.7):
        return b.node(b.pick(["Relu", "Tanh", "Sigmoid"]), [g])
    if b.chance(0.3):
        g = b.commuted("Add", g, b.weight(2 * d))
    u = g if b.chance(0.1) else b.node("MatMul", [x, b.weight(d, 2 * d, spread=0.5)])
    scores = b.maybe_cast(b.node("Sigmoid", [b.maybe_cast(g, 0.1)]), 0.1)
    one, two, three = b.pick([(g, scores, u), (g, u, scores), (scores, u, g)])
    return b.commuted("Mul", b.commuted("Mul", one, two), three)


def _mixed(s: Stream, x: str) -> str:
    """A block's computation from the normed stream, with the product that writes the stream."""
    b, d = s.b, s.d
    inner = _activated(b, x, d)
    kind = b.rng.random()
    if kind < 0.6:
        y = b.node("MatMul", [inner, b.weight(2 * d, d, spread=0.5)])
        if b.chance(0.4):
            y = b.commuted("Add", y, s.vector())
        return y
    if kind < 0.7:
        weight = b.weight(d, 2 * d, spread=0.5)
        return b.node("MatMul", [inner, b.node("Transpose", [weight], perm=[1, 0])])
    if kind < 0.76:
        # The product with a vector is one number for each token, broadcast to the stream.
        return b.unsqueeze(b.node("MatMul", [inner, b.weight(2 * d)]), -1)
    if kind < 0.84:
        flat = b.node("Reshape", [inner, b.ints([-1, 2 * d])])
        y = b.node(
            "Gemm", [flat, b.weight(2 * d, d, spread=0.5), s.vector()], alpha=b.pick([1.0, 0.5])
        )
        return b.node("Reshape", [y, b.node("Shape", [s.value])])
    if kind < 0.9:
        y = b.node("MatMul", [inner, b.weight(2 * d, d, spread=0.5)])
        return b.commuted("Mul", y, b.pick([b.floats(0.5), s.vector(), b.floats(3.0)]))
    if kind < 0.95:
        return b.commuted("Mul", x, b.node("Sigmoid", [x]))
    y = b.node("MatMul", [inner, b.weight(2 * d, d, spread=0.5)])
    return _normed_value(s, y)


def _normed_value(s: Stream, y: str) -> str:
    """A norm before the addition."""
    weight = s.vector()
    return s.b.node("SimplifiedLayerNormalization", [y, weight], axis=-1, epsilon=1e-5)


def _odd(s: Stream) -> None:
    """Something unusual between two blocks."""
    b, x = s.b, s.value
    kind = int(b.rng.integers(17))
    if kind == 0:
        s.value = b.node("Add", [x, x])
    elif kind == 1:
        s.value = b.cast(b.cast(x, b.pick([F8, I32, F16, BF16])), b.element)
    elif kind == 2:
        bounds = [b.floats(-b.pick([1.0, 5.0, 60000.0])), b.floats(b.pick([2.0, 60000.0]))]
        s.value = b.node("Clip", [x, *bounds])
    elif kind == 3:
        s.value = b.node("Identity", [x])
    elif kind == 4:
        s.value = b.commuted("Mul", x, b.floats(b.pick([2.0, 1e-30, 0.3, -1.0, 1.0])))
    elif kind == 5:
        s.value = b.node("Div", [x, b.floats(b.pick([2.0, 3.0]))])
    elif kind == 6:
        flat = b.node("Reshape", [x, b.ints([-1, s.d])])
        s.value = b.node("Reshape", [flat, b.node("Shape", [x])])
    elif kind == 7:
        b.output(b.reduce("ReduceMean", x, [-1]))
    elif kind == 8:
        b.output(b.slice(x, 1, 0, 1) if b.chance(0.5) else b.slice(x, -1, 0, 1))
    elif kind == 9:
        s.value = b.commuted("Add", x, b.pick([s.vector(), b.floats(1.0), b.weight(1, 1, s.d)]))
    elif kind == 10:
        s.value = b.node("Sub", [x, s.vector()])
    elif kind == 11:
        s.value = b.node("Relu", [x])
    elif kind == 12:
        s.value = b.node("Transpose", [b.node("Transpose", [x], perm=[1, 0, 2])], perm=[1, 0, 2])
    elif kind == 13:
        s.value = b.commuted("Mul", x, s.vector())
    elif kind == 14:
        parts = b.node("Split", [x, b.ints([s.d // 2, s.d - s.d // 2])], 2, axis=-1)
        s.value = b.node("Concat", parts if b.chance(0.5) else parts[::-1], axis=-1)
        if s.d == 1:
            s.value = x
    elif kind == 15:
        _branch(s)
    else:
        b.output(b.node("Softmax", [x], axis=-1))


def _branch(s: Stream) -> None:
    """An If whose branches read the stream."""
    b = s.b
    condition = b.node("Greater", [b.node("Size", [s.value]), b.ints(b.pick([0, 10**6]))])

    def branch(op: str, name: str, *more: str) -> onnx.GraphProto:
        node = helper.make_node(op, [s.value, *more], [name])
        return helper.make_graph([node], name, [], [onnx.ValueInfoProto(name=name)])

    names = [b.name("then"), b.name("else")]
    graphs = [branch("Identity", names[0]), branch("Mul", names[1], b.floats(2.0))]
    s.value = b.node("If", [condition], then_branch=graphs[0], else_branch=graphs[1])


def _layer(s: Stream) -> None:
    """One block: a norm, an update, an addition, or a Skip operator that adds and normalizes."""
    b = s.b
    if b.chance(0.25):
        update = _mixed(s, _normed(s))
        layer = b.chance(0.5)
        if b.chance(0.12):
            update = s.value
        y, total = norms.skip(b, s.value, update, s.d, layer)
        s.value = total
        s.value = b.commuted("Add", total, _mixed(s, y))
        return
    s.value = b.commuted("Add", s.value, _mixed(s, _normed(s)))


def _end(s: Stream) -> None:
    """A final norm and a head, tied to the embedding in several ways."""
    b = s.b
    y = _normed(s) if b.chance(0.85) else s.value
    kind = b.rng.random()
    if kind < 0.3 and s.table is not None:
        y = b.node("MatMul", [y, b.node("Transpose", [s.table], perm=[1, 0])])
    elif kind < 0.4 and s.table is not None:
        turned = b.node("Transpose", [s.table], perm=[0, 1])
        turned = b.node("Transpose", [turned], perm=[1, 0])
        y = b.node("MatMul", [y, turned])
    elif kind < 0.5 and s.table is not None:
        flat = b.node("Reshape", [y, b.ints([-1, s.d])])
        y = b.node("Gemm", [flat, s.table], transB=1)
    elif kind < 0.8:
        y = b.node("MatMul", [y, b.weight(s.d, 5)])
    b.output(y)
    if b.chance(0.15):
        b.output(s.value)


def _as_function(b: Builder) -> None:
    """Every SimplifiedLayerNormalization as a call of a model-local function."""
    changed = False
    for node in b.nodes:
        if node.op_type == "SimplifiedLayerNormalization" and len(node.input) == 2:
            node.op_type, node.domain = "Norm", "local"
            del node.attribute[:]
            changed = True
    if not changed:
        return
    inner = helper.make_node(
        "SimplifiedLayerNormalization", ["x", "w"], ["y"], axis=-1, epsilon=1e-5, stash_type=1
    )
    b.functions.append(
        helper.make_function(
            "local", "Norm", ["x", "w"], ["y"], [inner], [helper.make_opsetid("", b.opset)]
        )
    )


def graph(b: Builder) -> None:
    """A small model of one to three blocks."""
    s = _start(b, int(b.pick([1, 2, 4, 4, 8])))
    for _ in range(int(b.pick([1, 1, 2, 3]))):
        if b.chance(0.45):
            _odd(s)
        _layer(s)
    if b.chance(0.3):
        _odd(s)
    _end(s)
    if b.chance(0.12):
        _as_function(b)
