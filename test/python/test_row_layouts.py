"""Learned rows and zeros beside keys in the layouts of exporters, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.recognition import check_recognition  # noqa: E402

HEADS, DIM, COUNT = 3, 4, 2
WIDTH = HEADS * DIM


class Model:
    """Attention of one input x [batch, sequence, WIDTH], as query, key and value, with rows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(0)

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, value: object) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def rows(self, shape: list[int]) -> str:
        return self.weight(self.rng.standard_normal(shape).astype(np.float32))

    def project(self) -> str:
        return self.node("MatMul", "x", self.rows([WIDTH, WIDTH]))

    def size(self, axis: int, factor: int = 1) -> str:
        size = self.node("Gather", self.node("Shape", "x"), self.weight([axis]), axis=0)
        return self.node("Mul", size, self.weight([factor])) if factor != 1 else size

    def sizes(self, *parts: str | int) -> str:
        given = [self.weight([one]) if isinstance(one, int) else one for one in parts]
        return self.node("Concat", *given, axis=0)

    def heads(self, flat: str) -> str:
        """[batch, sequence, heads, dim]"""
        return self.node("Reshape", flat, self.weight([0, 0, HEADS, DIM]))

    def turn(self, x: str, *perm: int) -> str:
        return self.node("Transpose", x, perm=list(perm))

    def save(self, path: Path, result: str, opset: int = 18) -> None:
        graph = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [result], ["y"])],
            "rows",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "seq", WIDTH])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            self.weights,
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10
        onnx.save(model, path)


def join(m: Model, x: str, rows: str, axis: int, first: bool) -> str:
    return m.node("Concat", *((rows, x) if first else (x, rows)), axis=axis)


def keys(m: Model, layout: str, first: bool) -> str:
    """Keys or values [batch, heads, sequence, dim] with rows that stand in a layout."""
    x = m.project()
    if layout == "bhsd":
        rows = m.node("Expand", m.rows([HEADS, COUNT, DIM]), m.sizes(m.size(0), 1, 1, 1))
        return join(m, m.turn(m.heads(x), 0, 2, 1, 3), rows, 2, first)
    if layout == "bshd":
        rows = m.node("Expand", m.rows([1, COUNT, HEADS, DIM]), m.sizes(m.size(0), 1, 1, 1))
        return m.turn(join(m, m.heads(x), rows, 1, first), 0, 2, 1, 3)
    if layout == "bsd":
        rows = m.node("Tile", m.rows([1, COUNT, WIDTH]), m.sizes(m.size(0), 1, 1))
        return m.turn(m.heads(join(m, x, rows, 1, first)), 0, 2, 1, 3)
    if layout == "sbhd":
        rows = m.node("Expand", m.rows([COUNT, 1, HEADS, DIM]), m.sizes(1, m.size(0), 1, 1))
        return m.turn(join(m, m.turn(m.heads(x), 1, 0, 2, 3), rows, 0, first), 1, 2, 0, 3)
    rows = m.node("Tile", m.rows([COUNT, 1, WIDTH]), m.sizes(1, m.size(0), 1))
    flat = join(m, m.turn(x, 1, 0, 2), rows, 0, first)
    if layout == "sbd":
        return m.turn(m.heads(flat), 1, 2, 0, 3)
    # As torch's MultiheadAttention has it: batch and heads are one axis on the way.
    joined = m.node("Reshape", flat, m.sizes(-1, m.size(0, HEADS), DIM))
    turned = m.turn(joined, 1, 0, 2)
    return (
        turned if layout == "hsd" else m.node("Reshape", turned, m.sizes(m.size(0), HEADS, -1, DIM))
    )


def zeros(m: Model, x: str, layout: str) -> str:
    """`x` with a row of zeros behind its sequence."""
    shape = (
        m.sizes(m.size(0, HEADS), 1, DIM) if layout == "hsd" else m.sizes(m.size(0), HEADS, 1, DIM)
    )
    return m.node("Concat", x, m.node("ConstantOfShape", shape), axis=1 if layout == "hsd" else 2)


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("with_zeros", [False, True], ids=["rows", "rows and zeros"])
@pytest.mark.parametrize("layout", ["bhsd", "bshd", "bsd", "sbhd", "sbd", "torch", "hsd"])
def test_rows_are_operands(layout: str, with_zeros: bool, first: bool, tmp_path: Path) -> None:
    m = Model()
    query = m.turn(m.heads(m.project()), 0, 2, 1, 3)
    if layout == "hsd":
        flat = m.turn(m.project(), 1, 0, 2)
        query = m.turn(m.node("Reshape", flat, m.sizes(m.size(1), m.size(0, HEADS), DIM)), 1, 0, 2)
    k, v = keys(m, layout, first), keys(m, layout, first)
    if with_zeros:
        k, v = zeros(m, k, layout), zeros(m, v, layout)
    axes = (0, 2, 1) if layout == "hsd" else (0, 1, 3, 2)
    scores = m.node("MatMul", query, m.turn(k, *axes))
    m.save(tmp_path / "m.onnx", m.node("MatMul", m.node("Softmax", scores, axis=-1), v))
    report = check_recognition(tmp_path / "m.onnx")
    assert report.passed and all(op.compared for op in report.ops), str(report)
    (found,) = basin.load(tmp_path / "m.onnx").inspect()["attention"]
    assert (found["heads"], found["kv_heads"]) == (HEADS, HEADS)
    assert (found["sink_kv"], found["sink_logit"]) == (True, with_zeros)
    # The exporter's own nodes come back.
    model = basin.load(tmp_path / "m.onnx")
    model.run("builtin.module(basin-raise,convert-sink-to-onnx)")
    model.save(tmp_path / "out.onnx")
    kinds = [[n.op_type for n in onnx.load(p).graph.node] for p in tmp_path.glob("*.onnx")]
    assert sorted(kinds[0]) == sorted(kinds[1])


@pytest.mark.parametrize(
    ("of_keys", "of_values"),
    [(("bshd", True), ("bhsd", True)), (("bsd", True), ("bsd", False))],
    ids=["other layouts", "first and last"],
)
def test_rows_that_do_not_match_stay_keys(
    of_keys: tuple[str, bool], of_values: tuple[str, bool], tmp_path: Path
) -> None:
    """Where keys have their rows first and values last, each key has another value."""
    m = Model()
    query = m.turn(m.heads(m.project()), 0, 2, 1, 3)
    k, v = keys(m, *of_keys), keys(m, *of_values)
    scores = m.node("MatMul", query, m.turn(k, 0, 1, 3, 2))
    m.save(tmp_path / "m.onnx", m.node("MatMul", m.node("Softmax", scores, axis=-1), v))
    assert check_recognition(tmp_path / "m.onnx").passed
    (found,) = basin.load(tmp_path / "m.onnx").inspect()["attention"]
    assert not found["sink_kv"]


def flat_keys(m: Model, with_zeros: bool) -> str:
    """Flat keys or values with rows before and zeros behind."""
    rows = m.node("Expand", m.rows([1, COUNT, WIDTH]), m.sizes(m.size(0), 1, 1))
    parts = [rows, m.project()]
    if with_zeros:
        parts.append(m.node("ConstantOfShape", m.sizes(m.size(0), 1, WIDTH)))
    return m.node("Concat", *parts, axis=1)


@pytest.mark.parametrize("masked", [False, True], ids=["open", "masked"])
@pytest.mark.parametrize("with_zeros", [False, True], ids=["rows", "rows and zeros"])
@pytest.mark.parametrize("operator", ["Attention", "MultiHeadAttention"])
def test_flat_keys_of_operators(
    operator: str, with_zeros: bool, masked: bool, tmp_path: Path
) -> None:
    """A mask has columns for the rows, and hides the future among the other keys."""
    m = Model()
    query = m.project()
    k, v = flat_keys(m, with_zeros), flat_keys(m, with_zeros)
    bias = []
    if masked:
        sizes = m.sizes(m.size(1), m.size(1))
        low = m.node("Expand", m.weight(np.array([-np.inf], np.float32)), sizes)
        future = m.node("Trilu", low, m.weight(np.array(1)), upper=1)
        columns = [m.node("ConstantOfShape", m.sizes(m.size(1), COUNT)), future]
        if with_zeros:
            columns.append(m.node("ConstantOfShape", m.sizes(m.size(1), 1)))
        mask = m.node("Concat", *columns, axis=1)
        bias = [m.node("Unsqueeze", mask, m.weight([0, 1]))]
    if operator == "Attention":
        result = m.node(operator, query, k, v, *bias, q_num_heads=HEADS, kv_num_heads=HEADS)
    else:
        absent = ["", ""] if masked else []
        result = m.node(operator, query, k, v, *absent, *bias, num_heads=HEADS)
        m.nodes[-1].domain = "com.microsoft"
    m.save(tmp_path / "m.onnx", result, 23)
    report = check_recognition(tmp_path / "m.onnx")
    assert report.passed and all(op.compared for op in report.ops), str(report)
    (found,) = basin.load(tmp_path / "m.onnx").inspect()["attention"]
    assert (found["sink_kv"], found["sink_logit"]) == (True, with_zeros)
    assert found["causal"] == masked
