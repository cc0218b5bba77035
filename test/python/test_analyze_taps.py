"""`basin analyze --taps`: only the chosen kinds are measured, and what reads the file says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from basin.analysis.data import load
from basin.analysis.run import analyze
from basin.analysis.stats import check, read
from basin.errors import AnalysisError
from basin.report.findings import Finding, Verdict, find
from basin.report.html import render
from test_analyze_cli import MODELS, basin

pytest.importorskip("basin._basin", reason="the extension is not built")

MODEL = MODELS / "text-small.onnx"
KINDS = ["residual", "projection", "norm", "attention"]
METRIC = {"residual": "residual", "projection": "projections", "norm": "norms"}
METRIC |= {"attention": "attention"}
OF_KIND = {
    "residual": {"massive-activation", "residual-sinks", "f16-headroom"},
    "projection": {"outlier-features", "outlier-tokens"},
    "norm": set(),
    "attention": {"attention-sinks", "value-drain"},
}


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sequences of bytes. Each begins with BOS."""
    path = tmp_path_factory.mktemp("ids") / "ids.npy"
    text = np.random.default_rng(3).integers(32, 127, (4, 40))
    text[:, 0] = 256
    np.save(path, text)
    return path


def measured(ids: Path, folder: Path, *options: str) -> dict[str, Any]:
    """The statistics that the command writes."""
    out = folder / "stats.json"
    result = basin("analyze", MODEL, "--data", ids, "--bos", "256", *options, "--stats", out)
    assert result.returncode == 0, result.stderr
    return read(out)


@pytest.fixture(scope="module")
def whole(ids: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The statistics of all kinds."""
    return measured(ids, tmp_path_factory.mktemp("whole"))


def found(stats: dict[str, Any]) -> dict[str, Finding]:
    """The findings by id."""
    return {one.id: one for one in find(stats)}


def test_all_kinds_are_the_default(ids, whole, tmp_path):
    assert whole["instrumentation"]["kinds"] == KINDS
    # The order does not matter, and names may repeat.
    assert measured(ids, tmp_path, "--taps", "norm,attention, projection,residual,norm") == whole


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone(kind, ids, whole, tmp_path):
    stats = measured(ids, tmp_path, "--taps", kind)
    assert stats["instrumentation"]["kinds"] == [kind]
    assert {tap["kind"] for tap in stats["instrumentation"]["taps"]} == {kind}
    assert list(stats["metrics"]["coverage"]) == [kind]
    mine, all_of_it = stats["metrics"][METRIC[kind]], whole["metrics"][METRIC[kind]]
    assert len(mine) == len(all_of_it) > 0
    for one, other in zip(mine, all_of_it, strict=True):
        if kind == "norm":
            assert one["suppressed"] is None and other["suppressed"]
            one, other = one | {"suppressed": []}, other | {"suppressed": []}
        assert one == other
    for other_kind in set(KINDS) - {kind}:
        assert stats["metrics"][METRIC[other_kind]] == []
    assert bool(stats["residual_streams"]) is (kind == "residual")
    # A finding is as it was, or says that it is left out.
    before, after = found(whole), found(stats)
    for other_kind, names in OF_KIND.items():
        for name in names:
            if other_kind == kind:
                assert after[name].verdict is before[name].verdict
            else:
                assert after[name].verdict is Verdict.UNKNOWN
                left_out = f"were left out: the file has the taps {kind}."
                assert after[name].headline.endswith(left_out)
    assert f"<dd>{kind}</dd>" in render(stats)


def test_streams_without_norms(ids, whole, tmp_path):
    """What norms would tell is null, not none."""
    (stream,) = measured(ids, tmp_path, "--taps", "residual,attention")["metrics"]["streams"]
    assert stream["norms"] is None and stream["f16_norms"] is None
    (before,) = whole["metrics"]["streams"]
    assert len(before["norms"]) == 9 and before["f16_norms"] == 0
    same = ("havg", "order", "absorb", "max_abs", "rescale", "f16_headroom")
    assert [stream[key] for key in same] == [before[key] for key in same]
    assert [one["dim"] for one in stream["residual_sinks"]] == [
        one["dim"] for one in before["residual_sinks"]
    ]


def test_findings_without_norms(ids, tmp_path):
    stats = measured(ids, tmp_path, "--taps", "residual")
    assert "Norms were not measured." in found(stats)["residual-sinks"].details
    stats["metrics"]["streams"][0]["max_abs"] = 300.0
    details = " ".join(found(stats)["f16-headroom"].details)
    assert "Norms were not measured. One that squares in f16" in details


@pytest.mark.parametrize("step", ["absorb-residual", "rescale-residual"])
def test_rewrite_needs_residual_taps(step, ids, tmp_path):
    measured(ids, tmp_path, "--taps", "norm")
    out = tmp_path / "out.onnx"
    result = basin("rewrite", MODEL, out, step, f"stats={tmp_path}/stats.json")
    assert result.returncode == 1 and not out.exists()
    assert result.stderr.count("\n") == 1
    assert "expected taps of the kind 'residual' among those that were measured" in result.stderr


def test_rewrite_needs_no_other_taps(ids, tmp_path):
    measured(ids, tmp_path, "--taps", "residual")
    out = tmp_path / "out.onnx"
    result = basin("rewrite", MODEL, out, "absorb-residual", f"stats={tmp_path}/stats.json")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("taps", "got"), [("norms", "'norms'"), ("norm,x}", "'x}'"), ("", "none"), (",", "none")]
)
def test_wrong_names_are_refused(taps, got, ids):
    result = basin("analyze", MODEL, "--data", ids, "--taps", taps)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    expected = (
        f"--taps: expected kinds of taps (residual, projection, norm, attention), but got {got}"
    )
    assert expected in result.stderr


def test_python_takes_names(ids):
    data = load(
        ids, vocabulary=257, tokenizer=None, bos=256, model_bos=None, length=None, limit=None
    )
    stats = analyze(MODEL, data, taps=["attention"]).document()
    check(stats, "here")
    assert [one["kind"] for one in stats["instrumentation"]["taps"]] == ["attention"] * 4
    with pytest.raises(AnalysisError, match="but got 'attentions'"):
        analyze(MODEL, data, taps=["attentions"])


def test_nothing_of_the_kind(tmp_path):
    """A model of one residual stream and no attention."""
    import onnx
    from onnx import helper

    values = [helper.make_tensor_value_info(n, 1, [2, 3, 4]) for n in ("x", "y")]
    node = helper.make_node("LayerNormalization", ["x", "w"], ["y"])
    weight = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
    graph = helper.make_graph([node], "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=np.ones((2, 3, 4), np.float32))
    options = ["analyze", tmp_path / "m.onnx", "--inputs", tmp_path / "x.npz", "--taps"]
    assert basin(*options, "norm").returncode == 0
    result = basin(*options, "attention")
    assert result.returncode == 1
    assert "nothing that can be measured: no tap of attention was found" in result.stderr


def test_files_without_kinds_have_all(ids, whole, tmp_path):
    """Files from before there were kinds merge with those of all kinds, and with no others."""
    old = json.loads(json.dumps(whole))
    del old["instrumentation"]["kinds"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    (tmp_path / "new.json").write_text(json.dumps(whole))
    assert found(old)["attention-sinks"] == found(whole)["attention-sinks"]
    merge = ["merge-stats", tmp_path / "old.json"]
    result = basin(*merge, tmp_path / "new.json", "-o", tmp_path / "out.json")
    assert result.returncode == 0, result.stderr
    measured(ids, tmp_path, "--taps", "residual,projection,norm")
    result = basin(*merge, tmp_path / "stats.json", "-o", tmp_path / "out2.json")
    assert result.returncode == 1 and "the same instrumentation" in result.stderr
