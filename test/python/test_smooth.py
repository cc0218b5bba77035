"""`smooth`: powers of two change no bit of any model, and undo planted outliers for quantizers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.errors import AnalysisError  # noqa: E402
from basin.testbed.plant import plant_file  # noqa: E402
from basin.verify import verify  # noqa: E402
from model_files import basin as command  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from smooth_models import (  # noqa: E402
    EXPORTED,
    ROOT,
    SMALL,
    draw_powers,
    find_groups,
    quantized_kl,
    save_tokens,
    smooth_by,
    text_ids,
)

MODELS = [
    path
    for path in [*sorted(EXPORTED.glob("*.onnx")), *sorted((ROOT / "models").glob("*.onnx"))]
    if "-bf16-" not in path.stem
]
# What takes the factors of the groups of some exports: norms, feed-forwards' second factors and
# attentions' values.
ORIGINS = {
    "llama-eager-script17": (5, 2, 2),
    "llama-sdpa-dynamo24": (5, 2, 2),
    "llama-eager-past-dynamo18": (5, 2, 0),  # the values are outputs
    "qwen3-eager-dynamo18": (5, 2, 2),
    "gpt2-sdpa-script17": (5, 0, 2),  # GELU, and packed projections
    "bert-sdpa-dynamo23": (0, 0, 2),  # the results of norms are added
    "hand-ms-attention": (2, 1, 0),  # the values are packed
    "text-sink": (13, 6, 6),
}


def inputs_of(path: Path) -> dict[str, np.ndarray] | None:
    stored = path.with_suffix("").with_suffix(".inputs.npz")
    return dict(np.load(stored)) if stored.exists() else None


# Bits


@pytest.mark.parametrize("explicit", [False, True], ids=["folded", "explicit"])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_bit_differs(path: Path, explicit: bool, tmp_path: Path) -> None:
    if explicit and "fp16" in path.stem:
        pytest.skip("the runtime does not round to f16 between a Mul and its neighbours")
    target = tmp_path / "out.onnx"
    powers = draw_powers(np.random.default_rng(0), 6)
    found, _ = smooth_by(path, target, powers, explicit=explicit)
    report = verify(path, target, inputs=inputs_of(path))
    assert report.passed, str(report)
    if path.stem in ORIGINS and not explicit:
        count = Counter(one.origin for one in found.groups)
        assert (count["norm"], count["product"], count["attention"]) == ORIGINS[path.stem]


@pytest.mark.parametrize("path", sorted(EXPORTED.glob("*-bf16-*.onnx")), ids=lambda p: p.stem)
def test_no_bit_differs_in_bf16(path: Path, tmp_path: Path) -> None:
    """Run by onnx's reference evaluator: ONNX Runtime's CPU provider has no bf16 kernels."""
    target = tmp_path / "out.onnx"
    found, said = smooth_by(path, target, draw_powers(np.random.default_rng(0), 6))
    assert len(found.groups) == 9 and said == []
    before, after = (
        ReferenceEvaluator(onnx.load(one)).run(None, inputs_of(path)) for one in (path, target)
    )
    for a, b in zip(before, after, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("path", sorted(EXPORTED.glob("*-fp16-*.onnx")), ids=lambda p: p.stem)
def test_f16_takes_what_stays_normal(path: Path, tmp_path: Path) -> None:
    """Matrices in f16 have elements that leave the normal range: their groups stay as they are."""
    said = smooth_by(path, tmp_path / "out.onnx", draw_powers(np.random.default_rng(0), 6))[1]
    assert said and all("is left as it is: element" in line for line in said)
    real = smooth_by(
        path, tmp_path / "real.onnx", draw_powers(np.random.default_rng(0), 2), factors="real"
    )[1]
    assert real == []
    changed = onnx.load(tmp_path / "real.onnx").SerializeToString()
    assert changed != onnx.load(path).SerializeToString()


def test_every_weight_of_a_llama_changes(tmp_path: Path) -> None:
    """A fit that changes nothing would pass the tests of bits."""
    path, target = EXPORTED / "llama-eager-script17.onnx", tmp_path / "out.onnx"
    smooth_by(path, target, draw_powers(np.random.default_rng(0), 6))
    before, after = (
        {one.name: one.raw_data for one in onnx.load(model).graph.initializer}
        for model in (path, target)
    )
    floats = [one for one in before if "MatMul" in one or "norm.weight" in one]
    assert len(floats) == 2 * 9 + 2
    assert [one for one in floats if before[one] == after[one]] == []
    assert before["model.model.embed_tokens.weight"] == after["model.model.embed_tokens.weight"]


# Factors


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """text-small with an outlier of 2^8 in one channel of each norm's result."""
    target = tmp_path_factory.mktemp("planted") / "planted.onnx"
    plant_file(SMALL, target, 17, 8)
    return target


@pytest.mark.parametrize(
    ("scheme", "factors", "alpha"),
    [
        ("INT8 W8A8", "power-of-two", 0.5),
        ("INT8 W8A8", "real", 0.9),
        ("NVFP4 W4A4", "power-of-two", 0.5),
        ("NVFP4 W4A4", "real", 0.5),
    ],
)
def test_a_planted_outlier_is_undone(
    planted: Path, scheme: str, factors: str, alpha: float, tmp_path: Path
) -> None:
    ids, target = text_ids(), tmp_path / "smooth.onnx"
    data = save_tokens(tmp_path / "tokens.npz", ids)
    options = {"data": data, "alpha": alpha, "factors": factors}
    said = basin.rewrite(planted, target, [("smooth", options)])
    # Equal bits are proven, and others are measured.
    assert any("away from the original's" in line for line in said) == (factors == "real")
    clean, before, after = (quantized_kl(one, scheme, ids) for one in (SMALL, planted, target))
    assert before > 2 * clean
    assert after <= 2 * clean


def test_statistics_give_the_factors_of_the_data(planted: Path, tmp_path: Path) -> None:
    data = save_tokens(tmp_path / "tokens.npz", text_ids())
    done = command(
        tmp_path, "analyze", planted, "--data", data, "--stats", "s.json", "--taps", "projection"
    )
    assert done.returncode == 0, done.stderr
    by_stats, by_data = tmp_path / "stats.onnx", tmp_path / "data.onnx"
    basin.rewrite(planted, by_stats, [("smooth", {"stats": tmp_path / "s.json"})])
    basin.rewrite(planted, by_data, [("smooth", {"data": data})])
    a, b = (onnx.load(one).graph for one in (by_stats, by_data))
    assert [one.raw_data for one in a.initializer] == [one.raw_data for one in b.initializer]
    assert a.initializer != onnx.load(planted).graph.initializer


def test_factors_follow_the_formula() -> None:
    from basin.smooth_model import Group
    from basin.smoothing import choose_factors

    group = Group(("x",), 5, (), np.array([0, 1, 0, 3, 4]), "norm", None)
    x, w = np.array([4.0, 16.0, 64.0, 0.0, 16.0]), np.array([1.0, 4.0, 0.25, 1.0, 1.0])
    # Channels 0 and 2 have 64 and 1 together, and channel 3 is dead. The exponents are 3, 1, 3, 2
    # without the median of 2.5, and are rounded to even.
    found = choose_factors(group, x, w, 0.5, is_real=True)
    assert np.allclose(np.log2(found), [0.5, -1.5, 0.5, 0, -0.5])
    found = choose_factors(group, x, w, 0.5, is_real=False)
    assert np.log2(found).tolist() == [0, -2, 0, 0, 0]
    assert choose_factors(group, 0 * x, w, 0.5, is_real=False).tolist() == [1] * 5
    ones = Group(("x",), 5, (), np.arange(5), "norm", None)
    # With alpha 1 activations alone count, and with 0 weights alone.
    assert np.log2(choose_factors(ones, x, w, 1, is_real=False)).tolist() == [-2, 0, 2, 0, 0]
    assert np.log2(choose_factors(ones, x, w, 0, is_real=False)).tolist() == [0, -2, 2, 0, 0]


def test_other_steps_come_first(tmp_path: Path) -> None:
    """The data is that of the model which the steps before make: it lacks the prefix."""
    ids, target = text_ids(), tmp_path / "out.onnx"
    data = save_tokens(tmp_path / "tokens.npz", ids[:, 1:])
    steps = [("absorb-prefix", {"ids": "256"}), ("smooth", {"data": data})]
    said = basin.rewrite(SMALL, target, steps)
    assert said[-1].startswith("remark: after the prefix of 1, ")
    metadata = {one.key: one.value for one in onnx.load(target).metadata_props}
    names = [step["step"] for step in json.loads(metadata["basin.steps"])]
    assert names == ["absorb-prefix", "smooth"]


@pytest.mark.parametrize("first", ["insert-gated-attention", "insert-gated-norm", "rotate"])
def test_parameters_of_other_steps_are_matrices(first: str, tmp_path: Path) -> None:
    """The proof compares bits, and what a rotation leaves is compared except for rounding."""
    data = save_tokens(tmp_path / "tokens.npz", text_ids(2))
    said = basin.rewrite(SMALL, tmp_path / "out.onnx", [first, ("smooth", {"data": data})])
    assert not any("left as it is" in line for line in said)
    names = ("norm", "gate_weight") if first == "insert-gated-attention" else ("MatMul",)
    plain = tmp_path / "plain.onnx"
    basin.rewrite(SMALL, plain, [first])
    before, after = (
        {one.name: one.raw_data for one in onnx.load(path).graph.initializer}
        for path in (plain, tmp_path / "out.onnx")
    )
    assert before.keys() == after.keys()
    changed = [one for one in before if before[one] != after[one]]
    assert any(name in one for name in names for one in changed)


def test_groups_are_chosen_by_name(tmp_path: Path) -> None:
    path = EXPORTED / "llama-eager-dynamo18.onnx"
    every = {one.name for one in find_groups(path, tmp_path).groups}
    some = {one.name for one in find_groups(path, tmp_path, "groups=view*").groups}
    assert some == {name for name in every if name.startswith("view")} and 0 < len(some) < 9


# Errors


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "expected one of the options 'stats' and 'data'"),
        ({"alpha": "1.5"}, "option 'alpha': expected a number from 0 to 1, or search, but got"),
        ({"alpha": "nan"}, "option 'alpha': expected a number from 0 to 1"),
        ({"alpha": "most"}, "option 'alpha': expected a number from 0 to 1"),
        ({"alpha": "search"}, "a search needs 'data' to measure errors on"),
        ({"data": "D", "stats": "D"}, "expected one of the options 'stats' and 'data'"),
        ({"data": "D", "scheme": "nvfp4"}, "option 'scheme' is for alpha=search alone"),
        ({"data": "D", "factors": "odd"}, "option 'factors': expected 'power-of-two' or 'real'"),
        ({"data": "D", "groups": "nothing"}, None),
    ],
)
def test_wrong_options(options: dict[str, str], reason: str | None, tmp_path: Path) -> None:
    data = save_tokens(tmp_path / "tokens.npz", text_ids(1))
    given = {name: data if value == "D" else value for name, value in options.items()}
    target = tmp_path / "out.onnx"
    if reason is None:
        said = basin.rewrite(SMALL, target, [("smooth", given)])
        assert said == ["warning: smooth: no value can be smoothed: nothing was changed"]
        return
    with pytest.raises(basin.BasinError, match=reason):
        basin.rewrite(SMALL, target, [("smooth", given)])
    assert not target.exists()


def test_a_file_that_has_no_statistics(tmp_path: Path) -> None:
    data = save_tokens(tmp_path / "tokens.npz", text_ids(1))
    with pytest.raises(AnalysisError, match="not JSON"):
        basin.rewrite(SMALL, tmp_path / "out.onnx", [("smooth", {"stats": data})])


def test_statistics_of_another_model_are_refused(tmp_path: Path) -> None:
    data = save_tokens(tmp_path / "tokens.npz", text_ids(1) % 64)
    other = ROOT / "models" / "bigram-backcopy.onnx"
    options = ["--data", data, "--stats", "s.json", "--taps", "norm"]
    done = command(tmp_path, "analyze", other, *options)
    assert done.returncode == 0, done.stderr
    with pytest.raises(basin.BasinError, match="has no projection that this model can smooth"):
        basin.rewrite(SMALL, tmp_path / "o.onnx", [("smooth", {"stats": tmp_path / "s.json"})])
