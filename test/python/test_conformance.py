"""The ONNX standard's own test models, through import and export.

The counts go to build/conformance.json (or the file of --conformance-json) and to the output.
"""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import onnx
import pytest
from conformance import KINDS, Results, conform, find_round_trip, load_cases

ROOT = Path(__file__).resolve().parents[2]

# Cases that may fail, with the reason. One that passes again must leave this table.
EXCEPTIONS: dict[str, str] = {}

_totals: dict[str, Results] = {}


@pytest.fixture(scope="module")
def round_trip():
    """The compiler's round trip, or a skip that says what is missing."""
    found = find_round_trip(ROOT)
    if found is None:
        pytest.skip("neither basin.roundtrip nor basin-translate is available")
    return found


@pytest.fixture(scope="module", autouse=True)
def record(request):
    """Write the counts of all kinds that ran."""
    yield
    if not _totals:
        return
    path = Path(request.config.getoption("--conformance-json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = Results()
    for results in _totals.values():
        whole.add(results)
    content = {kind: asdict(results) for kind, results in _totals.items()}
    content = {"exceptions": EXCEPTIONS, "all": asdict(whole), **content}
    path.write_text(json.dumps(content, indent=1) + "\n")


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind, round_trip, tmp_path, capsys):
    results = conform(load_cases(kind), round_trip, tmp_path)
    _totals[kind] = results
    with capsys.disabled():
        print(f"\n{kind}: {results.summary()}")
    unexpected = {k: v for k, v in results.failures.items() if k not in EXCEPTIONS}
    first = itertools.islice(unexpected.items(), 30)
    text = "\n".join(f"{name}: {reason}" for name, reason in first)
    assert not unexpected, f"{len(unexpected)} of {results.total} failed\n{text}"
    assert results.total > 0


def _some_cases():
    return itertools.islice(load_cases("pytorch-operator"), 6)


def test_the_harness_accepts_a_copy(tmp_path):
    results = conform(_some_cases(), lambda a, b: shutil.copy(a, b), tmp_path)
    assert not results.failures
    assert results.total == results.equal == results.equal_with_presence == 6
    assert results.ort_compared == results.ort_identical > 0


def test_the_harness_refuses_a_changed_graph(tmp_path):
    def rename(source: str, target: str) -> None:
        model = onnx.load(source)
        model.graph.node[0].name = "renamed"
        onnx.save(model, target)

    results = conform(_some_cases(), rename, tmp_path)
    assert results.equal == 0 and len(results.failures) == 6
    assert "renamed" in next(iter(results.failures.values()))


def test_the_harness_reports_a_compiler_that_raises(tmp_path):
    def refuse(source: str, target: str) -> None:
        raise ValueError("expected an op, but got none")

    results = conform(_some_cases(), refuse, tmp_path)
    reason = next(iter(results.failures.values()))
    assert reason == "round trip: expected an op, but got none"
    assert results.total == 6 and results.equal == 0
