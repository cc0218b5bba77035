"""Sinks of `insert-sink-logits` and `insert-sink-kv`, at the start and once they learned.

The references are computations of their own: the model as it was, for logits whose exponential is
zero; the other step, because zeros as keys and values are a logit; and numpy in f64.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from operator_forms import FORMS, TOLERANCE, difference
from test_gated_attention import attention_model

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
MODELS = [path for path in (TINY, SHARED) if path.exists()]
NAMES = (".sink_logit", ".sink_key", ".sink_value")
EXPORTED = [
    path
    for path in sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
    if json.loads(path.with_suffix("").with_suffix(".expect.json").read_text()).get(
        "ort_runs", True
    )
]
# Words of a refusal by the step.
PACKED = "only its operator says what its operands or its mask mean"
REFUSED = {
    "hand-ms-attention": {"logits": PACKED, "kv": PACKED},
    "hand-ms-attention-encoder": {"logits": PACKED, "kv": PACKED},
    "hand-ms-grouped": {"kv": PACKED},
}


def run(path: Path, inputs: dict[str, np.ndarray] | None = None) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if inputs is None:
        ids = np.random.default_rng(0).integers(0, 60, (2, 48))
        inputs = {session.get_inputs()[0].name: ids}
    return session.run(None, {one.name: inputs[one.name] for one in session.get_inputs()})


def learnable(path: Path) -> dict[str, np.ndarray]:
    weights = onnx.load(path).graph.initializer
    return {w.name: numpy_helper.to_array(w) for w in weights if w.name.endswith(NAMES)}


def train(path: Path, seed: int = 3) -> None:
    """Gives all sinks random elements."""
    model, rng = onnx.load(path), np.random.default_rng(seed)
    for weight in model.graph.initializer:
        if weight.name.endswith(NAMES):
            learned = rng.standard_normal(tuple(weight.dims)).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(learned, weight.name))
    onnx.save(model, path)


def apply(path: Path, target: Path, passes: str, form: str = "original") -> list[str]:
    model = basin.load(path)
    said = model.run(f"builtin.module(basin-raise,{passes},convert-sink-to-onnx{{form={form}}})")
    model.save(target)
    return said


def sinks(path: Path) -> set[tuple[bool, bool]]:
    found = basin.load(path).inspect()["attention"]
    return {(one["sink_logit"], one["sink_kv"]) for one in found}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_logits_of_trained_models(path: Path, tmp_path: Path) -> None:
    """The distance is stated, and falls with the logit. A logit for each head is a parameter."""
    target, divergences = tmp_path / "out.onnx", []
    before = basin.load(path).inspect()["attention"]
    for init in (0, -6, -12):
        (said,) = basin.rewrite(path, target, [("insert-sink-logits", {"init": init})])
        divergences.append(float(re.search(r"the mean KL is (\S+) nats", said)[1]))
        learned = learnable(target)
        assert len(learned) == len(before) and sinks(target) == {(True, False)}
        assert all(v.tolist() == [init] * before[0]["heads"] for v in learned.values())
    assert divergences[0] > 0.1 > 0.01 > divergences[1] > 10 * divergences[2]
    basin.rewrite(path, tmp_path / "default.onnx", ["insert-sink-logits"])
    assert all((value == -6).all() for value in learnable(tmp_path / "default.onnx").values())


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_rows_of_trained_models(path: Path, tmp_path: Path) -> None:
    made = []
    before = basin.load(path).inspect()["attention"]
    for seed in (0, 0, 1):
        options = {"count": 2, "init": "normal", "seed": seed}
        (said,) = basin.rewrite(path, tmp_path / "out.onnx", [("insert-sink-kv", options)])
        assert "the mean KL is" in said and sinks(tmp_path / "out.onnx") == {(False, True)}
        made.append(learnable(tmp_path / "out.onnx"))
    heads, dim = before[0]["kv_heads"], before[0]["head_dim"]
    assert len(made[0]) == 2 * len(before)
    assert {value.shape for value in made[0].values()} == {(heads, 2, dim)}
    assert all((made[0][name] == made[1][name]).all() for name in made[0])
    assert all((made[0][name] != made[2][name]).any() for name in made[0])
    every = np.concatenate([value.ravel() for value in made[0].values()])
    assert abs(every.std() * math.sqrt(dim) - 1) < 0.15 and abs(every.mean()) < 0.1


@pytest.mark.parametrize("path", EXPORTED, ids=lambda path: path.stem)
def test_exported_models(path: Path, tmp_path: Path) -> None:
    """A logit whose exponential is zero changes nothing, whatever the form is. Two rows of zeros
    are a logit of log(2): the nodes of both are of different kinds."""
    inputs = dict(np.load(path.with_suffix("").with_suffix(".inputs.npz")))
    before = basin.load(path).inspect()["attention"]
    if not before:
        pytest.skip("no attention")
    if any(one["sink_logit"] or one["sink_kv"] for one in before):
        said = apply(path, tmp_path / "none.onnx", "sink-insert-sink-logits")
        assert any("there is no attention without a sink" in line for line in said)
        return
    refused = REFUSED.get(path.stem, {})
    chains = {
        "same": ("logits", "sink-insert-sink-logits{init=-10000}"),
        "two": ("logits", f"sink-insert-sink-logits{{init={math.log(2)!r}}}"),
        "rows": ("kv", "sink-insert-sink-kv{count=2}"),
    }
    results = {}
    for name, (step, chain) in chains.items():
        if step in refused:
            with pytest.raises(basin.BasinError, match=refused[step]):
                apply(path, tmp_path / f"{name}.onnx", chain)
            continue
        apply(path, tmp_path / f"{name}.onnx", chain)
        results[name] = run(tmp_path / f"{name}.onnx", inputs)
        assert sinks(tmp_path / f"{name}.onnx") == {(step == "logits", step == "kv")}
    is_narrow = any(value.dtype == np.float16 for value in run(path, inputs))
    is_narrow |= path.stem.startswith("hand-norm-cast")
    limit = TOLERANCE["f16" if is_narrow else "f32"]
    for one, other in ((run(path, inputs), results.get("same")), *[
        (results[name], results.get("rows")) for name in ["two"] if name in results
    ]):  # fmt: skip
        assert other is None or all(difference(a, b) <= limit for a, b in zip(one, other))
    if "two" in results:
        assert any(
            difference(a, b) > 1e-2
            for a, b in zip(run(path, inputs), results["two"])
            if a.dtype.kind == "f"
        )


@pytest.mark.parametrize("form", ["original", *FORMS])
@pytest.mark.parametrize("step", ["logits", "kv"])
def test_trained_sinks_are_those_of_the_definition(step: str, form: str, tmp_path: Path) -> None:
    """One layer of two heads of two elements in numpy, from the exporter's nodes."""
    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    made = attention_model(source, False, 3, 4)
    chain = "sink-insert-sink-logits" if step == "logits" else "sink-insert-sink-kv{count=3}"
    apply(source, target, chain)
    train(target)
    learned = {name.rpartition(".")[2]: value for name, value in learnable(target).items()}
    x = np.random.default_rng(2).standard_normal((3, 4, 4)).astype(np.float32)
    q, k, v = (
        (x.astype(np.float64) @ made[name]).reshape(3, 4, 2, 2).swapaxes(1, 2)
        for name in ("wq", "wk", "wv")
    )
    if step == "kv":
        rows = [np.broadcast_to(learned[n], (3, 2, 3, 2)) for n in ("sink_key", "sink_value")]
        k, v = np.concatenate([rows[0], k], 2), np.concatenate([rows[1], v], 2)
    e = np.exp(q @ k.swapaxes(2, 3))
    sink = np.exp(learned["sink_logit"])[:, None, None] if step == "logits" else 0
    y = (e / (e.sum(-1, keepdims=True) + sink) @ v).swapaxes(1, 2).reshape(3, 4, 4)
    expected = y @ made["wo"] + made["bo"]
    apply(target, tmp_path / "form.onnx", "canonicalize", form)
    for path in (target, tmp_path / "form.onnx"):
        (got,) = run(path, {"x": x})
        assert np.abs(got - expected).max() <= 2e-6 * np.abs(expected).max()
    # The trained parameters are those of the other form, under their names.
    kept = learnable(tmp_path / "form.onnx")
    assert all((kept[name] == value).all() for name, value in learnable(target).items())
    assert sinks(tmp_path / "form.onnx") == {(step == "logits", step == "kv")}


def test_sinks_and_other_steps(tmp_path: Path) -> None:
    """Steps that promise bits keep those of a model with sinks. A second sink is not inserted."""
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    for step in ("insert-sink-logits", ("insert-sink-kv", {"init": "normal"})):
        basin.rewrite(TINY, once, [step])
        train(once)
        steps = [("absorb-residual", {"scale-dims": {3: 64}}), "insert-gated-attention"]
        basin.rewrite(once, twice, steps)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(run(once), run(twice)))
        assert sinks(twice) == sinks(once)
        said = basin.rewrite(twice, tmp_path / "thrice.onnx", ["insert-sink-kv"])
        assert any("there is no attention without a sink" in line for line in said)
        assert len(learnable(tmp_path / "thrice.onnx")) == len(learnable(once))


def test_patterns_choose_attentions(tmp_path: Path) -> None:
    names = [one["output"] for one in basin.load(TINY).inspect()["attention"]]
    for step, count in (("insert-sink-logits", 1), ("insert-sink-kv", 2)):
        basin.rewrite(TINY, tmp_path / "o.onnx", [(step, {"attentions": names[0]})])
        assert len(learnable(tmp_path / "o.onnx")) == count
        with pytest.raises(basin.BasinError, match="no attention without a sink has a name like"):
            basin.rewrite(TINY, tmp_path / "no.onnx", [(step, {"attentions": "none*"})])
    assert not (tmp_path / "no.onnx").exists()
