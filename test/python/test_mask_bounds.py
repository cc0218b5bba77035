"""What is said of a mask's causality and windows, held to the mask itself.

Random masks of comparisons and triangles are evaluated by ONNX Runtime. Every key outside of the
stated bounds must be hidden, also with more keys than queries.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

basin = pytest.importorskip("basin")

# Masks that are causal or have a window: a generator that no longer draws any would test nothing.
LEAST_STATED = 60
COUNT = 200


class Mask:
    """Draws nodes of a mask over positions. Values are flags, true where a key is visible."""

    def __init__(self, rng: np.random.Generator, square: bool) -> None:
        self.rng, self.square, self.nodes = rng, square, []
        self.constants: dict[str, np.ndarray] = {}
        rows = self.scalar_of("q")
        columns = rows if square else self.scalar_of("k")
        ranges = [
            self.node("Range", self.number(0), end, self.number(1)) for end in (rows, columns)
        ]
        self.row = self.node("Unsqueeze", ranges[0], self.constant([1]))
        self.column = ranges[1]
        self.sizes = [self.node("Unsqueeze", end, self.constant([0])) for end in (rows, columns)]

    def node(self, op: str, *inputs: str, **attributes: int) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, value: object, dtype: type = np.int64) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def number(self, value: int) -> str:
        return self.constant(value)

    def scalar_of(self, name: str) -> str:
        return self.node("Squeeze", self.node("Shape", name, start=2, end=3))

    def comparison(self) -> str:
        shift = self.number(int(self.rng.integers(-3, 6)))
        op = str(self.rng.choice(["Less", "LessOrEqual", "Greater", "GreaterOrEqual"]))
        kind = self.rng.integers(4)
        if kind == 0:
            return self.node(op, self.column, self.row)
        if kind == 1:
            moved = self.node(str(self.rng.choice(["Add", "Sub"])), self.row, shift)
            return self.node(op, *self.rng.permutation([moved, self.column]))
        first, second = self.rng.permutation([self.row, self.column])
        distance = self.node("Sub", first, second)
        if kind == 2:
            distance = self.node("Abs", distance)
        return self.node(op, distance, shift)

    def triangle(self) -> str:
        shape = self.node("Concat", *self.sizes, axis=0)
        ones = self.node("Expand", self.constant([1]), shape)
        k = self.number(int(self.rng.integers(-3, 3)))
        kept = self.node("Trilu", ones, k, upper=int(self.rng.integers(2)))
        if self.rng.integers(2):
            return self.node("Not", self.node("Equal", kept, self.number(0)))
        return self.node("Cast", kept, to=TensorProto.BOOL)

    def draw(self, depth: int = 2) -> str:
        kind = self.rng.integers(5) if depth else self.rng.integers(2)
        if kind == 0:
            return self.triangle()
        if kind == 1:
            return self.comparison()
        if kind == 2:
            return self.node("Not", self.draw(depth - 1))
        return self.node(
            str(self.rng.choice(["And", "Or"])), self.draw(depth - 1), self.draw(depth - 1)
        )


def make_model(rng: np.random.Generator, square: bool) -> onnx.ModelProto:
    mask = Mask(rng, square)
    flags = mask.draw()
    scores = mask.node("MatMul", "q", mask.node("Transpose", "k", perm=[0, 1, 3, 2]))
    low, zero = mask.constant(-1e9, np.float32), mask.constant(0, np.float32)
    if rng.integers(2):
        masked = mask.node("Where", flags, scores, low)
    else:
        masked = mask.node("Add", scores, mask.node("Where", flags, zero, low))
    mask.nodes.append(
        helper.make_node("MatMul", [mask.node("Softmax", masked, axis=-1), "v"], ["y"])
    )
    shown = mask.node("Expand", flags, mask.node("Concat", *mask.sizes, axis=0))
    mask.nodes.append(helper.make_node("Identity", [shown], ["shown"]))
    info = helper.make_tensor_value_info
    keys = "n" if square else "m"
    graph = helper.make_graph(
        mask.nodes,
        "mask",
        [
            info("q", TensorProto.FLOAT, [1, 2, "n", 4]),
            *(info(name, TensorProto.FLOAT, [1, 2, keys, 4]) for name in "kv"),
        ],
        [
            info("y", TensorProto.FLOAT, [1, 2, "n", 4]),
            info("shown", TensorProto.BOOL, ["n", keys]),
        ],
        [onnx.numpy_helper.from_array(a, n) for n, a in mask.constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def check_bounds(path: Path, facts: dict, square: bool) -> None:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for queries, keys in [(7, 7), (2, 2)] if square else [(3, 8), (5, 5), (1, 6)]:
        q, k = (np.zeros((1, 2, n, 4), np.float32) for n in (queries, keys))
        (shown,) = session.run(["shown"], {"q": q, "k": k, "v": k})
        i = np.arange(queries)[:, None] + keys - queries
        behind = i - np.arange(keys)[None]
        if facts["causal"]:
            assert not shown[behind < 0].any()
        if facts["window"] is not None:
            assert not shown[behind >= facts["window"]].any()
        if facts["right_window"] is not None:
            assert not shown[-behind > facts["right_window"]].any()


@pytest.mark.parametrize("square", [True, False])
def test_stated_bounds_hide_what_they_say(tmp_path: Path, square: bool) -> None:
    rng = np.random.default_rng(5)
    stated = 0
    for number in range(COUNT):
        path = tmp_path / f"{number}.onnx"
        onnx.save(make_model(rng, square), path)
        (facts,) = basin.load(path).inspect()["attention"]
        check_bounds(path, facts, square)
        stated += (
            facts["causal"] or facts["window"] is not None or facts["right_window"] is not None
        )
    # With other numbers of keys than queries, positions that count from zero are not aligned.
    assert stated >= (LEAST_STATED if square else 0)
