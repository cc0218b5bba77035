"""`basin analyze` and `basin merge-stats`, as a user runs them, on models whose sinks are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from basin.analysis.stats import read
from basin.analysis.streams import rescale_exponent
from basin.testbed import measure
from basin.testbed.bigram import BigramTask

pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
SHARED = ROOT.parent / "shared" / "models"
needs_stories = pytest.mark.skipif(
    not (SHARED / "stories260K.onnx").exists(), reason="the 260K Llama is not at hand"
)
TEXT = "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n"
TEXT += "The slings and arrows of outrageous fortune,\nOr to take arms against a sea of troubles\n"


def basin(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    import basin as package

    path = os.pathsep.join(
        [str(Path(package.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    command = [sys.executable, "-m", "basin", *map(str, args)]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def analyzed(model: Path, folder: Path, *options: str | Path) -> dict[str, Any]:
    """The statistics that `basin analyze` writes."""
    out = folder / f"{model.stem}.json"
    result = basin("analyze", model, *options, "--stats", out)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(name))
    return read(out)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of about forty windows."""
    path = tmp_path_factory.mktemp("data") / "text.txt"
    path.write_text(TEXT * 12)
    return path


@pytest.fixture(scope="module")
def small(text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Statistics of text-small, of windows of 65 bytes."""
    folder = tmp_path_factory.mktemp("small")
    return analyzed(MODELS / "text-small.onnx", folder, *options_of(text))


def options_of(text: Path) -> list[str | Path]:
    """The options with which the testbeds read a text."""
    return ["--data", text, "--tokenizer", "bytes", "--length", "65"]


# Phenomena that are known


def test_attention_sinks_of_bigram_backcopy(tmp_path):
    ids, _ = BigramTask(batch=1, seq=64, seed=0).held_out()
    np.savez(tmp_path / "ids.npz", input_ids=ids[:16])
    stats = analyzed(MODELS / "bigram-backcopy.onnx", tmp_path, "--data", tmp_path / "ids.npz")
    metrics = stats["metrics"]
    assert metrics["sinks"]["sink_rate"]["0.3"] == 100
    top = metrics["sinks"]["tokens"][0]
    assert (top["token"]["position"], top["token"]["id"], top["count"]) == (0, 64, 48)
    ratios = [one["value_ratio"][0] for one in metrics["attention"]]
    assert ratios[0] > 1 and max(ratios[1:]) < 0.1
    assert max(one["peak"] for one in metrics["residual"]) > 5
    assert not metrics["massive"]["is_massive"]
    assert metrics["massive"]["token"]["position"] == 0
    assert metrics["streams"][0]["residual_sinks"] == []
    assert stats["data"]["bos"] == {"id": 64, "starts": 16}


def test_residual_sink_of_text_small(small):
    (stream,) = small["metrics"]["streams"]
    assert [sink["dim"] for sink in stream["residual_sinks"]] == [15]
    assert stream["order"][0] == 15
    assert min(w["to_median"] for w in stream["residual_sinks"][0]["weights"]) < 0.02
    # One head of eight is an attention sink.
    heads = np.array([one["alpha_first"] for one in small["metrics"]["attention"]])
    assert (heads > 0.3).sum() == 1
    assert small["data"]["kind"] == "text"
    assert small["data"]["bos"] == {"id": 256, "starts": small["data"]["sequences"]}


def test_residual_sink_of_text_sink(text, tmp_path):
    stats = analyzed(MODELS / "text-sink.onnx", tmp_path, *options_of(text), "--sequences", "8")
    (stream,) = stats["metrics"]["streams"]
    assert [sink["dim"] for sink in stream["residual_sinks"]] == [104]
    assert stats["metrics"]["sinks"]["sink_rate"]["0.3"] < 5


@needs_stories
def test_no_sinks_in_stories(tmp_path):
    model = SHARED / "stories260K.onnx"
    stats = analyzed(model, tmp_path, "--data", model.with_suffix(".npz"))
    assert stats["metrics"]["sinks"]["sink_rate"]["0.3"] == 0
    assert stats["metrics"]["sinks"]["tokens"] == []
    assert stats["metrics"]["streams"][0]["residual_sinks"] == []
    assert not stats["metrics"]["massive"]["is_massive"]
    assert stats["data"]["bos"] == {"id": 1, "starts": 4}


def test_figures_are_those_of_full_activations(small, text):
    """The stream and the probabilities of this model, compared by the reference's functions."""
    model = onnx.load(MODELS / "text-small.onnx")
    states = [one["name"] for one in small["metrics"]["residual"]]
    softmax = [node.output[0] for node in model.graph.node if node.op_type == "Softmax"]
    for name in states + softmax:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    data = np.frombuffer(text.read_bytes(), np.uint8).astype(np.int64)
    rows = data[: len(data) // 64 * 64].reshape(-1, 64)
    ids = np.concatenate((np.full((len(rows), 1), 256), rows), axis=1)
    assert small["data"]["sequences"] == len(ids)
    values = session.run(states + softmax, {"input_ids": ids})
    hidden, probabilities = values[: len(states)], values[len(states) :]
    short = [measure.sink_importance(p[:, :, :64, :64]) for p in probabilities]
    for found, alpha, p in zip(small["metrics"]["attention"], short, probabilities, strict=True):
        np.testing.assert_allclose(found["alpha_first"], alpha[..., 0].mean(0), rtol=1e-5)
        assert np.mean(found["first_token_mass"]) == pytest.approx(
            measure.first_token_mass(p), rel=1e-5
        )
    rate = measure.sink_rate(np.stack(short)[..., 0])
    assert small["metrics"]["sinks"]["sink_rate"]["0.3"] == rate > 0
    expected, found = measure.massive_activation(hidden), small["metrics"]["massive"]
    assert found["max_abs"] == pytest.approx(expected.largest, rel=1e-5)
    assert found["median"] == pytest.approx(expected.median, rel=0.05)
    assert (found["dim"], found["token"]["position"]) == (expected.dim, expected.position)
    (stream,) = small["metrics"]["streams"]
    np.testing.assert_allclose(stream["havg"], measure.mean_magnitudes(hidden), rtol=1e-5)
    later = measure.mean_magnitudes(hidden, skip=1)
    to_median = stream["residual_sinks"][0]["to_median"]
    # One figure leaves out the first token of a sequence, and the other the largest.
    assert to_median == pytest.approx(later.max() / np.median(later), rel=0.1)
    for found, h in zip(small["metrics"]["residual"], hidden, strict=True):
        assert found["peak"] == pytest.approx(measure.first_to_others(h), rel=1e-5)


def test_norms_stay_below_their_bound(small):
    tightness = [one["tightness"] for one in small["metrics"]["norms"]]
    assert len(tightness) == 9
    assert all(0.3 < one <= 1 + 1e-5 for one in tightness)


# What a rewrite makes of it


def test_rewrite_does_what_the_statistics_predict(small, text, tmp_path):
    stats = tmp_path / "stats.json"
    stats.write_text(json.dumps(small))
    out = tmp_path / "absorbed.onnx"
    model = MODELS / "text-small.onnx"
    result = basin("rewrite", model, out, "absorb-residual", f"stats={stats}")
    assert result.returncode == 0, result.stderr
    (before,) = small["metrics"]["streams"]
    (after,) = analyzed(out, tmp_path, *options_of(text))["metrics"]["streams"]
    assert before["factor"] > 4
    assert after["max_abs"] == before["max_abs_after"] == before["max_abs"] / before["factor"]
    absorbed = read(tmp_path / "absorbed.json")
    maxima, scaled = (one["metrics"]["residual"] for one in (small, absorbed))
    exponents = {one["dim"]: one["exponent"] for one in before["absorb"]}
    for one, other in zip(maxima, scaled, strict=True):
        expected = np.array(one["havg"])
        for dim, exponent in exponents.items():
            expected[dim] /= 2**exponent
        np.testing.assert_array_equal(other["havg"], expected)


def test_rescale_is_predicted(small, tmp_path):
    """The embedding shows by which power the pass divides it, which is that of the metric."""
    assert small["metrics"]["streams"][0]["rescale"] == 0
    model, out, stats = MODELS / "text-small.onnx", tmp_path / "out.onnx", tmp_path / "stats.json"
    for largest in (16376.0, 16377.0, 70000.0):
        document = json.loads(json.dumps(small))
        document["residual_streams"][0]["max_abs"][15] = largest
        stats.write_text(json.dumps(document))
        result = basin("rewrite", model, out, "rescale-residual", f"stats={stats}")
        assert result.returncode == 0, result.stderr
        before, after = (embedding(path) for path in (model, out))
        np.testing.assert_array_equal(before / 2.0 ** rescale_exponent(largest), after)


def embedding(path: Path) -> np.ndarray:
    """The embedding of a testbed."""
    weights = onnx.load(path).graph.initializer
    return next(onnx.numpy_helper.to_array(w) for w in weights if w.name == "embed.weight")


def test_statistics_of_branches_fit_the_rewrite(tmp_path):
    model = ROOT / "test" / "models" / "exported" / "hand-merged-with_past.onnx"
    stats = analyzed(model, tmp_path, "--random", "4", "--bos", "0")
    assert any("taps did not run" in note for note in stats["notes"])
    path = tmp_path / f"{model.stem}.json"
    result = basin("rewrite", model, tmp_path / "o.onnx", "absorb-residual", f"stats={path}")
    assert result.returncode == 0, result.stderr


# Merging


def parts_of(text: Path, folder: Path, whole: str, sizes: list[int]) -> list[Path]:
    """Statistics of parts of an array of windows, and of all of it under the name `whole`."""
    data = np.frombuffer(text.read_bytes(), np.uint8)[: sum(sizes) * 64].reshape(-1, 64)
    ids = np.concatenate((np.full((len(data), 1), 256), data), axis=1)
    out = []
    edges = np.cumsum([0, *sizes])
    ranges = [(0, len(ids)), *zip(edges, edges[1:])]
    for number, (start, stop) in enumerate(ranges):
        np.save(folder / "ids.npy", ids[start:stop])
        path = folder / (f"{number}.json" if number else whole)
        options = ["--data", folder / "ids.npy", "--bos", "256", "--stats", path]
        result = basin("analyze", MODELS / "text-small.onnx", *options)
        assert result.returncode == 0, result.stderr
        out.append(path)
    return out[1:]


def test_merged_files_are_those_of_one_run(text, tmp_path):
    parts = parts_of(text, tmp_path, "whole.json", [8, 16, 4])
    for order in (parts, parts[::-1]):
        result = basin("merge-stats", *order, "-o", tmp_path / "merged.json")
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "merged.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda d: d["model"].update(sha256="0" * 64),
            "expected the same model as in the files before",
        ),
        (lambda d: d["instrumentation"].update(outlier=5.0), "the same instrumentation"),
        (
            lambda d: d["data"].update(kind="random"),
            "the same kind of data as in the files before: text and random",
        ),
        (
            lambda d: d["data"].update(tokenizer=None),
            "the same tokenizer as in the files before: bytes and None",
        ),
        (
            lambda d: d["data"]["bos"].update(id=None),
            "the same BOS as in the files before: 256 and None",
        ),
        (lambda d: d.update(version=2), "version: 1 was expected"),
        (lambda d: d.pop("metrics"), "'metrics' is a required property"),
        (lambda d: d["data"].update(tokens=-1), "data.tokens: -1 is less than the minimum"),
        (lambda d: d["accumulators"][36].update(tokens_seen=[[0, 1]]), "'tokens_seen': expected 3"),
        (lambda d: d["instrumentation"]["taps"][2].update(dim=10**12), "greater than the maximum"),
        (lambda d: d["accumulators"].pop(), "expected 39 accumulators, but got 38"),
        (lambda d: d["accumulators"][3].update(abs={}), "accumulator of tap 3, 'abs': no 'sum'"),
        (lambda d: d["instrumentation"]["taps"][2].pop("dim"), r"'dim' is a required property"),
    ],
)
def test_files_that_do_not_go_together(small, tmp_path, change, reason):
    document = json.loads(json.dumps(small))
    change(document)
    (tmp_path / "a.json").write_text(json.dumps(small))
    (tmp_path / "b.json").write_text(json.dumps(document))
    out = tmp_path / "out.json"
    result = basin("merge-stats", tmp_path / "a.json", tmp_path / "b.json", "-o", out)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr and "b.json" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("content", ["", "[NaN]", "{", '{"version": 1, "x": 1e999}', "[" * 100000])
def test_files_that_are_no_statistics(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    result = basin("merge-stats", tmp_path / "a.json", "-o", tmp_path / "out.json")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "a.json" in result.stderr


# Warnings and refusals


def test_sequences_without_bos_are_told(tmp_path):
    ids = np.random.default_rng(0).integers(0, 256, (4, 70))
    ids[:3, 0] = 256
    model = onnx.load(MODELS / "text-small.onnx")
    entry = model.metadata_props.add()
    entry.key, entry.value = "bos_token_id", "256"
    onnx.save(model, tmp_path / "m.onnx")
    np.save(tmp_path / "ids.npy", ids)
    out = tmp_path / "s.json"
    result = basin("analyze", tmp_path / "m.onnx", "--data", tmp_path / "ids.npy", "--stats", out)
    assert result.returncode == 0
    warning = "1 of 4 sequences do not begin with BOS (id 256)"
    assert f"basin: warning: {warning}" in result.stderr
    stats = json.loads(out.read_text())
    assert any(note.startswith(warning) for note in stats["notes"])
    assert stats["data"]["bos"] == {"id": 256, "starts": 3}


def test_random_tokens_are_labelled(tmp_path):
    stats = analyzed(MODELS / "text-small.onnx", tmp_path, "--random", "3", "--length", "20")
    assert (stats["data"]["kind"], stats["data"]["sequences"]) == ("random", 3)
    assert any("random tokens" in note for note in stats["notes"])
    assert any("no BOS is known" in note for note in stats["notes"])
    assert any("3 of 3 sequences are shorter than 64" in note for note in stats["notes"])


@pytest.mark.parametrize("location", ["here", "elsewhere"])
def test_external_data(tmp_path, location):
    """A model in several files, run from another folder, leaves nothing behind."""
    folder = tmp_path / location
    folder.mkdir()
    model = onnx.load(MODELS / "text-small.onnx")
    onnx.save(
        model,
        folder / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=64,
    )
    stats = analyzed(folder / "m.onnx", tmp_path, "--random", "2", "--bos", "256")
    inside = analyzed(MODELS / "text-small.onnx", tmp_path, "--random", "2", "--bos", "256")
    assert stats["metrics"] == inside["metrics"]
    assert stats["model"]["parameters"] == inside["model"]["parameters"]
    assert sorted(path.name for path in folder.iterdir()) == ["m.data", "m.onnx"]
    data = bytearray((folder / "m.data").read_bytes())
    data[-1] ^= 1
    (folder / "m.data").write_bytes(data)
    changed = analyzed(folder / "m.onnx", tmp_path, "--random", "2", "--bos", "256")
    assert changed["model"]["sha256"] != stats["model"]["sha256"]


def test_a_model_that_overflows_is_told(tmp_path):
    """Weights of f32 make the stream infinite from the first layer on."""
    model = onnx.load(MODELS / "text-small.onnx")
    (weight,) = [w for w in model.graph.initializer if w.name == "onnx::MatMul_618"]
    values = np.full(weight.dims, 3e38, np.float32)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "m.onnx")
    stats = analyzed(tmp_path / "m.onnx", tmp_path, "--random", "2", "--bos", "256")
    told = [note for note in stats["notes"] if "NaN or infinity in 2 of 2 sequences" in note]
    assert any("residual" in note for note in told)
    assert stats["accumulators"][2]["nonfinite"] == 2
    assert stats["accumulators"][1]["nonfinite"] == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "--data FILE"),
        (["--random", "2", "--data", "x.npz"], "--data FILE"),
        (["--random", "2", "--tokenizer", "bytes"], "--tokenizer needs --data"),
        (["--data", "no-such.npz"], "no such file: no-such.npz"),
        (["--random", "2", "--stats", "no-such-folder/s.json"], "no such folder"),
        (["--random", "2", "--report", "."], "expected a file to write, but got a folder"),
        (["--random", "2", "--bos", "257"], "expected an id below 257"),
    ],
)
def test_refusals_are_one_line(options, reason):
    result = basin("analyze", MODELS / "text-small.onnx", *options)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr


def test_models_that_cannot_be_measured(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    values = [onnx.helper.make_tensor_value_info(n, 7, ["b", "s"]) for n in ("input_ids", "y")]
    node = onnx.helper.make_node("Identity", ["input_ids"], ["y"])
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset), tmp_path / "empty.onnx")
    np.save(tmp_path / "ids.npy", np.ones((2, 8), int))
    for name, reason in (
        ("broken", "not an ONNX model"),
        ("missing", "no such file"),
        ("empty", "the model has nothing that can be measured"),
    ):
        result = basin("analyze", tmp_path / f"{name}.onnx", "--data", tmp_path / "ids.npy")
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert reason in result.stderr and f"{name}.onnx" in result.stderr
