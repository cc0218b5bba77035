"""What `basin analyze` says about f16 models: norms after casts, squares, what auto does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from token_models import LAYERS, cast_in_norm, language_model, own_norm

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis import run  # noqa: E402
from basin.analysis.data import random_tokens  # noqa: E402
from basin.report import findings, heat_maps, values  # noqa: E402
from basin.report.findings import Verdict  # noqa: E402


def measured(path: Path, length: int = 6) -> dict[str, Any]:
    return run.analyze(path, random_tokens(4, 32, length)).document()


def finding(stats: dict[str, Any], ident: str) -> findings.Finding:
    return next(one for one in findings.find(values.clean(stats)) if one.id == ident)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("norm", [cast_in_norm, own_norm])
def test_norms_belong_to_their_stream(norm, dtype, tmp_path):
    stats = measured(language_model(tmp_path / "m.onnx", norm, dtype))
    (stream,) = stats["metrics"]["streams"]
    assert len(stream["norms"]) == LAYERS + 1
    (sink,) = stream["residual_sinks"]
    assert sink["dim"] == 3 and len(sink["weights"]) == LAYERS + 1
    grid = next(g for g in heat_maps.all_grids(stats["metrics"]) if g.id == "norm-weights")
    assert len(grid.rows) == LAYERS + 1
    assert stream["type"] == ("f16" if dtype == np.float16 else "f32")


# The largest value is 8 times the size or a little more.
@pytest.mark.parametrize(
    "norm, size, verdict",
    [
        (own_norm, 2.0, Verdict.NONE),
        (own_norm, 20.0, Verdict.WEAK),
        (own_norm, 50.0, Verdict.FOUND),
        # With squares in f32 only the stream itself counts.
        (cast_in_norm, 50.0, Verdict.NONE),
        (cast_in_norm, 6000.0, Verdict.WEAK),
    ],
)
def test_squares_count_where_norms_work_in_f16(norm, size, verdict, tmp_path):
    stats = measured(language_model(tmp_path / "m.onnx", norm, np.float16, size))
    one = finding(stats, "f16-headroom")
    assert one.verdict is verdict
    (stream,) = stats["metrics"]["streams"]
    assert stream["f16_norms"] == (LAYERS + 1 if norm is own_norm else 0)
    assert any(figure.name.startswith("255.9") for figure in one.figures) is (norm is own_norm)
    if verdict is Verdict.FOUND:
        assert "square it in f16" in one.headline
        # auto would do nothing. The k that is recommended keeps the squares.
        k = stream["rescale_squares"]
        assert stream["rescale"] == 0 < k
        assert stream["max_abs"] / 2**k <= 255.93 < stream["max_abs"] / 2 ** (k - 1)
        assert f"rescale-residual k={k}" in one.treatments[0].command


def test_what_auto_would_do_is_told_with_its_reason(tmp_path):
    stats = measured(language_model(tmp_path / "m.onnx", cast_in_norm, np.float16, 6000.0))
    figure = next(
        f for f in finding(stats, "f16-headroom").figures if "rescale-residual" in f.name
    )  # fmt: skip
    assert figure.value == "2" and "at most 16376, a quarter of 65504" in figure.against
    stats = measured(language_model(tmp_path / "m.onnx", cast_in_norm, np.float32, 50.0))
    one = finding(stats, "f16-headroom")
    figure = next(f for f in one.figures if "rescale-residual" in f.name)
    assert figure.value == "0" and figure.against.startswith("0, nothing to do")
    assert any("keep norms in f32" in text for text in one.details)
    assert "The stream itself fits f16" in one.headline and "squares would not" in one.headline


def test_an_overflow_is_found_not_unmeasured(tmp_path):
    """Table entries of dimension 3 are 72000: infinity in f16, in every sequence."""
    with np.errstate(over="ignore"):
        stats = measured(language_model(tmp_path / "m.onnx", cast_in_norm, np.float16, 9000.0))
    one = finding(stats, "f16-headroom")
    assert one.verdict is Verdict.FOUND
    assert "NaN or infinity in 4 of 4 sequences, first after embedding" in one.headline
    one = finding(stats, "residual-sinks")
    assert one.verdict is Verdict.UNKNOWN and "NaN or infinity in every sequence" in one.headline


def test_nothing_is_not_found_that_was_not_measured(tmp_path):
    """Sequences of one token have no dimension to compare without their largest token."""
    stats = measured(language_model(tmp_path / "m.onnx"), length=1)
    assert finding(stats, "residual-sinks").verdict is Verdict.UNKNOWN
    one = finding(stats, "attention-sinks")
    assert one.verdict is Verdict.UNKNOWN and one.headline == "No attentions were recognized."


def test_not_found_speaks_of_what_was_measured():
    metrics = {
        "outlier_features": [],
        "coverage": {"projection": {"taps": 5, "measured": 3, "reasons": ["its rank"]}},
    }
    one = finding({"metrics": metrics}, "outlier-features")
    assert one.verdict is Verdict.NONE
    assert one.headline.endswith(", in 3 of 5 inputs of matrices that were measured.")
    assert one.details == ["Measured: 3 of 5 inputs of matrices: its rank."]
