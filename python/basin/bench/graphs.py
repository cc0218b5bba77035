"""Writes graphs of any number of nodes, to see how the time that Basin takes grows with them.

Most are no transformer: nothing in them is recognized, but each has many of one kind of node that
a matcher starts at or walks over. All are valid models that a runtime can run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 8


class _Graph:
    """Nodes under construction. Values are [batch, seq, WIDTH] unless a kind says otherwise."""

    def __init__(self) -> None:
        self.proto = onnx.GraphProto(name="scale")
        self.constants: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return len(self.proto.node)

    def op(self, kind: str, *inputs: str, **attributes: int | list[int]) -> str:
        """Append a node and return the name of its output."""
        node = self.proto.node.add(op_type=kind, name=f"n{self.count}")
        node.input.extend(inputs)
        node.output.append(f"v{self.count}")
        for name, value in attributes.items():
            node.attribute.append(helper.make_attribute(name, value))
        return node.output[0]

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        """An initializer; the same name gives the same one."""
        if name not in self.constants:
            array = np.asarray(value, dtype)
            self.proto.initializer.append(numpy_helper.from_array(array, name))
            self.constants[name] = name
        return name

    def norm(self, x: str, weight: str) -> str:
        """An RMSNorm of seven nodes."""
        square = self.op("Pow", x, self.constant("two", 2.0))
        mean = self.op("ReduceMean", square, axes=[-1])
        root = self.op("Sqrt", self.op("Add", mean, self.constant("eps", 1e-5)))
        inverse = self.op("Reciprocal", root)
        return self.op("Mul", self.op("Mul", x, inverse), weight)

    def matrix(self) -> str:
        """A square matrix."""
        return self.constant("matrix", np.eye(WIDTH))

    def vector(self, name: str) -> str:
        """A vector of ones."""
        return self.constant(name, np.ones(WIDTH))


def _wide_norms(g: _Graph, nodes: int) -> list[str]:
    """Norms that all read one value."""
    stream = g.op("Add", "x", "x")
    return [g.norm(stream, g.vector(f"w{i}")) for i in range(max(1, nodes // 7))]


def _deep_norms(g: _Graph, nodes: int) -> list[str]:
    """A residual stream to which each of many norms adds its result."""
    x = "x"
    while g.count < nodes:
        x = g.op("Add", x, g.op("MatMul", g.norm(x, g.vector("w")), g.matrix()))
    return [x]


def _chain(g: _Graph, nodes: int) -> list[str]:
    """A chain of elementwise operators."""
    x = "x"
    while g.count < nodes:
        x = g.op("Relu", x)
        x = g.op("Mul", x, g.vector("w"))
        x = g.op("Add", x, g.constant("eps", 1e-5))
        x = g.op("Tanh", x)
    return [x]


def _tree(g: _Graph, nodes: int) -> list[str]:
    """Leaves that read one value, added in pairs."""
    level = [g.op("Relu", "x") for _ in range(max(1, nodes // 2))]
    while len(level) > 1:
        pairs = [g.op("Add", a, b) for a, b in zip(level[::2], level[1::2])]
        level = pairs + level[len(level) & ~1 :]
    return level


def _fan_out(g: _Graph, nodes: int) -> list[str]:
    """One value that is added to a stream again and again."""
    once = x = g.op("Relu", "x")
    while g.count < nodes:
        x = g.op("Add", x, once)
    return [x]


def _matmuls(g: _Graph, nodes: int) -> list[str]:
    """A chain of products with one matrix, and activations."""
    x = "x"
    while g.count < nodes:
        x = g.op("Sigmoid", g.op("MatMul", x, g.matrix()))
    return [x]


def _classifiers(g: _Graph, nodes: int) -> list[str]:
    """Classifiers that all read one value, and the sum of what they say."""
    total = "x"
    while g.count < nodes:
        scores = g.op("MatMul", "x", g.matrix())
        total = g.op("Add", total, g.op("Softmax", scores, axis=-1))
    return [total]


def _routers(g: _Graph, nodes: int) -> list[str]:
    """Softmaxes of one chain of sums, far from any product."""
    x = "x"
    while g.count < nodes:
        x = g.op("Add", x, g.op("Softmax", g.op("Add", x, g.vector("w")), axis=-1))
    return [x]


def _shared_mask(g: _Graph, nodes: int) -> list[str]:
    """Attentions of one query, one key and one mask, [batch, 1, seq, seq]."""
    q = g.op("Unsqueeze", "x", g.constant("one", [1], np.int64))
    k = g.op("Transpose", q, perm=[0, 1, 3, 2])
    size = g.op("Shape", g.op("MatMul", q, k))
    mask = g.op("Expand", g.constant("zero", 0.0), size)
    out = []
    while g.count < nodes:
        scores = g.op("Add", g.op("MatMul", q, k), mask)
        out.append(g.op("MatMul", g.op("Softmax", scores, axis=-1), q))
    return out


def _reshapes(g: _Graph, nodes: int) -> list[str]:
    """Reshapes to sizes that are computed from one shape, as exporters write them."""
    x = "x"
    zero = g.constant("zero_index", [0], np.int64)
    while g.count < nodes:
        size = g.op("Gather", g.op("Shape", "x"), zero, axis=0)
        rest = g.constant("rest", [-1, WIDTH], np.int64)
        x = g.op("Reshape", x, g.op("Concat", size, rest, axis=0))
    return [x]


KINDS: dict[str, Callable[[_Graph, int], list[str]]] = {
    "wide-norms": _wide_norms,
    "deep-norms": _deep_norms,
    "chain": _chain,
    "tree": _tree,
    "fan-out": _fan_out,
    "matmuls": _matmuls,
    "classifiers": _classifiers,
    "routers": _routers,
    "shared-mask": _shared_mask,
    "reshapes": _reshapes,
}


def write_graph(path: str | os.PathLike[str], kind: str, nodes: int) -> int:
    """Write a graph of about `nodes` nodes of that kind. Returns how many nodes it has."""
    g = _Graph()
    results = KINDS[kind](g, nodes)
    g.proto.input.append(
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "seq", WIDTH])
    )
    rank = 4 if kind == "shared-mask" else 3
    for name in results:
        g.proto.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank))
    opsets = [helper.make_opsetid("", 17)]
    model = onnx.ModelProto(ir_version=8, producer_name="basin.bench", opset_import=opsets)
    model.graph.CopyFrom(g.proto)
    Path(path).write_bytes(model.SerializeToString())
    return g.count
