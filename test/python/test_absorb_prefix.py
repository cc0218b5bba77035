"""`absorb-prefix`: the rows after the prefix stay as they were, or it is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import drawn_decoders
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from trained_models import BIGRAM, MODELS, ROOT, TINY, TRAINED

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.errors import VerifyError  # noqa: E402
from basin.inputs.drawn_inputs import RECIPES, Case, draw_cases  # noqa: E402
from basin.prefix import cut, extend, read_run  # noqa: E402
from basin.preparation import Prepared, prepare_steps  # noqa: E402
from basin.registry import as_requests  # noqa: E402
from basin.verification.proof import beyond_rounding, is_narrow  # noqa: E402
from basin.verification.runners import ReferenceRunner, RuntimeRunner  # noqa: E402

EXPORTED = {path.stem: path for path in (ROOT / "test" / "models" / "exported").glob("*.onnx")}
LLAMA = EXPORTED["llama-eager-script17"]
CACHED = [stem for stem in EXPORTED if "-past-" in stem] + ["hand-ms-grouped"]

# What is refused of the exported models, with words of the reason.
REFUSED = {
    "bert-eager-dynamo18": "has a size of its own",
    "bert-eager-dynamo23": "has a size of its own",
    "bert-eager-script17": "has a size of its own",
    "bert-sdpa-dynamo23": "has a size of its own",
    "hand-block-post": "is not proven to be causal",
    "hand-mask-input": "is not proven to be causal",
    "hand-mask-none": "is not proven to be causal",
    "hand-merged-with_past": "stands in a subgraph",
    "hand-merged-without_past": "stands in a subgraph",
    "hand-ms-attention": "splits or rotates the tokens' projections itself",
    "hand-ms-attention-encoder": "splits or rotates the tokens' projections itself",
    "mha-both-open-dynamo18": "is not proven to be causal",
} | {stem: "has a cache" for stem in CACHED}
MIXED = "may depend on the prefix in other ways|depends on the number of tokens"
# Their masks have sizes whose equality the exporter did not state.
NOT_CAUSAL_AGAIN = {"gpt2-eager-dynamo18", "gpt2-sdpa-dynamo18"}
# Learned rows come to stand behind two Concats.
NOT_RECOGNIZED_AGAIN: set[str] = set()


def absorb(path: Path, ids: list[int], folder: Path) -> tuple[Path, Prepared]:
    """The model at `path` without the prefix, in `folder`, and what was prepared for that."""
    model = basin.load(path)
    prepared = prepare_steps(model, as_requests([("absorb-prefix", {"ids": ids})]), folder)
    model.rewrite(*((name, dict(options)) for name, options in prepared.requests))
    target = folder / "absorbed.onnx"
    model.save(target)
    return target, prepared


def compare(path: Path, target: Path, prepared: Prepared, exact: bool = False) -> int:
    """Compare all drawn inputs. Returns how many elements differ after two or more tokens."""
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
            left = cut(before.run(extend(case.values, prepared.run)), prepared.run)
        except VerifyError:
            # The prefix makes it longer than the model's table of positions.
            continue
        right = after.run(case.values)
        compared += 1
        for name, x in left.items():
            y = right[name]
            assert x.dtype == y.dtype and x.shape == y.shape, (name, case.name)
            assert not beyond_rounding(x, y), (name, case.name)
            if case.values[prepared.run.ids].shape[-1] > 1:
                differing += int(((x != y) & ~((x != x) & (y != y))).sum())
    assert compared >= 3
    return differing


@pytest.mark.parametrize("stem", sorted(EXPORTED))
def test_exported_models(stem: str, tmp_path: Path) -> None:
    """They are equal after the prefix, or refused, and their attention is recognized again."""
    if stem.startswith("hand-norm"):
        pytest.skip("a norm alone")
    path = EXPORTED[stem]
    if stem in REFUSED:
        with pytest.raises(basin.BasinError, match=REFUSED[stem]):
            absorb(path, [1, 2, 3], tmp_path)
        return
    target, prepared = absorb(path, [1, 2, 3], tmp_path)
    compare(path, target, prepared)
    old, new = (basin.load(one).inspect() for one in (path, target))
    assert new["prefix"] == [1, 2, 3] and not old["prefix"]
    if stem in NOT_RECOGNIZED_AGAIN:
        return
    assert len(new["attention"]) == len(old["attention"])
    if stem not in NOT_CAUSAL_AGAIN:
        assert all(one["causal"] for one in new["attention"])


@pytest.mark.parametrize("optimize", [False, True], ids=["plain", "optimized"])
@pytest.mark.parametrize("extra", [[], [3, 7, 1, 5]], ids=["bos", "longer"])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_bit_differs(path: Path, extra: list[int], optimize: bool, tmp_path: Path) -> None:
    """Two and more tokens after the prefix; with optimizations, what follows BOS."""
    ids = [TRAINED[path], *extra]
    target, prepared = absorb(path, ids, tmp_path)
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    before, after = (ort.InferenceSession(p, options) for p in (path, target))
    rng = np.random.default_rng(0)
    for shape in ((1, 2), (2, 31), (1, 50)):
        values = {prepared.run.ids: rng.integers(0, 60, shape)}
        x = cut(dict(logits=before.run(None, extend(values, prepared.run))[0]), prepared.run)
        y = after.run(None, values)[0]
        if optimize and extra:
            assert np.abs(x["logits"] - y).max() <= 2e-5 * np.abs(y).max()
        else:
            assert x["logits"].tobytes() == y.tobytes()


def test_massive_activations_of_the_first_token_are_gone(tmp_path: Path) -> None:
    """In the bigram model the largest of all is at BOS. Without it, it is a sixth of that."""
    target, _ = absorb(BIGRAM, [64], tmp_path)
    ids = np.random.default_rng(0).integers(0, 60, (8, 63))
    largest = []
    for path, rows in ((BIGRAM, np.insert(ids, 0, 64, axis=1)), (target, ids)):
        tapped = tmp_path / "tapped.onnx"
        model = basin.load(path)
        model.run("basin-raise,sink-instrument-outliers{taps=residual},convert-sink-to-onnx")
        model.save(tapped)
        session = ort.InferenceSession(tapped)
        names = [o.name for o in session.get_outputs() if o.name.endswith(".max_abs")]
        assert names
        largest.append(max(one.max() for one in session.run(names, {"input_ids": rows})))
    assert 26 < largest[0] < 28 and largest[1] < 5


@pytest.mark.parametrize("seed", range(40))
def test_drawn_decoders(seed: int, tmp_path: Path) -> None:
    """All kinds of positions, masks and projections: no bit differs, and all is found again."""
    path = tmp_path / "decoder.onnx"
    onnx.save(drawn_decoders.Decoder(seed).build(), path)
    ids = [int(i) for i in np.random.default_rng(seed).integers(0, 13, 1 + seed % 4)]
    target, prepared = absorb(path, ids, tmp_path)
    assert compare(path, target, prepared) == 0
    found = basin.load(target).inspect()
    assert len(found["attention"]) == 2 and all(one["causal"] for one in found["attention"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mixing", [*sorted(drawn_decoders.MIXING), *drawn_decoders.SCORES])
def test_what_mixes_tokens_is_refused(mixing: str, seed: int, tmp_path: Path) -> None:
    """A running sum looks back only, so it may be absorbed: then the rows are equal."""
    path = tmp_path / "decoder.onnx"
    onnx.save(drawn_decoders.Decoder(100 + seed, mixing).build(), path)
    if mixing not in drawn_decoders.CAUSAL:
        with pytest.raises(basin.BasinError, match=MIXED):
            absorb(path, [1, 2], tmp_path)
        return
    try:
        target, prepared = absorb(path, [1, 2], tmp_path)
    except basin.BasinError as error:
        assert "may depend on the prefix" in str(error) or "not known" in str(error)
        return
    compare(path, target, prepared)


def test_a_table_of_positions_that_is_too_short(tmp_path: Path) -> None:
    """The prefix is longer than the table: one line, and nothing is written."""
    target = tmp_path / "out.onnx"
    with pytest.raises(VerifyError, match="keys and values could not be had"):
        basin.rewrite(
            EXPORTED["gpt2-eager-script17"], target, [("absorb-prefix", {"ids": [1] * 80})]
        )
    assert not list(tmp_path.iterdir())


def test_states_of_a_file_and_the_history(tmp_path: Path) -> None:
    """The pass takes keys and values from a file; the history names the ids alone."""
    target, prepared = absorb(LLAMA, [1, 2], tmp_path)
    ((_, options),) = prepared.requests
    again = tmp_path / "again.onnx"
    remarks = basin.rewrite(LLAMA, again, [("absorb-prefix", dict(options))])
    assert any("after the prefix of 2" in line for line in remarks)
    assert again.read_bytes() == target.read_bytes()
    (step,) = basin.load(again).inspect()["steps"]
    assert step["step"] == "absorb-prefix" and step["options"] == {"ids": "1,2"}
    learned = {w.name: numpy_helper.to_array(w) for w in onnx.load(again).graph.initializer}
    keys = [value for name, value in learned.items() if name.endswith(".prefix_key")]
    assert len(keys) == 2 and keys[0].shape == (1, 2, 2, 8)


def test_states_of_another_prefix_break_the_promise(tmp_path: Path) -> None:
    """Wrong keys are noticed by the runs before anything is written."""
    _, prepared = absorb(LLAMA, [1, 2], tmp_path)
    ((_, options),) = prepared.requests
    target = tmp_path / "out.onnx"
    given = dict(options) | {"ids": "5,6"}
    with pytest.raises(basin.BasinError, match="breaks its promise"):
        basin.rewrite(LLAMA, target, [("absorb-prefix", given)])
    assert not target.exists()


def test_after_and_before_other_steps(tmp_path: Path) -> None:
    """A prefix is absorbed from the model that the steps before make, and steps may follow."""
    target = tmp_path / "out.onnx"
    steps = [
        ("rescale-residual", {"k": 2}),
        ("absorb-prefix", {"ids": [1, 2]}),
        ("insert-gated-norm", {"rank": 4}),
    ]
    remarks = basin.rewrite(TINY, target, steps)
    assert any("no bit of" in line or "elements differ" in line for line in remarks)
    found = basin.load(target).inspect()
    assert found["prefix"] == [1, 2] and found["gates"]
    assert [one["step"] for one in found["steps"]] == [name for name, _ in steps]


def run_basin(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "basin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_line(tmp_path: Path) -> None:
    """Ids from a file, the remark, and `verify --prefix`, which tells the KL of other data."""
    ids, target = tmp_path / "my ids.txt", tmp_path / "out.onnx"
    ids.write_text("[64]\n")
    done = run_basin("rewrite", BIGRAM, target, "absorb-prefix", f"ids=@{ids}")
    assert done.returncode == 0, done.stderr
    assert "after the prefix of 1, in" in done.stderr and "no bit of" in done.stderr
    (step,) = basin.load(target).inspect()["steps"]
    assert step["options"] == {"ids": "my ids.txt"}
    done = run_basin("verify", BIGRAM, target, "--prefix", f"@{ids}", "--size", "batch=2,seq=20")
    assert done.returncode == 0 and "bit-identical" in done.stdout, done.stderr
    for name, rows, code, text in (
        ("with", [[64, 4, 5, 6]], 0, "bit-identical"),
        ("without", [[3, 4, 5, 6]], 1, "do not start with the prefix [64]"),
    ):
        np.savez(tmp_path / f"{name}.npz", input_ids=np.array(rows))
        inputs = ["--inputs", tmp_path / f"{name}.npz"]
        done = run_basin("verify", BIGRAM, target, "--prefix", "64", *inputs)
        assert done.returncode == code and text in done.stdout
    assert "the mean KL is" in done.stdout
    np.savez(tmp_path / "mixed.npz", input_ids=np.array([[64, 1], [1, 2]]))
    done = run_basin("verify", BIGRAM, target, "--prefix", "64", "--inputs", tmp_path / "mixed.npz")
    assert done.returncode == 1
    assert "1 of 2 sequences start with the prefix: expected all or none" in done.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["ids=300"], "option 'ids': the id 300 is outside of the vocabulary, which has 256 ids"),
        ([], "option 'ids': expected the ids of the prefix's tokens, but got none"),
        (["ids=-1"], "expected ID,...|@FILE, but got '-1'"),
        (["ids=@/nowhere/ids"], "'/nowhere/ids': No such file or directory"),
        (["ids=1", "tokens=nothing"], "expected a graph input 'nothing' with token ids"),
        (["ids=1", "k=3"], "step 'absorb-prefix' has no option 'k'"),
        (["ids=1", "absorb-prefix", "ids=2"], "step 'absorb-prefix' is given twice"),
    ],
)
def test_wrong_options(options: list[str], text: str, tmp_path: Path) -> None:
    """One line, and nothing is written."""
    target = tmp_path / "out.onnx"
    done = run_basin("rewrite", TINY, target, "absorb-prefix", *options)
    assert done.returncode == 1 and text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stem", sorted(CACHED))
def test_initial_past(stem: str, tmp_path: Path) -> None:
    """Models with a cache begin with the file's past, and no bit differs."""
    target = tmp_path / "past.npz"
    remarks = basin.rewrite(EXPORTED[stem], target, [("absorb-prefix", {"ids": [1, 2, 5]})])
    assert any("no bit differs" in line for line in remarks), remarks
    names = {i.name for i in ort.InferenceSession(EXPORTED[stem]).get_inputs() if "past" in i.name}
    with np.load(target) as data:
        assert set(data) == names
        assert all(data[name].shape[0] == 1 and data[name].shape[2] == 3 for name in names)


@pytest.mark.parametrize(
    ("stem", "steps", "text"),
    [
        ("llama-eager-script17", [("absorb-prefix", {"ids": [1]})], "no attention has a cache"),
        ("llama-eager-past-script17", ["insert-pre-affine"], "is made by the step absorb-prefix"),
        ("llama-eager-past-script17", [("absorb-prefix", {"ids": [99]})], "which has 48 ids"),
        ("llama-eager-past-script17", [("absorb-prefix", {"ids": [1], "mask": "m"})], "no use for"),
    ],
)
def test_initial_past_refused(stem: str, steps: list, text: str, tmp_path: Path) -> None:
    with pytest.raises(basin.BasinError, match=text):
        basin.rewrite(EXPORTED[stem], tmp_path / "past.npz", steps)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x00\xff\xfe\x80", "ids.bin: expected ids as text, but got bytes"),
        (b"1 2 x" + b"y" * 1000, f"integers of at least 0, but got 'x{'y' * 63}'"),
        (b" \n", "expected the ids of the prefix's tokens, but got none"),
        (None, "ids.bin': No such file or directory"),
    ],
)
def test_initial_past_of_files_that_have_no_ids(
    data: bytes | None, text: str, tmp_path: Path
) -> None:
    """One short line, and nothing is written."""
    file, target = tmp_path / "ids.bin", tmp_path / "past.npz"
    if data is not None:
        file.write_bytes(data)
    cached = EXPORTED["llama-eager-past-script17"]
    done = run_basin("rewrite", cached, target, "absorb-prefix", f"ids=@{file}")
    assert done.returncode == 1 and text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not target.exists()


def test_initial_past_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file that was asked for, not a temporary one."""
    target = tmp_path / "none" / "past.npz"
    cached = EXPORTED["llama-eager-past-script17"]
    done = run_basin("rewrite", cached, target, "absorb-prefix", "ids=1")
    assert done.returncode == 1
    assert done.stderr == f"basin: error: {target}: No such file or directory\n"


def test_the_instrumented_model_says_what_to_feed(tmp_path: Path) -> None:
    model = basin.load(LLAMA)
    model.run("basin-raise,sink-instrument-prefix{ids=1,2},convert-sink-to-onnx")
    model.save(tmp_path / "out.onnx")
    run = read_run(tmp_path / "out.onnx")
    assert (run.ids, run.mask, run.positions) == ("input_ids", "attention_mask", None)
    assert run.prefix == (1, 2) and run.token_axes == {"logits": 1} and len(run.outputs) == 4
    entries = {e.key: e.value for e in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert json.loads(entries["basin.prefix-run"])["ids"] == "input_ids"
