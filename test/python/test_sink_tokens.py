"""`insert-sink-tokens`: the rows after the tokens stay as they were, or it is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import drawn_decoders
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from trained_models import MODELS, ROOT, TINY, TRAINED

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis.data import Dataset  # noqa: E402
from basin.analysis.run import analyze  # noqa: E402
from basin.errors import VerifyError  # noqa: E402
from basin.inputs.drawn_inputs import RECIPES, Case, draw_cases  # noqa: E402
from basin.prefix import PrefixRun, cut, extend  # noqa: E402
from basin.preparation import prepare_steps  # noqa: E402
from basin.registry import as_requests, keeps_function  # noqa: E402
from basin.verification.proof import beyond_rounding, is_narrow  # noqa: E402
from basin.verification.runners import ReferenceRunner, RuntimeRunner  # noqa: E402
from basin.verify import verify  # noqa: E402

EXPORTED = {path.stem: path for path in (ROOT / "test" / "models" / "exported").glob("*.onnx")}
LLAMA = EXPORTED["llama-eager-script17"]

# What is refused of the exported models, with words of the reason.
CACHED = [stem for stem in EXPORTED if "-past-" in stem] + ["hand-ms-grouped"]
REFUSED = {
    "hand-mask-input": "input 'mask' may have an element for each token",
    "hand-merged-with_past": "seems to be a cache",
    "hand-merged-without_past": "seems to be a cache",
} | {stem: "seems to be a cache" for stem in CACHED}


def insert(path: Path, folder: Path, **options: object) -> tuple[Path, PrefixRun | None]:
    """The model at `path` with tokens, in `folder`, and the prefix that its sequences lack."""
    model = basin.load(path)
    given = {key.replace("_", "-"): value for key, value in options.items()}
    requests = as_requests([("insert-sink-tokens", given)])
    prepared = prepare_steps(model, requests, folder)
    model.rewrite(*((name, dict(given)) for name, given in prepared.requests))
    target = folder / "tokens.onnx"
    model.save(target)
    return target, prepared.run


def compare(path: Path, target: Path, run: PrefixRun) -> int:
    """Compare all drawn inputs. Returns how many elements differ."""
    runner: type = RuntimeRunner
    try:
        before = runner(path)
    except VerifyError:
        # ONNX Runtime lacks kernels for bf16.
        runner = ReferenceRunner
        before = runner(path)
    after = runner(target)
    differing = compared = 0
    cases: list[Case] = list(draw_cases(path, before.session, RECIPES, narrow=is_narrow(path)))
    for case in cases[:5] if runner is ReferenceRunner else cases:
        try:
            left = cut(before.run(extend(case.values, run)), run)
        except VerifyError:
            # The tokens make it longer than the model's table of positions.
            continue
        right = after.run(case.values)
        compared += 1
        for name, x in left.items():
            y = right[name]
            assert x.dtype == y.dtype and x.shape == y.shape, (name, case.name)
            assert not beyond_rounding(x, y), (name, case.name)
            differing += int(((x != y) & ~((x != x) & (y != y))).sum())
    assert compared >= 3
    return differing


@pytest.mark.parametrize("stem", sorted(EXPORTED))
def test_exported_models(stem: str, tmp_path: Path) -> None:
    """No bit differs after the tokens, or it is refused. Attention is recognized again."""
    path = EXPORTED[stem]
    if stem in REFUSED:
        with pytest.raises(basin.BasinError, match=REFUSED[stem]):
            insert(path, tmp_path, ids=[1, 2, 3])
        return
    target, run = insert(path, tmp_path, ids=[1, 2, 3])
    assert run is not None and compare(path, target, run) == 0
    old, new = (basin.load(one).inspect() for one in (path, target))
    assert new["prefix"] == [1, 2, 3] and not old["prefix"]
    assert len(new["attention"]) == len(old["attention"])
    assert len(new["norms"]) == len(old["norms"])


@pytest.mark.parametrize("extra", [[], [3, 7, 1, 5]], ids=["bos", "longer"])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_bit_differs(path: Path, extra: list[int], tmp_path: Path) -> None:
    """One token and more after the new ones, without optimizations. With them, up to rounding."""
    target, run = insert(path, tmp_path, ids=[TRAINED[path], *extra])
    assert run is not None
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    before, after = (ort.InferenceSession(p, options) for p in (path, target))
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 2), (2, 31), (1, 50)):
        values = {run.ids: rng.integers(0, 60, shape)}
        whole = cut(dict(logits=before.run(None, extend(values, run))[0]), run)
        assert whole["logits"].tobytes() == after.run(None, values)[0].tobytes()
        optimized = ort.InferenceSession(target).run(None, values)[0]
        assert np.abs(whole["logits"] - optimized).max() <= 2e-5 * np.abs(optimized).max()


@pytest.mark.parametrize("seed", range(40))
def test_drawn_decoders(seed: int, tmp_path: Path) -> None:
    """All kinds of positions, masks and projections: no bit differs, and all is found again."""
    path = tmp_path / "decoder.onnx"
    onnx.save(drawn_decoders.Decoder(seed).build(), path)
    ids = [int(i) for i in np.random.default_rng(seed).integers(0, 13, 1 + seed % 4)]
    target, run = insert(path, tmp_path, ids=ids)
    assert run is not None and compare(path, target, run) == 0
    found = basin.load(target).inspect()
    assert len(found["attention"]) == 2 and all(one["causal"] for one in found["attention"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mixing", sorted(drawn_decoders.MIXING))
def test_what_mixes_tokens(mixing: str, seed: int, tmp_path: Path) -> None:
    """Tokens may see each other in any way. Where their order is not known, it is refused."""
    path = tmp_path / "decoder.onnx"
    onnx.save(drawn_decoders.Decoder(100 + seed, mixing).build(), path)
    try:
        target, run = insert(path, tmp_path, ids=[1, 2])
    except basin.BasinError as error:
        assert "is not proven to have a row for each token" in str(error)
        return
    assert mixing not in ("reversed", "first") and run is not None
    assert compare(path, target, run) == 0


def make_model(folder: Path, *nodes: onnx.NodeProto, ids: str = "bs", dtype: int = 1, **types):
    """A model of `ids` whose table "w" has rows of 4 numbers, and whose outputs are as named."""
    float_type = onnx.helper.tensor_dtype_to_np_dtype(dtype)
    table = np.random.default_rng(1).normal(0.5, 2, (8, 4)).astype(float_type)
    values = [("ids", onnx.TensorProto.INT64, list(ids))]
    inputs = [onnx.helper.make_tensor_value_info(*one) for one in values]
    outputs = [
        onnx.helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in types.items()
    ]
    first = onnx.helper.make_node("Gather", ["w", "ids"], ["x"])
    graph = onnx.helper.make_graph(
        [first, *nodes], "g", inputs, outputs, [numpy_helper.from_array(table, "w")]
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path, table


@pytest.mark.parametrize("ids", ["bs", "s"])
@pytest.mark.parametrize("dtype", [1, 10, 11], ids=["f32", "f16", "f64"])
def test_outputs_of_all_kinds(dtype: int, ids: str, tmp_path: Path) -> None:
    """The embedding, the ids themselves, and a function of the last token. One table for all."""
    axis = len(ids) - 1
    last = [
        onnx.helper.make_node("Constant", [], ["at"], value_ints=[-1]),
        onnx.helper.make_node("Constant", [], ["end"], value_ints=[2**62]),
        onnx.helper.make_node("Constant", [], ["axis"], value_ints=[axis]),
        onnx.helper.make_node("Slice", ["x", "at", "end", "axis"], ["last"]),
        onnx.helper.make_node("Transpose", ["w"], ["t"]),
        onnx.helper.make_node("MatMul", ["x", "t"], ["logits"]),
    ]
    path, table = make_model(
        tmp_path,
        *last,
        ids=ids,
        dtype=dtype,
        x=(dtype, [*ids, 4]),
        ids_out=(7, list(ids)),
        last=(dtype, [*ids[:-1], 1, 4]),
        logits=(dtype, [*ids, 8]),
    )
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Identity", ["ids"], ["ids_out"]))
    onnx.save(model, path)
    target, _ = insert(path, tmp_path, ids=[5, 2])
    given = np.array([[1, 2, 3]] * 2 if axis else [1, 2, 3])
    before, after = (ort.InferenceSession(one).run(None, {"ids": given}) for one in (path, target))
    for x, y in zip(before, after):
        assert x.dtype == y.dtype and x.tobytes() == y.tobytes()
    (tokens,) = (w for w in onnx.load(target).graph.initializer if w.name == "sink_tokens")
    rows = numpy_helper.to_array(tokens)
    assert rows.shape == ((1, 2, 4) if axis else (2, 4)) and rows.dtype == table.dtype
    assert rows.reshape(2, 4).tobytes() == table[[5, 2]].tobytes()


def with_tokens(path: Path, rows: np.ndarray) -> Path:
    """The model with other values of the parameter."""
    model = onnx.load(path)
    (old,) = (w for w in model.graph.initializer if w.name == "sink_tokens")
    old.CopyFrom(numpy_helper.from_array(rows, "sink_tokens"))
    target = path.with_stem("changed")
    onnx.save(model, target)
    return target


def test_the_tokens_are_rows_that_act(tmp_path: Path) -> None:
    """Rows of other ids make the model compute what it does for these ids."""
    target, run = insert(TINY, tmp_path, ids=[10, 3])
    (tmp_path / "other").mkdir()
    other, other_run = insert(TINY, tmp_path / "other", ids=[7, 8])
    model = onnx.load(other)
    (rows,) = (numpy_helper.to_array(w) for w in model.graph.initializer if w.name == "sink_tokens")
    changed = with_tokens(target, rows)
    values = {"input_ids": np.random.default_rng(0).integers(0, 60, (2, 9))}
    first, second = (ort.InferenceSession(one).run(None, values)[0] for one in (target, changed))
    assert np.abs(first - second).max() > 1e-3
    assert other_run is not None and run is not None
    whole = ort.InferenceSession(TINY).run(None, extend(values, other_run))[0]
    np.testing.assert_allclose(second, whole[:, 2:], atol=1e-5)


def test_starts_that_are_no_rows(tmp_path: Path) -> None:
    """Zeros, and normal numbers of the table's deviation, which the seed decides."""
    path, table = make_model(tmp_path, x=(1, ["b", "s", 4]))
    found = {}
    for name, options in {
        "zeros": {"init": "zeros"},
        "one": {"init": "normal", "seed": 1},
        "again": {"init": "normal", "seed": 1},
        "two": {"init": "normal", "seed": 2},
    }.items():
        target, run = insert(path, tmp_path, ids=[1] * 500, **options)
        assert run is not None and len(run.prefix) == 500
        (w,) = (w for w in onnx.load(target).graph.initializer if w.name == "sink_tokens")
        found[name] = numpy_helper.to_array(w)
    assert not found["zeros"].any()
    assert (found["one"] == found["again"]).all() and (found["one"] != found["two"]).any()
    assert abs(found["one"].std() / table.std() - 1) < 0.05 and abs(found["one"].mean()) < 0.15


def test_external_data(tmp_path: Path) -> None:
    """Rows of a table in another file, into which the result points."""
    path = tmp_path / "external.onnx"
    onnx.save(onnx.load(TINY), path, save_as_external_data=True, location="w", size_threshold=0)
    target, run = insert(path, tmp_path, ids=[10, 3])
    assert run is not None and compare(TINY, target, run) == 0


def test_what_a_rewrite_says(tmp_path: Path) -> None:
    """Equal bits where that is promised, and otherwise the distance."""
    step = {"ids": [10, 3]}
    (said,) = basin.rewrite(TINY, tmp_path / "a.onnx", [("insert-sink-tokens", step)])
    assert said.startswith("remark: after the prefix of 2, in") and "no bit of" in said
    (said,) = basin.rewrite(
        TINY, tmp_path / "b.onnx", [("insert-sink-tokens", step | {"init": "zeros"})]
    )
    assert "away from the original's" in said and "the mean KL is" in said
    assert "the mean KL is 0 nats" not in said
    (said,) = basin.rewrite(
        TINY, tmp_path / "c.onnx", [("insert-sink-tokens", step | {"take-over": False})]
    )
    assert "the mean KL is" in said and "the mean KL is 0 nats" not in said
    found = [basin.load(tmp_path / f"{name}.onnx").inspect()["prefix"] for name in "abc"]
    assert found == [[10, 3], [10, 3], []]
    assert verify(TINY, tmp_path / "a.onnx", random=1).bit_identical is False


def test_promises() -> None:
    """Only the defaults promise an equal function."""
    for options, keeps in (
        ({}, True),
        ({"init": "embedding", "take-over": True}, True),
        ({"init": "zeros"}, False),
        ({"take-over": False}, False),
    ):
        steps = as_requests([("insert-sink-tokens", {"ids": 1} | options)])
        assert keeps_function(steps) is keeps, options


def test_whole_sequences_move(tmp_path: Path) -> None:
    """Without `take-over`, positions that are given become those after the tokens."""
    path = EXPORTED["hand-rotary-split"]
    target, run = insert(path, tmp_path, ids=[1, 2], take_over=False)
    assert run is None
    ids = np.random.default_rng(0).integers(0, 30, (2, 7))
    whole = {
        "input_ids": np.concatenate([[[1, 2]] * 2, ids], axis=1),
        "position_ids": np.arange(9)[None].repeat(2, 0),
    }
    given = {"input_ids": ids, "position_ids": np.arange(7)[None].repeat(2, 0)}
    before, after = (RuntimeRunner(one) for one in (path, target))
    left, right = before.run(whole)["logits"][:, 2:], after.run(given)["logits"]
    assert left.tobytes() == right.tobytes()


def test_before_other_steps(tmp_path: Path) -> None:
    """Steps that follow find what they look for."""
    target = tmp_path / "out.onnx"
    steps = [
        ("insert-sink-tokens", {"ids": [4, 5]}),
        ("rescale-residual", {"k": 2}),
        ("insert-gated-norm", {"rank": 4}),
        "insert-gated-attention",
    ]
    (said,) = basin.rewrite(TINY, target, steps)
    assert said.startswith("remark: after the prefix of 2, in")
    found = basin.load(target).inspect()
    assert found["prefix"] == [4, 5] and found["gates"]
    assert [one["step"] for one in found["steps"]][0] == "insert-sink-tokens"


def test_after_an_absorbed_prefix(tmp_path: Path) -> None:
    """The model takes sequences without both, the absorbed tokens first."""
    target = tmp_path / "out.onnx"
    steps = [("absorb-prefix", {"ids": [10]}), ("insert-sink-tokens", {"ids": [4, 5]})]
    (said,) = basin.rewrite(EXPORTED["hand-rotary-none"], target, steps)
    assert said.startswith("remark: after the prefix of 3, in") and "no bit of" in said
    assert basin.load(target).inspect()["prefix"] == [10, 4, 5]


def test_verify_with_the_ids(tmp_path: Path) -> None:
    """`basin verify --prefix` takes models that are not causal, too."""
    for stem in ("bert-eager-script17", "llama-eager-script17"):
        target = tmp_path / f"{stem}.onnx"
        basin.rewrite(EXPORTED[stem], target, [("insert-sink-tokens", {"ids": [7, 1]})])
        command = [sys.executable, "-m", "basin", "verify", EXPORTED[stem], target, "--prefix"]
        done = subprocess.run([*command, "7,1"], capture_output=True, text=True)
        assert done.returncode == 0 and "bit-identical" in done.stdout, done.stderr
        done = subprocess.run([*command, "7,2"], capture_output=True, text=True)
        assert done.returncode == 1 and "bit-identical" not in done.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ids": [300]}, "the id 300 is outside of the vocabulary, which has 256 ids"),
        ({}, "option 'ids': expected the ids of the prefix's tokens, but got none"),
        ({"ids": [1], "init": "ones"}, "expected 'embedding', 'zeros' or 'normal', but got 'ones'"),
        ({"ids": [1], "types": "t"}, "option 'types': expected a graph input 't' with one element"),
        ({"ids": [1], "tokens": "t"}, "option 'tokens': expected a graph input 't'"),
    ],
)
def test_wrong_options(options: dict, text: str, tmp_path: Path) -> None:
    """One reason, and nothing is written."""
    with pytest.raises(basin.BasinError, match=text):
        basin.rewrite(TINY, tmp_path / "out.onnx", [("insert-sink-tokens", options)])
    assert not list(tmp_path.iterdir())


def test_positions_after_a_prefix_are_refused(tmp_path: Path) -> None:
    path = EXPORTED["hand-rotary-split"]
    steps = [("absorb-prefix", {"ids": [1]}), ("insert-sink-tokens", {"ids": [2]})]
    with pytest.raises(basin.BasinError, match="'position_ids' may not count from zero"):
        basin.rewrite(path, tmp_path / "out.onnx", steps)


def test_analysis_counts_the_tokens(tmp_path: Path) -> None:
    """The stream inside has a token more than the run: with positions, and without ids."""
    target, _ = insert(TINY, tmp_path, ids=[5])
    ids = np.arange(1, 25).reshape(2, 12)
    data = Dataset(list(ids), "ids", "ids")
    document = analyze(target, data, taps=["residual"], batch=2).document()
    streams = [one for one in document["accumulators"] if one["kind"] == "residual"]
    assert streams and all(one["tokens"] == 2 * 13 for one in streams)
    uneven = Dataset([ids[0], ids[1][:7]], "ids", "ids")
    document = analyze(target, uneven, taps=["residual"], batch=2).document()
    streams = [one for one in document["accumulators"] if one["kind"] == "residual"]
    assert streams and all(one["tokens"] == 13 + 8 for one in streams)
