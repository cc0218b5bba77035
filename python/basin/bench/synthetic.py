"""Writes a Llama graph of any size. Its weights are a sparse file, which takes no disk space.

The graph has the form of a decomposed PyTorch export at opset 17: RMSNorm by Pow, ReduceMean, Sqrt
and Div, rotary embedding in halves, key/value heads repeated by Expand, a causal mask computed
from the length. All matrices read as zeros, so outputs mean nothing; sizes and structure do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ALIGNMENT = 4096  # offsets within the data file, so that each weight can be mapped by itself


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; the defaults make 32 layers hold 26.9 GB of fp32 weights."""

    layers: int = 32
    hidden: int = 4096
    heads: int = 32
    kv_heads: int = 8
    ffn: int = 11008
    vocab: int = 128256

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads


@dataclass(frozen=True)
class Written:
    """What was written: number of nodes, bytes of the graph file, bytes of external weights."""

    path: Path
    nodes: int
    graph_bytes: int
    weight_bytes: int


class _Graph:
    """Nodes and initializers under construction; matrices go to the external file."""

    def __init__(self, data: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.data = data
        self.end = 0
        self._known: set[str] = set()

    def op(self, kind: str, *inputs: str, result: str | None = None, **attributes) -> str:
        """Append a node with one output and return its name."""
        name = f"/{kind}_{len(self.nodes)}"
        output = result or f"{name}_output_0"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name, **attributes))
        return output

    def const(self, value: object, dtype: type = np.int64) -> str:
        """Append a Constant node, as exporters write scalars and shapes."""
        tensor = numpy_helper.from_array(np.asarray(value, dtype))
        return self.op("Constant", value=tensor)

    def vector(self, name: str, size: int) -> str:
        """A vector of ones, stored in the graph file."""
        array = np.ones(size, np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def matrix(self, name: str, rows: int, columns: int) -> str:
        """A matrix in the external file. The same name gives the same weight."""
        if name in self._known:
            return name
        self._known.add(name)
        offset = -(-self.end // ALIGNMENT) * ALIGNMENT
        length = 4 * rows * columns
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[rows, columns])
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": self.data, "offset": str(offset), "length": str(length)}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        self.initializers.append(tensor)
        self.end = offset + length
        return name

    def size(self, x: str, axis: int) -> str:
        """Size of one axis as a vector of one element."""
        scalar = self.op("Gather", self.op("Shape", x), self.const(axis), axis=0)
        return self.op("Unsqueeze", scalar, self.const([0]))

    def reshape(self, x: str, *parts: str | int) -> str:
        """Reshape to sizes that are constants or computed vectors, joined by Concat."""
        vectors = [self.const([p]) if isinstance(p, int) else p for p in parts]
        return self.op("Reshape", x, self.op("Concat", *vectors, axis=0))


def _norm(g: _Graph, x: str, weight: str, size: int) -> str:
    mean = g.op("ReduceMean", g.op("Pow", x, g.const(2.0, np.float32)), axes=[-1])
    root = g.op("Sqrt", g.op("Add", mean, g.const(1e-5, np.float32)))
    inverse = g.op("Div", g.const(1.0, np.float32), root)
    return g.op("Mul", g.vector(weight, size), g.op("Mul", x, inverse))


def _rotate(g: _Graph, x: str, cos: str, sin: str, dim: int) -> str:
    bounds = [(0, dim // 2), (dim // 2, np.iinfo(np.int64).max)]
    first, second = (
        g.op("Slice", x, g.const([a]), g.const([b]), g.const([3]), g.const([1])) for a, b in bounds
    )
    turned = g.op("Concat", g.op("Neg", second), first, axis=-1)
    return g.op("Add", g.op("Mul", x, cos), g.op("Mul", turned, sin))


def _repeat(g: _Graph, x: str, shape: Shape) -> str:
    """[batch, kv heads, seq, dim] -> [batch, heads, seq, dim]."""
    groups = shape.heads // shape.kv_heads
    batch, seq = g.size(x, 0), g.size(x, 2)
    kv, rep, dim = (g.const([n]) for n in (shape.kv_heads, groups, shape.head_dim))
    wide = g.op("Unsqueeze", x, g.const([2]))
    wide = g.op("Expand", wide, g.op("Concat", batch, kv, rep, seq, dim, axis=0))
    return g.reshape(wide, batch, shape.heads, seq, shape.head_dim)


def _attention(g: _Graph, h: str, stem: str, shape: Shape, tables: tuple[str, str, str]) -> str:
    cos, sin, mask = tables
    batch, seq = g.size(h, 0), g.size(h, 1)
    parts = []
    for name, heads in (("q", shape.heads), ("k", shape.kv_heads), ("v", shape.kv_heads)):
        weight = g.matrix(f"{stem}.{name}_proj.weight", shape.hidden, heads * shape.head_dim)
        split = g.reshape(g.op("MatMul", h, weight), batch, seq, heads, shape.head_dim)
        parts.append(g.op("Transpose", split, perm=[0, 2, 1, 3]))
    q, k = (_rotate(g, x, cos, sin, shape.head_dim) for x in parts[:2])
    k, v = _repeat(g, k, shape), _repeat(g, parts[2], shape)
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g.op("Mul", scores, g.const(shape.head_dim**-0.5, np.float32))
    weights = g.op("Softmax", g.op("Add", scores, mask), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", weights, v), perm=[0, 2, 1, 3])
    flat = g.reshape(mixed, batch, seq, shape.hidden)
    return g.op("MatMul", flat, g.matrix(f"{stem}.o_proj.weight", shape.hidden, shape.hidden))


def _feed_forward(g: _Graph, h: str, stem: str, shape: Shape) -> str:
    gate = g.op("MatMul", h, g.matrix(f"{stem}.gate_proj.weight", shape.hidden, shape.ffn))
    up = g.op("MatMul", h, g.matrix(f"{stem}.up_proj.weight", shape.hidden, shape.ffn))
    active = g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up)
    return g.op("MatMul", active, g.matrix(f"{stem}.down_proj.weight", shape.ffn, shape.hidden))


def _tables(g: _Graph, shape: Shape) -> tuple[str, str, str]:
    """cos and sin [seq, dim] and the additive causal mask [seq, seq], from the length."""
    length = g.op("Gather", g.op("Shape", "input_ids"), g.const(1), axis=0)
    steps = g.op("Range", g.const(0), length, g.const(1))
    column = g.op("Unsqueeze", steps, g.const([1]))
    frequency = 10000.0 ** -(np.arange(0, shape.head_dim, 2) / shape.head_dim)
    turns = g.op("Cast", column, to=TensorProto.FLOAT)
    angle = g.op("Mul", turns, g.const(frequency, np.float32))
    angle = g.op("Concat", angle, angle, axis=-1)
    keep = g.op("LessOrEqual", g.op("Unsqueeze", steps, g.const([0])), column)
    lowest = g.const(np.finfo(np.float32).min, np.float32)
    mask = g.op("Where", keep, g.const(0.0, np.float32), lowest)
    return g.op("Cos", angle), g.op("Sin", angle), mask


def write_model(path: str | os.PathLike[str], shape: Shape) -> Written:
    """Write the model to `path` and its weights, as a hole, to `path` + ".data" beside it."""
    path = Path(path)
    g = _Graph(path.name + ".data")
    embed = g.matrix("model.embed_tokens.weight", shape.vocab, shape.hidden)
    x = g.op("Gather", embed, "input_ids", axis=0)
    tables = _tables(g, shape)
    for layer in range(shape.layers):
        stem = f"model.layers.{layer}"
        h = _norm(g, x, f"{stem}.input_layernorm.weight", shape.hidden)
        x = g.op("Add", x, _attention(g, h, f"{stem}.self_attn", shape, tables))
        h = _norm(g, x, f"{stem}.post_attention_layernorm.weight", shape.hidden)
        x = g.op("Add", x, _feed_forward(g, h, f"{stem}.mlp", shape))
    h = _norm(g, x, "model.norm.weight", shape.hidden)
    g.op("MatMul", h, g.matrix("lm_head.weight", shape.hidden, shape.vocab), result="logits")
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"])
    logits = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, ["batch", "seq", shape.vocab]
    )
    graph = helper.make_graph(g.nodes, "synthetic_llama", [ids], [logits], g.initializers)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=8, producer_name="basin.bench"
    )
    data = model.SerializeToString()
    path.write_bytes(data)
    with open(f"{path}.data", "wb") as hole:
        hole.truncate(g.end)
    return Written(path, len(g.nodes), len(data), g.end)
