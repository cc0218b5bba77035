"""basin recommend: what is tried, how the best is chosen, and that the recipe does what it says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from model_files import inside
from onnx.reference import ReferenceEvaluator

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin._basin import choose_residual_exponents  # noqa: E402
from basin.analysis.data import Dataset  # noqa: E402
from basin.errors import AnalysisError  # noqa: E402
from basin.recommendation import (  # noqa: E402
    Trial,
    parse_target,
    recommend,
    treatments,
    trials,
)
from basin.recommendation.ranges import (  # noqa: E402
    ValueRange,
    find_nearest,
    find_overflows,
    measure_ranges,
)
from basin.recommendation.recommend import choose, explain, order  # noqa: E402
from basin.recommendation.treatments import (  # noqa: E402
    Context,
    Treatment,
    absorb_residual,
    cut_prefix,
    measure_streams,
)
from basin.recommendation.trials import Trials  # noqa: E402
from basin.rewriting import Proof, prove_steps  # noqa: E402
from basin.verification.distance import sum_divergences  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "models" / "text-small.onnx"
BOS = 256


def text(sequences: int, length: int = 96) -> list[np.ndarray]:
    """Ids of text: this repository's licence as bytes, with BOS in front."""
    data = np.frombuffer((ROOT / "LICENSE").read_bytes(), np.uint8).astype(np.int64)
    return [np.r_[BOS, data[600 * i : 600 * i + length - 1]] for i in range(sequences)]


def dataset(sequences: int) -> Dataset:
    return Dataset(text(sequences), "LICENSE", "tokens", bos=BOS)


def trial(names: str, divergence: float | None, error: float = 0.0, exclude: int = 0) -> Trial:
    return Trial(tuple(names.split()), exclude, divergence=divergence, error=error)


# Targets


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("int8-static", {"scheme": "int8-static"}),
        ("nvfp4 residual=int8", {"scheme": "nvfp4", "residual": "int8"}),
        ("residual=int8,residual-scale=token", {"residual": "int8", "residual-scale": "token"}),
    ],
)
def test_targets_are_options_of_quantize(words: str, options: dict[str, str]) -> None:
    found = parse_target(words)
    assert dict(found.options) == options and not found.is_f16
    assert found.quantizes_residual == ("residual" in options)
    assert found.quantizes_inputs == ("scheme" in options)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("int9", "unknown scheme 'int9'"),
        ("", "expected a scheme, options of quantize, or fp16"),
        ("nodes=qdq", "but got 'nodes=qdq'"),
        ("int8-token int8-static", "'scheme' is given twice"),
        ("fp16 residual=int8", "unknown scheme 'fp16'"),
        ("absent.yaml", "No such file"),
    ],
)
def test_wrong_targets(words: str, reason: str) -> None:
    with pytest.raises(basin.BasinError, match=reason):
        parse_target(words)


def test_weights_alone_quantize_no_inputs() -> None:
    assert not parse_target("int4-weights").quantizes_inputs


# Order and choice


def test_each_alone_then_all_then_the_others() -> None:
    one, two, three = (Treatment(name, "", lambda _: []) for name in "abc")
    found = ["".join(t.name for t in chosen) for chosen in order([one, two, three])]
    assert found == ["", "a", "b", "c", "abc", "ab", "ac", "bc"]
    assert [len(chosen) for chosen in order([one])] == [0, 1]
    assert list(order([])) == [[]]


def test_the_fewest_treatments_within_the_errors() -> None:
    plain, a, both = trial("", 1.0, 0.1), trial("a", 0.30, 0.02), trial("a b", 0.28, 0.02)
    assert choose([plain, a, both]) is a
    better = trial("a b", 0.20, 0.02)
    assert choose([plain, a, better]) is better
    assert choose([plain, trial("a", 0.9, 0.1)]) is plain
    # NaN in the logits is an infinite divergence.
    assert choose([trial("", float("inf")), a]) is a
    assert choose([trial("a", None), plain]) is plain
    with pytest.raises(AnalysisError, match="no trial could be measured"):
        choose([Trial((), refused="it is refused")])


def test_the_reason_has_the_figures() -> None:
    trials = [trial("", 7.6), trial("a", 2.2), trial("b", 5.6), trial("a b", 0.12)]
    assert explain(trials[-1], trials) == (
        "KL 0.12 against 7.6 without treatment, 2.2 with a alone, 5.6 with b alone"
    )
    assert "no treatment brings" in explain(trials[0], trials)


def test_prefixes_are_cut_where_they_stand() -> None:
    data = Dataset([np.array([1, 2, 3]), np.array([4, 5]), np.array([1])], "x", "tokens")
    assert [one.tolist() for one in cut_prefix(data, [1]).sequences] == [[2, 3], [4, 5]]
    assert cut_prefix(data, []) is data


# Runs


def test_the_recipe_does_what_the_trial_measured(tmp_path: Path) -> None:
    """Both sinks of text-small together are best for a stream in INT8."""
    np.savez(tmp_path / "data.npz", input_ids=np.stack(text(8)))
    done = inside(
        tmp_path,
        *("recommend", SMALL, "--data", "data.npz", "--target", "residual=int8"),
        *("--out", "recipe.yaml", "--json", "found.json", "--trials", "trials.json"),
        *("--report", "report.html"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    by_name = {one["name"]: one for one in found["trials"]}
    names = ("none", "absorb-prefix", "absorb-residual", "absorb-prefix + absorb-residual")
    assert tuple(by_name) == names
    best = by_name[found["recommended"]]
    assert "absorb-residual" in best["treatments"]
    assert best["divergence"] < by_name["none"]["divergence"] / 3
    assert by_name["none"]["parameters"] == 0 < best["parameters"]
    for name in names:
        assert name in done.stdout
    assert f"recommended: {found['recommended']}" in done.stdout
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Rewrites for the target" in page and f"{found['recommended']} (recommended)" in page
    rewritten = inside(tmp_path, "rewrite", SMALL, "out.onnx", "--recipe", "recipe.yaml")
    assert rewritten.returncode == 0, rewritten.stderr
    held_out = np.stack(text(8)[4:])
    np.savez(tmp_path / "held.npz", input_ids=held_out)
    again = inside(
        tmp_path, "evaluate", SMALL, "out.onnx", "--data", "held.npz", "--json", "again.json"
    )
    assert again.returncode == 0, again.stderr
    score = json.loads((tmp_path / "again.json").read_text("utf-8"))["models"][1]
    # QDQ nodes and their simulation have the same bits, but fusions between them may differ.
    assert score["kl"]["value"] == pytest.approx(best["divergence"], rel=0.02)


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, file = parse_target("residual=int8"), tmp_path / "trials.json"
    first = recommend(SMALL, target, dataset(4), minutes=0, file=file, check=False)
    assert [one.name for one in first.trials] == ["none"]
    assert any("the budget of 0 minutes is spent" in line for line in first.left_out)
    ran = []
    run = Trials.run

    def counted(self: Trials, treatments: list[Treatment], exclude: int = 0) -> Trial:
        ran.append([one.name for one in treatments])
        return run(self, treatments, exclude)

    monkeypatch.setattr(Trials, "run", counted)
    second = recommend(SMALL, target, dataset(4), file=file, check=False)
    assert len(second.trials) == 4 and len(ran) == 3 and [] not in ran
    assert second.trials[0] == first.trials[0]
    ran.clear()
    third = recommend(SMALL, target, dataset(4), file=file, check=False)
    assert not ran and third.trials == second.trials and third.best.name == second.best.name
    with pytest.raises(AnalysisError, match="its trials are of another target"):
        recommend(SMALL, parse_target("residual=fp8"), dataset(4), file=file, check=False)
    with pytest.raises(AnalysisError, match="its trials are of another use of the data"):
        recommend(SMALL, target, dataset(4), file=file, check=False, same_data=True)
    with pytest.raises(AnalysisError, match="its trials are of another data"):
        recommend(SMALL, target, dataset(6), file=file, check=False)
    file.write_text("[]", "utf-8")
    with pytest.raises(AnalysisError, match="expected a file of trials"):
        recommend(SMALL, target, dataset(4), file=file, check=False)


def test_the_same_data_for_both(tmp_path: Path) -> None:
    """One sequence suffices, and the recipe's tokens are all that were measured."""
    np.savez(tmp_path / "data.npz", input_ids=text(1)[0][None])
    command = ("recommend", SMALL, "--data", "data.npz", "--target", "residual=int8")
    refused = inside(tmp_path, *command)
    assert refused.returncode == 1 and "expected at least two sequences" in refused.stderr
    done = inside(tmp_path, *command, "--same-data", "--out", "recipe.yaml", "--json", "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    (tokens,) = (tmp_path / "recipe.tokens.jsonl").read_text("utf-8").splitlines()
    (best,) = (one for one in found["trials"] if one["recommended"])
    prefix = "absorb-prefix" in best["treatments"]
    assert json.loads(tokens) == text(1)[0][prefix:].tolist()
    done = inside(tmp_path, "rewrite", SMALL, "out.onnx", "--recipe", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    done = inside(
        tmp_path, "evaluate", SMALL, "out.onnx", "--data", "data.npz", "--json", "again.json"
    )
    assert done.returncode == 0, done.stderr
    score = json.loads((tmp_path / "again.json").read_text("utf-8"))["models"][1]
    assert score["kl"]["value"] == pytest.approx(best["divergence"], rel=0.02)


def test_refused_steps_are_told(tmp_path: Path) -> None:
    """Sequences with different first tokens have no prefix; one sequence cannot be split."""
    data = dataset(4)
    data.sequences[0][0] = 7
    found = recommend(SMALL, parse_target("int4-weights"), data, check=False)
    prefix, residual = found.left_out
    assert prefix.startswith("absorb-prefix: the sequences start with different tokens")
    assert residual.startswith("absorb-residual: ")
    assert [one.name for one in found.trials] == ["none", "exclude 4"]
    assert found.trials[1].divergence < found.trials[0].divergence
    assert len(found.trials[1].notes) == 4 and found.steps[-1][0] == "quantize"
    with pytest.raises(AnalysisError, match="expected at least two sequences"):
        recommend(SMALL, parse_target("int4-weights"), dataset(1))


def test_promises_of_treatments_are_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """By runs; where a model is too large for them, by its scales; and broken ones are refused."""
    target = parse_target("residual=int8")

    def promises() -> dict[str, str]:
        return {one.name: one.promise for one in recommend(SMALL, target, dataset(4)).trials}

    both = "absorb-prefix + absorb-residual"
    found = promises()
    assert found["none"] == "" and found["absorb-residual"] == "all bits kept"
    # One new token alone is multiplied by another kernel.
    for name in ("absorb-prefix", both):
        assert found[name].startswith("kept within ")
        assert 0 < float(found[name].removeprefix("kept within ")) < 1e-4
    monkeypatch.setattr(trials, "prove_steps", partial(prove_steps, limit=1))
    found = promises()
    assert found["absorb-residual"] == "bits kept by proof of scales"
    assert found["absorb-prefix"].startswith("not checked: the model has ")
    assert found[both].startswith("not checked: the model has ")

    def broken(*args: Any, **options: Any) -> Proof:
        return Proof(broken="output 'logits' differs")

    monkeypatch.setattr(trials, "prove_steps", broken)
    result = recommend(SMALL, target, dataset(4))
    assert result.best.name == "none"
    reason = "breaks its promise: output 'logits' differs"
    assert all(reason in one.refused for one in result.trials[1:])
    checked = recommend(SMALL, target, dataset(4), check=False)
    assert [one.promise for one in checked.trials] == [""] * 4 and checked.best.treatments


def test_scales_of_streams_are_those_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step with the same statistics makes the same vectors, and each stream has its own."""
    document = measure_streams(Context(SMALL, dataset(2), tmp_path))
    (tmp_path / "stats.json").write_text(json.dumps(document), "utf-8")
    (step,) = absorb_residual(Context(SMALL, dataset(2), tmp_path))
    made = []
    for number, given in enumerate([step[1], {"stats": str(tmp_path / "stats.json")}]):
        basin.rewrite(SMALL, tmp_path / f"{number}.onnx", [("absorb-residual", given)])
        made.append(onnx.load(tmp_path / f"{number}.onnx").graph.SerializeToString())
    assert made[0] == made[1] and ":" in step[1]["scale-dims"]
    streams = [{"max_abs": [1.0, 4.0, 1.0, 1.0, 1.5]}, {"max_abs": [2.0, 2.0, 11.0, 2.0]}]
    monkeypatch.setattr(
        treatments, "measure_streams", lambda context: {"residual_streams": streams}
    )
    assert absorb_residual(Context(SMALL, dataset(2), tmp_path)) == [
        ("absorb-residual", {"scale-dims": "0/1:4,0/4:2,1/2:4"})
    ]
    streams[:] = [{"max_abs": [1.0, 1.0]}]
    assert absorb_residual(Context(SMALL, dataset(2), tmp_path)) == (
        "no dimension of the residual stream is larger than the others"
    )


def test_exponents_of_magnitudes_that_are_no_numbers() -> None:
    inf, nan = float("inf"), float("nan")
    assert choose_residual_exponents([1.0, nan, inf, 8.0, 1.0]) == [0, 0, 0, 3, 0]
    assert choose_residual_exponents([0.0, 0.0, 3.0]) == [0, 0, 0]
    assert choose_residual_exponents([]) == []


# f16


def plant(path: Path, k: int) -> Path:
    """text-small with a residual stream 2^k times as large, which computes the same."""
    model = basin.load(SMALL)
    model.rewrite(("rescale-residual", {"k": -k}))
    model.save(path)
    return path


def as_f16(path: Path, target: Path) -> Path:
    """The model in f16, by ONNX Runtime's own converter."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), target)
    return target


def run_f16(path: Path, ids: np.ndarray) -> np.ndarray:
    """The logits in onnx's reference evaluator, which rounds after each node."""
    with np.errstate(all="ignore"):
        return np.asarray(ReferenceEvaluator(onnx.load(path)).run(None, {"input_ids": ids})[0])


def mean_divergence(x: np.ndarray, y: np.ndarray) -> float:
    divergence, rows = sum_divergences(x.astype(np.float64), y.astype(np.float64))
    return divergence / rows


@pytest.mark.parametrize("k", [0, 7])
def test_overflow_in_f16_is_found_and_mended(tmp_path: Path, k: int) -> None:
    """The squares overflow at 1743 already, as they do in the converted model."""
    source = plant(tmp_path / "planted.onnx", k)
    found = recommend(source, parse_target("fp16"), dataset(4))
    by_name = {one.name: one for one in found.trials}
    plain = by_name["none"]
    assert any("values overflow f16: first '" in note for note in plain.notes)
    assert "rescale-residual" in found.best.treatments
    assert found.best.divergence < 0.01 and any("no value overflows" in n for n in found.best.notes)
    (options,) = (dict(given) for name, given in found.steps if name == "rescale-residual")
    assert int(options["k"]) >= k + 3
    basin.rewrite(source, tmp_path / "treated.onnx", [(n, dict(g)) for n, g in found.steps])
    ids = text(5)[4][None, 1 if "absorb-prefix" in found.best.treatments else 0 :]
    reference = run_f16(tmp_path / "treated.onnx", ids)
    after = run_f16(as_f16(tmp_path / "treated.onnx", tmp_path / "after.onnx"), ids)
    before = run_f16(as_f16(source, tmp_path / "before.onnx"), text(5)[4][None])
    assert np.isfinite(after).all() and mean_divergence(reference, after) < 0.02
    # A square that is infinite makes a norm's result zero, and one of infinity NaN.
    wrong = before[:, -reference.shape[1] :]
    assert not np.isfinite(wrong).all() or mean_divergence(reference, wrong) > 0.5


def test_ranges_are_those_of_the_values(tmp_path: Path) -> None:
    """Against the reference evaluator, which returns every value."""
    ids = text(1)[0][None]
    model = onnx.load(SMALL)
    del model.graph.output[:]
    names = [name for node in model.graph.node for name in node.output]
    evaluator = ReferenceEvaluator(model)
    found = {one.name: one for one in measure_ranges(SMALL, dataset(1), tmp_path)}
    values = evaluator.run(None, {"input_ids": ids}, intermediate=True)
    checked = 0
    for name in names:
        value = values[name]
        if name in found and value.dtype == np.float32:
            expected = float(np.abs(value).max(initial=0.0))
            assert found[name].largest == pytest.approx(expected, rel=1e-4)
            checked += 1
    assert checked == len(found) > 50
    over = find_overflows(list(found.values()))
    assert over and all(one.op in ("Pow", "Mul", "Add", "ReduceMean", "ReduceSum") for one in over)


def test_the_nearest_to_the_end_of_f16() -> None:
    inf, nan = float("inf"), float("nan")
    sizes = [3.0, 20000.0, 3.4e38, 65505.0, inf, 1e-3, nan]
    values = [ValueRange(str(i), "Mul", size) for i, size in enumerate(sizes)]
    near = find_nearest(values)
    assert {one.name for one in near[:2]} == {"4", "6"}
    assert [one.name for one in near[2:]] == ["3", "1"]
    # 3.4e38 hides keys.
    assert [one.name for one in find_overflows(values)] == ["3", "4", "6"]
    assert [one.name for one in find_nearest([values[0], values[2], values[5]])] == ["0"]
    assert find_nearest([values[2]]) == []


def test_ranges_stand_beside_those_of_the_recipe(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", input_ids=np.stack(text(4)))
    done = inside(
        tmp_path,
        *("recommend", SMALL, "--data", "data.npz", "--target", "fp16"),
        *("--json", "found.json", "--report", "report.html", "--trials", "trials.json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    plain = {one["name"]: one for one in found["trials"][0]["ranges"]}
    (best,) = (one for one in found["trials"] if one["recommended"])
    after = {one["name"]: one["largest"] for one in best["ranges"]}
    lines = done.stdout.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("value  "))
    assert f"the largest of {len(plain)} values" in lines[head - 1]
    rows = [line.split() for line in lines[head + 1 :] if len(line.split()) == 5]
    assert len(rows) == 20
    assert [float(row[2]) for row in rows] == sorted((float(row[2]) for row in rows), reverse=True)
    for name, op, largest, share, treated in rows:
        assert plain[name]["op"] == op and float(largest) > 65504 / 4
        assert float(largest) == pytest.approx(plain[name]["largest"], rel=1e-4)
        assert float(share) == pytest.approx(plain[name]["largest"] / 65504, rel=1e-2)
        assert float(treated) == pytest.approx(after[name], rel=1e-4) and float(treated) < 65504
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Largest magnitudes (f16 ends at 65504)" in page and rows[0][0] in page
    # The ranges of finished trials are kept.
    again = inside(
        tmp_path,
        *("recommend", SMALL, "--data", "data.npz", "--target", "fp16"),
        *("--json", "again.json", "--trials", "trials.json"),
    )
    assert again.returncode == 0 and json.loads((tmp_path / "again.json").read_text()) == found
