"""Rotary embedding inside of GroupQueryAttention, which counts positions itself.

The exporter's graph computes its tables by counting positions, from 0 or from the end of the past
on, or takes the positions as an input. Only counted ones are left to the operator.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
from basin.verification.caches import Caches  # noqa: E402
from operator_forms import TOLERANCE, check, difference  # noqa: E402

HEADS, KEY_HEADS, BATCH, NEW = 4, 2, 2, 5
LOWER = "builtin.module(basin-raise,convert-sink-to-onnx{form=operators:ort%s})"


class Graph:
    """Nodes of one output each, named after what they compute."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attrs: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attrs))
        return name

    def weight(self, value: object) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def size(self, of: str, axis: int) -> str:
        index = self.weight(np.array(axis))
        return self.node("Gather", self.node("Shape", of), index)

    def heads_first(self, x: str, heads: int, dim: int) -> str:
        apart = self.node("Reshape", x, self.weight(np.array([0, 0, heads, dim])))
        return self.node("Transpose", apart, perm=[0, 2, 1, 3])

    def rotate(self, x: str, cos: str, sin: str, dim: int, interleaved: bool) -> str:
        if interleaved:
            apart = self.node("Reshape", x, self.weight(np.array([0, 0, 0, dim // 2, 2])))
            first, second = (
                self.node("Gather", apart, self.weight(np.array(i)), axis=-1) for i in (0, 1)
            )
        else:
            bounds = [np.array([n]) for n in (0, dim // 2, dim)]
            axis = self.weight(np.array([3]))
            first, second = (
                self.node("Slice", x, self.weight(bounds[i]), self.weight(bounds[i + 1]), axis)
                for i in (0, 1)
            )
        mul = lambda a, b: self.node("Mul", a, b)  # noqa: E731
        left = self.node("Sub", mul(first, cos), mul(second, sin))
        right = self.node("Add", mul(second, cos), mul(first, sin))
        if not interleaved:
            return self.node("Concat", left, right, axis=-1)
        last = self.weight(np.array([-1]))
        pairs = [self.node("Unsqueeze", half, last) for half in (left, right)]
        joined = self.node("Concat", *pairs, axis=-1)
        return self.node("Reshape", joined, self.weight(np.array([0, 0, 0, dim])))


def make_model(dim: int, past: bool, positions: str, interleaved: bool) -> onnx.ModelProto:
    g = Graph()
    begin = g.size("past_k", 2) if past else g.weight(np.array(0))
    end = g.node("Add", begin, g.size("q", 1))
    if positions == "input":
        ids = "position_ids"
    else:
        count = g.node("Range", g.weight(np.array(0)), g.size("q", 1), g.weight(np.array(1)))
        if positions == "by two":
            count = g.node("Mul", count, g.weight(np.array(2)))
        count = g.node("Add", count, begin)
        if positions == "from the past on":
            count = g.node("Range", begin, end, g.weight(np.array(1)))
        ids = g.node("Unsqueeze", count, g.weight(np.array([0])))
    angles = g.node("Cast", g.node("Unsqueeze", ids, g.weight(np.array([-1]))), to=1)
    rates = (100.0 ** -(np.arange(dim // 2) / (dim // 2))).astype(np.float32)
    angles = g.node("Mul", angles, g.weight(rates))
    angles = g.node("Unsqueeze", angles, g.weight(np.array([1])))
    cos, sin = g.node("Cos", angles), g.node("Sin", angles)
    query = g.rotate(g.heads_first("q", HEADS, dim), cos, sin, dim, interleaved)
    key = g.rotate(g.heads_first("k", KEY_HEADS, dim), cos, sin, dim, interleaved)
    value = g.heads_first("v", KEY_HEADS, dim)
    if past:
        key = g.node("Concat", "past_k", key, axis=2)
        value = g.node("Concat", "past_v", value, axis=2)
    presents = {"present_k": key, "present_v": value} if past else {}
    repeat = g.weight(np.array([1, 1, HEADS // KEY_HEADS, 1, 1]))
    sizes = (g.size("q", 0), g.weight(np.array(HEADS)), end, g.weight(np.array(dim)))
    sizes = (g.node("Unsqueeze", one, g.weight(np.array([0]))) for one in sizes)
    shape = g.node("Concat", *sizes, axis=0)
    two = g.weight(np.array([2]))
    key, value = (
        g.node("Reshape", g.node("Expand", g.node("Unsqueeze", x, two), repeat), shape)
        for x in (key, value)
    )
    scores = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2]))
    scores = g.node("Mul", scores, g.weight(np.float32(dim**-0.5)))
    zero, one = g.weight(np.array(0)), g.weight(np.array(1))
    row = g.node("Unsqueeze", g.node("Range", begin, end, one), g.weight(np.array([1])))
    column = g.node("Unsqueeze", g.node("Range", zero, end, one), g.weight(np.array([0])))
    seen = g.node("LessOrEqual", column, row)
    lowest = g.weight(np.finfo(np.float32).min)
    scores = g.node("Where", seen, scores, lowest)
    product = g.node("MatMul", g.node("Softmax", scores, axis=-1), value)
    product = g.node("Transpose", product, perm=[0, 2, 1, 3])
    out = g.node("Reshape", product, g.weight(np.array([0, 0, HEADS * dim])))
    for name, source in {"y": out, **presents}.items():
        for node in g.nodes:
            node.input[:] = [name if i == source else i for i in node.input]
            node.output[:] = [name if o == source else o for o in node.output]
    info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    inputs = [info("q", ["b", "s", HEADS * dim])]
    inputs += [info(n, ["b", "s", KEY_HEADS * dim]) for n in "kv"]
    if past:
        inputs += [info(n, ["b", KEY_HEADS, "past", dim]) for n in ("past_k", "past_v")]
    if positions == "input":
        kind = TensorProto.INT64
        inputs.append(helper.make_tensor_value_info("position_ids", kind, ["b", "s"]))
    outputs = [info("y", ["b", "s", HEADS * dim])]
    outputs += [info(n, ["b", KEY_HEADS, "total", dim]) for n in presents]
    graph = helper.make_graph(g.nodes, "g", inputs, outputs, g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def lower(model: onnx.ModelProto, folder: Path, options: str = "") -> tuple[Path, Path, Counter]:
    before, after = folder / "before.onnx", folder / "after.onnx"
    onnx.checker.check_model(model)
    onnx.save(model, before)
    loaded = basin.load(before)
    loaded.run(LOWER % options)
    loaded.save(after)
    return before, after, Counter(node.op_type for node in check(after).graph.node)


def draw(model: onnx.ModelProto, batch: int, new: int, past: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    sizes = {"b": batch, "s": new, "past": past}
    values = {}
    for item in model.graph.input:
        shape = [d.dim_value or sizes[d.dim_param] for d in item.type.tensor_type.shape.dim]
        values[item.name] = rng.standard_normal(shape).astype(np.float32)
        if item.name == "position_ids":
            values[item.name] = rng.integers(0, 9, shape)
    return values


def run(path: Path, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, values)


def rotates_inside(path: Path) -> bool:
    (node,) = [n for n in onnx.load(path).graph.node if n.op_type == "GroupQueryAttention"]
    return any(a.name == "do_rotary" and a.i == 1 for a in node.attribute)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(
    ("dim", "positions", "inside"),
    [
        (16, "counted", True),
        (32, "by two", True),  # the tables' rows are still one for each query, in their order
        (16, "input", False),  # each element of the batch has its own
        (8, "counted", False),  # the operator rotates heads of a multiple of 16
    ],
)
def test_prompts(dim: int, positions: str, inside: bool, interleaved: bool, tmp_path: Path) -> None:
    model = make_model(dim, past=False, positions=positions, interleaved=interleaved)
    before, after, counts = lower(model, tmp_path)
    assert counts["GroupQueryAttention"] == 1 and rotates_inside(after) == inside
    assert counts["RotaryEmbedding"] == (0 if inside else 2)
    for batch, new in ((2, 5), (1, 1), (1, 7)):
        values = draw(model, batch, new, 0)
        for a, b in zip(run(before, values), run(after, values), strict=True):
            assert difference(a, b) <= TOLERANCE["f32"]


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(
    ("positions", "inside"), [("counted", True), ("from the past on", True), ("input", False)]
)
def test_caches_in_place(positions: str, inside: bool, interleaved: bool, tmp_path: Path) -> None:
    """The tables of the new positions stand where those of the past end."""
    model = make_model(16, past=True, positions=positions, interleaved=interleaved)
    before, after, counts = lower(model, tmp_path, " cache=in-place")
    assert counts["GroupQueryAttention"] == 1 and rotates_inside(after) == inside
    made = onnx.load(after)
    caches = Caches.read({p.key: p.value for p in made.metadata_props})
    assert caches is not None
    names = [o.name for o in made.graph.output]
    for batch, new, past in ((2, 1, 6), (1, 4, 3), (2, 5, 0), (1, 1, 1)):
        values = draw(model, batch, new, past)
        expected: dict[str, object] = dict(zip(names, run(before, values), strict=True))
        results = run(after, caches.extend(values, expected))
        got = caches.cut(dict(zip(names, results, strict=True)), expected)
        for name in names:
            assert difference(expected[name], got[name]) <= TOLERANCE["f32"]
