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
from tiny_reference import LAYERS, forward, swish  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
GATES = (".gate_down", ".gate_up", ".gate_bias")
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
    [
        {},
        {"rank": 4, "granularity": "tensor"},
        {"rank": 1, "norms": "all", "seed": 7},
        {"rank": 4, "activation": "identity"},
        {"rank": 3, "activation": "identity", "granularity": "tensor"},
    ],
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
    is_identity = options.get("activation") == "identity"
    assert shapes == {(dim, rank), (rank, width)} | ({(width,)} if is_identity else set())
    kinds = {(gate["activation"], gate["bias"]) for gate in found["gates"]}
    assert kinds == {("identity", True) if is_identity else ("sigmoid", False)}
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


def test_a_trained_gate_without_activation_is_its_formula(tmp_path: Path) -> None:
    """All gates of the model get drawn matrices and biases, and numpy computes the same logits."""
    target = tmp_path / "out.onnx"
    given = {"rank": 2, "activation": "identity", "granularity": "element"}
    basin.rewrite(TINY, target, [("insert-gated-norm", given)])
    model, rng, drawn = onnx.load(target), np.random.default_rng(3), {}
    for weight in model.graph.initializer:
        if weight.name.endswith(GATES):
            value = rng.standard_normal(list(weight.dims)).astype(np.float32) / 4
            weight.CopyFrom(numpy_helper.from_array(value, weight.name))
            drawn[weight.name] = value.astype(float)
    onnx.save(model, target)
    stems = [f"blocks.{n}.norm{k}" for n in range(LAYERS) for k in (1, 2)] + ["norm"]
    order = iter(stems)

    def gated(y: np.ndarray) -> np.ndarray:
        stem = next(order)
        down, up, bias = (drawn[f"{stem}.gate_{part}"] for part in ("down", "up", "bias"))
        return (swish(y @ down) @ up + bias) * y

    ids = np.random.default_rng(0).integers(0, 60, (2, 48))
    assert np.abs(forward(ids, after=gated) - run(target, False)[0]).max() < 2e-4


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
