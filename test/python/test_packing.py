"""Long lists of a statistics file are packed without a loss, and small enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from basin.analysis import AnalysisError, packing, stats
from basin.analysis.exact import ExactSum

RNG = np.random.default_rng(0)
SUM = ExactSum((100,))
SUM.add(RNG.random((5, 100)))


@pytest.mark.parametrize(
    "values",
    [
        RNG.standard_normal(100).tolist(),
        [0.0, -0.0, 5e-324, 1.7976931348623157e308, None] * 20,
        list(range(-50, 50)),
        [2**62, -(2**63)] * 40,
        RNG.standard_normal((8, 9)).tolist(),
        [[None, 1.0]] * 40,
        SUM.to_json(),
        {"a": [{"b": [1.0] * 64}, "text", None, True]},
    ],
)
def test_what_is_packed_comes_back(values):
    packed = json.loads(json.dumps(packing.pack(values), allow_nan=False))
    found = packing.unpack(packed)
    assert json.dumps(found) == json.dumps(values)
    assert packed != values


@pytest.mark.parametrize(
    "values",
    [[1.0] * 63, [], [1, 2.0] * 40, [True] * 80, ["x"] * 80, [[1.0], 2.0] * 40, [2**63] * 80],
)
def test_other_lists_stay(values):
    assert packing.pack(values) == values


@pytest.mark.parametrize(
    "change",
    [
        {"f8": "%"},
        {"f8": 3},
        {"shape": [63]},
        {"shape": [65]},
        {"shape": [-1]},
        {"shape": [1 << 40]},
        {"shape": [64, 64, 64]},
        {"shape": "x"},
        {"shape": []},
    ],
)
def test_broken_lists_are_refused(change, tmp_path: Path):
    packed = packing.pack([1.5] * 64) | change
    with pytest.raises(ValueError):
        packing.unpack({"a": [packed]})
    (tmp_path / "a.json").write_text(json.dumps({"metrics": packed}))
    with pytest.raises(AnalysisError, match=r"a\.json"):
        stats.read(tmp_path / "a.json")


def test_rewrites_read_plain_lists(tmp_path: Path):
    """Lists of the accumulators are not written twice."""
    maxima = {"max_abs": [1.0] * 100}
    document = {
        "residual_streams": [maxima],
        "accumulators": [{"sum": [3.0] * 100}],
        "metrics": {"residual": [{"havg": [2.0] * 100, "top": [1.0]}]},
    }
    stats.write(document, tmp_path / "a")
    written = json.loads((tmp_path / "a").read_text())
    assert written["residual_streams"] == [maxima]
    assert set(written["accumulators"][0]["sum"]) == {"f8", "shape"}
    assert written["metrics"] == {"residual": [{"havg": stats.DERIVED, "top": [1.0]}]}


@pytest.mark.parametrize("other", [{"a": []}, {"b": [1.0]}, [], {"a": "x"}])
def test_other_metrics_than_the_accumulators_are_refused(other):
    with pytest.raises(ValueError, match="do not match the accumulators"):
        packing.fill_marks({"a": [stats.DERIVED]}, stats.DERIVED, other)
