"""`basin verify MODEL --recognition`: the meaning of an op is compared with its own nodes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.inputs.drawn_inputs import RECIPES  # noqa: E402
from basin.verification import recognition  # noqa: E402
from basin.verification.recognition import check_recognition, format_recognition  # noqa: E402
from basin.verification.runners import RuntimeRunner  # noqa: E402
from basin.verification.tolerance import compare_sides  # noqa: E402
from basin.verify import VerifyError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODELS = [
    *sorted((ROOT / "test" / "models" / "exported").glob("*.onnx")),
    *sorted((ROOT.parent / "shared" / "models").glob("*.onnx")),
    *sorted((ROOT / "models").glob("*.onnx")),
]


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_models(path: Path) -> None:
    report = check_recognition(path)
    assert report.passed, format_recognition(report)
    # A case that never runs proves nothing. If something was compared, several cases ran.
    if any(op.compared for op in report.ops):
        assert len(report.cases) >= 2


def save(
    path: Path, nodes: list, inputs: list, constants: dict, output: str = "y", opset: int = 17
) -> Path:
    """A model of one graph."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def norm(path: Path, eps: float) -> Path:
    """One RMS norm as an operator."""
    node = helper.make_node(
        "SimplifiedLayerNormalization", ["x", "w"], ["y"], axis=-1, epsilon=eps, stash_type=1
    )
    x = ("x", TensorProto.FLOAT, ["batch", "seq", 8])
    return save(path, [node], [x], {"w": np.linspace(0.5, 2, 8, dtype=np.float32)})


def test_a_norm_agrees_at_all_magnitudes(tmp_path: Path) -> None:
    report = check_recognition(norm(tmp_path / "m.onnx", 1e-5))
    (op,) = report.ops
    assert op.kind == "rms_norm" and op.compared and op.differs is None and op.ratio <= 1
    assert {"large values", "tiny values", "small values"} <= set(report.cases)


@pytest.mark.parametrize("change", ["epsilon", "weight"])
def test_a_wrong_meaning_is_found(tmp_path: Path, change: str) -> None:
    """The decomposition in the pass's model is changed afterwards. eps matters for tiny values."""
    model = basin.load(norm(tmp_path / "m.onnx", 1e-5))
    model.run("builtin.module(basin-raise,sink-compare-forms)")
    model.save(tmp_path / "forms.onnx")
    stored = onnx.load(tmp_path / "forms.onnx")
    changed = 0
    for node in stored.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.t.data_type == TensorProto.FLOAT:
                value = numpy_helper.to_array(attribute.t)
                if value.size == 1 and change == "epsilon":
                    attribute.t.CopyFrom(numpy_helper.from_array(value * np.float32(2)))
                    changed += 1
        if node.op_type == "Mul" and "w" in node.input and change == "weight":
            node.op_type, changed = "Add", changed + 1
    for tensor in stored.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if change == "epsilon" and value.size == 1 and value.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(value * np.float32(2), tensor.name))
            changed += 1
    assert changed
    onnx.save(stored, tmp_path / "forms.onnx")
    plain = norm(tmp_path / "m.onnx", 1e-5)
    job = recognition._Job(plain, tmp_path, "basin-raise", RECIPES, 0, None)
    built = replace(job.build(exact=False), path=tmp_path / "forms.onnx")
    report = job.run(built, RuntimeRunner, [])
    assert not report.passed
    assert report.ops[0].differs and "allowed" in report.ops[0].differs


def test_what_cannot_be_decomposed_is_listed(tmp_path: Path) -> None:
    """Old opsets have another Softmax and no bf16, so there are no decompositions for them."""
    node = helper.make_node("SimplifiedLayerNormalization", ["x", "w"], ["y"], axis=-1)
    x = ("x", TensorProto.FLOAT, ["batch", "seq", 8])
    path = save(tmp_path / "m.onnx", [node], [x], {"w": np.ones(8, np.float32)}, opset=12)
    report = check_recognition(path)
    (op,) = report.ops
    assert not op.compared and "expected opset 13 or later" in op.reason
    text = format_recognition(report)
    assert "not compared: " in text and "0 of 1 ops compared" in text


F32, I32 = TensorProto.FLOAT, TensorProto.INT32
HIDDEN = ["batch", "seq", 16]
MHA = {"query": HIDDEN, "key": HIDDEN, "value": HIDDEN}
# Operator, attributes, floating inputs with their shapes, integer ones, shapes of constants.
OPERATORS = {
    "projected": ("Attention", {"num_heads": 2}, {"x": HIDDEN}, {}, {"w": (16, 48), "b": (48,)}),
    "projected to other sizes": (
        "Attention", {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 24]}, {"x": HIDDEN}, {},
        {"w": (16, 40), "b": (40,)},
    ),
    "projected, causal": (
        "Attention", {"num_heads": 2, "unidirectional": 1}, {"x": HIDDEN}, {},
        {"w": (16, 48), "b": (48,)},
    ),
    "projected, mask of keys": (
        "Attention", {"num_heads": 2}, {"x": HIDDEN}, {"attention_mask": ["batch", "seq"]},
        {"w": (16, 48), "b": (48,)},
    ),
    "mask of keys": (
        "MultiHeadAttention", {"num_heads": 2}, MHA, {"attention_mask": ["batch", "seq"]}, {}
    ),
    "lengths": ("MultiHeadAttention", {"num_heads": 2}, MHA, {"lengths": ["batch"]}, {}),
    "biased": ("MultiHeadAttention", {"num_heads": 2}, MHA, {}, {"b": (48,)}),
}  # fmt: skip


@pytest.mark.parametrize("case", OPERATORS)
def test_packed_operands_and_masks_that_operators_interpret(case: str, tmp_path: Path) -> None:
    kind, attributes, floats, integers, constants = OPERATORS[case]
    known = {**floats, **integers, **constants}
    places = {"Attention": "x w b", "MultiHeadAttention": "query key value b"}[kind].split()
    places.append(next(iter(integers), ""))
    node = helper.make_node(
        kind, [n if n in known else "" for n in places], ["y"],
        domain="com.microsoft", **attributes,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {n: rng.standard_normal(size).astype(np.float32) for n, size in constants.items()}
    inputs = [(name, F32, shape) for name, shape in floats.items()]
    inputs += [(name, I32, shape) for name, shape in integers.items()]
    report = check_recognition(save(tmp_path / "m.onnx", [node], inputs, weights))
    assert report.passed and all(op.compared for op in report.ops), format_recognition(report)
    assert len(report.ops) == 1 and len(report.cases) >= 2


def test_rows_count_by_their_own_size() -> None:
    """An error beside a large row still is an error. NaN equals NaN, and infinity equals itself."""
    form = np.array([[1e6, 1e6], [1.0, 1.0]], np.float32)
    meaning = form.copy()
    assert compare_sides(form, meaning) == (0.0, 0.0, None)
    meaning[1, 1] = 1.001
    absolute, ratio, why = compare_sides(form, meaning)
    assert 0 < absolute < 0.01 and ratio > 1 and why is not None and "row 1" in why
    form[:] = meaning[:] = [[np.nan, np.inf], [-np.inf, 1.0]]
    assert compare_sides(form, meaning)[2] is None
    meaning[0, 0] = 0.0
    assert "nan against 0" in compare_sides(form, meaning)[2]
    assert "shape" in compare_sides(form, meaning[:1])[2]
    assert "type" in compare_sides(form, meaning.astype(np.float64))[2]


def test_rounding_of_the_meaning_is_allowed_for_and_no_more() -> None:
    """If f64 shows that f32 itself is off, the form may be off as well, but not without bound."""
    meaning = np.array([[1.0, 1.0]], np.float32)
    exact = np.array([[1.0001, 1.0]])
    near, far = (np.array([[1.0 + e, 1.0]], np.float32) for e in (0.0005, 0.5))
    assert compare_sides(near, meaning)[2] is not None
    assert compare_sides(near, meaning, exact)[2] is None
    assert compare_sides(far, meaning, exact)[2] is not None
    assert compare_sides(far, meaning, exact + 1)[2] is not None
    assert compare_sides(far, meaning, exact + 1, large=True)[2] is None


def test_shares_below_the_normal_range_of_f16() -> None:
    """A row of small shares is off by their bits times the values, which other rows show."""
    meaning = np.array([[37.0, 1.0], [2.6e-4, 0.0]], np.float16)
    form = meaning.copy()
    form[1, 0] += np.float16(1e-5)
    assert compare_sides(form, meaning)[2] is None
    assert "row 0" in compare_sides(form[1:], meaning[1:])[2]
    form[1, 0] += np.float16(1e-4)
    assert "row 1" in compare_sides(form, meaning)[2]


def test_written_exponentials_below_the_normal_range_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exp(-100) has five bits, so a row that hides all keys by -100 is off without being wrong."""
    text = """<ir_version: 9, opset_import: ["": 17]>
    m (float[1, 2, 3, 4] q, float[1, 2, 4, 3] k, float[1, 2, 3, 4] v) => (float[1, 2, 3, 4] y)
    <float[3, 3] mask = {0, -100, -100, -100, -100, -100, 0, 0, 0}>
    {
      s = MatMul(q, k)
      t = Add(s, mask)
      e = Exp(t)
      axes = Constant<value_ints = [-1]>()
      z = ReduceSum(e, axes)
      p = Div(e, z)
      y = MatMul(p, v)
    }"""
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    report = check_recognition(path)
    assert [op.kind for op in report.ops if op.compared] == ["attention"]
    assert report.passed, report
    monkeypatch.setattr(recognition, "_has_small_exponentials", lambda *_: np.zeros(3 * 2, bool))
    assert not check_recognition(path).passed


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""
    command = [sys.executable, "-m", "basin", "verify", *map(str, args)]
    folder = str(Path(basin.__file__).parents[1])
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": folder})


def test_command(tmp_path: Path) -> None:
    path = norm(tmp_path / "m.onnx", 1e-5)
    done = run(path, "--recognition")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rms_norm 'y': agrees, at most ")
    assert "1 of 1 ops compared" in done.stdout
    np.savez(tmp_path / "x.npz", x=np.ones((1, 2, 8), np.float32))
    done = run(path, "--recognition", "--inputs", tmp_path / "x.npz")
    assert done.returncode == 0 and "1 cases" in done.stdout
    for wrong in ([path], [path, path, "--recognition"], [path, "--recognition", "--optimize"]):
        done = run(*wrong)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    done = run(tmp_path / "none.onnx", "--recognition")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_a_form_that_rounds_inside_is_held_to_that() -> None:
    """A detour through f16 may cost some rows all digits. Another meaning costs all rows theirs."""
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((8, 4)).astype(np.float32)
    form = meaning * np.float32(1.001)
    assert compare_sides(form, meaning)[2] is not None
    assert compare_sides(form, meaning, precision="float16")[2] is None
    form[3] = 7.0
    assert compare_sides(form, meaning, precision="float16")[2] is None
    assert "most rows" in compare_sides(meaning * 2, meaning, precision="float16")[2]
    # If the result itself is f16, each row counts.
    half = meaning.astype(np.float16)
    assert compare_sides(half * np.float16(2), half, precision="float16")[2] is not None


def test_a_meaning_that_does_not_run_is_blamed(tmp_path: Path, monkeypatch) -> None:
    """The model runs, but both sides together do not. The op whose meaning alone fails is named."""
    path = norm(tmp_path / "m.onnx", 1e-5)
    run_plain = recognition.RuntimeRunner.run

    def run_but_not_meanings(self, values):
        if "forms-" in str(self._path):
            raise VerifyError(f"{self._path}: a wrong shape")
        return run_plain(self, values)

    monkeypatch.setattr(recognition.RuntimeRunner, "run", run_but_not_meanings)
    (op,) = check_recognition(path).ops
    assert op.differs == "the model runs, but its meaning does not: forms-2.onnx: a wrong shape"
    assert op.case == "plain"


def test_branches_of_an_if_are_compared() -> None:
    """A merged decoder holds the whole model in each branch."""
    report = check_recognition(ROOT / "test" / "models" / "exported" / "hand-merged-with_past.onnx")
    assert len(report.ops) == 14 and all(op.compared for op in report.ops)
    assert {op.name.split(":")[0] for op in report.ops} == {
        "/If_1.then_branch",
        "/If_1.else_branch",
    }
