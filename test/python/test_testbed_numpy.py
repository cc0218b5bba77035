"""basin.testbed without PyTorch: metrics, the toy task, planting, quantizers, shipped models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from basin.testbed import TestbedError, measure, plant, plant_table, quantize
from basin.testbed.__main__ import main
from basin.testbed.bigram import BigramTask
from basin.testbed.data import with_bos
from basin.testbed.linears import Graph
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
TINY = MODELS / "tiny-shakespeare.onnx"
STORIES = ROOT.parent / "shared" / "models" / "stories260K.onnx"
needs_stories = pytest.mark.skipif(not STORIES.exists(), reason="the 260K Llama is not at hand")


# Metrics


def uniform_causal(length: int) -> np.ndarray:
    """Every query attends evenly to what it sees: [1, 1, T, T]."""
    return (np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None])[None, None]


def test_sink_importance_of_uniform_attention() -> None:
    """alpha_1 is H_T / T, and alpha_T is 1 / T."""
    alpha = measure.sink_importance(uniform_causal(64))[0, 0]
    assert alpha[0] == pytest.approx(sum(1 / i for i in range(1, 65)) / 64, rel=1e-12)
    assert alpha[-1] == pytest.approx(1 / 64, rel=1e-12)


def test_sink_importance_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    a = np.tril(rng.random((2, 3, 9, 9)))
    a /= a.sum(axis=-1, keepdims=True)
    alpha = measure.sink_importance(a)
    for n, h, k in np.ndindex(2, 3, 9):
        expected = sum(a[n, h, i, k] for i in range(k, 9)) / (9 - k)
        assert alpha[n, h, k] == pytest.approx(expected, rel=1e-12)
    assert measure.first_token_mass(a) == pytest.approx(a[:, :, 1:, 0].mean(), rel=1e-12)


def test_sink_rate_counts_sequences_layers_and_heads() -> None:
    alpha = np.array([[[0.31, 0.3], [0.1, 0.9]]])
    assert measure.sink_rate(alpha) == 50.0
    assert measure.sink_rate(alpha, 0.05) == 100.0


@pytest.mark.parametrize(
    ("largest", "rest", "massive"),
    [(101, 0.1, True), (99, 0.001, False), (5000, 5.1, False), (5000, 5, True)],
)
def test_massive_needs_both_size_and_ratio(largest: float, rest: float, massive: bool) -> None:
    quiet, loud = np.full((1, 4, 8), 1.0), np.full((1, 4, 8), rest)
    loud[0, 2, 5] = -largest
    found = measure.massive_activation([quiet, loud])
    assert found.is_massive is massive
    assert (found.layer, found.position, found.dim) == (1, 2, 5)
    assert found.ratio == pytest.approx(largest / rest)


def test_mean_magnitudes_tell_fixed_dimensions_from_one_token() -> None:
    hidden = np.ones((2, 10, 4))
    hidden[:, :, 1] = -7
    hidden[:, 0, 2] = 500
    assert measure.mean_magnitudes([hidden, 3 * hidden]) == pytest.approx([2, 14, 101.8, 2])
    assert measure.mean_magnitudes([hidden, 3 * hidden], 1) == pytest.approx([2, 14, 2, 2])


def test_presence_is_of_nearly_all_tokens() -> None:
    hidden = np.ones((1, 101, 5))
    hidden[:, :, 1] = 8
    hidden[:, :50, 2] = 90
    hidden[:, 1:6, 1] = 0
    assert measure.presence([hidden, 2 * hidden], 1) == [8, 8]
    assert measure.presence([hidden], 2) == [1]


def test_first_to_others() -> None:
    vectors = np.ones((2, 3, 5, 4))
    vectors[:, 1, 0] = 0.25
    assert measure.first_to_others(vectors) == pytest.approx([1, 0.25, 1])


def test_sink_weights() -> None:
    weights = {"n": np.array([1.0, 0.02, 2.0, -1.0, 1.0])}
    assert measure.sink_weights(weights, [1, 2]) == {"n": 0.02}


# The Bigram-Backcopy task


def test_bigram_backcopy_rule() -> None:
    task = BigramTask(batch=400, seq=64, seed=0)
    ids, targets = task.batch(0)
    assert (ids[:, 0] == task.bos).all() and (targets < task.bos).all()
    assert np.array_equal(ids[:, 1:], targets[:, :-1])
    rows, steps = np.nonzero(task.is_copied(ids))
    assert 0.1 < len(rows) / ids.size < 0.5
    assert steps.min() >= 2 and (targets[rows, steps] == ids[rows, steps - 1]).all()
    assert not task.is_copied(targets[rows, steps]).any(), "a copy is never a trigger"
    # Other tokens follow the chain, so expected and observed frequencies after one token agree.
    common = task.triggers
    after = targets[ids == common]
    observed = np.bincount(after, minlength=task.bos) / len(after)
    assert np.abs(observed - task.chain[common]).max() < 4 * np.sqrt(0.25 / len(after))
    assert not np.array_equal(task.batch(1)[0], ids)
    assert np.array_equal(BigramTask(batch=400, seq=64, seed=0).batch(0)[0], ids)


def test_entropy_is_the_least_loss() -> None:
    task = BigramTask(batch=1, seq=8, seed=0)
    assert task.entropy(np.array([0])) == 0
    row = task.chain[40]
    assert task.entropy(np.array([40])) == pytest.approx(-(row * np.log(row + 1e-300)).sum())
    assert task.entropy(np.array([task.bos])) == pytest.approx(np.log(61))


# Planting


def run(path: Path, ids: np.ndarray, taps: list[str] | None = None) -> list[np.ndarray]:
    """Logits, then the values named by `taps`, by ONNX Runtime with optimizations off."""
    model = onnx.load(path)
    for name in taps or []:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: ids})


def trained_models() -> list[Path]:
    return [*sorted(MODELS.glob("*.onnx")), *([STORIES] if STORIES.exists() else [])]


@pytest.mark.parametrize("path", trained_models(), ids=lambda p: p.stem)
@pytest.mark.parametrize("power", [4, 8, -3])
def test_planting_keeps_every_bit(path: Path, power: int, tmp_path: Path) -> None:
    target = tmp_path / "planted.onnx"
    lines = plant.plant_file(path, target, 15, power)
    assert sum(f"times 2^{power}" in line for line in lines) >= 2
    norms = [output for gamma, output in Graph(onnx.load(path)).norm_weights()]
    ids = np.random.default_rng(0).integers(0, 60, (2, 24))
    before, after = run(path, ids, norms), run(target, ids, norms)
    assert np.array_equal(before[0].view(np.int32), after[0].view(np.int32))
    changed = 0
    for one, other in zip(before[1:], after[1:]):
        if not np.array_equal(one, other):
            changed += 1
            one[..., 15] *= 2.0**power
            assert np.array_equal(one, other), "the outlier is exactly 2^power times what it was"
    assert changed == sum(f"times 2^{power}" in line for line in lines)


def test_planting_in_the_norm_alone_is_another_function(tmp_path: Path) -> None:
    model = onnx.load(TINY)
    gamma = Graph(model).norm_weights()[0][0]
    weight = Graph(model).weight(gamma)
    weight[15] *= 16
    Graph(model).set_weight(gamma, weight)
    onnx.save(model, tmp_path / "wrong.onnx")
    ids = np.random.default_rng(0).integers(0, 60, (2, 24))
    assert np.abs(run(TINY, ids)[0] - run(tmp_path / "wrong.onnx", ids)[0]).max() > 1e-2


def test_planting_refuses(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="dimension below 64, but got 64"):
        plant.plant(onnx.load(TINY), 64, 4)
    with pytest.raises(TestbedError, match="range of normal numbers"):
        plant.plant(onnx.load(TINY), 3, 140)
    only_add = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    with pytest.raises(TestbedError, match="no norm can take the outlier"):
        plant.plant(helper.make_model(only_add), 0, 4)
    assert main(["plant", str(TINY), str(tmp_path / "o.onnx"), "--dim", "99", "--power", "4"]) == 1
    assert not (tmp_path / "o.onnx").exists()


def one_norm(reader: str, shared: bool = False) -> onnx.ModelProto:
    """x * gamma, read by one linear in the form `reader`. `shared`: another use of the weight."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal((4, 6) if reader == "matmul" else (6, 4)).astype(np.float32)
    nodes = [helper.make_node("Mul", ["x", "gamma"], ["h"])]
    if reader == "matmul":
        nodes.append(helper.make_node("MatMul", ["h", "w"], ["y"]))
    elif reader == "gemm":
        nodes.append(helper.make_node("Gemm", ["h", "w"], ["y"], transB=1))
    elif reader == "transpose":
        nodes.append(helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]))
        nodes.append(helper.make_node("MatMul", ["h", "t"], ["y"]))
    if shared:
        nodes.append(helper.make_node("ReduceMax", ["w"], ["m"], keepdims=0))
    outputs = ["y", "m"] if shared else ["y"]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [
            numpy_helper.from_array(rng.random(4).astype(np.float32), "gamma"),
            numpy_helper.from_array(w, "w"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("reader", ["matmul", "gemm", "transpose"])
def test_forms_of_linears(reader: str, tmp_path: Path) -> None:
    onnx.save(one_norm(reader), tmp_path / "a.onnx")
    plant.plant_file(tmp_path / "a.onnx", tmp_path / "b.onnx", 2, 5)
    x = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    one, other = (run(tmp_path / f"{n}.onnx", x, ["h"]) for n in "ab")
    assert np.array_equal(one[0], other[0]) and not np.array_equal(one[1], other[1])


def test_a_shared_weight_is_left_alone() -> None:
    with pytest.raises(TestbedError, match="used 2 times"):
        plant.plant(one_norm("matmul", shared=True), 2, 5)


# Quantizers


def test_e2m1_is_the_standard_type() -> None:
    x = np.linspace(-7, 7, 14001).astype(np.float32)
    expected = x.clip(-6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    assert np.array_equal(quantize._e2m1(x), expected)


def test_mxfp4_by_hand() -> None:
    """amax 5.0: floor(log2) = 2, scale 1; amax 0.04: floor(log2) = -5, scale 2^-7.

    5 lies between 4 and 6 and goes to the even code, 4; 0.04 * 128 = 5.12 goes to 6.
    """
    x = np.zeros((1, 40), np.float32)
    x[0, :4] = [5.0, 2.4, -1.3, 0.2]
    x[0, 32:34] = [0.04, 0.01]
    expected = np.zeros_like(x)
    expected[0, :4] = [4.0, 2.0, -1.5, 0.0]
    expected[0, 32:34] = [6 / 128, 1.5 / 128]
    assert np.array_equal(quantize.mxfp4(x), expected)


def test_nvfp4_by_hand() -> None:
    """A row whose amax is 6 * 448: s2 = 1, s1 = 448; the block with amax 6 has s1 = 1."""
    x = np.zeros((1, 28), np.float32)
    x[0, :2] = [6 * 448, 700]
    x[0, 16:20] = [6, 2.6, 0.3, -0.2]
    expected = np.zeros_like(x)
    expected[0, :2] = [6 * 448, 1.5 * 448]
    expected[0, 16:20] = [6, 3, 0.5, 0]
    assert np.array_equal(quantize.nvfp4(x, True), expected)


@pytest.mark.parametrize("scheme", quantize.SCHEMES[1:], ids=lambda s: s.name.split(" (")[0])
def test_quantizers_are_idempotent_scale_free_and_close(scheme: quantize.Scheme) -> None:
    bound = {"FP8": 0.04, "INT8": 0.02, "NVFP4": 0.16, "INT4": 0.2, "MXFP4": 0.2}
    x = np.random.default_rng(0).standard_normal((5, 76)).astype(np.float32)
    x[3] = 0
    for quantizer in (scheme.weight, scheme.activation):
        if quantizer is None:
            continue
        y = quantizer(x)
        assert y.shape == x.shape and not y[3].any()
        assert 0 < np.linalg.norm(y - x) < bound[scheme.name.split()[0]] * np.linalg.norm(x)
        assert np.array_equal(quantizer(4 * x), 4 * y), "a power of two changes no code"
        assert np.allclose(quantizer(y), y, rtol=1e-6, atol=1e-6)


def test_table_shows_what_an_outlier_costs(tmp_path: Path) -> None:
    ids = np.frombuffer(b"First Citizen:\nBefore we proceed any further, hear me speak.", np.uint8)
    np.savez(tmp_path / "ids.npz", input_ids=ids[None].astype(np.int64))
    figures = plant_table.measure(TINY, ids[None].astype(np.int64), 15, [8])
    assert figures["fp32"][0] == figures["fp32"][1], "the planted model is the same function"
    clean, planted = figures["INT8 W8A8 (w channel, a token)"]
    assert abs(clean - figures["fp32"][0]) < 0.1 and planted > clean + 1
    fp8 = figures["FP8 E4M3 W8A8 (w tensor, a token)"]
    assert abs(fp8[1] - fp8[0]) < 0.1, "a floating-point format does not mind"
    (logits,) = run(TINY, ids[None].astype(np.int64))
    logs = logits[0, :-1].astype(np.float64)
    logs -= np.log(np.exp(logs).sum(axis=-1, keepdims=True))
    expected = -logs[np.arange(len(ids) - 1), ids[1:]].mean()
    assert figures["fp32"][0] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(TestbedError, match="input_ids"):
        np.savez(tmp_path / "other.npz", x=ids)
        plant_table.table(TINY, tmp_path / "other.npz", 15, [8])


# Shipped models


def attention_taps(path: Path) -> list[str]:
    """The output of every Softmax, each followed by the values that it multiplies."""
    graph = Graph(onnx.load(path))
    names = []
    for node in graph.nodes:
        if node.op_type == "Softmax":
            (reader,) = graph.readers[node.output[0]]
            assert graph.nodes[reader].op_type == "MatMul"
            names += [node.output[0], graph.nodes[reader].input[1]]
    return names


def sinks_of(path: Path, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """alpha_1 [N, L, H] and the value ratio [L, H], from an instrumented run."""
    found = run(path, ids, attention_taps(path))[1:]
    alpha = [measure.sink_importance(p)[..., 0] for p in found[::2]]
    return np.stack(alpha, axis=1), np.array([measure.first_to_others(v) for v in found[1::2]])


def test_bigram_model_has_sinks() -> None:
    ids, targets = BigramTask(batch=1, seq=64, seed=0).held_out()
    path = MODELS / "bigram-backcopy.onnx"
    assert path.stat().st_size < 1_000_000
    alpha, drain = sinks_of(path, ids)
    assert measure.sink_rate(alpha) > 90
    # The first layer's head looks at triggers and otherwise at BOS, and reads BOS's value. The
    # copying heads of later layers rest on BOS, whose values are drained.
    assert (drain[1:] < 0.1).all() and drain[0] > 1
    (logits,) = run(path, ids)
    copied = BigramTask(batch=1, seq=64, seed=0).is_copied(ids)
    assert (logits.argmax(axis=-1) == targets)[copied].mean() > 0.99, "and it has learned the task"


@needs_stories
def test_stories260k_has_no_sinks() -> None:
    """The same measurement finds nothing in a model without sinks."""
    ids = np.load(STORIES.with_suffix(".npz"))["input_ids"][:, :64]
    alpha, drain = sinks_of(STORIES, ids)
    assert measure.sink_rate(alpha) == 0
    assert alpha.mean(axis=0).max() < 0.3 and drain.min() > 0.3


@pytest.mark.parametrize(
    ("name", "layers", "dim", "rate"),
    [("text-sink", 6, 104, (0, 1)), ("text-small", 4, 15, (5, 13))],
)
def test_text_models(name: str, layers: int, dim: int, rate: tuple[float, float]) -> None:
    """The text is of another kind than the training text, so the input is not the reason."""
    path = MODELS / f"{name}.onnx"
    assert path.stat().st_size < 12_000_000
    text = np.frombuffer((ROOT / "LICENSE").read_bytes(), np.uint8)[: 32 * 64].astype(np.int64)
    ids, targets = with_bos(text.reshape(32, 64), 256)
    logits, *hidden = run(path, ids, [f"/blocks.{i}/Add_1_output_0" for i in range(layers)])
    assert (logits.argmax(axis=-1) == targets).mean() > 0.3, "it predicts English"
    assert measure.mean_magnitudes(hidden, 1).argmax() == dim
    assert min(measure.presence(hidden, dim)[1:]) > 5, "large on nearly all tokens"
    graph = Graph(onnx.load(path))
    weights = {gamma: graph.weight(gamma) for gamma, _ in graph.norm_weights()}
    assert min(measure.sink_weights(weights, [dim]).values()) < 0.05
    # Only the first head of text-small is an attention sink (one of eight: 12.5 %).
    alpha, drain = sinks_of(path, ids)
    assert rate[0] <= measure.sink_rate(alpha) <= rate[1]
    if rate[0]:
        average = alpha.mean(axis=0)
        assert average.argmax() == 0 and average[0, 0] > 0.3 and drain[0, 0] < 0.2
    assert not measure.massive_activation(hidden).is_massive


# Without PyTorch


def test_a_missing_torch_is_one_line() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from basin.testbed.__main__ import main\n"
        "sys.exit(main(['train', 'bigram', '--checkpoint', 'c.pt']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "needs PyTorch" in done.stderr
