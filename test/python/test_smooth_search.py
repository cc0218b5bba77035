"""The search for alphas of `smooth`, with the testbed's quantizers in place of the compiler's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import smooth_search  # noqa: E402
from basin.smooth_model import Group, Observed  # noqa: E402
from basin.testbed import quantize  # noqa: E402
from basin.testbed.plant import plant_file  # noqa: E402
from smooth_models import EXPORTED, SMALL, quantized_kl, save_tokens, text_ids  # noqa: E402

SCHEMES = {
    "int8-token": (lambda w: quantize.integer(w, 8), lambda x: quantize.integer(x, 8)),
    "nvfp4": (lambda w: quantize.nvfp4(w, False), lambda x: quantize.nvfp4(x, True)),
    # Nothing is rounded, so that no factors can help.
    "none": (lambda w: w, lambda x: x),
}
WORDS = {"int8-token": "INT8 W8A8", "nvfp4": "NVFP4 W4A4"}


def fake_quantize(x: np.ndarray, scheme: str, part: str) -> np.ndarray:
    weights, activations = SCHEMES[scheme]
    return (weights if part == "weights" else activations)(x).astype(np.float32)


@pytest.fixture(autouse=True)
def _quantizers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smooth_search, "fake_quantize", fake_quantize)


def error_of(x: np.ndarray, matrix: np.ndarray, s: np.ndarray, scheme: str) -> float:
    """||Q(X / s) Q(s W) - X W||^2, written once more."""
    s = s.astype(np.float32)
    got = (
        fake_quantize(x / s, scheme, "activations") @ fake_quantize(matrix * s, scheme, "weights").T
    )
    return float(np.square((got - x @ matrix.T).astype(np.float64)).sum())


@pytest.mark.parametrize("is_real", [False, True])
def test_the_best_of_all_candidates_is_chosen(is_real: bool) -> None:
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
            "int8-token",
        )
        for alpha in smooth_search._ALPHAS
    }
    plain = error_of(x, matrix, np.ones(32), "int8-token")
    assert best.error == min(errors.values()) == errors[best.alpha] < plain / 40
    assert best.plain == plain
    # An outlier-free value whose scheme rounds nothing keeps no factors.
    none = smooth_search.find_best(group, observed, [matrix], "none", is_real=False)
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
    measured = []

    def measure(self: object, factors: dict) -> float:
        measured.append(len(factors))
        # Many groups at once do harm.
        return 0.5 if len(factors) > 5 else 0.25 if factors else 0.375

    monkeypatch.setattr(smooth_search._QuantizedModel, "measure", measure)
    said = basin.rewrite(SMALL, target, [("smooth", options)])
    assert measured[0] == 0 and measured[1] > 5 and measured[-1] <= 5
    assert measured[2:] == [measured[1] >> i for i in range(1, len(measured) - 1)]
    dropped = measured[1] - measured[-1]
    assert any(f"{dropped} groups with small gains were left out" in line for line in said)

    monkeypatch.setattr(smooth_search._QuantizedModel, "measure", lambda *_: 0.5)
    said = basin.rewrite(SMALL, target, [("smooth", options)])
    assert any("no factors: with nvfp4 the mean KL of the logits is 0.5 nats" in x for x in said)


def test_a_model_that_the_evaluator_lacks_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> float:
        raise NotImplementedError("no operator")

    monkeypatch.setattr(smooth_search._QuantizedModel, "__init__", fail)
    data = save_tokens(tmp_path / "tokens.npz", text_ids(2))
    options = {"alpha": "search", "scheme": "nvfp4", "data": data}
    said = basin.rewrite(SMALL, tmp_path / "out.onnx", [("smooth", options)])
    assert any("the whole model was not measured with nvfp4: no operator" in x for x in said)


def test_gated_and_grouped_exports(tmp_path: Path) -> None:
    """Shared values, packed projections and Gemms: products are found again by their results."""
    for stem in ("llama-eager-script17", "gpt2-sdpa-script17", "qwen3-eager-dynamo18"):
        path, target = EXPORTED / f"{stem}.onnx", tmp_path / "out.onnx"
        inputs = EXPORTED / f"{stem}.inputs.npz"
        options = {"alpha": "search", "scheme": "int8-token", "data": inputs}
        said = basin.rewrite(path, target, [("smooth", options)])
        assert not any("was not measured" in line for line in said), said
