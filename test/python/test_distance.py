"""How far a rewrite's outputs are from the original's, against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin, rewriting  # noqa: E402
from basin.inputs.drawn_inputs import FEW, draw_cases  # noqa: E402
from basin.verification.distance import Distance, OutputDistance, measure  # noqa: E402
from basin.verification.sessions import open_session  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"


def changed(path: Path, factor: float) -> Path:
    """TINY with another weight of its first norm."""
    model = onnx.load(TINY)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 1)
    value = numpy_helper.to_array(weight) * np.float32(factor)
    weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    onnx.save(model, path)
    return path


def model_of(path: Path, *nodes: onnx.NodeProto, output: str = "y", size: int = 3) -> Path:
    """A model in f32 whose one input x is [rows, size]."""
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", size]) for n in ("x", output)
    )
    constants = [
        numpy_helper.from_array(np.float32(v), n) for n, v in (("zero", 0), ("two", 2), ("h", 0.5))
    ]
    graph = helper.make_graph(list(nodes), "g", [x], [y], constants)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def log_softmax(rows: np.ndarray) -> np.ndarray:
    shifted = rows - rows.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_figures_are_those_of_numpy(tmp_path: Path) -> None:
    """The same drawn inputs in both models, by another loop, and the figures by other formulas."""
    other = changed(tmp_path / "other.onnx", 1.5)
    (found,) = measure(TINY, other).outputs
    a, b = (ort.InferenceSession(p, providers=["CPUExecutionProvider"]) for p in (TINY, other))
    cases = list(draw_cases(TINY, open_session(TINY), FEW))
    runs = [[s.run(None, case.values)[0] for case in cases] for s in (a, b)]
    rows = [np.concatenate([y.reshape(-1, y.shape[-1]) for y in one]) for one in runs]
    left, right = (one.astype(np.float64) for one in rows)
    p, q = log_softmax(left), log_softmax(right)
    assert found.name == "logits" and found.rows == len(left) and found.lost == 0
    assert found.largest == pytest.approx(np.abs(left - right).max(), rel=1e-3)
    assert found.root_mean_square == pytest.approx(np.sqrt((left**2).mean()), rel=1e-3)
    assert found.mean_divergence == pytest.approx((np.exp(p) * (p - q)).sum(-1).mean(), rel=1e-3)
    assert found.mean_divergence > 1e-3


def test_logits_are_known_by_their_name_or_size(tmp_path: Path) -> None:
    node = [helper.make_node("Mul", ["x", "two"], [name]) for name in ("y", "lm.logits", "logitsy")]
    for one in node:
        name = one.output[0]
        path = model_of(tmp_path / "a.onnx", one, output=name)
        (found,) = measure(path, path).outputs
        assert (found.mean_divergence == 0.0) == (name == "lm.logits")
    model = onnx.load(TINY)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "out"
    onnx.save(model, tmp_path / "b.onnx")
    (found,) = measure(tmp_path / "b.onnx", tmp_path / "b.onnx").outputs
    assert found.name == "out" and found.mean_divergence == 0.0


def test_nan_and_infinity_are_counted(tmp_path: Path) -> None:
    before = model_of(tmp_path / "a.onnx", helper.make_node("Mul", ["x", "two"], ["y"]))
    after = model_of(tmp_path / "b.onnx", helper.make_node("Pow", ["x", "h"], ["y"]))
    (found,) = measure(before, after).outputs
    assert 0 < found.lost < found.total and found.first_lost == "plain"
    first, second = found.describe()
    where = f"has NaN or infinity in {found.lost} of {found.total} elements"
    assert where in first and "in case 'plain'" in first and "at most" in second
    # NaN where the original has it, too, is no loss.
    (same,) = measure(after, after).outputs
    assert same.lost == 0 and same.largest == 0


def test_what_is_no_row_of_logits_has_no_divergence() -> None:
    """Rows with NaN are left out. Minus infinity in both is a word without probability."""
    distance = OutputDistance("logits")
    x = np.array([[0, 1, -np.inf], [0, 0, 0], [np.nan, 0, 0]], np.float32)
    y = np.array([[1, 0, -np.inf], [0, np.inf, 0], [0, 0, 0]], np.float32)
    distance.add("one", x, y, is_logits=True)
    p, q = log_softmax(x[:1, :2].astype(float)), log_softmax(y[:1, :2].astype(float))
    assert distance.rows == 1 and distance.lost == 1
    assert distance.mean_divergence == pytest.approx((np.exp(p) * (p - q)).sum())


def test_of_many_outputs_the_farthest_are_named() -> None:
    """Logits are named first, and lost elements always."""
    outputs = []
    for number in range(12):
        outputs.append(OutputDistance(f"present.{number}"))
        x = np.full((2, 3), 2.0)
        outputs[-1].add("one", x, x + number / 100, is_logits=False)
    outputs[1].add("two", x, np.full((2, 3), np.nan), is_logits=False)
    outputs.append(OutputDistance("logits"))
    outputs[-1].add("one", x, x, is_logits=True)
    lines = Distance(outputs).describe()
    names = [line.split("'")[1] for line in lines if "is at most" in line]
    assert names == ["present.1", *(f"present.{number}" for number in range(5, 12)), "logits"]
    assert sum("has NaN or infinity in 6 of 12" in line for line in lines) == 1
    assert lines[-1].startswith("5 further outputs differ by less")
    assert Distance(outputs[:8]).describe() == [
        line for one in outputs[:8] for line in one.describe()
    ]


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "verification.md").read_text("utf-8")
    model = ROOT / "models" / "text-sink.onnx"
    (said,) = basin.rewrite(model, tmp_path / "out.onnx", [("clip-residual", {"bound": 100})])
    assert f"\n{said}\n" in page


def test_integers_are_counted() -> None:
    distance = OutputDistance("ids")
    distance.add("one", np.array([1, 2, 3]), np.array([1, 2, 3]), is_logits=False)
    assert distance.describe() == []
    distance.add("two", np.array([1, 2, 3]), np.array([1, 5, 4]), is_logits=False)
    assert distance.describe() == ["output 'ids' differs from the original's in 2 of 6 elements"]


def test_a_result_that_is_none_is_broken(tmp_path: Path) -> None:
    before = model_of(tmp_path / "a.onnx", helper.make_node("Mul", ["x", "two"], ["y"]))
    cut = helper.make_node("ReduceMax", ["x"], ["y"], axes=[1])
    assert "output 'y' is float32" in (
        measure(before, model_of(tmp_path / "b.onnx", cut)).broken or ""
    )
    bad = helper.make_node("Unknown", ["x"], ["y"], domain="")
    assert "does not run" in (measure(before, model_of(tmp_path / "c.onnx", bad)).broken or "")


def test_a_rewrite_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps without a promise of equal bits are measured, except above the limit or on request."""
    target = tmp_path / "out.onnx"
    monkeypatch.setattr(_basin, "promise_equal_bits", lambda _: False)
    (said,) = basin.rewrite(TINY, target, ["insert-pre-affine"])
    assert said.startswith("remark: output 'logits' is at most 0 away from the original's")
    (said,) = basin.rewrite(TINY, target, ["insert-pre-affine"], limit=1000)
    assert "remark: the distance to the original was not measured: the model has" in said
    assert basin.rewrite(TINY, target, ["insert-pre-affine"], verify=False) == []
    target.write_bytes(b"old")
    monkeypatch.setattr(
        rewriting, "measure", lambda *_, **__: Distance(broken="output 'y' is absent")
    )
    with pytest.raises(basin.BasinError, match="breaks the model: output 'y' is absent; nothing"):
        basin.rewrite(TINY, target, ["insert-pre-affine"])
    assert target.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["out.onnx"]
