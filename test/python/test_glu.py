"""`replace-swiglu-with-glu`: feed-forwards lose swish's own factor, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.sessions import open_session  # noqa: E402
from tiny_reference import TINY, forward, run, sigmoid  # noqa: E402

EXPORTED = TINY.parents[1] / "test" / "models" / "exported"
# Largest difference of f32 logits of root mean square 4 to those in f64.
TOLERANCE = 2e-4
STEP = "replace-swiglu-with-glu"
NONE = "no SwiGLU feed-forward was found: none was replaced"


def test_logits_are_those_of_a_glu(tmp_path: Path) -> None:
    target, again = tmp_path / "out.onnx", tmp_path / "again.onnx"
    (said,) = basin.rewrite(TINY, target, [STEP])
    assert np.abs(forward(activation=sigmoid) - run(target)).max() < TOLERANCE
    assert np.abs(run(TINY) - run(target)).max() > 100 * TOLERANCE
    assert said.startswith("remark: output 'logits' is at most ") and "mean KL" in said
    # One product less for each of the three layers, and no SwiGLU is left.
    before, after = (onnx.load(path).graph.node for path in (TINY, target))
    count = [sum(node.op_type == "Mul" for node in nodes) for nodes in (before, after)]
    assert count[0] - count[1] == 3
    said = basin.rewrite(target, again, [STEP])
    assert NONE in said[0] and run(again).tobytes() == run(target).tobytes()


def test_it_goes_with_the_other_ablations(tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    steps = [
        ("clip-residual", {"bound": 2}),
        ("replace-norm-with-dyt", {"alpha": 1}),
        ("insert-gated-norm", {"norms": "all"}),
        STEP,
    ]
    basin.rewrite(TINY, target, steps)
    expected = forward(
        norm=lambda x, w: w * np.tanh(x),
        clamp=lambda x: np.clip(x, -2, 2),
        activation=sigmoid,
    )
    assert np.abs(expected - run(target)).max() < TOLERANCE


@pytest.mark.parametrize(
    ("stem", "layers"),
    [
        ("llama-eager-script17", 2),
        ("llama-sdpa-dynamo23", 2),
        ("llama-eager-fp16-dynamo18", 2),
        ("qwen3-eager-dynamo18", 2),
        ("hand-block-pre", 2),
        # The whole model stands in each branch of an If.
        ("hand-merged-with_past", 4),
        # GELU.
        ("gpt2-sdpa-dynamo18", 0),
        ("bert-eager-script17", 0),
    ],
)
def test_models_of_others(stem: str, layers: int, tmp_path: Path) -> None:
    source, target = EXPORTED / f"{stem}.onnx", tmp_path / "out.onnx"
    said = basin.rewrite(source, target, [STEP])
    assert any(NONE in line for line in said) == (layers == 0)
    assert count_products(source) - count_products(target) == layers


def count_products(path: Path) -> int:
    """The number of Mul nodes in a model and its subgraphs."""

    def count(graph: onnx.GraphProto) -> int:
        inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        return sum(node.op_type == "Mul" for node in graph.node) + sum(map(count, inner))

    return count(onnx.load(path).graph)


def feed_forward(path: Path, silu: str) -> tuple[Path, dict[str, np.ndarray]]:
    """x [s, 4] -> y [s, 4]: one projection with a bias to both halves, and one back."""
    rng = np.random.default_rng(5)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in (("w", (4, 12)), ("c", (12,)), ("v", (6, 4)))
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "c"], ["h"]),
        helper.make_node("Split", ["h"], ["g", "u"], axis=-1),
    ]
    if silu == "QuickGelu":
        nodes.append(helper.make_node(silu, ["g"], ["a"], domain="com.microsoft", alpha=1.0))
    else:
        nodes += [
            helper.make_node("Sigmoid", ["g"], ["s"]),
            helper.make_node("Mul", ["s", "u" if silu == "late" else "g"], ["a"]),
        ]
    nodes += [
        helper.make_node("Mul", ["g" if silu == "late" else "u", "a"], ["p"]),
        helper.make_node("MatMul", ["p", "v"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["s", 4]) for n in "xy")
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path, weights


@pytest.mark.parametrize("silu", ["QuickGelu", "plain", "late"])
def test_halves_of_one_projection(silu: str, tmp_path: Path) -> None:
    source, weights = feed_forward(tmp_path / "in.onnx", silu)
    basin.rewrite(source, tmp_path / "out.onnx", [STEP])
    x = np.random.default_rng(6).standard_normal((3, 4)).astype(np.float32)
    g, u = np.split(x.astype(float) @ weights["w"] + weights["c"], 2, axis=-1)
    before, after = (
        open_session(tmp_path / name).run(None, {"x": x})[0] for name in ("in.onnx", "out.onnx")
    )
    assert np.abs(before - (g * sigmoid(g) * u) @ weights["v"]).max() < 1e-5
    assert np.abs(after - (sigmoid(g) * u) @ weights["v"]).max() < 1e-5
