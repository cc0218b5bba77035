"""The search for alphas of `smooth`, against the testbed's own quantizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import smooth_search  # noqa: E402
from basin.errors import VerifyError  # noqa: E402
from basin.smooth_model import Group, Observed  # noqa: E402
from basin.testbed import quantize  # noqa: E402
from basin.testbed.plant import plant_file  # noqa: E402
from smooth_models import EXPORTED, SMALL, quantized_kl, save_tokens, text_ids  # noqa: E402

WORDS = {"int8-token": "INT8 W8A8", "nvfp4": "NVFP4 W4A4"}


def error_of(x: np.ndarray, matrix: np.ndarray, s: np.ndarray) -> float:
    """||Q(X / s) Q(s W) - X W||^2 in INT8, written once more."""
    s = s.astype(np.float32)
    got = quantize.integer(x / s, 8) @ quantize.integer(matrix * s, 8).T
    return float(np.square((got - x @ matrix.T).astype(np.float64)).sum())


@pytest.mark.parametrize("is_real", [False, True])
def test_the_best_of_all_candidates_is_chosen(
    is_real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basin.smoothing import choose_factors

    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 32)).astype(np.float32)
    x[:, 3] *= 100
    matrix = rng.standard_normal((24, 32)).astype(np.float32)
    group = Group(("x",), 32, (), np.arange(32), "norm", None)
    observed = Observed(np.abs(x).max(axis=0), [x])
    best = smooth_search.find_best(group, observed, [matrix], "int8-token", is_real)
    weights = np.abs(matrix).max(axis=0)
    errors = {
        alpha: error_of(
            x,
            matrix,
            choose_factors(group, observed.max_abs, weights, alpha, is_real),
        )
        for alpha in smooth_search._ALPHAS
    }
    plain = error_of(x, matrix, np.ones(32))
    assert best.error == pytest.approx(min(errors.values())) and best.error < plain / 40
    assert errors[best.alpha] == min(errors.values()) and best.plain == pytest.approx(plain)
    # A scheme that rounds nothing keeps no factors.
    monkeypatch.setattr(smooth_search, "fake_quantize", lambda x, *_: x)
    none = smooth_search.find_best(group, observed, [matrix], "int8-token", is_real=False)
    assert none.alpha is None and (none.factors == 1).all()


@pytest.mark.parametrize("factors", ["power-of-two", "real"])
@pytest.mark.parametrize("scheme", ["int8-token", "nvfp4"])
def test_a_search_undoes_a_planted_outlier(scheme: str, factors: str, tmp_path: Path) -> None:
    planted, target, ids = tmp_path / "planted.onnx", tmp_path / "out.onnx", text_ids()
    plant_file(SMALL, planted, 17, 8)
    data = save_tokens(tmp_path / "tokens.npz", ids)
    options = {"alpha": "search", "scheme": scheme, "data": data, "factors": factors}
    said = basin.rewrite(planted, target, [("smooth", options)])
    clean, before, after = (
        quantized_kl(one, WORDS[scheme], ids) for one in (SMALL, planted, target)
    )
    assert before > 2 * clean
    assert after <= 2 * clean
    (line,) = (line for line in said if "the mean KL of the logits falls from" in line)
    stated = [float(word) for word in line.split() if word.replace(".", "").isdigit()]
    # What the search measured is what the quantized models have.
    assert stated[0] == pytest.approx(before, rel=1e-2)
    assert stated[1] == pytest.approx(after, rel=1e-2)
    assert sum(": alpha " in line or ": no factors" in line for line in said) == 17


def test_factors_that_lower_no_divergence_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, target = save_tokens(tmp_path / "tokens.npz", text_ids(2)), tmp_path / "out.onnx"
    options = {"alpha": "search", "scheme": "nvfp4", "data": data}
    # Without factors, with all of them, with the half and the quarter that gain most.
    found = iter([0.375, 0.5, 0.5, 0.25])
    monkeypatch.setattr(smooth_search, "measure_divergence", lambda *_: next(found))
    said = basin.rewrite(SMALL, target, [("smooth", options)])
    assert next(found, None) is None
    used = sum(": alpha " in line for line in said)
    left = sum(": no factors, though alpha " in line for line in said)
    assert used == (used + left) // 4 > 0
    assert any(f"{left} groups with small gains were left out" in line for line in said)

    monkeypatch.setattr(smooth_search, "measure_divergence", lambda *_: 0.5)
    said = basin.rewrite(SMALL, target, [("smooth", options)])
    assert any("no factors: with nvfp4 the mean KL of the logits is 0.5 nats" in x for x in said)


def test_a_model_without_logits_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> float:
        raise VerifyError("no output is known to be logits")

    monkeypatch.setattr(smooth_search, "measure_divergence", fail)
    data = save_tokens(tmp_path / "tokens.npz", text_ids(2))
    options = {"alpha": "search", "scheme": "nvfp4", "data": data}
    said = basin.rewrite(SMALL, tmp_path / "out.onnx", [("smooth", options)])
    assert any("not measured with nvfp4: no output is known to be logits" in x for x in said)


def test_gated_and_grouped_exports(tmp_path: Path) -> None:
    """Shared values, packed projections and Gemms: products are found again by their results."""
    for stem in ("llama-eager-script17", "gpt2-sdpa-script17", "qwen3-eager-dynamo18"):
        path, target = EXPORTED / f"{stem}.onnx", tmp_path / "out.onnx"
        inputs = EXPORTED / f"{stem}.inputs.npz"
        options = {"alpha": "search", "scheme": "int8-token", "data": inputs}
        said = basin.rewrite(path, target, [("smooth", options)])
        assert not any("was not measured" in line for line in said), said
