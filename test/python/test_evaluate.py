"""`basin evaluate` against sums that are written out, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from trained_models import ROOT, TINY

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis.data import Dataset, load  # noqa: E402
from basin.evaluation import evaluate  # noqa: E402
from basin.evaluation.scores import ratio, score_rows  # noqa: E402
from basin.verification.runners import RuntimeRunner  # noqa: E402
from model_files import basin as command  # noqa: E402

SMALL, SINK = (ROOT / "models" / f"text-{name}.onnx" for name in ("small", "sink"))
GPT2 = ROOT / "test" / "models" / "exported" / "gpt2-eager-script17.onnx"
BOS = 256
TEXT = (ROOT / "docs" / "overview.md").read_bytes()


def sequences(count: int = 5, length: int = 40) -> list[np.ndarray]:
    ids = np.frombuffer(TEXT[: count * (length - 1)], np.uint8).astype(np.int64)
    return [np.insert(row, 0, BOS) for row in ids.reshape(count, length - 1)]


def dataset(rows: list[np.ndarray]) -> Dataset:
    return Dataset(rows, "ids", "tokens")


def log_probabilities(model: Path, ids: np.ndarray) -> np.ndarray:
    x = RuntimeRunner(model).run({"input_ids": ids[None]})["logits"][0].astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def test_scores_are_the_sums_written_out() -> None:
    rows = sequences()
    found = evaluate([SMALL, SINK], dataset(rows))
    assert (found.sequences, found.tokens) == (5, 5 * 39)
    losses: dict[Path, list[float]] = {SMALL: [], SINK: []}
    divergences, same = [], []
    for ids in rows:
        p, q = (log_probabilities(model, ids)[:-1] for model in (SMALL, SINK))
        for model, one in ((SMALL, p), (SINK, q)):
            losses[model].append(-one[np.arange(39), ids[1:]].sum())
        divergences.append((np.exp(p) * (p - q)).sum())
        same.append((p.argmax(-1) == q.argmax(-1)).sum())
    first, second = found.models
    for one, model in ((first, SMALL), (second, SINK)):
        mean = np.sum(losses[model]) / (5 * 39)
        assert one.loss.value == pytest.approx(mean, rel=1e-5)
        assert one.perplexity.value == pytest.approx(np.exp(mean), rel=1e-5)
        # Sequences are equally long, so that the error is that of a mean of five.
        error = np.std(np.array(losses[model]) / 39, ddof=1) / np.sqrt(5)
        assert one.loss.error == pytest.approx(error, rel=1e-4)
        assert one.perplexity.error == pytest.approx(error * np.exp(mean), rel=1e-4)
    assert first.divergence is None and first.agreement is None
    assert second.divergence.value == pytest.approx(np.sum(divergences) / (5 * 39), rel=1e-4)
    assert second.agreement.value == np.sum(same) / (5 * 39)
    assert 500 < first.largest and 500 < second.largest


@pytest.mark.parametrize("batch", [2, 8])
def test_batches_change_nothing(batch: int) -> None:
    """Also where lengths differ, which puts sequences into batches of one length."""
    rows = [*sequences(3), *sequences(2, 17), *sequences(4, 29)]
    one, many = (evaluate([SMALL, SINK], dataset(rows), batch=n) for n in (1, batch))
    assert (one.sequences, one.tokens) == (many.sequences, many.tokens)
    for a, b in zip(one.models, many.models):
        assert b.perplexity.value == pytest.approx(a.perplexity.value, rel=1e-6)
        assert b.loss.error == pytest.approx(a.loss.error, rel=1e-5)
        assert b.largest == pytest.approx(a.largest, rel=1e-6)


def test_a_model_is_nothing_from_itself() -> None:
    found = evaluate([SMALL, SMALL], dataset(sequences(1)))
    assert found.models[1].divergence.value == 0 and found.models[1].agreement.value == 1
    # One sequence has no spread.
    assert found.models[0].perplexity.error is None


def test_an_absorbed_prefix_is_compared_at_the_same_tokens(tmp_path: Path) -> None:
    target = tmp_path / "absorbed.onnx"
    model = basin.load(SINK)
    model.rewrite(("absorb-prefix", {"ids": [BOS]}))
    model.save(target)
    rows = sequences()
    found = evaluate([SINK, target], dataset(rows))
    # The token after BOS is predicted by BOS, which the second model does not have.
    assert found.tokens == 5 * 38 and found.notes == []
    assert found.models[1].divergence.value < 1e-9 and found.models[1].agreement.value == 1
    assert found.models[1].perplexity.value == pytest.approx(found.models[0].perplexity.value)

    # Without BOS it computes as if these stood behind it, which the note says.
    rows[1:3] = [row[1:] for row in rows[1:3]]
    found = evaluate([SINK, target], dataset(rows))
    assert found.tokens == 3 * 38 + 2 * 38
    assert found.notes == [
        "absorbed.onnx: 2 of 5 sequences do not start with its prefix 256: it computes as if they "
        "stood behind it"
    ]
    assert found.models[1].divergence.value > 1e-4


def test_windows_that_overlap_score_each_token_once(tmp_path: Path) -> None:
    """A window's first tokens only serve the others, but for the first window."""
    ids = np.frombuffer(TEXT[:200], np.uint8).astype(np.int64)
    np.save(tmp_path / "ids.npy", ids)
    data = load(tmp_path / "ids.npy", bos=BOS, length=65, stride=16)
    assert [len(one) for one in data.sequences] == [65] * 9
    assert data.context == [0] + 8 * [49]
    found = evaluate([SMALL], data)
    assert found.tokens == 64 + 8 * 16
    loss = 0.0
    for index, window in enumerate(data.sequences):
        start = 1 if index == 0 else 49
        p = log_probabilities(SMALL, window)
        loss -= p[np.arange(start - 1, 64), window[start:]].sum()
        assert (window[1:] == ids[16 * index : 16 * index + 64]).all()
    assert found.models[0].loss.value == pytest.approx(loss / found.tokens, rel=1e-5)
    # More context makes tokens likelier than windows that begin anew.
    apart = evaluate([SMALL], load(tmp_path / "ids.npy", bos=BOS, length=65))
    assert found.models[0].loss.value < apart.models[0].loss.value + 1


def test_rows_that_are_no_numbers_are_infinitely_far() -> None:
    rows = np.zeros((3, 4), np.float32)
    broken = rows.copy()
    broken[1, 2] = np.nan
    targets = np.array([0, 1, 2])
    assert score_rows(rows, rows, targets).divergence == 0
    found = score_rows(broken, rows, targets)
    assert found.loss == np.inf and found.divergence == np.inf
    assert score_rows(rows, broken, targets).divergence == np.inf


def test_the_error_of_a_ratio_of_means() -> None:
    """Sequences that have the same mean have no error, however long they are."""
    assert ratio([2.0, 6.0, 20.0], [1, 3, 10]).error == 0
    one = ratio([1.0, 3.0], [1, 1])
    assert (one.value, one.error) == (2, 1)


def test_the_command(tmp_path: Path) -> None:
    np.savez(tmp_path / "ids.npz", input_ids=np.stack(sequences()))
    made = command(tmp_path, "evaluate", SMALL, SINK, "--data", "ids.npz", "--json", "out.json")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert lines[0] == "195 tokens in 5 sequences" and len(lines) == 4
    assert lines[1].split("  ")[0] == "model" and "±" in lines[2]
    found = json.loads((tmp_path / "out.json").read_text())
    assert [one["name"] for one in found["models"]] == ["text-small.onnx", "text-sink.onnx"]
    assert found["models"][0]["kl"] is None and found["models"][1]["kl"]["value"] > 0
    assert f"{found['models'][0]['perplexity']['value']:.5g}" in lines[2]


REFUSED = {
    "none.onnx --data ids.npz": "no such file: none.onnx",
    f"{SMALL} --data none.npz": "no such file: none.npz",
    f"{SMALL} {TINY} --data low.npz": "expected logits of 257 words",
    f"{SMALL} --data large.npz": "id 300, but the model's table has",
    f"{SMALL} --data short.npz": "no sequence has a token to score",
    f"{SMALL} --data ids.npz --stride 3": "--stride needs one long stream",
    f"{SMALL} --data stream.npy --length 9 --stride 10": "--stride: expected from 1 to 9",
    f"{GPT2} --data long.npz": "ONNX Runtime does not run it",
    f"{SMALL} --data text.txt": "text needs --tokenizer",
    f"{SMALL} --data ids.npz --json ids.npz": "is the same file as an input",
    "apart.onnx --data ids.npz --json apart.data": "is the same file as an input",
    f"{SMALL} apart.onnx --data ids.npz --json apart.data": "is the same file as an input",
    f"{SMALL} --data text.txt --tokenizer words.json --json words.json": "the same file as",
    f"{SMALL} --data ids.npz --json .": "expected a file to write, but got a folder",
    f"{SMALL} --data ids.npz --json none/out.json": "no such folder: none",
    "hidden.onnx --data ids.npz": "expected one output of logits",
}


@pytest.mark.parametrize("words", sorted(REFUSED))
def test_wrong_uses_are_one_line(words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "ids.npz", input_ids=np.stack(sequences()))
    np.savez(tmp_path / "low.npz", input_ids=np.stack(sequences())[:, 1:] % 60)
    np.savez(tmp_path / "large.npz", input_ids=np.full((2, 5), 300))
    np.savez(tmp_path / "short.npz", input_ids=np.full((2, 1), 30))
    np.savez(tmp_path / "long.npz", input_ids=np.full((1, 5000), 30))
    np.save(tmp_path / "stream.npy", np.arange(50))
    (tmp_path / "text.txt").write_text("some text")
    model = onnx.load(SMALL)
    model.graph.node.append(helper.make_node("ReduceSum", ["logits"], ["hidden"], keepdims=1))
    model.graph.output[0].name = "hidden"
    model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value = 1
    onnx.save(model, tmp_path / "hidden.onnx")
    onnx.save(
        onnx.load(SMALL), tmp_path / "apart.onnx", save_as_external_data=True, location="apart.data"
    )
    (tmp_path / "words.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    made = command(tmp_path, "evaluate", *words.split())
    assert made.returncode == 1 and made.stdout == ""
    assert REFUSED[words] in made.stderr and made.stderr.count("\n") == 1
    assert made.stderr.startswith("basin: error: ")
    assert sorted(tmp_path.iterdir()) == before
