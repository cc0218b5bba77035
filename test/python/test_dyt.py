"""`replace-norm-with-dyt`: the logits are those of the model with the other function."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.recognition import check_recognition  # noqa: E402
from basin.verification.sessions import open_session  # noqa: E402
from tiny_reference import TINY, forward, rms_norm, run  # noqa: E402

EXPORTED = TINY.parents[1] / "test" / "models" / "exported"
# Largest difference of f32 logits of root mean square 4 to those in f64.
TOLERANCE = 2e-4
FUNCTIONS = {"tanh": np.tanh, "erf": np.vectorize(math.erf)}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_logits_are_those_of_the_function(function: str, alpha: float, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    options = {"function": function, "alpha": alpha}
    (said,) = basin.rewrite(TINY, target, [("replace-norm-with-dyt", options)])
    expected = forward(norm=lambda x, w: w * FUNCTIONS[function](alpha * x))
    assert np.abs(expected - run(target)).max() < TOLERANCE
    assert np.abs(run(TINY) - run(target)).max() > 100 * TOLERANCE
    assert said.startswith("remark: output 'logits' is at most ") and "mean KL" in said


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_is_recognized_again(function: str, tmp_path: Path) -> None:
    """Each norm became one op, whose decomposition is what its nodes compute."""
    target = tmp_path / "out.onnx"
    norms = basin.load(TINY).inspect()["norms"]
    basin.rewrite(TINY, target, [("replace-norm-with-dyt", {"function": function})])
    found = basin.load(target).inspect()
    assert found["norms"] == [] and found["unrecognized"] == []
    assert len(found["dyts"]) == len(norms) == 7
    for dyt, norm in zip(found["dyts"], norms, strict=True):
        assert (dyt["weight"], dyt["dim"]) == (norm["weight"], norm["dim"])
        assert dyt["function"] == function and dyt["bias"]
        assert dyt["shift"] == (function == "erf") and dyt["form"] == "decomposed"
    assert len(found["residual_streams"]) == 1
    report = check_recognition(target)
    assert {op.kind for op in report.ops if op.compared} >= {"dyt"}
    assert not [op for op in report.ops if op.differs]


def test_shift_and_beta_learn(tmp_path: Path) -> None:
    """The parameters are initializers, and have the places that their names say."""
    target = tmp_path / "out.onnx"
    given = {"function": "erf", "norms": "norm"}
    basin.rewrite(TINY, target, [("replace-norm-with-dyt", given)])
    model = onnx.load(target)
    names = {w.name: w for w in model.graph.initializer}
    for part, value in (("shift", [0.25]), ("alpha", [0.75]), ("beta", np.arange(64) / 64)):
        weight = names[f"norm.{part}"]
        array = np.asarray(value, np.float32)
        assert list(weight.dims) == list(array.shape)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(model, target)
    beta = np.arange(64) / 64
    last = numpy_helper.to_array(names["norm.weight"]).astype(float)

    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        if not np.array_equal(weight, last):
            return rms_norm(x, weight)
        return weight * FUNCTIONS["erf"](0.75 * x + 0.25) + beta

    assert np.abs(forward(norm=norm) - run(target)).max() < TOLERANCE
    found = basin.load(target).inspect()
    assert len(found["dyts"]) == 1 and len(found["norms"]) == 6


def layer_norm_model(path: Path) -> Path:
    """x and r are added by an operator, which returns the sum, too; and a second norm of that."""
    vector = np.array([1, 2, 0.5, 3], np.float32)
    nodes = [
        helper.make_node(
            "SkipLayerNormalization",
            ["x", "r", "w", "b", "c"],
            ["y", "", "", "h"],
            domain="com.microsoft",
        ),
        helper.make_node("LayerNormalization", ["h", "w"], ["n"]),
        helper.make_node("Mul", ["y", "n"], ["z"]),
    ]
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "s", 4])
        for name in ("x", "r", "z", "h")
    }
    weights = [numpy_helper.from_array(vector * f, n) for n, f in (("w", 1), ("b", -2), ("c", 0.5))]
    inputs, outputs = [infos["x"], infos["r"]], [infos["z"], infos["h"]]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_sums_with_a_residual_stay(tmp_path: Path) -> None:
    source, target = layer_norm_model(tmp_path / "in.onnx"), tmp_path / "out.onnx"
    basin.rewrite(source, target, [("replace-norm-with-dyt", {"alpha": 0.25})])
    rng = np.random.default_rng(1)
    x, r = (rng.standard_normal((2, 3, 4)).astype(np.float32) for _ in range(2))
    w = np.array([1, 2, 0.5, 3])
    h = x.astype(float) + r + 0.5 * w
    squashed = np.tanh(0.25 * h)
    z, total = open_session(target).run(None, {"x": x, "r": r})
    assert np.abs(total - h).max() < 1e-6
    assert np.abs(z - (w * squashed - 2 * w) * (w * squashed)).max() < 1e-5


@pytest.mark.parametrize(
    "stem",
    [
        "bert-eager-script17",
        "gpt2-sdpa-dynamo18",
        "qwen3-eager-script17",
        "llama-eager-fp16-dynamo18",
        "llama-eager-bf16-script17",
        "hand-block-sandwich",
        "hand-functions",
        "hand-merged-with_past",
        "hand-norm-one_plus_weight",
        "hand-norm-pre_affine_layer",
    ],
)
def test_models_of_others(stem: str, tmp_path: Path) -> None:
    """All norms of exported models become the op, and it runs."""
    target = tmp_path / "out.onnx"
    source = EXPORTED / f"{stem}.onnx"
    count = len(basin.load(source).inspect()["norms"])
    said = basin.rewrite(source, target, [("replace-norm-with-dyt", {"norms": "all"})])
    assert not any("NaN" in line for line in said) and "is at most" in said[0]
    found = basin.load(target).inspect()
    assert found["norms"] == [] and len(found["dyts"]) == count > 2
    assert not [op for op in check_recognition(target).ops if op.differs]


def test_gates_stand_behind_it(tmp_path: Path) -> None:
    """The function form has a function for it, and the steps can be combined (GatedDyT)."""
    target = tmp_path / "out.onnx"
    steps = [("insert-gated-norm", {"rank": 2}), ("replace-norm-with-dyt", {"function": "erf"})]
    basin.rewrite(TINY, target, steps, form="functions")
    functions = {f.name for f in onnx.load(target).functions}
    assert {"Derf", "Gate"} <= functions and "RMSNorm" not in functions
    # A gate of one half and a doubled weight leave the function as it is.
    erf = FUNCTIONS["erf"]
    expected = forward(norm=lambda x, w: w * erf(0.5 * x))
    assert np.abs(expected - run(target)).max() < TOLERANCE
