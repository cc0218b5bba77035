"""The step compress-sinks: which heads it converts, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from trained_models import BIGRAM, ROOT, TRAINED

basin = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.inputs.signature import read_facts  # noqa: E402
from basin.prefix import write_tensors  # noqa: E402
from basin.rewriting import rewrite  # noqa: E402
from basin.sink_trials import Conversion, Trials  # noqa: E402
from basin.testbed.bigram import BigramTask  # noqa: E402
from model_files import basin as command  # noqa: E402
from sink_rows import absorb, compress, divergence, feed, instrument, open_plain  # noqa: E402
from test_absorb_prefix import LLAMA  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Data of the bigram model without BOS, and others to measure on."""
    ids, _ = BigramTask(batch=1, seq=64, seed=0).held_out()
    file = tmp_path_factory.mktemp("data") / "ids.npz"
    np.savez(file, input_ids=ids[:32, 1:])
    return file, ids[32:, 1:]


def run_model(path: Path, ids: np.ndarray) -> np.ndarray:
    session = open_plain(path)
    return session.run([session.get_outputs()[0].name], feed(session, ids))[0]


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return absorb(BIGRAM, [64], tmp_path_factory.mktemp("bigram") / "absorbed.onnx")


def numbers_of(model: Path, end: str) -> dict[str, np.ndarray]:
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    return {name: value for name, value in tensors.items() if name.endswith(end)}


def test_bigram_sinks_become_logits(
    bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    """Two heads of the bigram model use BOS as a sink alone: as logits they cost next to nothing.

    The other one, of the first layer, reads BOS's value, so it costs thousands of times as much.
    """
    file, ids = data
    said = rewrite(bigram, tmp_path / "two.onnx", [("compress-sinks", {"data": file})])
    before = run_model(bigram, ids)
    assert divergence(before, run_model(tmp_path / "two.onnx", ids)) <= 1e-4
    logits, keys = (numbers_of(tmp_path / "two.onnx", end) for end in (".sink_logit", "prefix_key"))
    # The rows of the two are gone, and what was written is recognized again.
    assert len(logits) == 2 and list(keys) == ["/blocks.0/attention/MatMul_1_output_0.prefix_key"]
    found = basin.load(tmp_path / "two.onnx").inspect()["attention"]
    assert [one["sink_logit"] for one in found] == [False, True, True]

    assert re.search(
        r"2 of 3 heads become logits at a mean KL of (\S+) nats over 2016 tok", said[0]
    )
    reached = float(re.search(r"mean KL of (\S+) nats", said[0]).group(1))
    fitted = np.load(file)["input_ids"]
    measured = divergence(run_model(bigram, fitted), run_model(tmp_path / "two.onnx", fitted))
    assert measured == pytest.approx(reached, rel=0.05)
    assert float(said[0].split()[-1]) > 0.1
    assert [re.search(r"head 0: (\w+)", line).group(1) for line in said[1:4]] == [
        "kept",
        "converted",
        "converted",
    ]


def test_bigram_sinks_with_values(
    bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    """The value is what the first layer's head reads, so all three can be converted."""
    file, ids = data
    target = tmp_path / "all.onnx"
    rewrite(bigram, target, [("compress-sinks", {"data": file, "value": True})])
    before = run_model(bigram, ids)
    assert divergence(before, run_model(target, ids)) <= 1e-4
    assert len(numbers_of(target, ".sink_logit")) == len(numbers_of(target, ".sink_value")) == 3
    assert not numbers_of(target, ".prefix_key") and not numbers_of(target, ".prefix_value")
    # Logits alone, of all heads, cost far more.
    rewrite(bigram, target, [("compress-sinks", {"data": file, "max-kl": 10})])
    assert len(numbers_of(target, ".sink_logit")) == 3 and not numbers_of(target, ".sink_value")
    assert divergence(before, run_model(target, ids)) > 0.1


def test_the_bound_is_kept(bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    """The heads come in the order of their harm, while the sum stays below the bound."""
    file, _ = data
    counts = []
    for bound in (0, 1e-6, 8e-6, 1e-4, 1):
        said = rewrite(
            bigram, tmp_path / "out.onnx", [("compress-sinks", {"data": file, "max-kl": bound})]
        )
        count = int(re.search(r"(\d) of 3 heads", said[0]).group(1))
        reached = float(re.search(r"mean KL of (\S+) nats", said[0]).group(1))
        assert count == len(numbers_of(tmp_path / "out.onnx", ".sink_logit"))
        assert reached < bound or count == 0 == reached
        harms = [float(re.search(r"KL alone (\S+),", line).group(1)) for line in said[1:4]]
        converted = ["converted" in line for line in said[1:4]]
        if 0 < count < 3:
            worst = max(harm for harm, done in zip(harms, converted) if done)
            assert worst < min(harm for harm, done in zip(harms, converted) if not done)
        counts.append(count)
    assert counts == [0, 0, 1, 2, 3]


TEXT = (ROOT / "docs" / "overview.md").read_bytes()[:2000]


@pytest.mark.parametrize("value", [False, True], ids=["logits", "values"])
@pytest.mark.parametrize(
    "path", [path for path in TRAINED if path.exists()], ids=lambda path: path.stem
)
def test_trained_models_keep_their_bound(path: Path, value: bool, tmp_path: Path) -> None:
    """What is written has the divergence that was measured, which is below the bound."""
    rows = basin.load(path).inspect()
    words = next(iter(read_facts(path).bounds.values()))
    # A text of bytes, as far as they are words of the model.
    ids = np.frombuffer(TEXT, np.uint8).astype(np.int64)[: 8 * 31].reshape(8, 31) % words
    absorbed = absorb(path, [TRAINED[path]], tmp_path / "a.onnx")
    np.save(tmp_path / "ids.npy", ids)
    options = {"data": tmp_path / "ids.npy", "max-kl": 3e-3, "value": value}
    said = rewrite(absorbed, tmp_path / "out.onnx", [("compress-sinks", options)])
    count, total = map(int, re.search(r"(\d+) of (\d+) heads", said[0]).groups())
    reached = float(re.search(r"mean KL of (\S+) nats", said[0]).group(1))
    assert total == sum(one["heads"] for one in rows["attention"])
    measured = divergence(run_model(absorbed, ids), run_model(tmp_path / "out.onnx", ids))
    assert reached < 3e-3 and measured == pytest.approx(reached, rel=0.02, abs=1e-7)
    assert (count == 0) == (reached == 0)
    converted = re.findall(
        r"attention '(.+?)', heads? (\d+)(?:-(\d+))?: converted", "\n".join(said)
    )
    assert count == sum(int(last or first) - int(first) + 1 for _, first, last in converted)
    names = numbers_of(tmp_path / "out.onnx", ".sink_logit")
    assert set(names) == {f"{attention}.sink_logit" for attention, _, _ in converted}


def test_both_steps_at_once_and_the_command(data: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    """The logits are fitted to the model that the step before makes."""
    file, ids = data
    made = command(
        tmp_path,
        *("rewrite", BIGRAM, "out.onnx", "absorb-prefix", "ids=64"),
        *("compress-sinks", f"data={file}", "--save-recipe", "r.yaml"),
    )
    assert made.returncode == 0, made.stderr
    assert "compress-sinks: 2 of 3 heads become logits" in made.stderr
    steps = json.loads(
        {e.key: e.value for e in onnx.load(tmp_path / "out.onnx").metadata_props}["basin.steps"]
    )
    assert "fit-1" not in json.dumps(steps) and "compress-sinks" in json.dumps(steps)
    again = command(tmp_path, "rewrite", BIGRAM, "again.onnx", "--recipe", "r.yaml")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()
    model = basin.load(BIGRAM)
    said = model.rewrite(("absorb-prefix", {"ids": [64]}), ("compress-sinks", {"data": file}))
    model.save(tmp_path / "python.onnx")
    assert any("2 of 3 heads" in line for line in said)
    assert (run_model(tmp_path / "python.onnx", ids) == run_model(tmp_path / "out.onnx", ids)).all()


def test_data_that_starts_with_the_prefix_is_pointed_out(tmp_path: Path) -> None:
    ids, _ = BigramTask(batch=1, seq=64, seed=0).held_out()
    np.save(tmp_path / "ids.npy", ids[:8])
    steps = [("absorb-prefix", {"ids": 64}), ("compress-sinks", {"data": tmp_path / "ids.npy"})]
    said = rewrite(BIGRAM, tmp_path / "out.onnx", steps)
    assert said[0] == (
        "warning: compress-sinks: ids.npy: all sequences start with 64, the prefix that the model "
        "already has: leave it out"
    )


def test_kinds_of_data(bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    """Token files of any kind and arrays by name give the same fit."""
    ids = np.load(data[0])["input_ids"]
    np.save(tmp_path / "ids.npy", ids)
    (tmp_path / "ids.jsonl").write_text("".join(json.dumps(row.tolist()) + "\n" for row in ids))
    made = []
    for file in (data[0], tmp_path / "ids.npy", tmp_path / "ids.jsonl"):
        rewrite(bigram, tmp_path / "out.onnx", [("compress-sinks", {"data": file})])
        made.append(numbers_of(tmp_path / "out.onnx", ".sink_logit"))
    for one in made[1:]:
        assert one.keys() == made[0].keys()
        assert all((one[name] == made[0][name]).all() for name in one)


def test_padding_does_not_count(tmp_path: Path) -> None:
    """Arrays by name whose mask hides tokens give the fit of the sequences without these."""
    path = absorb(LLAMA, [1, 2], tmp_path / "a.onnx")
    session = open_plain(path)
    assert {i.name for i in session.get_inputs()} >= {"input_ids", "attention_mask"}
    rng = np.random.default_rng(0)
    real = rng.integers(0, 40, (6, 20))
    padded = np.concatenate([real, rng.integers(0, 40, (6, 7))], axis=1)
    mask = np.concatenate([np.ones((6, 20)), np.zeros((6, 7))], axis=1).astype(np.int64)
    np.savez(tmp_path / "real.npz", **feed(session, real))
    np.savez(tmp_path / "padded.npz", **(feed(session, padded) | {"attention_mask": mask}))
    made = []
    for name in ("real", "padded"):
        options = {"data": tmp_path / f"{name}.npz", "max-kl": 1}
        said = rewrite(path, tmp_path / "out.onnx", [("compress-sinks", options)])
        assert "over 120 tokens" in said[0]
        made.append((numbers_of(tmp_path / "out.onnx", ".sink_logit"), said))
    (a, said_a), (b, said_b) = made
    assert a and a.keys() == b.keys() and all(np.allclose(a[n], b[n], atol=1e-4) for n in a)
    kl = [float(re.search(r"KL of (\S+) nats", said[0]).group(1)) for said in (said_a, said_b)]
    assert kl[0] == pytest.approx(kl[1], rel=1e-2)


def test_chosen_attentions_alone(
    bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    options = {"data": data[0], "attentions": "/blocks.2/*"}
    said = rewrite(bigram, tmp_path / "out.onnx", [("compress-sinks", options)])
    assert "1 of 1 heads" in said[0] and len(numbers_of(tmp_path / "out.onnx", ".sink_logit")) == 1


def test_a_given_fit_needs_no_data(bigram: Path, tmp_path: Path) -> None:
    name = "/blocks.2/attention/MatMul_1_output_0"
    write_tensors({name: np.array([3.0], np.float32)}, tmp_path / "fit.onnx")
    rewrite(bigram, tmp_path / "out.onnx", [("compress-sinks", {"fit": tmp_path / "fit.onnx"})])
    assert list(numbers_of(tmp_path / "out.onnx", ".sink_logit").values()) == [3.0]


def test_a_model_without_rows_needs_no_data(tmp_path: Path) -> None:
    said = rewrite(BIGRAM, tmp_path / "out.onnx", ["compress-sinks"])
    assert any("nothing was compressed" in line for line in said)
    # Not even one bit of it differs.
    assert any("at most 0 away" in line for line in said)


REFUSED = {
    "": "option 'data': expected a file of tokens, or of inputs by name, to which logits are fit",
    "data=none.npz": "none.npz",
    "data=ids.npz max-kl=-1": "option 'max-kl': expected a number of at least 0, but got -1",
    "data=ids.npz max-kl=nan": "option 'max-kl': expected",
    "data=text.txt": "text.txt: expected ids of tokens, but got text",
    "data=text.jsonl": "text.jsonl, line 1: expected ids of tokens, but got text",
    "data=broken.npz": "option 'data': broken.npz",
    "data=large.npy": "large.npy: id 70, but the model's table has 65 rows",
    "data=floats.npy": "floats.npy: expected whole numbers as ids",
    "data=negative.npz": "negative.npz: expected ids of at least 0, but got -1",
    "data=empty.npy": "empty.npy: expected tokens",
    "data=ids.npz attentions=none*": "no attention without a sink has a name like 'none*'",
    "data=ids.npz fit=none.onnx": "none.onnx",
}


@pytest.mark.parametrize("words", sorted(REFUSED))
def test_wrong_options_are_one_line(
    words: str, bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "ids.npz").write_bytes(data[0].read_bytes())
    (tmp_path / "text.txt").write_text("some text")
    (tmp_path / "text.jsonl").write_text('{"text": "some"}\n')
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 and no more")
    np.save(tmp_path / "large.npy", np.full((2, 9), 70))
    np.save(tmp_path / "floats.npy", np.zeros((2, 9)))
    np.savez(tmp_path / "negative.npz", input_ids=np.full((2, 9), -1))
    np.save(tmp_path / "empty.npy", np.zeros((0, 9), np.int64))
    before = sorted(tmp_path.iterdir())
    made = command(tmp_path, "rewrite", bigram, "out.onnx", "compress-sinks", *words.split())
    assert made.returncode == 1 and made.stdout == ""
    assert REFUSED[words] in made.stderr and made.stderr.count("\n") == 1
    assert made.stderr.startswith("basin: error: ") and "instrumented" not in made.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_outputs_that_are_no_logits_are_refused(
    bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    model = onnx.load(bigram)
    (output,) = model.graph.output
    old, output.name = output.name, "hidden"
    name = old
    one = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [1, 1, 70], np.ones(70))
    model.graph.initializer.append(one)
    model.graph.node.append(onnx.helper.make_node("ReduceSum", [name], ["sum"], keepdims=1))
    model.graph.node.append(onnx.helper.make_node("Mul", ["sum", "one"], ["hidden"]))
    output.type.tensor_type.shape.dim[-1].dim_value = 70
    onnx.save(model, tmp_path / "hidden.onnx")
    with pytest.raises(basin.errors.VerifyError, match="no output is known to be logits"):
        rewrite(
            tmp_path / "hidden.onnx", tmp_path / "out.onnx", [("compress-sinks", {"data": data[0]})]
        )
    assert not (tmp_path / "out.onnx").exists()


def test_trials_measure_the_mean_over_tokens(
    bigram: Path, data: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    instrumented = instrument(bigram, tmp_path / "m.onnx", "measure=false")
    ids = data[1][:6]
    trials = Trials(instrumented, [({"input_ids": ids[:2]}, None), ({"input_ids": ids[2:]}, None)])
    one = instrumented.attentions[0]
    conversions = {one.attention: Conversion(np.array([3.0]))}
    compress(bigram, tmp_path / "out.onnx", conversions)
    expected = divergence(run_model(bigram, ids), run_model(tmp_path / "out.onnx", ids))
    assert trials.measure(conversions) == pytest.approx(expected, rel=1e-3)
    assert trials.measure({}) == 0
