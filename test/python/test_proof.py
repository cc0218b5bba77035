"""A rewrite proves its promise before it keeps its output."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import rewriting  # noqa: E402
from basin.verification.proof import Proof, is_narrow, prove  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
ABSORB = [("absorb-residual", {"scale-dims": {3: 4}})]


def planted(path: Path, factor: float = 2.0) -> Path:
    """A wrong rewrite of TINY: the final norm's weight changed."""
    model = onnx.load(TINY)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 1)
    value = numpy_helper.to_array(weight) * np.float32(factor)
    weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    onnx.save(model, path)
    return path


def test_a_right_rewrite_holds(tmp_path: Path) -> None:
    said = basin.rewrite(TINY, tmp_path / "out.onnx", ABSORB)
    assert (tmp_path / "out.onnx").is_file() and not any("not checked" in line for line in said)
    proof = prove(TINY, tmp_path / "out.onnx")
    assert proof.broken is None and proof.skipped is None and proof.cases >= 2
    assert os.listdir(tmp_path) == ["out.onnx"]


def test_a_wrong_rewrite_is_named(tmp_path: Path) -> None:
    proof = prove(TINY, planted(tmp_path / "wrong.onnx"))
    assert proof.broken and "output 'logits' differs by" in proof.broken
    assert "in case 'plain'" in proof.broken


def test_a_broken_promise_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file at the target stays."""
    target = tmp_path / "out.onnx"
    target.write_bytes(b"old")
    monkeypatch.setattr(rewriting, "prove", lambda *_, **__: Proof(1, broken="output 'y' differs"))
    with pytest.raises(basin.BasinError, match="breaks its promise: output 'y' differs"):
        rewriting.rewrite(TINY, target, ABSORB)
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["out.onnx"]
    rewriting.rewrite(TINY, target, ABSORB, verify=False)
    assert prove(TINY, target).broken is None


def test_a_limit_and_what_nothing_runs_are_said(tmp_path: Path) -> None:
    said = rewriting.rewrite(TINY, tmp_path / "out.onnx", ABSORB, limit=1000)
    assert "bits were not compared (the model has" in said[-1]
    assert "the scales are proven to cancel" in said[-1] and (tmp_path / "out.onnx").is_file()
    node = helper.make_node("Unknown", ["x"], ["y"], domain="nobody")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in "xy")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nobody", 1)]
    graph = helper.make_graph([node], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "odd.onnx")
    said = rewriting.rewrite(tmp_path / "odd.onnx", tmp_path / "kept.onnx", ABSORB)
    assert "bits were not compared" in said[-1] and (tmp_path / "kept.onnx").is_file()


def half(path: Path, factor: float = 1.0) -> Path:
    """y = x * factor in f16."""
    node = helper.make_node("Mul", ["x", "c"], ["y"])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT16, ["seq", 4]) for n in "xy")
    c = numpy_helper.from_array(np.array(factor, np.float16), "c")
    graph = helper.make_graph([node], "g", [x], [y], [c])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def test_half_precision_is_proven_where_each_node_rounds(tmp_path: Path) -> None:
    a = half(tmp_path / "a.onnx")
    assert is_narrow(a) and not is_narrow(TINY)
    assert prove(a, half(tmp_path / "b.onnx")) == prove(a, a)
    assert prove(a, a).broken is None and prove(a, a).skipped is None
    assert "differs" in (prove(a, half(tmp_path / "c.onnx", 1.001)).broken or "")


def test_nans_are_equal_and_signs_of_zero_are_not(tmp_path: Path) -> None:
    def model(name: str, op: str, *more: str) -> Path:
        node = helper.make_node(op, ["x", *more], ["y"])
        x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy")
        constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("z", 0), ("m", -0.0))]
        graph = helper.make_graph([node], "g", [x], [y], constants)
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
            tmp_path / name,
        )
        return tmp_path / name

    zero, minus = model("z.onnx", "Mul", "z"), model("m.onnx", "Mul", "m")
    assert prove(zero, minus).broken
    root = model("s.onnx", "Sqrt")
    assert prove(root, root).broken is None
