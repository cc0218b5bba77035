"""Masks, biases, positions and layouts of attention, as the operators of both forms take them.

Each attention is lowered to its decomposition and to an operator. Both run in ONNX Runtime, without
and with its optimizations, and agree except for rounding, also in rows that see no key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from operator_forms import FORMS, TOLERANCE, difference
from test_sink_decompositions import run

BATCH, HEADS, DIM = 2, 4, 8
OPERATORS = {"Attention", "MultiHeadAttention", "GroupQueryAttention"}
LOW = float(np.finfo(np.float32).min)
LAYOUTS = ("bhsd", "bshd", "bsd")


@dataclass(frozen=True)
class Case:
    """One attention: its mask and bias, what hides keys by their positions, and its sizes."""

    kind: str = ""  # keep, drop or additive; without a kind there is no mask
    hidden: float = -np.inf  # the summand of hidden keys, in an additive mask
    mask_heads: int = 1
    bias: str = ""  # before or after the mask
    bias_heads: int = 1
    attrs: str = ""
    zero: bool = False
    queries: int = 5
    keys: int = 5
    past: int = 0
    kv_heads: int = HEADS
    layout: str = "bhsd"
    head_factor: bool = False

    def name(self) -> str:
        default = Case()
        parts = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(default, k)]
        return ",".join(parts).replace(" : i64", "").replace(" : f64", "") or "plain"


def to_layout(x: np.ndarray, layout: str) -> np.ndarray:
    """A [batch, heads, sequence, dim] in a layout."""
    batch, heads, length, dim = x.shape
    joined = x.reshape(batch * heads, length, dim)
    return {
        "bhsd": lambda: x,
        "bshd": lambda: x.swapaxes(1, 2),
        "bsd": lambda: x.swapaxes(1, 2).reshape(batch, length, heads * dim),
        "bhds": lambda: x.swapaxes(2, 3),
        "sbhd": lambda: x.transpose(2, 0, 1, 3),
        "hsd": lambda: joined,
        "hds": lambda: joined.swapaxes(1, 2),
    }[layout]().copy()


# The axes of each layout that are dynamic: batch and sequence.
DYNAMIC = {
    "bhsd": (0, 2),
    "bshd": (0, 1),
    "bsd": (0, 1),
    "bhds": (0, 3),
    "sbhd": (0, 1),
    "hsd": (0, 1),
    "hds": (0, 2),
}


def make_inputs(case: Case, rng: np.random.Generator, dynamic: bool) -> dict:
    """Name to (array, dynamic axes). The first and third row of batch 1 see no key of the mask."""

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    axes = DYNAMIC[case.layout] if dynamic else ()
    inputs = {"q": (to_layout(draw(BATCH, HEADS, case.queries, DIM), case.layout), axes)}
    for name in ("k", "v"):
        x = draw(BATCH, case.kv_heads, case.keys, DIM)
        inputs[name] = (to_layout(x, case.layout), axes)
    rows, columns = (0, 2, 3), case.past + case.keys
    shape = (BATCH, case.mask_heads, case.queries, columns)
    if case.kind:
        seen = rng.random(shape) < 0.7
        seen[..., 0] |= ~seen.any(-1)
        seen[1, -1:, ::2] = False
        number = draw(*shape)
        mask = {"keep": seen, "drop": ~seen}.get(
            case.kind, np.where(seen, number, np.float32(case.hidden)).astype(np.float32)
        )
        inputs["m"] = (mask, rows if dynamic else ())
    if case.bias:
        inputs["b"] = (draw(1, case.bias_heads, case.queries, columns), (2, 3) if dynamic else ())
    for name in ("pk", "pv") if case.past else ():
        inputs[name] = (draw(BATCH, case.kv_heads, case.past, DIM), (0, 2) if dynamic else ())
    if case.head_factor:
        inputs["h"] = (draw(HEADS, 1, 1), ())
    return inputs


def attributes(case: Case) -> str:
    words = [f"num_heads = {HEADS} : i64", f"kv_num_heads = {case.kv_heads} : i64"]
    words += [f"{n}_layout = #sink.layout<{case.layout}>" for n in ("query", "key", "value")]
    words += [f"result_layout = #sink.layout<{case.layout}>"]
    if case.kind:
        words.append(f"mask_kind = #sink.mask_kind<{case.kind}>")
    if case.bias == "after":
        words.append("bias_after_mask")
    words += ["zero_hidden_rows"] * case.zero + [case.attrs] * bool(case.attrs)
    return ", ".join(words + ["has_present"] * bool(case.past))


def run_forms(
    case: Case, tmp_path: Path, form: str, dynamic: bool = False
) -> tuple[list[np.ndarray], list[list[np.ndarray]], set[str]]:
    """Results of the decomposition, those of the form without and with optimizations, operators."""
    inputs = make_inputs(case, np.random.default_rng(3), dynamic)
    operands = "%q, %k, %v" + " mask %m" * bool(case.kind) + " bias %b" * bool(case.bias)
    operands += " past %pk, %pv" * bool(case.past) + " score_factor %h" * case.head_factor
    made = {}
    for one in ("original", form):
        folder = tmp_path / one.replace(":", "-")
        folder.mkdir()
        results = 3 if case.past else 1
        args = (folder, "attention", operands, inputs, results, 23, attributes(case), one)
        made[one] = run(*args)
    path = tmp_path / form.replace(":", "-") / "model.onnx"
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {i.name: inputs[i.name][0] for i in session.get_inputs()}
    operators = {node.op_type for node in onnx.load(path).graph.node}
    return made["original"], [made[form], session.run(None, feed)], operators


def assert_same(case: Case, tmp_path: Path, form: str, dynamic: bool = False) -> set[str]:
    """The operators, once the results are compared. One of them is attention."""
    expected, got, operators = run_forms(case, tmp_path, form, dynamic)
    assert operators & OPERATORS and "Softmax" not in operators
    for results in got:
        for a, b in zip(expected, results, strict=True):
            assert difference(a, b) <= TOLERANCE["f32"]
    if case.kind and not case.zero and np.isinf(case.hidden) and "fill" not in case.attrs:
        assert "floor" in case.attrs or np.isnan(expected[0]).any()
    return operators


MASKS = [
    replace(Case(), kind=kind, bias=bias, zero=zero, mask_heads=mask_heads, bias_heads=bias_heads)
    for kind in ("keep", "drop", "additive")
    for bias in ("", "before", "after")
    for zero in (False, True)
    for mask_heads, bias_heads in ((1, 1), (1, HEADS), (HEADS, 1))
    if bias or bias_heads == 1
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", MASKS, ids=Case.name)
def test_mask_and_bias(case: Case, form: str, tmp_path: Path) -> None:
    """Rows that see no key, of one head or of all, are NaN or zeros as in the original."""
    assert_same(case, tmp_path, form)
    layout = LAYOUTS[1 + MASKS.index(case) % 2]
    other = replace(case, layout=layout, kv_heads=2)
    (tmp_path / "other").mkdir()
    assert_same(other, tmp_path / "other", form)


FACTORS = [
    Case(kind="additive", bias="before", attrs="mask_scale = 2.0, bias_scale = -0.5"),
    Case(kind="additive", bias="after", attrs="mask_scale = 2.0, bias_scale = -0.5"),
    Case(kind="additive", hidden=LOW, bias="before", attrs="bias_scale = 3.0"),
    Case(kind="additive", hidden=1.0, attrs="mask_scale = -1.0e4"),
    Case(kind="keep", bias="before", attrs=f"bias_scale = 3.0, mask_fill = {LOW!r}"),
    Case(kind="drop", bias="after", attrs=f"bias_scale = 3.0, mask_fill = {LOW!r}"),
    Case(bias="before", bias_heads=HEADS, attrs="bias_scale = 0.25, scale = 0.7"),
    Case(bias="before", attrs="bias_scale = 0.25, causal"),
    Case(kind="keep", bias="before", past=3, queries=2, keys=2, kv_heads=2),
    Case(kind="keep", bias="after", past=3, queries=2, keys=2, zero=True, bias_heads=HEADS),
]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", FACTORS, ids=Case.name)
def test_factors(case: Case, form: str, dynamic: bool, tmp_path: Path) -> None:
    if dynamic and "causal" in case.attrs:
        pytest.skip("nothing says that there are as many keys as queries")
    assert_same(case, tmp_path, form, dynamic)


POSITIONS = [
    Case(attrs=positions, kind=kind, queries=queries, keys=keys, kv_heads=kv, zero=zero)
    for positions in (
        "causal",
        "causal, window = 2 : i64",
        "window = 2 : i64, right_window = 1 : i64",
    )
    for kind, zero in (("", False), ("keep", False), ("keep", True), ("additive", True))
    for queries, keys in ((5, 5), (3, 7))
    for kv in (HEADS, 2)
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", POSITIONS, ids=Case.name)
def test_positions(case: Case, form: str, tmp_path: Path) -> None:
    """Causality and windows are the operator's own, or part of the mask."""
    expected, got, operators = run_forms(case, tmp_path, form)
    assert operators & OPERATORS and "Softmax" not in operators
    for results in got:
        assert difference(expected[0], results[0]) <= TOLERANCE["f32"]


FINITE = [
    Case(kind="keep", attrs=f"causal, mask_fill = {LOW!r}"),
    Case(kind="additive", hidden=LOW, attrs=f"causal, mask_fill = {LOW!r}", kv_heads=2),
    Case(kind="keep", attrs=f"window = 2 : i64, mask_fill = {LOW!r}"),
    Case(kind="keep", attrs=f"floor = {LOW!r}"),
    Case(kind="additive", attrs=f"floor = {LOW!r}", bias="before"),
    Case(kind="additive", hidden=LOW, attrs=f"floor = {LOW!r}", bias="after"),
    Case(kind="keep", attrs=f"causal, floor = {LOW!r}"),
    Case(attrs=f"floor = {LOW!r}"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", FINITE, ids=Case.name)
def test_rows_of_finite_scores_are_uniform(case: Case, form: str, tmp_path: Path) -> None:
    assert_same(case, tmp_path, form)


VIEWS = [
    Case(layout=layout, kv_heads=kv, kind=kind, head_factor=scaled, attrs=attrs)
    for layout in DYNAMIC
    for kv, kind, scaled, attrs in (
        (HEADS, "", True, ""),
        (2, "keep", False, "scale = -0.5"),
        (HEADS, "additive", True, "softcap = 2.0"),
    )
]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", VIEWS, ids=Case.name)
def test_layouts_and_factors(case: Case, form: str, dynamic: bool, tmp_path: Path) -> None:
    """Any layout is taken to the operator's. Factors of heads, and negative ones, scale queries."""
    if form == "operators:ort" and "softcap" in case.attrs and dynamic:
        pytest.skip("only GroupQueryAttention has a softcap, and it needs a key for each query")
    assert_same(case, tmp_path, form, dynamic)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["hsd", "hds"])
@pytest.mark.parametrize("rows", [1, BATCH * HEADS])
def test_masks_of_joined_heads(rows: int, layout: str, form: str, tmp_path: Path) -> None:
    """Without a number of heads, each pair of batch and head is an element of the batch."""
    rng = np.random.default_rng(5)
    x = [rng.standard_normal((BATCH * HEADS, 5, DIM)).astype(np.float32) for _ in range(3)]
    mask = np.where(rng.random((rows, 5, 5)) < 0.7, np.float32(0), np.float32(LOW))
    for stated in ("", f"num_heads = {HEADS} : i64, kv_num_heads = {HEADS} : i64, "):
        keys = x[1].swapaxes(1, 2).copy() if layout == "hds" else x[1]
        inputs = {"q": (x[0], ()), "k": (keys, ()), "v": (x[2], ()), "m": (mask, ())}
        words = [f"{n}_layout = #sink.layout<hsd>" for n in ("query", "value", "result")]
        attrs = (
            f"{stated}mask_kind = #sink.mask_kind<additive>, key_layout = #sink.layout<{layout}>"
        )
        results = []
        for one in ("original", form):
            folder = tmp_path / f"{one.replace(':', '-')}{bool(stated)}"
            folder.mkdir()
            text = ", ".join([attrs, *words])
            results += run(folder, "attention", "%q, %k, %v mask %m", inputs, 1, 23, text, one)
        assert {n.op_type for n in onnx.load(folder / "model.onnx").graph.node} & OPERATORS
        assert difference(*results) <= TOLERANCE["f32"]


def test_a_factor_of_heads_in_f16_is_refused(tmp_path: Path) -> None:
    """The query times its factor could overflow, where the scores do not."""
    x = np.ones((1, HEADS, 2, DIM), np.float16)
    inputs = {n: (x, ()) for n in "qkv"} | {"h": (np.ones((HEADS, 1, 1), np.float16), ())}
    attrs = attributes(Case())
    for form in FORMS:
        folder = tmp_path / form.replace(":", "-")
        folder.mkdir()
        run(folder, "attention", "%q, %k, %v score_factor %h", inputs, 1, 23, attrs, form)
        assert "Softmax" in {n.op_type for n in onnx.load(folder / "model.onnx").graph.node}
