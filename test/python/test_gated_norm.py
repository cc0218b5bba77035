"""Gates of `insert-gated-norm`: no bit differs before training, and a trained one acts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
GATES = (".gate_down", ".gate_up")
MODELS = [path for path in (TINY, SHARED) if path.exists()]


def run(path: Path, optimize: bool) -> list[np.ndarray]:
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(0, 60, (2, 48))
    return session.run(None, {session.get_inputs()[0].name: ids})


def learnable(path: Path) -> dict[str, np.ndarray]:
    weights = onnx.load(path).graph.initializer
    return {w.name: numpy_helper.to_array(w) for w in weights if w.name.endswith(GATES)}


@pytest.mark.parametrize("optimize", [False, True], ids=["plain", "optimized"])
@pytest.mark.parametrize(
    "options",
    [{}, {"rank": 4, "granularity": "tensor"}, {"rank": 1, "norms": "all", "seed": 7}],
    ids=str,
)
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_bit_differs(path: Path, options: dict, optimize: bool, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    norms = basin.load(path).inspect()["norms"]
    basin.rewrite(path, target, [("insert-gated-norm", options)])
    before, after = run(path, optimize), run(target, optimize)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    # Each norm of these models reads the stream. No product doubles a result.
    found = basin.load(target).inspect()
    assert len(found["gates"]) == len(found["norms"]) == len(norms) > 3
    shapes = {value.shape for value in learnable(target).values()}
    rank, dim = options.get("rank", 16), norms[0]["dim"]
    width = 1 if options.get("granularity") == "tensor" else dim
    assert shapes == {(dim, rank), (rank, width)}
    count = sum(node.op_type == "Mul" for node in onnx.load(path).graph.node)
    added = sum(node.op_type == "Mul" for node in onnx.load(target).graph.node) - count
    assert added == 2 * len(norms)


def test_a_gate_that_learned_acts(tmp_path: Path) -> None:
    """With W_up not zero the norm's result is multiplied by twice the gate."""
    target = tmp_path / "out.onnx"
    basin.rewrite(TINY, target, [("insert-gated-norm", {"rank": 2})])
    model = onnx.load(target)
    for weight in model.graph.initializer:
        if weight.name.endswith(".gate_up"):
            value = np.full(weight.dims, 0.5, np.float32)
            weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    onnx.save(model, target)
    before, after = run(TINY, False)[0], run(target, False)[0]
    assert 1e-3 < np.abs(before - after).max() < 10 * np.abs(before).max()
    assert len(basin.load(target).inspect()["gates"]) > 3


def test_matrices_are_drawn_from_the_seed(tmp_path: Path) -> None:
    made = []
    for seed in (0, 0, 1):
        basin.rewrite(TINY, tmp_path / "out.onnx", [("insert-gated-norm", {"seed": seed})])
        made.append(learnable(tmp_path / "out.onnx"))
    down = [name for name in made[0] if name.endswith(".gate_down")]
    assert all((made[0][name] == made[1][name]).all() for name in down)
    assert all((made[0][name] != made[2][name]).any() for name in down)
    for name in down:
        dim = made[0][name].shape[0]
        assert abs(made[0][name].std() * np.sqrt(dim) - 1) < 0.2


def test_a_rewritten_model_is_rewritten_again(tmp_path: Path) -> None:
    """A gate is a reader of the doubled norm, and a residual rewrite behind it stays exact."""
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    basin.rewrite(TINY, once, [("insert-gated-norm", {"rank": 2})])
    basin.rewrite(once, twice, [("absorb-residual", {"scale-dims": {3: 64}}), "insert-pre-affine"])
    before, after = run(TINY, False), run(twice, False)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    assert [step["step"] for step in basin.load(twice).inspect()["steps"]] == [
        "insert-gated-norm", "absorb-residual", "insert-pre-affine",
    ]  # fmt: skip


def test_patterns_choose_norms(tmp_path: Path) -> None:
    """Names of the norms' weights or results, with wildcards."""
    norms = basin.load(TINY).inspect()["norms"]
    layers = sum(norm["weight"].endswith("norm1.weight") for norm in norms)
    patterns = {norms[0]["output"]: 1, "blocks.0.norm[12]": 2, "blocks.?.norm1": layers}
    for pattern, count in patterns.items():
        basin.rewrite(TINY, tmp_path / "out.onnx", [("insert-gated-norm", {"norms": pattern})])
        assert len(basin.load(tmp_path / "out.onnx").inspect()["gates"]) == count
    with pytest.raises(basin.BasinError, match="no norm has a name like 'none\\*'"):
        basin.rewrite(TINY, tmp_path / "no.onnx", [("insert-gated-norm", {"norms": "none*"})])
    with pytest.raises(basin.BasinError, match="expected PATTERN, but got 'a b'"):
        basin.rewrite(TINY, tmp_path / "no.onnx", [("insert-gated-norm", {"norms": "a b"})])
    assert not (tmp_path / "no.onnx").exists()
