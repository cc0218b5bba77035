"""basin finetune: what is trained is what is shipped, and an interrupted run goes on."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml
from model_files import inside
from onnx import numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
torch = pytest.importorskip("torch")
from basin import _basin  # noqa: E402
from basin.analysis.data import Dataset  # noqa: E402
from basin.finetune import Entry, Settings, finetune  # noqa: E402
from basin.finetune.quantizer import fake_quantize, straight_through  # noqa: E402
from basin.finetune.student import load_student  # noqa: E402
from basin.finetune.watch import watch_stream  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
EXPORTED = ROOT / "test" / "models" / "exported"


def draw(count: int, length: int = 20, first: int = 0) -> list[np.ndarray]:
    """Ids of a simple language: each token is the one before it plus one of two numbers."""
    rng = np.random.default_rng(3)
    steps = rng.choice([1, 7], (count, length))
    steps[:, 0] = first
    return list(np.cumsum(steps, axis=1) % 65)


def dataset(count: int = 24) -> Dataset:
    return Dataset(draw(count), "drawn", "tokens")


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    model = basin.load(TINY)
    model.rewrite(("insert-gated-norm", {"rank": 4}))
    model.save(tmp_path / "gated.onnx")
    return tmp_path / "gated.onnx"


QUICK = Settings(steps=6, batch=4, lr=3e-3, warmup=2, held_out=4, log_every=3, save_every=2)


# The quantizer


@pytest.mark.parametrize("name", _basin.list_schemes())
@pytest.mark.parametrize("shape", [(16, 64), (7, 40), (130, 300)])
def test_weights_are_quantized_bit_for_bit(name: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    x[:, 3] *= 50
    x[1] = 0
    x[2] *= np.float32(1e-30)
    part = yaml.safe_load(_basin.print_scheme(name))["weights"]
    found = fake_quantize(torch.from_numpy(x), part).numpy()
    assert np.array_equal(found, _basin.fake_quantize(x, name, "weights"))


def test_gradients_go_straight_through() -> None:
    x = torch.tensor([[0.3, -1.2, 5.0]], requires_grad=True)
    made = straight_through(x, torch.round(x))
    assert made.tolist() == [[0.0, -1.0, 5.0]]
    (made * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "int8-static"},
        {"scheme": "int8-static-asymmetric"},
        {"scheme": "int8-dynamic"},
        {"scheme": "int8-token", "residual": "int8"},
        {"scheme": "fp8-block", "kv-cache": "int8"},
        {"scheme": "nvfp4", "head": "true"},
        {"scheme": "mxfp4"},
        {"scheme": "int4-weights-full"},
        {"residual": "int8", "residual-scale": "token"},
    ],
    ids=lambda one: " ".join(one.values()),
)
@pytest.mark.parametrize("source", [TINY, EXPORTED / "llama-eager-dynamo18.onnx"],
                         ids=lambda p: p.stem)  # fmt: skip
def test_the_student_is_the_exported_model(
    source: Path, options: dict[str, str], tmp_path: Path
) -> None:
    """Its outputs are those of `quantize nodes=simulate` with the same calibration."""
    ids = np.stack(draw(4)) % 48
    tokens = tmp_path / "tokens.jsonl"
    tokens.write_text("".join(f"{one.tolist()}\n" for one in ids), "utf-8")
    module, calibration = load_student(source, options, tokens, tmp_path)
    given: dict[str, Any] = {**options, "nodes": "simulate"}
    if calibration is not None:
        given["calibration"] = calibration
    model = basin.load(source)
    model.rewrite(("quantize", given))
    model.save(tmp_path / "shipped.onnx")
    session = ort.InferenceSession(tmp_path / "shipped.onnx")
    feed = {"input_ids": ids}
    if any(one.name == "attention_mask" for one in session.get_inputs()):
        feed["attention_mask"] = np.ones_like(ids)
    (expected,) = session.run(["logits"], feed)
    with torch.no_grad():
        found = module(**{k: torch.from_numpy(v) for k, v in feed.items()})["logits"].numpy()
    plain = ort.InferenceSession(source).run(["logits"], feed)[0]
    # Sums in another order round some numbers to their other neighbour.
    far = np.abs(expected - plain).mean()
    assert 0 < np.abs(found - expected).mean() < 0.2 * far
    assert module.source == source


def test_what_is_trained_is_what_is_shipped(gated: Path, tmp_path: Path) -> None:
    """The held-out loss of the last entry is that of the quantized result in ONNX Runtime."""
    settings = replace(QUICK, train="all", quantize={"scheme": "int8-token"})
    found = finetune(gated, tmp_path / "out.onnx", dataset(), settings, teacher=TINY)
    model = basin.load(tmp_path / "out.onnx")
    model.rewrite(("quantize", {"scheme": "int8-token", "nodes": "simulate"}))
    model.save(tmp_path / "shipped.onnx")
    held = np.stack(draw(24)[-4:])
    logits = [
        ort.InferenceSession(path).run(["logits"], {"input_ids": held})[0].astype(np.float64)
        for path in (TINY, tmp_path / "shipped.onnx")
    ]
    logs = [x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in logits]
    divergence = float((np.exp(logs[0]) * (logs[0] - logs[1])).sum(-1).mean())
    assert found.entries[-1].held_out == pytest.approx(divergence, rel=0.02)


# Training


def test_training_lowers_the_loss_of_what_is_chosen(gated: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, steps=30, lr=1e-2)
    found = finetune(gated, tmp_path / "out.onnx", dataset(), settings)
    assert found.entries[-1].held_out < found.entries[0].held_out
    assert [one.step for one in found.entries] == list(range(0, 31, 3))
    assert found.entries[0].loss is None and all(one.loss for one in found.entries[1:])
    before, after = onnx.load(gated), onnx.load(tmp_path / "out.onnx")
    for a, b in zip(before.graph.initializer, after.graph.initializer):
        same = np.array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b))
        assert same != ("gate_" in a.name), a.name
    assert found.trained == sum(
        numpy_helper.to_array(one).size for one in before.graph.initializer if "gate_" in one.name
    )


def test_distillation_starts_at_zero_and_learns_a_quantized_model(
    gated: Path, tmp_path: Path
) -> None:
    plain = finetune(gated, tmp_path / "a.onnx", dataset(), replace(QUICK, steps=1), teacher=TINY)
    assert abs(plain.entries[0].held_out) < 1e-6
    settings = replace(QUICK, steps=30, lr=3e-3, train="all", quantize={"scheme": "nvfp4"})
    found = finetune(gated, tmp_path / "b.onnx", dataset(), settings, teacher=TINY)
    assert 0 < found.entries[-1].held_out < 0.8 * found.entries[0].held_out


@pytest.mark.parametrize("quantize", [{}, {"scheme": "int8-static"}], ids=["plain", "int8"])
def test_an_interrupted_run_goes_on_with_the_same_bits(
    gated: Path, tmp_path: Path, quantize: dict[str, str]
) -> None:
    settings = replace(QUICK, quantize=quantize)
    whole = finetune(gated, tmp_path / "whole.onnx", dataset(), settings)
    file = tmp_path / "run.pt"

    class Stop(Exception):
        pass

    def stop(entry: Entry) -> None:
        if entry.step == 6:
            raise Stop

    with pytest.raises(Stop):
        finetune(gated, tmp_path / "part.onnx", dataset(), settings, checkpoint=file, say=stop)
    assert file.exists() and not (tmp_path / "part.onnx").exists()
    assert torch.load(file)["step"] == 4
    again = finetune(gated, tmp_path / "part.onnx", dataset(), settings, checkpoint=file)
    assert (tmp_path / "part.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    for one, two in zip(whole.entries, again.entries, strict=True):
        assert replace(one, seconds=0) == replace(two, seconds=0)
    done = finetune(gated, tmp_path / "more.onnx", dataset(), settings, checkpoint=file)
    assert (tmp_path / "more.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert len(done.entries) == len(whole.entries)
    with pytest.raises(basin.BasinError, match="other settings"):
        finetune(gated, tmp_path / "x.onnx", dataset(), replace(settings, seed=1), checkpoint=file)
    file.write_bytes(b"junk")
    with pytest.raises(basin.BasinError, match="expected a checkpoint"):
        finetune(gated, tmp_path / "x.onnx", dataset(), settings, checkpoint=file)
    assert not (tmp_path / "x.onnx").exists()


def test_a_model_without_its_prefix_learns_from_the_original(tmp_path: Path) -> None:
    """The teacher takes the whole sequences, and both are compared at the same tokens."""
    model = basin.load(TINY)
    model.rewrite(("absorb-prefix", {"ids": "0"}))
    model.save(tmp_path / "absorbed.onnx")
    found = finetune(tmp_path / "absorbed.onnx", tmp_path / "out.onnx", dataset(),
                     replace(QUICK, steps=1), teacher=TINY)  # fmt: skip
    assert abs(found.entries[0].held_out) < 1e-6
    other = Dataset(draw(24, first=5), "drawn", "tokens")
    with pytest.raises(basin.BasinError, match=r"sequences that start with \[0\]"):
        finetune(tmp_path / "absorbed.onnx", tmp_path / "x.onnx", other, QUICK, teacher=TINY)


def test_the_largest_of_the_stream_is_that_of_evaluate(tmp_path: Path) -> None:
    from basin.evaluation import evaluate

    found = finetune(TINY, tmp_path / "out.onnx", dataset(), replace(QUICK, steps=1, train="all"))
    (score,) = evaluate([TINY], Dataset(draw(24)[-4:], "drawn", "tokens")).models
    assert found.entries[0].largest == pytest.approx(score.largest, rel=1e-4)
    assert found.entries[0].cross_entropy == pytest.approx(np.log(score.perplexity.value), rel=1e-4)


def test_models_without_a_stream_are_not_watched() -> None:
    import basin.torch as bt

    module = bt.load(EXPORTED / "hand-rotary-op23.onnx")
    with watch_stream(module, EXPORTED / "hand-rotary-op23.onnx") as watch:
        pass
    assert watch.largest is None or watch.largest == 0.0


def test_held_out_losses_are_means_over_tokens(tmp_path: Path) -> None:
    """Sequences of several lengths count by their tokens, as in evaluate."""
    from basin.evaluation import evaluate

    sequences = [one[: 6 + 3 * (i % 4)] for i, one in enumerate(draw(24))]
    data = Dataset(sequences, "drawn", "tokens")
    found = finetune(TINY, tmp_path / "out.onnx", data, replace(QUICK, steps=1, train="all"))
    (score,) = evaluate([TINY], Dataset(sequences[-4:], "drawn", "tokens")).models
    assert found.entries[0].cross_entropy == pytest.approx(np.log(score.perplexity.value), rel=1e-4)
    assert found.entries[0].held_out == found.entries[0].cross_entropy


def test_errors_of_torch_are_one_line(tmp_path: Path) -> None:
    """A teacher of another vocabulary, and ids beyond the table."""
    other = EXPORTED / "llama-eager-dynamo18.onnx"
    ids = Dataset([one % 48 for one in draw(24)], "drawn", "tokens")
    settings = replace(QUICK, train="all")
    with pytest.raises(basin.BasinError, match="expected a teacher with 256 logits, but got 48"):
        finetune(TINY, tmp_path / "x.onnx", ids, settings, teacher=other)
    beyond = Dataset([one + 300 for one in draw(24)], "drawn", "tokens")
    with pytest.raises(basin.BasinError, match=r"node '/embed/Gather' \(Gather\): [^\n]*$"):
        finetune(TINY, tmp_path / "x.onnx", beyond, settings)
    assert not (tmp_path / "x.onnx").exists()


# Refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steps": 0}, "steps: expected at least 1"),
        ({"lr": 0.0}, "lr: expected a number above 0"),
        ({"lr": float("nan")}, "lr: expected a number above 0"),
        ({"clip": -1.0}, "clip: expected at least 0"),
        ({"schedule": "linear"}, "expected cosine or constant"),
        ({"precision": "f16"}, "expected f32 or bf16"),
        ({"train": "learnable"}, "has no learnable parameters: insert them by a step"),
        ({"train": "nothing*"}, "no parameter is called 'nothing\\*'"),
        ({"held_out": 24}, "expected more than 24 sequences"),
        ({"train": "all", "lr": 1e30, "clip": 0.0}, "the loss of update 2 is nan: lower"),
    ],
)
def test_what_means_nothing_is_refused(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    settings = replace(QUICK, **{"warmup": 0, **changes})
    with pytest.raises(basin.BasinError, match=reason):
        finetune(TINY, tmp_path / "x.onnx", dataset(), settings)
    assert not (tmp_path / "x.onnx").exists()


# The command


def test_the_command_writes_the_model_and_a_log(gated: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", input_ids=np.stack(draw(24)))
    given = ("finetune", gated, "out.onnx", "--data", "data.npz", "--steps", "4", "--batch", "4")
    given = (*given, "--log-every", "2", "--distill-from", TINY, "--quantize", "int8-token")
    done = inside(tmp_path, *given, "--log", "log.csv")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("update 0: held out ") and "largest |x|" in lines[0]
    assert lines[-1].startswith("trained ") and lines[-1].endswith("written: out.onnx")
    with open(tmp_path / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["0", "2", "4"]
    again = inside(tmp_path, *given, "--log", "log.jsonl")
    assert again.returncode == 0
    entries = [json.loads(one) for one in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["held_out"] for one in entries] == [float(row["held_out"]) for row in rows]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--data", "none.npz"], "none.npz"),
        (["--data", "data.npz", "--quantize", "int9"], "unknown scheme 'int9'"),
        (["--data", "data.npz", "--quantize", "fp16"], "fp16 is no scheme"),
        (["--data", "data.npz", "--distill-from", "none.onnx"], "no such file: none.onnx"),
        (["--data", "data.npz"], "has no learnable parameters"),
        (["--data", "data.npz", "--log", "data.npz"], "data.npz"),
    ],
)
def test_wrong_uses_are_one_line(words: list[str], reason: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", input_ids=np.stack(draw(24)))
    before = (tmp_path / "data.npz").read_bytes()
    done = inside(tmp_path, "finetune", TINY, "out.onnx", *words)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert reason in done.stderr and not (tmp_path / "out.onnx").exists()
    assert (tmp_path / "data.npz").read_bytes() == before
