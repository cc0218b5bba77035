"""`clip-residual`: the stream's elements are at most the bound wherever something reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verification.sessions import open_session  # noqa: E402
from tiny_reference import TINY, forward, run  # noqa: E402

EXPORTED = TINY.parents[1] / "test" / "models" / "exported"
# Largest difference of f32 logits of root mean square 4 to those in f64.
TOLERANCE = 2e-4


def test_the_reference_is_the_model() -> None:
    assert np.abs(forward() - run(TINY)).max() < TOLERANCE


@pytest.mark.parametrize("bound", [0.25, 1.0, 4.0])
def test_logits_are_those_of_a_clamped_stream(bound: float, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    (said,) = basin.rewrite(TINY, target, [("clip-residual", {"bound": bound})])
    expected = forward(clamp=lambda x: np.clip(x, -bound, bound))
    assert np.abs(expected - run(target)).max() < TOLERANCE
    assert np.abs(run(TINY) - run(target)).max() > 100 * TOLERANCE
    assert said.startswith("remark: output 'logits' is at most ") and "mean KL" in said


def test_no_bit_differs_below_the_bound(tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    (said,) = basin.rewrite(TINY, target, [("clip-residual", {"bound": 1000})])
    assert "is at most 0 away" in said and run(target).tobytes() == run(TINY).tobytes()


def test_the_clipped_model_is_recognized(tmp_path: Path) -> None:
    """It has the same stream, norms and attention, and may be rewritten further."""
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    basin.rewrite(TINY, once, [("clip-residual", {"bound": 1})])
    before, after = (basin.load(path).inspect() for path in (TINY, once))
    for part in ("norms", "attention"):
        assert len(after[part]) == len(before[part])
    assert len(after["residual_streams"]) == 1
    assert basin.rewrite(once, twice, [("rescale-residual", {"k": 3})]) == []
    assert run(twice).tobytes() == run(once).tobytes()


@pytest.mark.parametrize(
    ("stem", "count"),
    [
        ("hand-block-pre", 5),
        # The sum of two branches is no state of the stream.
        ("hand-block-parallel", 3),
        # No norm's result is clipped.
        ("hand-block-post", 5),
        ("bert-eager-script17", 5),
        ("hand-ms-attention-encoder", 5),
    ],
)
def test_each_sum_is_clipped_once(stem: str, count: int, tmp_path: Path) -> None:
    """The bound holds in ONNX Runtime for each Clip, and each norm reads one."""
    target = tmp_path / "out.onnx"
    basin.rewrite(EXPORTED / f"{stem}.onnx", target, [("clip-residual", {"bound": 0.3})])
    model = onnx.load(target)
    clips = [node for node in model.graph.node if node.op_type == "Clip"]
    assert len(clips) == count
    for clip in clips:
        made = helper.make_empty_tensor_value_info(clip.output[0])
        read = helper.make_empty_tensor_value_info(clip.input[0])
        model.graph.output.extend([made, read])
    onnx.save(model, target)
    values = dict(np.load(EXPORTED / f"{stem}.inputs.npz"))
    session = open_session(target)
    results = dict(zip((o.name for o in session.get_outputs()), session.run(None, values)))
    for clip in clips:
        x, y = results[clip.input[0]], results[clip.output[0]]
        assert np.array_equal(y, np.clip(x, np.float32(-0.3), np.float32(0.3)))
    assert any(np.abs(results[clip.input[0]]).max() > 0.3 for clip in clips)


def skip_norm(path: Path, *, with_sum: bool, opset: int = 17) -> Path:
    """x and r are added by an operator that normalizes their sum."""
    outputs = ["y", "", "", "h"] if with_sum else ["y"]
    node = helper.make_node(
        "SkipSimplifiedLayerNormalization",
        ["x", "r", "w"],
        outputs,
        domain="com.microsoft",
        epsilon=1e-5,
    )
    nodes = [node]
    if with_sum:
        nodes.append(helper.make_node("Mul", ["h", "y"], ["z"]))
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "s", 4])
        for name in ("x", "r", "y", "z")
    }
    weight = numpy_helper.from_array(np.array([1, 2, 0.5, 3], np.float32), "w")
    last = "z" if with_sum else "y"
    graph = helper.make_graph(nodes, "g", [infos["x"], infos["r"]], [infos[last]], [weight])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("with_sum", [False, True])
def test_the_sum_inside_a_norm_is_clipped(with_sum: bool, tmp_path: Path) -> None:
    source, target = skip_norm(tmp_path / "in.onnx", with_sum=with_sum), tmp_path / "out.onnx"
    basin.rewrite(source, target, [("clip-residual", {"bound": 0.75})])
    rng = np.random.default_rng(1)
    x, r = (rng.standard_normal((2, 3, 4)).astype(np.float32) for _ in range(2))
    h = np.clip((x + r).astype(float), -0.75, 0.75)
    y = np.array([1, 2, 0.5, 3]) * h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-5)
    (found,) = open_session(target).run(None, {"x": x, "r": r})
    assert np.abs(found - (h * y if with_sum else y)).max() < 1e-5
    (norm,) = basin.load(target).inspect()["norms"]
    assert norm["kind"] == "rms"


def test_an_old_opset_is_refused_where_a_norm_is_taken_apart(tmp_path: Path) -> None:
    source = skip_norm(tmp_path / "in.onnx", with_sum=False, opset=12)
    with pytest.raises(basin.BasinError, match="norm 'y': expected opset 13 or later to clip"):
        basin.rewrite(source, tmp_path / "out.onnx", [("clip-residual", {"bound": 1})])
    assert not (tmp_path / "out.onnx").exists()


def test_bounds_are_refused(tmp_path: Path) -> None:
    for given in ({}, {"bound": 0}, {"bound": -1}):
        with pytest.raises(basin.BasinError, match="option 'bound': expected a positive number"):
            basin.rewrite(TINY, tmp_path / "out.onnx", [("clip-residual", given)])
    with pytest.raises(basin.BasinError, match="no positive finite number of 'f32'"):
        basin.rewrite(TINY, tmp_path / "out.onnx", [("clip-residual", {"bound": 1e39})])
    half = EXPORTED / "llama-eager-fp16-dynamo18.onnx"
    with pytest.raises(basin.BasinError, match="the bound 7.0+e\\+04 is no positive finite number"):
        basin.rewrite(half, tmp_path / "out.onnx", [("clip-residual", {"bound": 70000})])
    assert not (tmp_path / "out.onnx").exists()
