"""Graphs in the form of exporters that are not torch's, written by hand with onnx.helper.

The forms follow what tf2onnx, Keras and Paddle write: norms out of moments, einsums per head,
scaled queries, masks by arithmetic. Each graph says what it computes by how it was built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from basin.bench.recognize.catalog import (
    BATCH,
    FFN,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    LAYERS,
    POSITIONS,
    SEQ,
    VOCAB,
)


@dataclass
class Graph:
    """Nodes and weights as they are added, and what they compute."""

    opset: int = 13
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict(attention=0, layer_norms=0, rms_norms=0, rotary=0)
    )
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def __call__(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns its output's name, or a list of several."""
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names if outputs > 1 else names[0]

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant."""
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, *shape: int, around: float = 0.0) -> str:
        """Add a drawn weight."""
        return self.const(around + 0.2 * self.random.standard_normal(shape))

    def shape(self, *sizes: int) -> str:
        """Add a constant shape."""
        return self.const(sizes, np.int64)

    def linear(self, x: str, inside: int, outside: int) -> str:
        """A product with a matrix, and a bias."""
        return self("Add", self("MatMul", x, self.weight(inside, outside)), self.weight(outside))

    def mean(self, x: str) -> str:
        """Mean of the last axis."""
        return self("ReduceMean", x, axes=[-1], keepdims=1)


Norm = Callable[[Graph, str], str]
Attend = Callable[[Graph, str, str], str]


def moments_norm(g: Graph, x: str) -> str:
    """TensorFlow's layer norm: x * inv + (beta - mean * inv), inv = gamma / sqrt(var + eps)."""
    g.counts["layer_norms"] += 1
    mean = g.mean(x)
    centred = g("Sub", x, mean)
    variance = g.mean(g("Mul", centred, centred))
    root = g("Reciprocal", g("Sqrt", g("Add", variance, g.const(1e-5))))
    inverse = g("Mul", root, g.weight(HIDDEN, around=1.0))
    moved = g("Sub", g.weight(HIDDEN), g("Mul", mean, inverse))
    return g("Add", g("Mul", x, inverse), moved)


def keras_norm(g: Graph, x: str) -> str:
    """Keras' layer norm: variance as the mean of squares of what is centred, then 1 / sqrt."""
    g.counts["layer_norms"] += 1
    centred = g("Sub", x, g.mean(x))
    variance = g.mean(g("Mul", centred, centred))
    root = g("Reciprocal", g("Sqrt", g("Add", variance, g.const([[[1e-3]]]))))
    scaled = g("Mul", g("Mul", centred, root), g.weight(HIDDEN, around=1.0))
    return g("Add", scaled, g.weight(HIDDEN))


def paddle_norm(g: Graph, x: str) -> str:
    """Paddle's layer norm: Sub, Pow, Sqrt, Div."""
    g.counts["layer_norms"] += 1
    centred = g("Sub", x, g.mean(x))
    variance = g.mean(g("Pow", centred, g.const([2.0])))
    root = g("Sqrt", g("Add", variance, g.const([1e-5])))
    scaled = g("Mul", g("Div", centred, root), g.weight(HIDDEN, around=1.0))
    return g("Add", scaled, g.weight(HIDDEN))


def paddle_rms_norm(g: Graph, x: str) -> str:
    """Paddle's norm by the root mean square: the mean to the power of minus one half."""
    g.counts["rms_norms"] += 1
    square = g("Mul", x, x)
    factor = g("Pow", g("Add", g.mean(square), g.const([1e-6])), g.const([-0.5]))
    return g("Mul", g("Mul", factor, x), g.weight(HIDDEN, around=1.0))


def heads_first(g: Graph, x: str) -> str:
    """[batch, seq, hidden] as [batch, heads, seq, dim]."""
    split = g("Reshape", x, g.shape(BATCH, SEQ, HEADS, HEAD_DIM))
    return g("Transpose", split, perm=[0, 2, 1, 3])


def merged(g: Graph, x: str) -> str:
    """[batch, heads, seq, dim] as [batch, seq, hidden]."""
    back = g("Transpose", x, perm=[0, 2, 1, 3])
    return g("Reshape", back, g.shape(BATCH, SEQ, HIDDEN))


def bert_attention(g: Graph, x: str, mask: str) -> str:
    """tf2onnx of the original BERT: scaled scores and (1 - mask) * -10000."""
    g.counts["attention"] += 1
    flat = g("Reshape", x, g.shape(BATCH * SEQ, HIDDEN))
    q, k, v = (heads_first(g, g.linear(flat, HIDDEN, HIDDEN)) for _ in range(3))
    scores = g("MatMul", q, g("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g("Mul", scores, g.const(HEAD_DIM**-0.5))
    wide = g("Unsqueeze", g("Cast", mask, to=TensorProto.FLOAT), g.shape(1, 2))
    hidden = g("Mul", g("Sub", g.const(1.0), wide), g.const(-10000.0))
    weights = g("Softmax", g("Add", scores, hidden), axis=-1)
    return g.linear(merged(g, g("MatMul", weights, v)), HIDDEN, HIDDEN)


def gpt_attention(g: Graph, x: str, mask: str) -> str:
    """tf2onnx of the original GPT-2: one product for all, scores * b - 1e10 * (1 - b)."""
    g.counts["attention"] += 1
    all_three = g.linear(x, HIDDEN, 3 * HIDDEN)
    parts = g("Split", all_three, g.shape(HIDDEN, HIDDEN, HIDDEN), outputs=3, axis=2)
    q, k, v = (heads_first(g, part) for part in parts)
    scores = g("MatMul", q, g("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g("Mul", scores, g.const(HEAD_DIM**-0.5))
    seen = g.const(np.tril(np.ones((1, 1, SEQ, SEQ))))
    low = g("Mul", g("Sub", g.const(1.0), seen), g.const(1e10))
    weights = g("Softmax", g("Sub", g("Mul", scores, seen), low), axis=-1)
    return g.linear(merged(g, g("MatMul", weights, v)), HIDDEN, HIDDEN)


def keras_attention(g: Graph, x: str, mask: str) -> str:
    """Keras' multi-head attention: an einsum for each projection and each product."""
    g.counts["attention"] += 1
    q, k, v = (
        g(
            "Add",
            g("Einsum", x, g.weight(HIDDEN, HEADS, HEAD_DIM), equation="abc,cde->abde"),
            g.weight(HEADS, HEAD_DIM),
        )
        for _ in range(3)
    )
    q = g("Mul", q, g.const(HEAD_DIM**-0.5))
    scores = g("Einsum", k, q, equation="aecd,abcd->acbe")
    wide = g("Unsqueeze", g("Cast", mask, to=TensorProto.FLOAT), g.shape(1, 2))
    hidden = g("Mul", g("Sub", g.const(1.0), wide), g.const(-1e9))
    weights = g("Softmax", g("Add", scores, hidden), axis=-1)
    mixed = g("Einsum", weights, v, equation="acbe,aecd->abcd")
    out = g("Einsum", mixed, g.weight(HEADS, HEAD_DIM, HIDDEN), equation="abcd,cde->abe")
    return g("Add", out, g.weight(HIDDEN))


def paddle_attention(g: Graph, x: str, mask: str) -> str:
    """Paddle's: [3, batch, heads, seq, dim] cut apart, queries scaled, and an added mask."""
    g.counts["attention"] += 1
    all_three = g("Reshape", g.linear(x, HIDDEN, 3 * HIDDEN), g.shape(0, 0, 3, HEADS, HEAD_DIM))
    stacked = g("Transpose", all_three, perm=[2, 0, 3, 1, 4])
    q, k, v = (
        g("Squeeze", g("Slice", stacked, g.shape(i), g.shape(i + 1), g.shape(0)), g.shape(0))
        for i in range(3)
    )
    q = g("Mul", q, g.const([HEAD_DIM**-0.5]))
    scores = g("MatMul", q, g("Transpose", k, perm=[0, 1, 3, 2]))
    wide = g("Unsqueeze", g("Cast", mask, to=TensorProto.FLOAT), g.shape(1, 2))
    hidden = g("Mul", g("Add", g("Mul", wide, g.const([-1.0])), g.const([1.0])), g.const([-1e4]))
    weights = g("Softmax", g("Add", scores, hidden), axis=-1)
    mixed = g("Transpose", g("MatMul", weights, v), perm=[0, 2, 1, 3])
    return g.linear(g("Reshape", mixed, g.shape(0, 0, HIDDEN)), HIDDEN, HIDDEN)


def paddle_rotated(g: Graph, x: str) -> str:
    """x * cos + concat(-second half, first half) * sin, with tables of all positions."""
    g.counts["rotary"] += 1
    base = 10000.0 ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angles = np.tile(np.outer(np.arange(SEQ), base), 2)[None, None]
    first, second = g("Split", x, g.shape(HEAD_DIM // 2, HEAD_DIM // 2), outputs=2, axis=-1)
    turned = g("Concat", g("Mul", second, g.const([-1.0])), first, axis=-1)
    straight = g("Mul", x, g.const(np.cos(angles)))
    return g("Add", straight, g("Mul", turned, g.const(np.sin(angles))))


def paddle_llama_attention(g: Graph, x: str, mask: str) -> str:
    """Paddle's Llama: rotated queries and keys, scores divided, and a causal mask added."""
    g.counts["attention"] += 1
    q, k, v = (heads_first(g, g("MatMul", x, g.weight(HIDDEN, HIDDEN))) for _ in range(3))
    q, k = paddle_rotated(g, q), paddle_rotated(g, k)
    scores = g(
        "MatMul", g("Div", q, g.const([HEAD_DIM**0.5])), g("Transpose", k, perm=[0, 1, 3, 2])
    )
    low = g.const(np.triu(np.full((1, 1, SEQ, SEQ), np.finfo(np.float32).min), 1))
    weights = g("Softmax", g("Add", scores, low), axis=-1)
    return g("MatMul", merged(g, g("MatMul", weights, v)), g.weight(HIDDEN, HIDDEN))


def post_norm(g: Graph, x: str, mask: str, norm: Norm, attend: Attend) -> str:
    """An encoder's block: a norm after each sum."""
    x = norm(g, g("Add", attend(g, x, mask), x))
    y = g.linear(g("Relu", g.linear(x, HIDDEN, FFN)), FFN, HIDDEN)
    return norm(g, g("Add", y, x))


def pre_norm(g: Graph, x: str, mask: str, norm: Norm, attend: Attend) -> str:
    """A decoder's block: a norm before each part."""
    x = g("Add", x, attend(g, norm(g, x), mask))
    return g("Add", x, g.linear(g("Relu", g.linear(norm(g, x), HIDDEN, FFN)), FFN, HIDDEN))


@dataclass(frozen=True)
class Recipe:
    """How a graph's blocks are made."""

    norm: Norm
    attend: Attend
    block: Callable[[Graph, str, str, Norm, Attend], str]
    opset: int = 13


HAND: dict[str, Recipe] = {
    "hand-tf2onnx-bert": Recipe(moments_norm, bert_attention, post_norm),
    "hand-tf2onnx-gpt2": Recipe(moments_norm, gpt_attention, pre_norm),
    "hand-keras-encoder": Recipe(keras_norm, keras_attention, post_norm),
    "hand-keras-pre-norm": Recipe(keras_norm, keras_attention, pre_norm, 17),
    "hand-paddle-ernie": Recipe(paddle_norm, paddle_attention, post_norm),
    "hand-paddle-vit": Recipe(paddle_norm, paddle_attention, pre_norm),
    "hand-paddle-llama": Recipe(paddle_rms_norm, paddle_llama_attention, pre_norm, 15),
}


def build(name: str) -> tuple[onnx.ModelProto, dict[str, int]]:
    """A model, and how many of each kind it has."""
    recipe = HAND[name]
    g = Graph(recipe.opset)
    x = g("Gather", g.weight(VOCAB, HIDDEN), "input_ids")
    x = g("Add", x, g("Slice", g.weight(POSITIONS, HIDDEN), g.shape(0), g.shape(SEQ), g.shape(0)))
    for _ in range(LAYERS):
        x = recipe.block(g, x, "attention_mask", recipe.norm, recipe.attend)
    x = recipe.norm(g, x)
    size = [BATCH, SEQ]
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.INT64, size)
        for n in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("last", TensorProto.FLOAT, [*size, HIDDEN])]
    g.nodes.append(helper.make_node("Identity", [x], ["last"]))
    graph = helper.make_graph(g.nodes, name, inputs, outputs, g.weights)
    opsets = [helper.make_opsetid("", g.opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), g.counts


def export(name: str, target: Path) -> dict[str, int]:
    """Write a model, and beside it an example and what onnx's evaluator makes of it."""
    from onnx.reference import ReferenceEvaluator

    model, counts = build(name)
    onnx.checker.check_model(model, full_check=True)
    random = np.random.default_rng(3)
    values = {
        "input_ids": random.integers(0, VOCAB, (BATCH, SEQ)),
        "attention_mask": np.ones((BATCH, SEQ), np.int64),
    }
    results = ReferenceEvaluator(model).run(None, values)
    named = {f"in.{n}": v for n, v in values.items()}
    named |= {f"out.{i}": v for i, v in enumerate(results)}
    np.savez(target.with_suffix(".npz"), **named)
    onnx.save(model, target)
    return counts
