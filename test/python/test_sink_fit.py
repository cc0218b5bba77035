"""Fits of logits and values against softmax itself, in f64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.sink_fit import Measured, fit_heads, mean_values  # noqa: E402


@dataclass
class Heads:
    """Scores [H, N, S] of queries, the first `count` of rows, and values [H, S, d]."""

    scores: np.ndarray
    values: np.ndarray
    count: int

    def outputs(self) -> np.ndarray:
        return softmax(self.scores) @ self.values

    def with_logit(self, logits: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """The outputs with a column of the logit, and a row of the value, in place of the rows."""
        h, n, _ = self.scores.shape
        column = np.broadcast_to(logits[:, None, None], (h, n, 1))
        scores = np.concatenate([column, self.scores[..., self.count :]], axis=-1)
        row = np.zeros((h, 1, self.values.shape[-1])) if values is None else values[:, None]
        return softmax(scores) @ np.concatenate([row, self.values[:, self.count :]], axis=1)

    def measured(self, values: np.ndarray | None = None) -> Measured:
        p = softmax(self.scores)
        o = p @ self.values
        u = p[..., self.count :] @ self.values[:, self.count :]
        v = np.zeros((len(o), 1, o.shape[-1])) if values is None else values[:, None]
        with np.errstate(divide="ignore"):
            z, rest = (
                np.log(np.exp(part).sum(axis=-1))
                for part in (self.scores[..., : self.count], self.scores[..., self.count :])
            )
        return Measured(
            z,
            rest,
            *((a * b).sum(axis=-1) for a, b in ((u, u), (u, o), (o, o), (u, v), (o, v))),
            (v * v).sum(axis=-1)[:, 0],
        )

    def rows_sum(self) -> np.ndarray:
        p = softmax(self.scores)
        return (p[..., : self.count] @ self.values[:, : self.count]).sum(axis=1)


def softmax(scores: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def draw(count: int, spread: float, seed: int = 0, mean: float = 4.0, size: float = 1.0) -> Heads:
    """Rows whose scores move by `spread` from query to query, and whose values have a `size`."""
    rng = np.random.default_rng(seed)
    h, n, s, d = 4, 50, 12, 8
    scores = rng.normal(size=(h, n, count + s))
    scores[..., :count] = mean + rng.normal(size=(h, 1, count)) + spread * scores[..., :count]
    values = rng.normal(size=(h, count + s, d))
    values[:, :count] *= size
    return Heads(scores, values, count)


def relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a - b) ** 2).sum(axis=(1, 2)) / (b**2).sum(axis=(1, 2)))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_no_other_logit_is_better(count: int, spread: float) -> None:
    heads = draw(count, spread)
    fit = fit_heads(heads.measured(), np.log(count))
    errors = relative(heads.with_logit(fit.logits), heads.outputs())
    assert np.allclose(fit.errors, errors, rtol=1e-6)
    for logit in np.linspace(np.log(count) + 1e-3, 12, 400):
        other = relative(heads.with_logit(np.full(4, logit)), heads.outputs())
        assert (errors <= other + 1e-7).all()


@pytest.mark.parametrize("count", [1, 3])
def test_no_other_logit_is_better_beside_the_value(count: int) -> None:
    heads = draw(count, 1.0, seed=1)
    m = heads.measured()
    values = mean_values(m.sink_score, m.rest_score, heads.rows_sum(), 4)
    fit = fit_heads(heads.measured(values), np.log(count))
    errors = relative(heads.with_logit(fit.logits, values), heads.outputs())
    assert np.allclose(fit.errors, errors, rtol=1e-6)
    for logit in np.linspace(np.log(count) + 1e-3, 12, 400):
        other = relative(heads.with_logit(np.full(4, logit), values), heads.outputs())
        assert (errors <= other + 1e-7).all()
    # Without the value more is lost.
    assert (fit_heads(m, np.log(count)).errors > 1.4 * errors).all()


def test_constant_scores_are_fitted_exactly() -> None:
    heads = draw(1, 0.0, size=0.0)
    fit = fit_heads(heads.measured())
    assert np.allclose(fit.logits, heads.scores[:, 0, 0], atol=1e-5)
    assert (fit.errors < 1e-6).all() and (fit.bounds < 1e-5).all()
    # With values they are exact if the values are kept, too.
    heads = draw(1, 0.0, size=2.0)
    m = heads.measured()
    values = mean_values(m.sink_score, m.rest_score, heads.rows_sum(), 4)
    assert np.allclose(values, heads.values[:, 0])
    fit = fit_heads(heads.measured(values))
    assert np.allclose(fit.logits, heads.scores[:, 0, 0], atol=1e-5)
    assert (fit.errors < 1e-6).all() and (fit_heads(m).errors > 0.1).all()


@pytest.mark.parametrize("seed", range(20))
def test_errors_stay_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    heads = draw(count, rng.uniform(0, 4), seed, mean=rng.uniform(-4, 12), size=rng.uniform(0, 4))
    values = rng.normal(size=(4, 8)) if seed % 2 else None
    fit = fit_heads(heads.measured(values), np.log(count))
    assert (fit.errors <= fit.bounds * (1 + 1e-9)).all()
    # The bound is no constant.
    assert (fit.bounds < 1e3).all()


def test_heads_that_share_keys_share_their_value() -> None:
    heads = draw(2, 0.5)
    heads.values[1::2] = heads.values[::2]
    m = heads.measured()
    values = mean_values(m.sink_score, m.rest_score, heads.rows_sum(), 2)
    assert values.shape == (2, 8)
    rows = softmax(heads.scores)[..., :2]
    for group in range(2):
        part = slice(2 * group, 2 * group + 2)
        weights = rows[part].sum(axis=(0, 1))
        mean = weights @ heads.values[2 * group, :2] / weights.sum()
        assert np.allclose(values[group], mean)


def test_hidden_rows_and_lonely_rows() -> None:
    heads = draw(2, 0.5)
    # The first head sees no row, the second none in half of its queries, the third only rows there.
    heads.scores[0, :, :2] = -np.inf
    heads.scores[1, ::2, :2] = -np.inf
    heads.scores[2, ::2, 2:] = -np.inf
    fit = fit_heads(heads.measured())
    assert fit.logits[0] == -np.inf and np.isfinite(fit.logits[1:]).all()
    errors = relative(heads.with_logit(fit.logits)[1:], heads.outputs()[1:])
    assert np.allclose(fit.errors[1:], errors, rtol=1e-6)
    assert (fit.errors[1:] <= fit.bounds[1:] * (1 + 1e-9)).all()


def test_a_least_logit_is_kept() -> None:
    """Zeros in place of the rows already add their number to the sum of exponentials."""
    heads = draw(3, 0.1, mean=-9.0)
    fit = fit_heads(heads.measured(), np.log(3))
    assert (fit.logits >= np.log(3)).all() and (fit.logits < np.log(3) + 1e-6).all()
    assert np.allclose(fit.errors, relative(heads.with_logit(fit.logits), heads.outputs()))
    free = fit_heads(heads.measured())
    assert (free.logits < -5).all() and (free.errors < 0.1 * fit.errors).all()
