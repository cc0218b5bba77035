"""Gates of `insert-gated-attention`: no bit differs before training, and a trained one acts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from rewrite_passes import find_refusal

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
MODELS = [path for path in (TINY, SHARED) if path.exists()]
EXPORTED = sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
GATE = ".gate_weight"
KINDS = [{}, {"granularity": "element"}]


def run(path: Path, optimize: bool, ids: np.ndarray | None = None) -> list[np.ndarray]:
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    if ids is None:
        ids = np.random.default_rng(0).integers(0, 60, (2, 48))
    return session.run(None, {session.get_inputs()[0].name: ids})


def weights(path: Path, end: str = GATE) -> dict[str, np.ndarray]:
    found = onnx.load(path).graph.initializer
    return {w.name: numpy_helper.to_array(w) for w in found if w.name.endswith(end)}


def train(path: Path, value: float) -> None:
    """Gives all matrices of gates random elements up to `value`."""
    model, rng = onnx.load(path), np.random.default_rng(3)
    for weight in model.graph.initializer:
        if weight.name.endswith(GATE):
            learned = rng.uniform(-value, value, tuple(weight.dims)).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(learned, weight.name))
    onnx.save(model, path)


def assert_same(before: list[np.ndarray], after: list[np.ndarray]) -> None:
    assert all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("optimize", [False, True], ids=["plain", "optimized"])
@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_bit_differs(path: Path, options: dict, optimize: bool, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    before = basin.load(path).inspect()["attention"]
    basin.rewrite(path, target, [("insert-gated-attention", options)])
    assert_same(run(path, optimize), run(target, optimize))
    found = basin.load(target).inspect()["attention"]
    assert len(found) == len(before) > 1
    assert not any(one["gate"] for one in before) and all(one["gate"] for one in found)
    heads, dim = before[0]["heads"], before[0]["head_dim"]
    width = heads * dim if options else heads
    learned = weights(target)
    assert len(learned) == len(before)
    assert {value.shape[1] for value in learned.values()} == {width}
    assert not any(value.any() for value in learned.values())
    # Matrices are doubled: the only products that were added are those with gates.
    count = [sum(n.op_type == "Mul" for n in onnx.load(p).graph.node) for p in (path, target)]
    assert count[1] - count[0] == len(before)


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("path", EXPORTED, ids=lambda path: path.stem)
def test_exported_models_have_their_gates_again(path: Path, options: dict, tmp_path: Path) -> None:
    """Recognition finds each gate after export, and the static proof knows it."""
    model = basin.load(path)
    before = model.inspect()["attention"]
    words = ",".join(f"{name}={value}" for name, value in options.items())
    chain = f"basin-raise,sink-insert-gated-attention{{{words}}},convert-sink-to-onnx"
    if reason := find_refusal(path.stem, chain):
        with pytest.raises(basin.BasinError, match=reason):
            model.run(f"builtin.module({chain})")
        return
    model.run(f"builtin.module({chain})")
    assert model.find_scale_mismatch() is None
    model.save(tmp_path / "out.onnx")
    after = basin.load(tmp_path / "out.onnx").inspect()["attention"]
    assert len(after) == len(before) and all(one["gate"] for one in after)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_gate_that_learned_acts(options: dict, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    basin.rewrite(TINY, target, [("insert-gated-attention", options)])
    train(target, 1.0)
    before, after = run(TINY, False)[0], run(target, False)[0]
    assert 1e-3 < np.abs(before - after).max() < 10 * np.abs(before).max()
    assert all(one["gate"] for one in basin.load(target).inspect()["attention"])
    # A gate reads its own position: what comes later changes nothing.
    ids = np.random.default_rng(0).integers(0, 60, (2, 48))
    changed = ids.copy()
    changed[:, 24:] = (changed[:, 24:] + 1) % 60
    changed[1, 12:] = (changed[1, 12:] + 7) % 60
    first, second = run(target, False, ids)[0], run(target, False, changed)[0]
    assert (first[0, :24] == second[0, :24]).all() and (first[1, :12] == second[1, :12]).all()
    assert (first[0, 24:] != second[0, 24:]).any()


def attention_model(path: Path, sequence_first: bool, batch: int, steps: int) -> dict:
    """One layer of two heads of 2, whose projection has a bias. Returns its weights."""
    rng = np.random.default_rng(1)
    made = {name: rng.standard_normal((4, 4)).astype(np.float32) for name in ("wq", "wk", "wv")}
    made |= {"wo": rng.standard_normal((4, 3)).astype(np.float32)}
    made |= {"bo": rng.standard_normal(3).astype(np.float32)}
    joined = [steps, batch, 4] if sequence_first else [batch, steps, 4]
    parted, perm = [*joined[:2], 2, 2], [1, 2, 0, 3] if sequence_first else [0, 2, 1, 3]
    made |= {"joined": np.array(joined), "parted": np.array(parted)}
    nodes = []

    def node(op: str, inputs: str, output: str, **attrs) -> None:
        nodes.append(helper.make_node(op, inputs.split(), [output], name=output, **attrs))

    for one in "qkv":
        node("MatMul", f"x w{one}", f"{one}0")
        node("Reshape", f"{one}0 parted", f"{one}1")
        node("Transpose", f"{one}1", one, perm=perm)
    node("Transpose", "k", "kt", perm=[0, 1, 3, 2])
    node("MatMul", "q kt", "s")
    node("Softmax", "s", "p", axis=-1)
    node("MatMul", "p v", "a")
    node("Transpose", "a", "t", perm=[int(i) for i in np.argsort(perm)])
    node("Reshape", "t joined", "m")
    node("MatMul", "m wo", "o")
    node("Add", "o bo", "y")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g",
        [value("x", TensorProto.FLOAT, joined)], [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in made.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return made


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("sequence_first", [False, True], ids=["bsd", "sbd"])
def test_trained_gates_are_those_of_the_paper(
    options: dict, sequence_first: bool, tmp_path: Path
) -> None:
    """y = ((2 sigmoid(x W_g)) * attention(x)) W_o + b in numpy, where batch and sequence are of
    the same size, so that only their places tell them apart."""
    size, source, target = 3, tmp_path / "in.onnx", tmp_path / "out.onnx"
    made = attention_model(source, sequence_first, size, size)
    basin.rewrite(source, target, [("insert-gated-attention", options)])
    train(target, 2.0)
    (gate,) = weights(target).values()
    (doubled,) = weights(target, "wo").values()
    assert (doubled == 2 * made["wo"]).all() and (weights(target, "bo")["bo"] == made["bo"]).all()
    x = np.random.default_rng(2).standard_normal((size, size, 4)).astype(np.float32)
    session = ort.InferenceSession(target, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})

    x64 = (x.swapaxes(0, 1) if sequence_first else x).astype(np.float64)
    q, k, v = (
        (x64 @ made[name]).reshape(size, size, 2, 2).swapaxes(1, 2) for name in ("wq", "wk", "wv")
    )
    p = np.exp(q @ k.swapaxes(2, 3))
    a = (p / p.sum(-1, keepdims=True) @ v).swapaxes(1, 2)
    score = 2 / (1 + np.exp(-(x64 @ gate)))
    score = score.reshape(size, size, 2, -1)
    expected = (a * score).reshape(size, size, 4) @ made["wo"] + made["bo"]
    expected = expected.swapaxes(0, 1) if sequence_first else expected
    # f32 with sums of four products.
    assert np.abs(y - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_rewritten_model_is_rewritten_again(tmp_path: Path) -> None:
    once, twice = tmp_path / "once.onnx", tmp_path / "twice.onnx"
    basin.rewrite(TINY, once, ["insert-gated-attention"])
    steps = [("absorb-residual", {"scale-dims": {3: 64}}), "insert-pre-affine"]
    basin.rewrite(once, twice, [*steps, ("insert-gated-norm", {"rank": 2})])
    assert_same(run(TINY, False), run(twice, False))
    found = basin.load(twice).inspect()
    assert all(one["gate"] for one in found["attention"])
    assert [step["step"] for step in found["steps"]] == [
        "insert-gated-attention", "absorb-residual", "insert-pre-affine", "insert-gated-norm",
    ]  # fmt: skip
    # The gates that there are stay, and no other is inserted.
    again = tmp_path / "again.onnx"
    basin.rewrite(once, again, ["insert-gated-attention"])
    assert len(weights(again)) == len(weights(once)) == len(found["attention"])


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_no_result_is_too_small_where_scores_are_doubled(options: dict, tmp_path: Path) -> None:
    """In f16 halves of small results would lose a bit. A gate of 1 keeps each one. The reference
    evaluator rounds after each node."""
    from onnx.reference import ReferenceEvaluator

    source, target = tmp_path / "in.onnx", tmp_path / "out.onnx"
    attention_model(source, False, 2, 3)
    model = onnx.load(source)
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype == np.float32:
            # Results are below 2^-14, where f16 has no more bits for halves.
            factor = 2.0**-12 if weight.name == "wv" else 1.0
            weight.CopyFrom(
                numpy_helper.from_array((array * factor).astype(np.float16), weight.name)
            )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    # The product itself is an output, so that its last bit shows.
    model.graph.output.append(helper.make_tensor_value_info("t", TensorProto.FLOAT16, None))
    onnx.save(model, source)
    loaded = basin.load(source)
    words = ",".join(f"{name}={value}" for name, value in options.items())
    chain = f"basin-raise,sink-insert-gated-attention{{{words}}},convert-sink-to-onnx"
    loaded.run(f"builtin.module({chain})")
    loaded.save(target)
    x = np.random.default_rng(2).standard_normal((2, 3, 4)).astype(np.float16)
    before, after = (ReferenceEvaluator(onnx.load(p)).run(None, {"x": x}) for p in (source, target))
    assert_same(before, after)
    halves = (before[1] * np.float16(0.5)) * np.float16(2)
    assert (halves != before[1]).any(), "the results are too large to tell"


def test_a_name_that_no_attention_has_writes_no_file(tmp_path: Path) -> None:
    with pytest.raises(basin.BasinError, match="no attention without a gate has a name like 'z'"):
        basin.rewrite(TINY, tmp_path / "o.onnx", [("insert-gated-attention", {"attentions": "z"})])
    assert not (tmp_path / "o.onnx").exists()
