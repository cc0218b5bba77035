"""A sink written as a gate, softmax(s) sigmoid(logsumexp(s) - sink): recognized and rewritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from operator_forms import FORMS

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.recognition import check_recognition  # noqa: E402

LOW = float(np.finfo(np.float32).min)


def write(path: Path, where: str, low: float, version: int = 18) -> dict[str, np.ndarray]:
    """Attention of three heads of 8 with a causal mask of `low`, whose last row hides all keys."""
    mask = np.triu(np.full((6, 6), low, np.float32), 1)
    mask[-1] = low
    sink = np.array([-1.0, 0.5, 3.0], np.float32)
    axes = np.array([-1])
    nodes = [
        helper.make_node("MatMul", ["q", "kt"], ["s0"]),
        helper.make_node("Add", ["s0", "mask"], ["s"]),
        helper.make_node("ReduceLogSumExp", ["s", "axes"], ["lse"]),
        helper.make_node("Reshape", ["sink", "column"], ["r"]),
        helper.make_node("Sub", ["lse", "r"], ["d"]),
        helper.make_node("Sigmoid", ["d"], ["g"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
    ]
    if where == "probabilities":
        nodes.append(helper.make_node("Mul", ["p", "g"], ["w"]))
        nodes.append(helper.make_node("MatMul", ["w", "v"], ["y"]))
    else:
        nodes.append(helper.make_node("MatMul", ["p", "v"], ["w"]))
        nodes.append(helper.make_node("Mul", ["w", "g"], ["y"]))
    shapes = {"q": [2, 3, 6, 8], "kt": [2, 3, 8, 6], "v": [2, 3, 6, 8]}
    made = {"mask": mask, "sink": sink, "axes": axes, "column": np.array([1, 3, 1, 1])}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g",
        [value(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in made.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", version)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def run(path: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("form", ["original", *FORMS])
@pytest.mark.parametrize("where", ["probabilities", "values"])
def test_a_gate_is_a_logit(where: str, form: str, tmp_path: Path) -> None:
    """Its nodes, and the operators for the logit, compute exp(sink) in the denominator. A row whose
    scores all are the lowest number is zero."""
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    inputs = write(source, where, LOW)
    (found,) = basin.load(source).inspect()["attention"]
    assert found["sink_logit"] and found["gate"] is None
    report = check_recognition(source)
    assert report.passed and all(op.compared for op in report.ops), str(report)
    scores = inputs["q"].astype(np.float64) @ inputs["kt"]
    seen = np.tril(np.ones((6, 6), bool))
    seen[-1] = False
    e = np.where(seen, np.exp(scores), 0)
    sink = np.exp(np.array([-1.0, 0.5, 3.0]))[:, None, None]
    expected = e / (e.sum(-1, keepdims=True) + sink) @ inputs["v"]
    model = basin.load(source)
    model.run(f"builtin.module(basin-raise,convert-sink-to-onnx{{form={form}}})")
    model.save(target)
    kinds = {node.op_type for node in onnx.load(target).graph.node}
    assert ("ReduceLogSumExp" in kinds) == (form == "original")
    for path in (source, target):
        assert np.abs(run(path, inputs) - expected).max() <= 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize("where", ["probabilities", "values"])
def test_rows_that_may_be_nan_are_left_alone(where: str, tmp_path: Path) -> None:
    """A gate of -inf and a row of NaN are NaN. With a sink the row would be zero."""
    source = tmp_path / "in.onnx"
    inputs = write(source, where, -np.inf)
    assert np.isnan(run(source, inputs)[:, :, -1]).all()
    found = basin.load(source).inspect()
    assert not any(one["sink_logit"] for one in found["attention"])
    assert "in rows that see a key" in found["unrecognized"][0]["reason"]
