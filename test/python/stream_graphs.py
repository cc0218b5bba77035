"""Graphs whose residual streams and weights are used in odd ways. x [b, s, dim] is the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes in order, with drawn weights."""

    def __init__(
        self, dim: int = 4, dtype: type = np.float32, opset: int = 18, keep_f16: bool = False
    ) -> None:
        """Begin an empty graph. With `keep_f16` all weights are numbers of f16 in any type."""
        self.dim, self.dtype, self.opset, self.keep_f16 = dim, dtype, opset, keep_f16
        self.output = ""
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(7)

    def weight(
        self,
        *shape: int,
        value: np.ndarray | float | None = None,
        scale: float = 1.0,
        dtype: type | None = None,
    ) -> str:
        if value is None:
            value = self.rng.standard_normal(shape) * scale
        if self.keep_f16 and dtype is None:
            value = np.asarray(value, np.float16)
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype or self.dtype), name))
        return name

    def ints(self, *values: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def __call__(self, op: str, *inputs: str, outputs: int = 1, domain: str = "", **attrs) -> str:
        names = [f"v{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, names[0], domain=domain, **attrs)
        )
        return names[0]

    def norm(self, x: str, weight: str | None = None, bias: str | None = None) -> str:
        weight = weight or self.weight(self.dim)
        bias = bias or self.weight(self.dim)
        return self("LayerNormalization", x, weight, bias, axis=-1)

    def project(self, x: str) -> str:
        return self("MatMul", x, self.weight(self.dim, self.dim))

    def save_output(self, path: Path) -> Path:
        return self.save(path, self.output)

    def save(self, path: Path, *outputs: str) -> Path:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, ["b", "s", self.dim])],
            [helper.make_tensor_value_info(name, kind, None) for name in outputs],
            self.weights,
        )
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), path)
        return path


def shared_vector_of_all_roles(g: Graph) -> list[str]:
    """One vector is gamma, beta, a bias of two streams, and a summand beside a projection."""
    v = g.weight(g.dim)
    h = g("Add", g.project("x"), v)
    h = g("Add", h, g.project(g.norm(h, v, v)))
    y = g.norm(h, v, v)
    other = g("Add", g("Add", y, g.project(y)), v)
    return [y, g.norm(other, g.weight(g.dim), v)]


def post_norms_with_shared_weights(g: Graph) -> list[str]:
    """Norms that write the stream share their weights with norms that only read it."""
    gamma, beta = g.weight(g.dim), g.weight(g.dim)
    h = g.norm(g("Add", "x", g.project("x")), gamma, beta)
    h = g.norm(g("Add", h, g.project(h)), gamma, beta)
    return [g.norm(g("Add", h, g.project(h)), gamma)]


def doubled_sum(g: Graph) -> list[str]:
    """x + x, and a difference of equal operands that is added."""
    h = g.project("x")
    h = g("Add", h, h)
    h = g("Sum", h, h, g("Sub", h, g.project("x")))
    return [g.norm(h), h]


def sum_of_one(g: Graph) -> list[str]:
    return [g.norm(g("Sum", g("Add", "x", g.project("x")))), g("Identity", "x")]


def matrix_on_the_left(g: Graph) -> list[str]:
    """A square weight is the right factor of one MatMul and the left factor of another."""
    w = g.weight(g.dim, g.dim)
    h = g("Add", g("MatMul", "x", w), "x")
    rows = g("MatMul", w, g("Transpose", h, perm=[0, 2, 1]))
    return [g.norm(h), g("Transpose", rows, perm=[0, 2, 1])]


def matrix_twice_in_one_product(g: Graph) -> list[str]:
    """A weight is both factors of a product."""
    w = g.weight(g.dim, g.dim)
    h = g("Add", g.project("x"), "x")
    square = g("Unsqueeze", g("MatMul", w, w), g.ints(0))
    return [g.norm(g("Add", h, g("ReduceMean", square, g.ints(1), keepdims=1)))]


def gemm_with_biases(g: Graph) -> list[str]:
    """Gemm biases of every rank, scaled by beta; transposed and not."""
    rows = g("Reshape", "x", g.ints(-1, g.dim))
    h = rows
    for shape, trans in (((), 0), ((1,), 1), ((g.dim,), 0), ((1, 1), 0), ((1, g.dim), 1)):
        bias = g.weight(*shape)
        w = g.weight(g.dim, g.dim)
        h = g("Add", h, g("Gemm", rows, w, bias, alpha=0.5, beta=0.25, transB=trans))
    return [g.norm(h)]


def gemm_whose_bias_is_its_matrix(g: Graph) -> list[str]:
    w = g.weight(g.dim, g.dim)
    rows = g("Reshape", "x", g.ints(-1, g.dim))
    rows = g("Slice", rows, g.ints(0), g.ints(g.dim), g.ints(0))
    return [g.norm(g("Add", rows, g("Gemm", rows, w, w, transB=1)))]


def broadcast_summands(g: Graph) -> list[str]:
    """Summands of last dim one and rank zero, constant and computed."""
    mean = g("ReduceMean", "x", g.ints(-1), keepdims=1)
    h = g("Add", "x", g.project("x"))
    for summand in (mean, g.weight(1), g.weight(), g.weight(3, 1)):
        h = g("Add", h, summand)
    return [g.norm(h), h]


def constants_in_other_guises(g: Graph) -> list[str]:
    """Biases behind Identity, Unsqueeze and Cast, each used by two streams."""
    bias = g("Identity", g.weight(g.dim))
    table = g("Unsqueeze", g.weight(g.dim), g.ints(0, 1))
    h = g("Add", g("Add", "x", g.project("x")), bias)
    y = g.norm(g("Add", h, table))
    return [g.norm(g("Add", g("Add", g("Add", y, g.project(y)), bias), table))]


def gates_of_the_stream_itself(g: Graph) -> list[str]:
    """A member of a stream is also a factor, a weight-like operand and a shape."""
    h = g("Add", "x", g.project("x"))
    gated = g("Mul", h, g("Sigmoid", h))
    h2 = g("Add", h, g("Mul", gated, h))
    shaped = g("Reshape", h2, g("Shape", h2))
    return [g.norm(shaped), g("Mul", h2, h2)]


def clips(g: Graph) -> list[str]:
    """Clips, Mins and Maxes inside the stream, with and without bounds."""
    h = g("Add", "x", g.project("x"))
    h = g("Clip", h, g.weight(value=-1.5), g.weight(value=1.25))
    h = g("Clip", g("Add", h, g.project("x")), "", g.weight(value=2.0))
    h = g("Min", g("Add", h, g.project(h)), g.weight(value=1.0))
    h = g("Max", g.weight(1, value=[-1.0]), g("Add", h, g.project(h)))
    return [g.norm(h), h]


def clip_by_a_member(g: Graph) -> list[str]:
    """A Min of two computed values is no limit."""
    h = g("Add", "x", g.project("x"))
    return [g.norm(g("Add", g("Min", h, g.project("x")), h))]


def factors_of_higher_rank(g: Graph) -> list[str]:
    h = g("Add", "x", g.project("x"))
    h = g("Mul", g.weight(1, 1, 1, 1, 1, value=[[[[[3.0]]]]]), h)
    h = g("Div", h, g.weight(value=5.0))
    return [g.norm(g("Add", h, g("Mul", g.project("x"), g.weight(1, value=[0.1]))))]


def factor_over_the_stream(g: Graph) -> list[str]:
    """c / x depends on the scale."""
    h = g("Add", "x", g.project("x"))
    return [g.norm(g("Add", h, g("Div", g.weight(value=2.0), h)))]


def reshapes_of_square_shapes(g: Graph) -> list[str]:
    """[b, s, d] becomes rows and is changed back. Axes that a Transpose swaps are not the same."""
    h = g("Add", "x", g.project("x"))
    rows = g("Flatten", h, axis=2)
    rows = g("Add", rows, g.project(rows))
    return [g.norm(rows), g.norm(g("Flatten", h, axis=2))]


def norm_of_its_own_weight(g: Graph) -> list[str]:
    """A row is normalized and multiplied by itself."""
    row = g("ReduceMean", g("Add", "x", g.project("x")), g.ints(0, 1), keepdims=0)
    row = g("Add", row, g.weight(g.dim))
    row = g("Add", row, g("Tanh", row))
    return [g("LayerNormalization", row, row, g.weight(g.dim), axis=-1), g.norm(row)]


def skip_norms(g: Graph) -> list[str]:
    """Skip operators: equal summands, a constant residual, shared vectors, the sum used."""
    skip, simple = "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"
    ms = {"domain": "com.microsoft", "epsilon": 1e-5}
    v, w = g.weight(g.dim), g.weight(g.dim)
    y = g(skip, g.project("x"), "x", v, w, w, outputs=4, **ms)
    total = f"{y}_3"
    y = g(simple, y, y, w, outputs=1, **ms)
    y = g(simple, g.project(y), total, v, v, outputs=4, **ms)
    y2 = g(skip, f"{y}_3", f"{y}_3", w, v, v, **ms)
    return [y, y2]


def pre_affine_vector_of_two(g: Graph) -> list[str]:
    """A vector before two norms is also the weight of one of them."""
    v = g.weight(g.dim)
    h = g("Add", "x", g.project("x"))
    a = g.norm(g("Mul", h, v), v)
    h = g("Add", h, g.project(a))
    return [g.norm(g("Mul", h, v))]


def rms_norm_of(g: Graph, x: str, weight: str) -> str:
    mean = g("ReduceMean", g("Pow", x, g.weight(value=2.0)), g.ints(-1), keepdims=1)
    root = g("Sqrt", g("Add", mean, g.weight(value=1e-5)))
    return g("Mul", weight, g("Mul", x, g("Reciprocal", root)))


def decomposed_norms_that_share(g: Graph) -> list[str]:
    """Norms of primitive ops share a weight. Some results write the stream, others do not."""
    v = g.weight(g.dim)
    h = g("Add", "x", g.project("x"))
    h = g("Add", h, rms_norm_of(g, h, v))
    h = g("Add", h, rms_norm_of(g, g.project(rms_norm_of(g, h, v)), v))
    return [rms_norm_of(g, h, v), h]


def embedded(g: Graph) -> tuple[str, str]:
    """A table and the rows of it that x's signs choose."""
    table = g.weight(6, g.dim)
    ids = g("Cast", g("Slice", g("Greater", "x", g.weight(value=0.0)), g.ints(0), g.ints(1),
                      g.ints(-1)), to=TensorProto.INT64)  # fmt: skip
    return table, g("Squeeze", ids, g.ints(-1))


def tied_heads(g: Graph) -> list[str]:
    """A table is also the head's matrix, and the norm before the head shares its weights."""
    table, ids = embedded(g)
    gamma, beta = g.weight(g.dim), g.weight(g.dim)
    h = g("Gather", table, ids)
    h = g("Add", h, g.project(g.norm(h, gamma, beta)))
    z = g.norm(h, gamma, beta)
    return [g("MatMul", z, g("Transpose", table, perm=[1, 0]))]


def tied_to_the_identity(g: Graph) -> list[str]:
    """A square table goes through a Transpose that is the identity."""
    table = g.weight(g.dim, g.dim)
    _, ids = embedded(g)
    h = g("Add", g("Gather", table, ids), "x")
    z = g.norm(h)
    return [g("MatMul", z, g("Transpose", table, perm=[0, 1])), g.norm(g("Add", h, z))]


def tables_of_other_ranks(g: Graph) -> list[str]:
    """Rows of a vector and of a table's last axis are no embeddings."""
    _, ids = embedded(g)
    columns = g("Gather", g.weight(g.dim, 6), ids, axis=1)
    h = g("Add", "x", g("Transpose", g("Gather", columns, g.ints(0), axis=2), perm=[1, 2, 0]))
    scalars = g("Unsqueeze", g("Gather", g.weight(6), ids), g.ints(-1))
    return [g.norm(g("Add", g("Add", h, scalars), g.project("x")))]


def tables_of_higher_rank(g: Graph) -> list[str]:
    """The last axis of a table of rank 3 is the stream's, for any earlier axis that is indexed."""
    rows = g("Gather", g.weight(2, 3, g.dim), g.ints(1), axis=0)
    inner = g("Gather", g.weight(1, 5, g.dim), g.ints(1, 4, 2), axis=-2)
    return [g.norm(g("Add", g("Add", g("Add", "x", rows), inner), g.project("x")))]


def casts_down_and_up(g: Graph) -> list[str]:
    """A stream that is cast to bf16 keeps its scale. One that is cast to integers does not."""
    h = g("Add", "x", g.project("x"))
    whole = g("Cast", g("Cast", h, to=TensorProto.INT32), to=TensorProto.FLOAT)
    h = g("Add", h, g("Cast", g("Cast", h, to=TensorProto.DOUBLE), to=TensorProto.FLOAT))
    return [g.norm(g("Add", h, whole))]


def batched_matrix(g: Graph) -> list[str]:
    """A weight of rank 3 keeps its last axis in the product."""
    h = g("Add", "x", g("MatMul", "x", g.weight(1, g.dim, g.dim)))
    return [g.norm(h)]


GRAPHS = [
    shared_vector_of_all_roles,
    post_norms_with_shared_weights,
    doubled_sum,
    sum_of_one,
    matrix_on_the_left,
    gemm_with_biases,
    gemm_whose_bias_is_its_matrix,
    broadcast_summands,
    constants_in_other_guises,
    gates_of_the_stream_itself,
    clips,
    clip_by_a_member,
    factors_of_higher_rank,
    factor_over_the_stream,
    reshapes_of_square_shapes,
    norm_of_its_own_weight,
    skip_norms,
    pre_affine_vector_of_two,
    decomposed_norms_that_share,
    tied_heads,
    tied_to_the_identity,
    tables_of_other_ranks,
    tables_of_higher_rank,
    casts_down_and_up,
    batched_matrix,
    matrix_twice_in_one_product,
]
