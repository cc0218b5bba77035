"""Accumulators and metrics: merging must not change them, and every figure is numpy's."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import synthetic_taps as synthetic
from basin.analysis import AnalysisError
from basin.analysis.accumulate import Accumulator, by_tap
from basin.analysis.accumulate_tokens import histogram_medians
from basin.analysis.batch import Batch
from basin.analysis.cells import UNKNOWN, Best, TokenMaximum
from basin.analysis.metrics import derive
from basin.analysis.streams import absorb_exponents, rescale_exponent
from basin.testbed import measure
from hypothesis import given, settings
from hypothesis import strategies as st

ALL = list(range(synthetic.COUNT))
PARTS = [synthetic.sequence(index) for index in ALL]
# Outputs are f32 sums; the references here are sums of f64 over the same f32 activations.
CLOSE = 2e-6


def state(accumulators: list[Accumulator]) -> str:
    """The whole state of accumulators, as text."""
    return json.dumps([one.to_json() for one in accumulators], allow_nan=False)


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    """The figures of all sequences in three batches."""
    batches = [synthetic.batch_of(ALL[i : i + 4]) for i in (0, 4, 8)]
    return derive(synthetic.accumulated(*batches), 64, {1: "<s>"})


# Merging


@given(st.permutations(ALL), st.lists(st.integers(1, 11), max_size=3))
@settings(max_examples=10, deadline=None)
def test_files_batches_and_order_do_not_show(order, cuts):
    whole = synthetic.accumulated(synthetic.batch_of(ALL))
    edges = [0, *sorted(set(cuts)), len(order)]
    merged = by_tap(synthetic.SETTINGS)
    for start, stop in zip(edges, edges[1:]):
        part = synthetic.accumulated(synthetic.batch_of(order[start:stop]))
        stored = by_tap(synthetic.SETTINGS)
        for one, other, text in zip(merged, stored, part):
            other.load(json.loads(json.dumps(text.to_json(), allow_nan=False)))
            one.merge(other)
    assert state(merged) == state(whole)
    assert json.dumps(derive(merged, 64, {})) == json.dumps(derive(whole, 64, {}))


def test_padding_does_not_show():
    """Neither the side nor the length of padding changes a figure, though its values are large."""
    right = synthetic.accumulated(synthetic.batch_of(ALL))
    left = synthetic.accumulated(synthetic.batch_of(ALL, left=True))
    longer = synthetic.accumulated(synthetic.batch_of(ALL, length=synthetic.LENGTH + 9))
    assert state(right) == state(longer)
    # With padding on the left, the first 64 queries and keys contain fewer tokens. All other
    # figures are the same.
    windowed = {"alpha", "alpha_queries", "ids", "sinks", "heaviest", "tokens_seen", "map"}
    for one, other in zip(right, left):
        mine, theirs = one.to_json(), other.to_json()
        for name in mine.keys() - windowed:
            assert mine[name] == theirs[name], name


def test_inserted_tokens_are_no_padding():
    """The streams have a token more than the batch: which tokens are padding is not known."""
    accumulator = by_tap(synthetic.SETTINGS)[0]
    whole, part = synthetic.batch_of([0]), synthetic.batch_of([0], length=synthetic.LENGTH)
    length = int(whole.batch.mask.sum())
    shorter = Batch.of(whole.batch.ids[:, : length - 1])
    accumulator.update(synthetic.batch_of([0], length=length).outputs(), shorter)
    assert accumulator.to_json()["tokens"] == length
    mask = np.arange(length - 1)[None] < 5
    with pytest.raises(AnalysisError, match="which of them are padding is not known"):
        accumulator.update(part.outputs(), Batch.of(shorter.ids, mask))


def test_first_token_is_the_first_real_one():
    """If padding on the left is shorter than the window, position 0 still is that of BOS."""
    one = synthetic.batch_of(ALL[:4], left=True)
    residual = synthetic.accumulated(one)[1]
    assert residual.largest.record["position"] == 0
    assert residual.largest.record["id"] == 1
    attention = synthetic.accumulated(one)[4]
    assert attention.alpha.value()[0, 0] > 0.9
    assert attention.value_ratio.value()[0] < 0.1


def test_outputs_without_elements_are_skipped():
    accumulators = by_tap(synthetic.SETTINGS)
    one = synthetic.batch_of([0, 1])
    for accumulator in accumulators:
        empty = {name: np.zeros((0, 0)) for name in accumulator.tap["outputs"].values()}
        accumulator.update(empty, one.batch)
    assert state(accumulators) == state(by_tap(synthetic.SETTINGS))
    assert derive(accumulators, 64, {})["residual"] == []


def test_nonfinite_sequences_are_counted_and_left_out():
    one = synthetic.batch_of([0, 1, 2])
    outputs = one.outputs()
    outputs["basin.1.max_abs"][1, 0] = np.inf
    outputs["basin.4.entropy"][2, 0] = np.nan
    accumulators = by_tap(synthetic.SETTINGS)
    for accumulator in accumulators:
        accumulator.update(outputs, one.batch)
    assert [int(a.nonfinite.value) for a in accumulators] == [0, 1, 0, 0, 1]
    clean = synthetic.accumulated(synthetic.batch_of([0, 2]))[1].to_json()
    assert accumulators[1].to_json() == clean | {"nonfinite": 1}
    json.dumps(derive(accumulators, 64, {}), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: one.pop("rest"), "tap 1, 'rest': no 'rest'"),
        (lambda one: one["abs"]["sum"].pop(), "expected 24 sums, but got 23"),
        (lambda one: one.update(histogram=[1.5]), "whole numbers"),
        (lambda one: one.update(kind="norm"), "expected kind 'residual'"),
        (lambda one: one.update(ratio={"ratio": 1}), "expected the fields"),
        (lambda one: one["ratio"].update(median="x"), "'ratio': expected numbers"),
    ],
)
def test_states_that_do_not_fit_are_refused(change, reason):
    value = copy.deepcopy(synthetic.accumulated(synthetic.batch_of([0]))[1].to_json())
    change(value)
    with pytest.raises(AnalysisError, match=reason):
        by_tap(synthetic.SETTINGS)[1].load(value)


def test_rows_that_are_no_sequences():
    """A tap of flat rows: its rows are the tokens of the batch, and each counts as one sequence."""
    settings_ = copy.deepcopy(synthetic.SETTINGS)
    entry = settings_["taps"][2] | {"batched": False}
    settings_["taps"] = [entry]
    indices = [i for i in ALL if len(PARTS[i]["ids"]) == len(PARTS[0]["ids"])] or [0]
    length = len(PARTS[0]["ids"])
    one = synthetic.batch_of(indices, length=length)
    flat = one.hidden.reshape(1, -1, synthetic.DIM)
    keep = np.ones(flat.shape[:2], bool)
    values = synthetic.reference_taps.projection(flat, keep, synthetic.SETTINGS)
    (accumulator,) = by_tap(settings_)
    outputs = {entry["outputs"][name]: np.asarray(value) for name, value in values.items()}
    accumulator.update(outputs, one.batch)
    (expected,) = [a for a in synthetic.accumulated(one) if a.tap["kind"] == "projection"]
    assert float(accumulator.token_ratio.value()) == pytest.approx(
        float(expected.token_ratio.value()), rel=CLOSE
    )
    assert int(accumulator.sequences.value) == 1
    np.testing.assert_allclose(accumulator.max_abs.value(), expected.max_abs.value(), rtol=CLOSE)


@given(st.permutations([(2.0, 3, 7), (2.0, 1, 9), (2.0, 1, 8), (1.0, 0, 0), (2.0, UNKNOWN, 1)]))
def test_of_equal_values_the_first_position_and_least_id_win(tokens):
    maximum, best = TokenMaximum(1), Best("value", "position", "id")
    for value, position, id in tokens:
        maximum.add(np.array([[value]]), np.array([[position]]), np.array([[id]]))
        best.add(value, position, id)
    assert maximum.to_json() == {"max_abs": [2.0], "position": [1], "id": [8]}
    assert best.record == {"value": 2.0, "position": 1, "id": 8}


# Figures


def test_residual_figures(metrics):
    for layer, found in enumerate(metrics["residual"]):
        hidden = [part["x"][layer].astype(np.float64) for part in PARTS]
        a = [np.abs(h) for h in hidden]
        assert found["max_abs"] == max(one.max() for one in a)
        kurtosis = [((h - h.mean()) ** 4).mean() / h.var() ** 2 for h in hidden]
        assert found["kurtosis"] == pytest.approx(np.mean(kurtosis), rel=CLOSE)
        assert found["max_kurtosis"] == pytest.approx(max(kurtosis), rel=CLOSE)
        assert found["infinity_norm"] == pytest.approx(np.mean([x.max() for x in a]), rel=CLOSE)
        everything = np.concatenate(a)
        np.testing.assert_allclose(found["havg"], everything.mean(0), rtol=CLOSE)
        s2 = (everything**2).mean(0)
        assert found["neuron_kurtosis"] == pytest.approx((s2**2).mean() / s2.mean() ** 2, rel=CLOSE)
        peaks = [measure.first_to_others(h[None]) for h in hidden]
        assert found["peak"] == pytest.approx(np.mean(peaks), rel=CLOSE)
        for position in range(8):
            expected = max(one[position].max() for one in a)
            assert found["first_positions"][position] == pytest.approx(expected, rel=CLOSE)
        assert found["other_positions"] == pytest.approx(max(x[8:].max() for x in a), rel=CLOSE)
        assert sum(found["histogram"]["counts"]) == everything.size
        tops = [entry["dim"] for entry in found["top"]]
        assert tops == np.argsort(-everything.max(0))[:5].tolist()


def test_massive_activation(metrics):
    hidden = [part["x"] for part in PARTS]
    largest = max(ALL, key=lambda i: float(np.abs(hidden[i]).max()))
    expected = measure.massive_activation([h[None] for h in hidden[largest]])
    found = metrics["massive"]
    assert found["max_abs"] == expected.largest
    assert (found["layer"], found["place"], found["dim"]) == (1, "mlp", synthetic.MASSIVE_DIM)
    assert found["token"] == {"position": 0, "id": 1, "text": "<s>"}
    assert found["is_massive"] and expected.is_massive
    # Each octave has four bins, and the median is interpolated inside one.
    assert found["median"] == pytest.approx(expected.median, rel=0.05)
    assert [one["massive"] for one in metrics["residual"]] == [False, True]


def test_stream_and_its_sink(metrics):
    (found,) = metrics["streams"]
    (sink,) = found["residual_sinks"]
    assert sink["dim"] == synthetic.SINK_DIM
    rest = np.zeros(synthetic.DIM)
    for layer in range(2):
        tops = [np.sort(np.abs(part["x"][layer]), axis=0) for part in PARTS]
        rest += np.concatenate([one[:-1] for one in tops]).astype(np.float64).mean(0) / 2
    assert sink["to_median"] == pytest.approx(rest.max() / np.median(rest), rel=CLOSE)
    assert sink["presence"] > 0.95
    assert sink["weights"] == [
        {
            "layer": 1,
            "place": "final",
            "weight": pytest.approx(0.01),
            "to_median": pytest.approx(0.02),
        }
    ]
    # The massive activation is larger than the sink on average as well, but it is no residual sink.
    assert found["order"][0] == synthetic.MASSIVE_DIM
    assert found["max_abs"] == metrics["massive"]["max_abs"]
    assert metrics["norms"][0]["suppressed"][0]["dim"] == synthetic.MASSIVE_DIM


def test_presence_is_the_share_of_tokens_that_carry_a_dimension():
    """If f32 lost all but the largest token, that one counts. Otherwise it is left out."""
    (part,) = [synthetic.sequence(3)]
    found = synthetic.accumulated(synthetic.batch_of([3]))[1].presence.value()
    a = np.sort(np.abs(part["x"][1].astype(np.float64)), axis=0)
    expected = a[:-1].sum(0) ** 2 / ((len(a) - 1) * (a[:-1] ** 2).sum(0))
    spike = synthetic.MASSIVE_DIM
    expected[spike] = a[:, spike].sum() ** 2 / (len(a) * (a[:, spike] ** 2).sum())
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found[spike] < 0.05


def test_a_few_massive_tokens_are_no_residual_sink():
    """With two equal spikes in a sequence, the mean without the largest still is too high."""
    one = synthetic.batch_of(ALL)
    one.residual[1][:, 9, synthetic.MASSIVE_DIM] = 3900
    found = derive(synthetic.accumulated(one), 64, {})["streams"][0]
    assert [sink["dim"] for sink in found["residual_sinks"]] == [synthetic.SINK_DIM]


def test_attention_figures(metrics):
    (found,) = metrics["attention"]
    first, full, masses = [], [], []
    for part in PARTS:
        p = part["p"].astype(np.float64)[None]
        first.append(measure.sink_importance(p[:, :, :64, :64])[0, :, 0])
        full.append(measure.sink_importance(p)[0])
        masses.append(p[0, :, 1:, 0].mean(-1))
    np.testing.assert_allclose(found["alpha_first"], np.mean(first, axis=0), rtol=CLOSE)
    np.testing.assert_allclose(found["first_token_mass"], np.mean(masses, axis=0), rtol=1e-5)
    for eps in (0.1, 0.2, 0.3):
        expected = measure.sink_rate(np.array(first), eps)
        assert found["sink_rate"][f"{eps}"] == metrics["sinks"]["sink_rate"][f"{eps}"] == expected
    logits = [np.where(np.tril(s), s, -9e9).max((1, 2)) for s in (p["scores"] for p in PARTS)]
    np.testing.assert_allclose(found["max_logit"], np.max(logits, axis=0), rtol=CLOSE)
    for name, key in (("value_ratio", "values"), ("key_ratio", "keys")):
        ratios = [measure.first_to_others(part[key][None]) for part in PARTS]
        np.testing.assert_allclose(found[name], np.mean(ratios, axis=0), rtol=CLOSE)
    maps = np.mean([part["p"][:, :16, :16].mean(0, dtype=np.float64) for part in PARTS], axis=0)
    # The map of each sequence is rounded to 2^-16.
    np.testing.assert_allclose(found["map"], maps, rtol=0, atol=2**-17 + 1e-7)
    entropies = [
        -(part["p"] * np.log(np.where(part["p"] > 0, part["p"], 1))).sum(-1).mean(-1)
        for part in PARTS
    ]
    np.testing.assert_allclose(found["entropy"], np.mean(entropies, axis=0), rtol=1e-5)


def test_sink_tokens(metrics):
    """Head 0 looks at the first token, head 1 at position 4 for any token."""
    heaviest = metrics["attention"][0]["heaviest"]
    assert heaviest[0]["token"] == {"position": 0, "id": 1, "text": "<s>"}
    assert heaviest[1]["token"] == {"position": 4, "id": None, "text": None}
    rates = metrics["sinks"]
    assert (rates["sink_rate"]["0.3"], rates["heaviest_rate"]["0.3"]) == (25, 50)
    top = rates["tokens"][0]
    assert top["token"]["position"] == 0
    assert (top["count"], top["share"]) == (12, 0.25)
    assert {one["token"]["position"] for one in rates["tokens"]} == {0, 4}


def test_projection_figures(metrics):
    (found,) = metrics["projections"]
    hidden = [np.abs(part["hidden"].astype(np.float64)) for part in PARTS]
    ratios = [h.max(1) / np.median(h.max(1)) for h in hidden]
    assert found["token_ratio"] == pytest.approx(max(map(np.max, ratios)), rel=CLOSE)
    assert found["outlier_tokens"] == np.mean([(r > 64).sum() for r in ratios]) > 0
    assert found["channel"] == synthetic.OUTLIER_CHANNEL
    np.testing.assert_allclose(found["channel_max"], np.concatenate(hidden).max(0), rtol=CLOSE)


def test_outlier_features_need_both_shares():
    """LLM.int8: one token in 60 at 6 is no outlier, a channel at 6 in a tenth of the tokens is."""
    one = synthetic.batch_of(ALL)
    one.hidden[:, ::10, 11] = 6.0
    (found,) = derive(synthetic.accumulated(one), 64, {})["outlier_features"]
    mask = one.batch.mask
    expected = (np.abs(one.hidden[..., 11]) >= 6)[mask].mean()
    assert found == {"dim": 11, "layers": 1.0, "positions": pytest.approx(expected)}


def test_norm_figures(metrics):
    (found,) = metrics["norms"]
    x = np.concatenate([part["x"][1] for part in PARTS]).astype(np.float64)
    y = np.concatenate([part["hidden"] for part in PARTS]).astype(np.float64)
    share = np.abs(x).max(1) / np.linalg.norm(x, axis=1)
    assert found["share"] == pytest.approx(share.mean(), rel=CLOSE)
    rms = np.sqrt((y**2).mean(1))
    assert found["output_rms"] == pytest.approx(rms.mean(), rel=CLOSE)
    assert found["weight_median"] == 0.5
    # The outlier token was put in after the norm. It exceeds the bound, and tightness shows it.
    assert found["tightness"] > 1


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60))
def test_medians_of_histograms(values):
    bins = synthetic.SETTINGS["histogram"]
    x = np.array(values)
    keep = np.ones((1, 1), bool)
    counts = synthetic.reference_taps.histogram(x[None, None], keep, bins)
    (median,) = histogram_medians(counts, bins)
    low, high = np.sort(x)[[(len(x) - 1) // 2, len(x) // 2]]
    assert low / 2**0.26 <= median <= high * 2**0.26


def test_choices_of_the_passes():
    """Computed by hand: the median is the upper of the middle two, halves of powers round up."""
    assert absorb_exponents(np.array([1.0, 2.0, 4.0, 16.0])).tolist() == [0, 0, 0, 2]
    assert absorb_exponents(np.array([1.0, 1.0, 1.0, 1.4, 1.5])).tolist() == [0, 0, 0, 0, 1]
    assert math.log2(2**1.5) == 1.5
    assert absorb_exponents(np.array([1.0, 1.0, 2**1.5])).tolist() == [0, 0, 2]
    assert absorb_exponents(np.array([0.0, 0.0, 0.0, 7.0])).tolist() == [0, 0, 0, 0]
    assert [rescale_exponent(x) for x in (16376.0, 16376.1, 32752.0, 32753.0)] == [0, 1, 1, 2]
