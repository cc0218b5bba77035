"""Sinks of attention as each form of export writes them, in ONNX Runtime, against the f64 formula.

Logits, learned rows and both, with the heads, masks and positions beside which an exporter may
write them. Each result is also recognized again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from operator_forms import FORMS, STANDARD_FORMS
from test_operator_masks import to_layout
from test_sink_decompositions import run

basin = pytest.importorskip("basin")
from basin.verification.recognition import check_recognition  # noqa: E402

BATCH, HEADS, DIM = 2, 4, 8
LOW = float(np.finfo(np.float32).min)
OPERATORS = {"Attention", "GroupQueryAttention", "MultiHeadAttention"}
# Relative to the largest element: f32 with sums of a few products.
LIMIT = 2e-6


@dataclass(frozen=True)
class Case:
    """One attention with sinks."""

    logit: bool = True
    rows: int = 0
    kind: str = ""  # keep, drop or additive; without a kind there is no mask
    mask_heads: int = 1
    bias: bool = False
    causal: bool = False
    window: int = 0
    softcap: float = 0
    scale: float = 0
    fill: bool = False  # hidden keys have the lowest number, not -inf
    queries: int = 5
    keys: int = 5
    past: int = 0
    kv_heads: int = HEADS
    value_dim: int = DIM
    layout: str = "bhsd"

    def name(self) -> str:
        default = Case()
        parts = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(default, k)]
        return ",".join(parts) or "plain"


def make_inputs(case: Case) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    made = {"q": draw(BATCH, HEADS, case.queries, DIM)}
    made["k"] = draw(BATCH, case.kv_heads, case.keys, DIM)
    made["v"] = draw(BATCH, case.kv_heads, case.keys, case.value_dim)
    columns = case.past + case.keys
    if case.kind:
        seen = rng.random((BATCH, case.mask_heads, case.queries, columns)) < 0.6
        seen[0, :, 1] = False  # without a sink this row would be NaN or uniform
        low = np.float32(LOW if case.fill else -np.inf)
        made["m"] = {"keep": seen, "drop": ~seen}.get(
            case.kind, np.where(seen, draw(*seen.shape), low)
        )
    if case.bias:
        made["b"] = draw(1, HEADS, case.queries, columns)
    if case.past:
        made["pk"] = draw(BATCH, case.kv_heads, case.past, DIM)
        made["pv"] = draw(BATCH, case.kv_heads, case.past, case.value_dim)
    if case.logit:
        made["l"] = draw(HEADS)
    if case.rows:
        made["rk"] = draw(case.kv_heads, case.rows, DIM)
        made["rv"] = draw(case.kv_heads, case.rows, case.value_dim)
    return made


def reference(case: Case, x: dict[str, np.ndarray]) -> np.ndarray:
    """The definition of sink.attention, in f64."""
    x = {name: a.astype(np.float64) if a.dtype != bool else a for name, a in x.items()}
    key, value = x["k"], x["v"]
    if case.past:
        key, value = np.concatenate([x["pk"], key], 2), np.concatenate([x["pv"], value], 2)
    count, low = key.shape[2], LOW if case.fill else -np.inf
    if case.rows:
        rows = [np.broadcast_to(x[n], (BATCH, *x[n].shape)) for n in ("rk", "rv")]
        key, value = np.concatenate([rows[0], key], 2), np.concatenate([rows[1], value], 2)
    key, value = (a.repeat(HEADS // case.kv_heads, 1) for a in (key, value))
    scores = (case.scale or DIM**-0.5) * (x["q"] @ key.swapaxes(2, 3))
    if case.softcap:
        scores = case.softcap * np.tanh(scores / case.softcap)
    keys = scores[..., case.rows :]
    if case.bias:
        keys = keys + x["b"]
    if case.kind == "additive":
        keys = keys + x["m"]
    elif case.kind:
        keys = np.where(x["m"] == (case.kind == "keep"), keys, low)
    distance = (np.arange(case.queries)[:, None] + count - case.queries) - np.arange(count)
    seen = (distance >= 0) | (not case.causal)
    seen &= (distance < case.window) | (not case.window)
    keys = np.where(seen, keys, low)
    scores = np.concatenate([scores[..., : case.rows], keys], 3)
    if case.logit:
        column = np.broadcast_to(x["l"][:, None, None], (*scores.shape[:3], 1))
        scores = np.concatenate([scores, column], 3)
        value = np.concatenate([value, np.zeros_like(value[:, :, :1])], 2)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)) @ value


def write_and_run(case: Case, folder: Path, form: str, dynamic: bool = False) -> list[np.ndarray]:
    x = make_inputs(case)
    batch, sequence = {"bhsd": (0, 2), "bshd": (0, 1), "bsd": (0, 1)}[case.layout]
    axes = {"q": (batch, sequence), "k": (batch, sequence), "v": (batch, sequence)}
    axes |= {"m": (0, 2, 3), "b": (2, 3), "pk": (0, 2), "pv": (0, 2)}
    inputs = {
        name: (
            to_layout(a, case.layout) if name in ("q", "k", "v") else a,
            axes.get(name, ()) if dynamic else (),
        )
        for name, a in x.items()
    }
    operands = "%q, %k, %v" + " mask %m" * bool(case.kind) + " bias %b" * case.bias
    operands += " past %pk, %pv" * bool(case.past) + " sink_logit %l" * case.logit
    operands += " sink_kv %rk, %rv" * bool(case.rows)
    words = [f"num_heads = {HEADS} : i64", f"kv_num_heads = {case.kv_heads} : i64"]
    words += [f"{n}_layout = #sink.layout<{case.layout}>" for n in ("query", "key", "value")]
    words += [f"result_layout = #sink.layout<{case.layout}>"]
    words += [f"mask_kind = #sink.mask_kind<{case.kind}>"] * bool(case.kind)
    words += ["causal"] * case.causal + [f"window = {case.window} : i64"] * bool(case.window)
    words += [f"softcap = {case.softcap}"] * bool(case.softcap)
    words += [f"scale = {case.scale}"] * bool(case.scale)
    words += [f"mask_fill = {LOW!r}"] * (case.fill and case.kind != "additive")
    words += ["has_present"] * bool(case.past)
    count = 3 if case.past else 1
    return run(folder, "attention", operands, inputs, count, 23, ", ".join(words), form)


def check(case: Case, folder: Path, form: str, dynamic: bool = False) -> set[str]:
    """Check the results, without and with optimizations, and return the operators."""
    x = make_inputs(case)
    got = write_and_run(case, folder, form, dynamic)
    path = folder / "model.onnx"
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {n: to_layout(a, case.layout) if n in ("q", "k", "v") else a for n, a in x.items()}
    optimized = session.run(None, {i.name: feed[i.name] for i in session.get_inputs()})
    expected = to_layout(reference(case, x), case.layout)
    for results in (got, optimized):
        error = np.abs(results[0] - expected).max() / np.abs(expected).max()
        assert error <= LIMIT, f"error {error:.2e}"
        for present, past, new in zip(results[1:], ("pk", "pv"), ("k", "v"), strict=False):
            assert (present == np.concatenate([x[past], x[new]], 2)).all()
    model = onnx.load(path)
    # Attention of opset 23 would count the keys of sinks.
    found = [a.name for n in model.graph.node for a in n.attribute if a.name == "is_causal" and a.i]
    # Dynamic queries and keys are not known to be as many.
    square = case.queries == case.keys and not dynamic
    counts = case.causal and not case.window and square and form == "operators:opset25"
    assert bool(found) == counts
    return {node.op_type for node in model.graph.node}


SINKS = [Case(), Case(logit=False, rows=3), Case(rows=2)]
BESIDE = [
    Case(),
    Case(kv_heads=2, softcap=3.0),
    Case(kv_heads=1, causal=True, layout="bsd"),
    Case(causal=True, window=2, kv_heads=2, layout="bshd"),
    Case(kind="keep", mask_heads=HEADS),
    Case(kind="keep", causal=True, bias=True, layout="bshd"),
    Case(kind="drop", kv_heads=2, softcap=1.5, scale=0.7),
    Case(kind="additive", layout="bsd", scale=-0.5),
    Case(kind="additive", bias=True, mask_heads=HEADS, causal=True, kv_heads=2),
    Case(kind="additive", fill=True, kv_heads=2),
    Case(kind="keep", fill=True),
    Case(bias=True, softcap=2.0),
    Case(queries=3, keys=7, causal=True, kv_heads=2),
    Case(queries=2, keys=2, past=4, causal=True, kv_heads=2),
    Case(queries=2, keys=2, past=3, kind="keep", window=3, causal=True),
]
CASES = [
    replace(case, logit=sinks.logit, rows=sinks.rows) for sinks in SINKS for case in BESIDE
] + [Case(value_dim=6, kind="keep"), Case(logit=False, rows=1, value_dim=6, causal=True)]


@pytest.mark.parametrize("form", STANDARD_FORMS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_standard_operator(case: Case, dynamic: bool, form: str, tmp_path: Path) -> None:
    """One Attention: rows, and a key of zeros whose column of the mask is the logit.

    They stand among the keys in opset 23, and are a past in opset 25.
    """
    operators = check(case, tmp_path, form, dynamic)
    assert "Attention" in operators and "Softmax" not in operators
    (node,) = (n for n in onnx.load(tmp_path / "model.onnx").graph.node if n.op_type == "Attention")
    has_past = len(node.input) > 4
    assert has_past == (form == "operators:opset25") and len(node.output) == 1


@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_decomposition(case: Case, tmp_path: Path) -> None:
    assert "Softmax" in check(case, tmp_path, "original")


@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_runtime_operator(case: Case, tmp_path: Path) -> None:
    """GroupQueryAttention takes the logits of as many keys as queries. It takes no rows."""
    operators = check(case, tmp_path, "operators:ort")
    takes = not case.rows and not case.past and case.keys == case.queries and case.value_dim == DIM
    takes &= not (case.fill and case.causal)
    assert ("GroupQueryAttention" in operators) == takes
    assert ("Softmax" in operators) != takes
    if takes:
        (node,) = (n for n in onnx.load(tmp_path / "model.onnx").graph.node if "Group" in n.op_type)
        assert node.input[11] == "l"


@pytest.mark.parametrize("form", ["original", *FORMS])
@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_recognized_again(case: Case, form: str, tmp_path: Path) -> None:
    write_and_run(case, tmp_path, form)
    # Learned rows are weights of a model, and here they were inputs.
    model, x = onnx.load(tmp_path / "model.onnx"), make_inputs(case)
    for value in [value for value in model.graph.input if value.name in ("l", "rk", "rv")]:
        model.graph.input.remove(value)
        model.graph.initializer.append(numpy_helper.from_array(x[value.name], value.name))
    onnx.save(model, tmp_path / "weights.onnx")
    (found,) = basin.load(tmp_path / "weights.onnx").inspect()["attention"]
    report = check_recognition(tmp_path / "weights.onnx")
    assert report.passed and all(op.compared for op in report.ops), str(report)
    assert found["heads"] == HEADS and found["kv_heads"] == case.kv_heads
    assert found["softcap"] == (case.softcap or None)
    assert (found["sink_logit"], found["sink_kv"]) == (case.logit, bool(case.rows))
    if case.keys == case.queries and not case.past:
        assert found["causal"] == case.causal
