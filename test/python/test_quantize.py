"""The step quantize on models: what is rounded, in which nodes, and what stays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from model_files import inside
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from quantize_reference import fake_quantize

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin  # noqa: E402
from basin.errors import AnalysisError  # noqa: E402
from basin.quantization.magnitudes import Magnitudes, choose_largest, choose_range  # noqa: E402
from basin.verification.distance import log_softmax  # noqa: E402
from basin.verification.sessions import open_session, run_session  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = ROOT / "test" / "models" / "exported"
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
SMALL = ROOT / "models" / "text-small.onnx"
BOS = 256

# Both exporters and hand-written forms, pre-norm and post-norm, caches, an If with two branches.
MODELS = [
    "bert-eager-script17",
    "gpt2-sdpa-past-dynamo18",
    "hand-block-post",
    "hand-merged-with_past",
    "hand-norm-skip_simplified",
    "hand-op-attention23-flat",
    "llama-eager-script17",
    "llama-sdpa-past-dynamo23",
    "qwen3-eager-dynamo18",
]
OPTIONS: dict[str, dict[str, Any]] = {
    "token": {"scheme": "int8-token", "residual": "int8", "residual-scale": "token", "head": True},
    "caches": {"scheme": "int8-dynamic", "kv-cache": "int4", "residual": "fp8"},
    "blocks": {"scheme": "fp8-block", "residual": "int16"},
    "weights": {"scheme": "int4-weights-64"},
}
# Options that need magnitudes get the model's own inputs as data.
STATIC = {"caches", "blocks"}


def data_of(name: str) -> Path:
    return EXPORTED / f"{name}.inputs.npz"


def inputs_of(name: str) -> dict[str, np.ndarray]:
    with np.load(data_of(name)) as archive:
        return {key: archive[key] for key in archive.files}


def rewrite(source: Path, target: Path, **options: Any) -> list[str]:
    model = basin.load(source)
    said = model.rewrite(("quantize", {key.replace("_", "-"): v for key, v in options.items()}))
    model.save(target)
    return said


def run(path: Path, values: dict[str, np.ndarray]) -> dict[str, Any]:
    return run_session(open_session(path), values, path)


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_operators_compute_what_the_simulation_does(tmp_path: Path, name: str, kind: str) -> None:
    options = {key.replace("-", "_"): value for key, value in OPTIONS[kind].items()}
    if kind in STATIC and "merged" in name:
        with pytest.raises(basin.BasinError, match="stands in a subgraph, where no magnitude"):
            rewrite(EXPORTED / f"{name}.onnx", tmp_path / "x", data=data_of(name), **options)
        return
    if kind in STATIC:
        options["data"] = data_of(name)
    found = {}
    for nodes in ("simulate", "qdq"):
        path = tmp_path / f"{nodes}.onnx"
        rewrite(EXPORTED / f"{name}.onnx", path, nodes=nodes, **options)
        found[nodes] = run(path, inputs_of(name))
        if "simplified" not in name:  # ONNX Runtime's own operator, which the checker refuses.
            onnx.checker.check_model(onnx.load(path), full_check=True)
    before = run(EXPORTED / f"{name}.onnx", inputs_of(name))
    changed = False
    for key, value in found["simulate"].items():
        assert np.array_equal(value, found["qdq"][key])
        changed |= not np.array_equal(value, before[key])
    assert changed


@pytest.mark.parametrize("scheme", [s for s in _basin.list_schemes() if "static" not in s])
def test_a_whole_model_in_each_scheme(tmp_path: Path, scheme: str) -> None:
    """Weights are those of NumPy, and both ways of writing give the same logits."""
    part = yaml.safe_load(_basin.print_scheme(scheme))["weights"]
    before = tensors(TINY)
    rewrite(TINY, tmp_path / "s.onnx", scheme=scheme, nodes="simulate")
    made = {k: v for k, v in tensors(tmp_path / "s.onnx").items() if k.endswith(".quantized")}
    assert len(made) == 21
    for name, value in made.items():
        old = before[name.removesuffix(".quantized")]
        assert np.array_equal(value, fake_quantize(old.T, part).T)
    rewrite(TINY, tmp_path / "q.onnx", scheme=scheme)
    onnx.checker.check_model(onnx.load(tmp_path / "q.onnx"), full_check=True)
    feed = {"input_ids": np.random.default_rng(0).integers(0, 65, (2, 12))}
    if part["format"] == "float4e2m1":
        # ONNX Runtime has no kernel for the type. The reference evaluator sums in an order of its
        # own, so both run there.
        one, two = (
            ReferenceEvaluator(onnx.load(tmp_path / f"{x}.onnx")).run(None, feed)[0] for x in "sq"
        )
        with pytest.raises(basin.errors.VerifyError, match="NOT_IMPLEMENTED"):
            run(tmp_path / "q.onnx", feed)
    else:
        one, two = (run(tmp_path / f"{x}.onnx", feed)["logits"] for x in "sq")
    assert np.array_equal(one, two)


def test_f16_is_quantized_in_f32_and_rounded_once(tmp_path: Path) -> None:
    """In the reference evaluator: ONNX Runtime drops roundings between nodes of f16."""
    name = "llama-eager-fp16-script17"
    found = []
    for nodes in ("simulate", "qdq"):
        rewrite(EXPORTED / f"{name}.onnx", tmp_path / "x.onnx", scheme="int8-token", nodes=nodes)
        evaluator = ReferenceEvaluator(onnx.load(tmp_path / "x.onnx"))
        with np.errstate(all="ignore"):
            found.append(evaluator.run(None, inputs_of(name))[0])
    assert found[0].dtype == np.float16 and np.array_equal(found[0], found[1])


# What is a projection


@pytest.mark.parametrize(
    ("name", "expected"),
    [("llama-eager-script17", 14), ("bert-eager-script17", 12), ("gpt2-eager-dynamo18", 8)],
)
def test_all_projections_and_nothing_else(tmp_path: Path, name: str, expected: int) -> None:
    """Two layers each. The rotary tables' product of positions is none, and the head stays."""
    model = basin.load(EXPORTED / f"{name}.onnx")
    said = model.rewrite(("quantize", {"scheme": "int8-token", "nodes": "simulate"}))
    model.save(tmp_path / "x.onnx")
    made = [key for key in tensors(tmp_path / "x.onnx") if ".quantized" in key]
    assert len(made) == expected
    before = {node.name for node in onnx.load(EXPORTED / f"{name}.onnx").graph.node}
    products = [n for n in onnx.load(tmp_path / "x.onnx").graph.node if n.op_type == "MatMul"]
    angles = [n for n in products if "rotary" in n.name]
    assert not any("quantized" in i for n in angles for i in n.input)
    assert len(before) > 0 and (not angles or any("positions alone" in line for line in said))


def test_a_head_that_is_tied_gets_its_own_matrix(tmp_path: Path) -> None:
    """The table of the embedding stays as it is."""
    name = "hand-block-tied"
    rewrite(EXPORTED / f"{name}.onnx", tmp_path / "x.onnx", scheme="int8-token", head=True)
    model = onnx.load(tmp_path / "x.onnx")
    gather = next(n for n in model.graph.node if n.op_type == "Gather")
    table = tensors(tmp_path / "x.onnx")[gather.input[0]]
    assert np.array_equal(table, tensors(EXPORTED / f"{name}.onnx")[gather.input[0]])
    assert f"{gather.input[0]}.codes" in tensors(tmp_path / "x.onnx")
    without = rewrite(EXPORTED / f"{name}.onnx", tmp_path / "y.onnx", scheme="int8-token")
    assert any("which 'head' would quantize" in line for line in without)


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(tmp_path: Path, transposed: int) -> None:
    """Scales of channels lie along the other axis of a transposed matrix. The bias stays."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((12, 5)).astype(np.float32)
    stored = weight.T.copy() if transposed else weight
    bias = rng.standard_normal(5).astype(np.float32)
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=transposed)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(stored, "w"), numpy_helper.from_array(bias, "b")],
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "i.onnx")
    x = rng.standard_normal((4, 12)).astype(np.float32)
    for scheme in ("int8-token", "int4-weights", "int4-weights-full"):
        parts = yaml.safe_load(_basin.print_scheme(scheme))
        made = fake_quantize(weight.T, parts["weights"]).T
        given = fake_quantize(x, parts["activations"]) if "activations" in parts else x
        expected = given.astype(np.float64) @ made + bias
        ways = ["simulate", "qdq"] + ["nbits"] * scheme.startswith("int4")
        for nodes in ways:
            rewrite(tmp_path / "i.onnx", tmp_path / "o.onnx", scheme=scheme, nodes=nodes, head=True)
            found = run(tmp_path / "o.onnx", {"x": x})["y"]
            assert np.allclose(found, expected, rtol=1e-5, atol=1e-5), (scheme, nodes)


@pytest.mark.parametrize(
    "kind", [TensorProto.INT8, TensorProto.FLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.DOUBLE]
)
def test_casts_of_a_matrix(tmp_path: Path, kind: int) -> None:
    """A matrix that a Cast rounds stays as it is."""
    rng = np.random.default_rng(0)
    weight = (3 * rng.standard_normal((12, 5))).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["w"], ["narrow"], to=kind),
        helper.make_node("Cast", ["narrow"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "i.onnx")
    said = rewrite(tmp_path / "i.onnx", tmp_path / "o.onnx", scheme="int8-token", head=True)
    # f64 and back to f32 is a Cast that may round, too.
    assert kept(said, "its matrix is rounded by a Cast on the way") == 1
    x = rng.standard_normal((4, 12)).astype(np.float32)
    before, after = (run(tmp_path / f"{name}.onnx", {"x": x})["y"] for name in "io")
    assert np.array_equal(before, after)


@pytest.mark.parametrize("scheme", ["int4-weights", "int4-weights-full"])
def test_nbits_is_the_same_up_to_the_order_of_sums(tmp_path: Path, scheme: str) -> None:
    rewrite(TINY, tmp_path / "q.onnx", scheme=scheme)
    rewrite(TINY, tmp_path / "n.onnx", scheme=scheme, nodes="nbits")
    kinds = [n.op_type for n in onnx.load(tmp_path / "n.onnx").graph.node]
    assert kinds.count("MatMulNBits") == 21
    feed = {"input_ids": np.random.default_rng(0).integers(0, 65, (2, 12))}
    one, two = (run(tmp_path / f"{x}.onnx", feed)["logits"] for x in "qn")
    # Relative to the largest logit: f32 sums of 64 to 256 products in another order.
    assert np.abs(one - two).max() < 1e-5 * np.abs(one).max()


# Options


def kept(said: list[str], reason: str) -> int:
    found = [re.match(r"kept (\d+) product", line) for line in said if reason in line]
    return sum(int(one[1]) for one in found if one)


def test_excluded_by_a_pattern_of_results_weights_or_nodes(tmp_path: Path) -> None:
    weights = [n.input[1] for n in onnx.load(TINY).graph.node if n.op_type == "MatMul"]
    for pattern, count in [
        ("/blocks.0/*", 7),
        ("/blocks.?/attention/q/MatMul", 3),
        ("/blocks.2/up/MatMul_output_0", 1),
        (next(w for w in weights if "MatMul" in w), 1),
    ]:
        said = rewrite(TINY, tmp_path / "x.onnx", scheme="int8-token", exclude=pattern)
        assert kept(said, "it is excluded") == count, pattern


def text_data(path: Path, sequences: int, length: int = 64) -> Path:
    """Ids of text: this repository's README as bytes, with BOS in front."""
    text = np.frombuffer((ROOT / "README.md").read_bytes(), np.uint8)
    rows = [
        np.r_[BOS, text[500 * i : 500 * i + length - 1].astype(np.int64)] for i in range(sequences)
    ]
    np.savez(path, input_ids=np.stack(rows))
    return path


def test_excluded_by_sensitivity(tmp_path: Path) -> None:
    """Those with the largest KL alone stay, and what is left is closer to the original."""
    data = text_data(tmp_path / "data.npz", 4)
    said = rewrite(SMALL, tmp_path / "x.onnx", scheme="nvfp4", exclude="auto:3", data=data)
    assert kept(said, "it is excluded") == 3
    alone = [float(line.split(": KL alone ")[1]) for line in said if ": KL alone" in line]
    assert len(alone) == 3 and alone == sorted(alone, reverse=True) and alone[-1] > 0
    (line,) = (one for one in said if "the mean KL of all is" in one)
    whole, rest = (
        float(x) for x in re.findall(r"is ([\d.e-]+), and without these ([\d.e-]+)", line)[0]
    )
    assert 0 < rest < whole
    # What the trial measured is what the written model does.
    rewrite(SMALL, tmp_path / "s.onnx", scheme="nvfp4", nodes="simulate")
    ids = np.load(data)["input_ids"]
    x, y = (run(path, {"input_ids": ids})["logits"] for path in (SMALL, tmp_path / "s.onnx"))
    p, q = (log_softmax(z.astype(np.float64)) for z in (x, y))
    assert float((np.exp(p) * (p - q)).sum(-1).mean()) == pytest.approx(whole, rel=0.01)


def test_statistics_and_data_give_the_same_scales(tmp_path: Path) -> None:
    data = text_data(tmp_path / "data.npz", 4)
    done = inside(tmp_path, "analyze", SMALL, "--data", data, "--stats", "s.json")
    assert done.returncode == 0, done.stderr
    rewrite(
        SMALL, tmp_path / "a.onnx", scheme="int8-static", residual="int8", stats=tmp_path / "s.json"
    )
    rewrite(SMALL, tmp_path / "b.onnx", scheme="int8-static", residual="int8", data=data)
    one, two = (
        {n.name: helper.get_node_attr_value(n, "value") for n in nodes if n.op_type == "Constant"}
        for nodes in (onnx.load(tmp_path / x).graph.node for x in ("a.onnx", "b.onnx"))
    )
    assert one.keys() == two.keys()
    scales = 0
    for name, value in one.items():
        left, right = numpy_helper.to_array(value), numpy_helper.to_array(two[name])
        # Both ran with other fusions, so the last bits of the values differ.
        assert left == pytest.approx(right, rel=1e-5)
        scales += left.dtype == np.float32 and ".quantized" in name
    assert scales == 16 + 8


def test_exclusion_without_data_runs_on_drawn_inputs(tmp_path: Path) -> None:
    data = text_data(tmp_path / "data.npz", 2)
    inside(tmp_path, "analyze", SMALL, "--data", data, "--stats", "s.json")
    said = rewrite(
        SMALL,
        tmp_path / "x.onnx",
        scheme="nvfp4",
        residual="int8",
        stats=tmp_path / "s.json",
        exclude="auto:4",
    )
    assert any("drawn inputs, because no data are given" in line for line in said)
    assert kept(said, "it is excluded") == 4


def test_the_command_simulates(tmp_path: Path) -> None:
    args = ["rewrite", TINY, "o.onnx", "quantize", "scheme=int8-token"]
    done = inside(tmp_path, *args, "--simulate", "--save-recipe", "r.yaml")
    assert done.returncode == 0, done.stderr
    assert "the mean KL is" in done.stderr
    kinds = {n.op_type for n in onnx.load(tmp_path / "o.onnx").graph.node}
    assert "Round" in kinds and "QuantizeLinear" not in kinds
    assert "nodes: simulate" in (tmp_path / "r.yaml").read_text("utf-8")
    refused = inside(tmp_path, *args[:3], "insert-pre-affine", "--simulate")
    assert refused.returncode == 1 and "--simulate needs the step quantize" in refused.stderr


def test_distance_of_types_without_kernels(tmp_path: Path) -> None:
    """The reference evaluator measures what ONNX Runtime cannot run."""
    done = inside(tmp_path, "rewrite", TINY, "o.onnx", "quantize", "scheme=mxfp4")
    assert done.returncode == 0, done.stderr
    assert "the mean KL is" in done.stderr and (tmp_path / "o.onnx").exists()


# Refusals


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scheme": "int8-static"}, "static scales need the option 'stats' .* or 'data'"),
        ({"scheme": "int8-static", "range": "max"}, "expected min-max, percentile, mse"),
        ({"scheme": "int8-static", "range": "mse", "stats": "S"}, "mse needs 'data'"),
        ({"scheme": "int8-static", "percentile": 0, "data": "D"}, "a number above 0"),
        ({"scheme": "int8-static-asymmetric", "stats": "S"}, "a static zero point needs 'data'"),
        ({"scheme": "int8-token", "exclude": "auto:x"}, "expected auto:N with a number N"),
        ({"scheme": "int8-token", "exclude": "nothing*"}, "no projection, weight or node"),
        ({}, "to say what is quantized"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    data = text_data(tmp_path / "D.npz", 2)
    (tmp_path / "S").write_text("{}", "utf-8")
    files = {"S": tmp_path / "S", "D": data}
    given = {key: files.get(value, value) for key, value in options.items()}
    with pytest.raises(basin.BasinError, match=reason):
        rewrite(SMALL, tmp_path / "x.onnx", **given)
    assert not (tmp_path / "x.onnx").exists()


def test_statistics_of_another_model(tmp_path: Path) -> None:
    done = inside(tmp_path, "analyze", TINY, "--random", "2", "--stats", "s.json")
    assert done.returncode == 0, done.stderr
    with pytest.raises(AnalysisError, match="has no tap '.*', which needs a scale"):
        source = EXPORTED / "llama-eager-script17.onnx"
        rewrite(source, tmp_path / "x.onnx", scheme="int8-static", stats=tmp_path / "s.json")


# Magnitudes


def test_ranges_of_a_known_distribution() -> None:
    """A percentile to the width of a bin, and the least square error of all thresholds."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200_000).astype(np.float32)
    x[0] = 500.0
    found = Magnitudes()
    for part in np.array_split(x, 7):
        found.add(part)
    assert found.counts.sum() == x.size and found.largest == 500.0 and found.nonfinite == 0
    assert choose_largest(found, "min-max", 0, "int8-static") == 500.0
    for percent in (50.0, 99.0, 99.99):
        exact = np.percentile(np.abs(x), percent)
        chosen = choose_largest(found, "percentile", percent, "int8-static")
        assert exact <= chosen * 1.0001 and chosen <= exact * 1.01
    chosen = choose_largest(found, "mse", 0, "int8-static")
    part = yaml.safe_load(_basin.print_scheme("int8-static"))["activations"]
    error = {
        c: np.square(fake_quantize(x[None], part, c) - x).sum(dtype=np.float64)
        for c in (chosen, chosen / 2, chosen * 2, 500.0)
    }
    assert error[chosen] == min(error.values()) < error[500.0]


def test_ranges_with_a_zero_point() -> None:
    """Both ends of a lopsided distribution, as swish makes them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200_000).astype(np.float32)
    x = x / (1 + np.exp(-x))
    x[:2] = 300.0, -100.0
    found = Magnitudes()
    for part in np.array_split(x, 7):
        found.add(part)
    scheme = "int8-static-asymmetric"
    assert choose_range(found, "min-max", 0, scheme) == (-100.0, 300.0)
    for percent in (98.0, 99.9):
        lowest, highest = choose_range(found, "percentile", percent, scheme)
        exact = np.percentile(x, [(100 - percent) / 2, (100 + percent) / 2])
        assert exact[0] * 1.01 <= lowest <= exact[0] * 0.9999
        assert exact[1] * 0.9999 <= highest <= exact[1] * 1.01
    chosen = choose_range(found, "mse", 0, scheme)
    part = yaml.safe_load(_basin.print_scheme(scheme))["activations"]
    error = {
        f: np.square(
            fake_quantize(x[None], part, chosen[1] * f, chosen[0] * f) - x, dtype=np.float64
        ).sum()
        for f in (0.5, 1.0, 2.0, 300 / chosen[1])
    }
    assert error[1.0] == min(error.values()) < error[300 / chosen[1]]
    nothing = Magnitudes()
    nothing.add(np.zeros(3, np.float32))
    for method in ("min-max", "percentile", "mse"):
        assert choose_range(nothing, method, 99.0, scheme) == (0.0, 0.0)
    positive = Magnitudes()
    positive.add(np.linspace(1, 2, 1000, dtype=np.float32))
    lowest, highest = choose_range(positive, "percentile", 90.0, scheme)
    assert lowest == 0 and 1.95 <= highest < 1.97


def test_static_zero_points_bring_lopsided_inputs_nearer(tmp_path: Path) -> None:
    """Results of swish in 255 steps from their lowest to their highest number."""
    data = text_data(tmp_path / "data.npz", 4)
    ids = np.load(data)["input_ids"]
    clean = run(SMALL, {"input_ids": ids})["logits"]
    errors = []
    for scheme in ("int8-static", "int8-static-asymmetric"):
        logits = []
        for nodes in ("qdq", "simulate"):
            rewrite(SMALL, tmp_path / "o.onnx", scheme=scheme, data=data, nodes=nodes)
            logits.append(run(tmp_path / "o.onnx", {"input_ids": ids})["logits"])
        assert np.array_equal(logits[0], logits[1])
        errors.append(np.square(logits[0] - clean).mean())
    assert 0 < errors[1] < errors[0]


def test_numbers_that_are_not_finite_are_counted_apart() -> None:
    found = Magnitudes()
    found.add(np.array([1.0, np.nan, -np.inf, -3.0], np.float32))
    assert (found.largest, found.nonfinite, int(found.counts.sum())) == (3.0, 2, 2)


# Steps after it


@pytest.mark.parametrize("scheme", ["int8-token", "fp8-block"])
def test_a_prefix_is_absorbed_where_each_token_has_its_scale(tmp_path: Path, scheme: str) -> None:
    rewrite(SMALL, tmp_path / "q.onnx", scheme=scheme)
    model = basin.load(tmp_path / "q.onnx")
    model.rewrite(("absorb-prefix", {"ids": BOS}))
    model.save(tmp_path / "a.onnx")
    ids = np.load(text_data(tmp_path / "data.npz", 2))["input_ids"]
    before = run(tmp_path / "q.onnx", {"input_ids": ids})["logits"][:, 1:]
    after = run(tmp_path / "a.onnx", {"input_ids": ids[:, 1:]})["logits"]
    # The prefix alone is one token, which ONNX Runtime multiplies by another kernel.
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()


@pytest.mark.parametrize("change", ["tensor", "axis of tokens", "no blocks"])
def test_scales_over_several_tokens_keep_the_prefix(tmp_path: Path, change: str) -> None:
    scheme = "int8-dynamic" if change == "tensor" else "int8-token"
    rewrite(SMALL, tmp_path / "q.onnx", scheme=scheme)
    model = onnx.load(tmp_path / "q.onnx")
    node = next(one for one in model.graph.node if one.op_type.endswith("QuantizeLinear"))
    for attribute in list(node.attribute):
        if change == "axis of tokens" and attribute.name == "axis":
            attribute.i = 1
        if change == "no blocks" and attribute.name == "block_size":
            node.attribute.remove(attribute)
    onnx.save(model, tmp_path / "q.onnx")
    with pytest.raises(basin.BasinError, match="not proven to be computed token by token"):
        basin.load(tmp_path / "q.onnx").rewrite(("absorb-prefix", {"ids": BOS}))
