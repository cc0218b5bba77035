"""Small language models of token ids, for `basin analyze`. The type that norms square in varies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from stream_graphs import Graph

DIM, VOCABULARY, LAYERS = 16, 32, 2
Norm = Callable[[Graph, str], str]


def rms(g: Graph, x: str, kind: type) -> str:
    """x / sqrt(mean(x^2) + eps) * w, all in the type `kind`."""
    square = g("Pow", x, g.weight(value=2.0, dtype=kind))
    mean = g("ReduceMean", square, axes=[-1], keepdims=1)
    eps = g.weight(value=1e-3, dtype=kind)
    return g("Div", x, g("Sqrt", g("Add", mean, eps)))


def cast_in_norm(g: Graph, x: str) -> str:
    """A norm that reads the stream through a Cast to f32, as exporters of f16 models write it."""
    to = helper.np_dtype_to_tensor_dtype(np.dtype(g.dtype))
    wide = rms(g, g("Cast", x, to=TensorProto.FLOAT), np.float32)
    return g("Mul", g.weight(DIM), g("Cast", wide, to=to))


def own_norm(g: Graph, x: str) -> str:
    """A norm that works in the model's type throughout."""
    return g("Mul", g.weight(DIM), rms(g, x, g.dtype))


def feed_forward(g: Graph, x: str, scale: float) -> str:
    """A feed-forward that writes up to about `scale` into the stream."""
    up = g("MatMul", x, g.weight(DIM, 2 * DIM, scale=0.2))
    return g("MatMul", g("Relu", up), g.weight(2 * DIM, DIM, scale=scale / DIM))


def language_model(
    path: Path, norm: Norm = own_norm, dtype: type = np.float32, size: float = 1.0, opset: int = 17
) -> Path:
    """An embedding, `LAYERS` feed-forwards after norms, and a head: ids [b, s] -> logits.

    The numbers of the table are about `size`, and those of dimension 3 eight times that for all
    tokens.
    """
    g = Graph(DIM, dtype, opset)
    table = g.rng.uniform(0.5, 1, (VOCABULARY, DIM)) * g.rng.choice([-1, 1], (VOCABULARY, DIM))
    table[:, 3] = 8
    h = g("Gather", g.weight(value=table * size), "input_ids")
    for _ in range(LAYERS):
        h = g("Add", h, feed_forward(g, norm(g, h), 0.5 * size))
    output = g("MatMul", norm(g, h), g.weight(DIM, VOCABULARY))
    return save(g, path, ["input_ids"], output)


def save(g: Graph, path: Path, ids: list[str], *outputs: str) -> Path:
    """The model of `g`, whose inputs are token ids."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(g.dtype))
    graph = helper.make_graph(
        g.nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in ids],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        g.weights,
    )
    imports = [helper.make_opsetid("", g.opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path
