"""Least squares for the logit, and the value, that take the place of an attention's constant rows.

A head's output at a query is o = P c + u. P = sigmoid(z - L) is the share of the rows, with the
logarithms z and L of the sums of exponentials of the rows' scores and of the other scores; c is the
mean of the rows' values that the head reads, and u the part of the output that is of other keys.
With a constant logit s and value v (zeros if there is none) instead of the rows it is

    o' = S v + (1 - S) m,  S = sigmoid(s - L),  m = u / (1 - P).

As o' - o = (S - P) (v - m) + P (v - c), and a sigmoid's slope is at most 1/4,

    |o' - o| <= min(1, |s - z| / 4) |v - m| + P |v - c|.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["HeadFit", "Measured", "fit_heads", "mean_values"]

# Logits are sought this far beyond the scores of the rows.
_MARGIN = 8.0
_COARSE, _FINE = 97, 40


@dataclass(frozen=True)
class Measured:
    """One attention's queries, [H, N] each, f64: z and L, and products of vectors over head dims.

    `rest` is u, `all` is o, and `value` is v. `value_value` is v . v, [H].
    """

    sink_score: np.ndarray
    rest_score: np.ndarray
    rest_rest: np.ndarray
    rest_all: np.ndarray
    all_all: np.ndarray
    rest_value: np.ndarray
    all_value: np.ndarray
    value_value: np.ndarray


@dataclass(frozen=True)
class HeadFit:
    """Logits [H], or -inf for heads without any. `errors` and `bounds` [H] are those of the heads'
    outputs: the root of the sum of squares over the queries, relative to that of the outputs.
    """

    logits: np.ndarray
    errors: np.ndarray
    bounds: np.ndarray


def mean_values(
    sink_score: np.ndarray, rest_score: np.ndarray, rows_sum: np.ndarray, groups: int
) -> np.ndarray:
    """Values [G, d] of key heads: the mean of what their heads read of the rows, by their shares.

    `rows_sum` [H, d] is the sum of P c over the queries; scores are [H, N].
    """
    share = _share(sink_score, rest_score).sum(axis=1).reshape(groups, -1).sum(axis=1)
    sums = rows_sum.astype(np.float64).reshape(groups, -1, rows_sum.shape[-1]).sum(axis=1)
    # Heads that read nothing of the rows have no value.
    return np.where(share[:, None] > 1e-6, sums / np.maximum(share, 1e-6)[:, None], 0.0)


def fit_heads(measured: Measured, least: float = -np.inf) -> HeadFit:
    """The logits of at least `least` with the least squares of o' - o.

    They are f32 numbers. A head whose queries see no rows has none.
    """
    # The bound itself need not be such a number.
    lowest = np.nextafter(np.float32(least), np.float32(np.inf))
    scores = measured.sink_score
    seen = np.isfinite(scores)
    has = seen.any(axis=1)
    low = np.where(seen, scores, np.inf).min(axis=1, initial=np.inf) - _MARGIN
    high = np.where(seen, scores, -np.inf).max(axis=1, initial=-np.inf) + _MARGIN
    low = np.where(has, np.maximum(low, float(lowest)), float(lowest))
    high = np.where(has, np.maximum(high, low), low)
    # f32 is what the model has.
    logits = np.maximum(_search(measured, low, high).astype(np.float32), lowest).astype(np.float64)
    norms = np.maximum(np.sqrt(measured.all_all.sum(axis=1)), 1e-30)
    errors = np.sqrt(_squares(measured, logits)) / norms
    bounds = np.sqrt(_square_bounds(measured, logits).sum(axis=1)) / norms
    return HeadFit(np.where(has, logits, -np.inf), errors, bounds)


def _search(measured: Measured, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The best logit of each head: on a grid, then by golden section around the best point."""
    best, least = low, np.full(low.shape, np.inf)
    for part in np.linspace(0.0, 1.0, _COARSE):
        logits = low + part * (high - low)
        squares = _squares(measured, logits)
        best = np.where(squares < least, logits, best)
        least = np.minimum(squares, least)
    step = (high - low) / (_COARSE - 1)
    left, right = np.maximum(best - step, low), np.minimum(best + step, high)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(_FINE):
        a, b = right - ratio * (right - left), left + ratio * (right - left)
        is_left = _squares(measured, a) < _squares(measured, b)
        left, right = np.where(is_left, left, a), np.where(is_left, b, right)
    middle = (left + right) / 2
    return np.where(_squares(measured, middle) < least, middle, best)


def _squares(measured: Measured, logits: np.ndarray) -> np.ndarray:
    """The sums over the queries of |o' - o|^2, [H]."""
    m, s = measured, logits[:, None]
    share = _sigmoid(s - m.rest_score)
    left = _left_over(m, s)
    squares = (
        share**2 * m.value_value[:, None]
        + left**2 * m.rest_rest
        + m.all_all
        + 2 * share * left * m.rest_value
        - 2 * share * m.all_value
        - 2 * left * m.rest_all
    )
    out: np.ndarray = np.maximum(squares.sum(axis=1), 0)
    return out


def _square_bounds(measured: Measured, logits: np.ndarray) -> np.ndarray:
    """The squares of the bound of each query, [H, N]."""
    m, s, vv = measured, logits[:, None], measured.value_value[:, None]
    share = _share(m.sink_score, m.rest_score)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Where there are no other keys, both shares are one, and nothing is left of the first term.
        rest = np.where(np.isfinite(m.rest_score), _share(m.rest_score, m.sink_score), np.inf)
        rest = np.maximum(rest, 1e-30)
        far = vv - 2 * m.rest_value / rest + m.rest_rest / rest**2
        moved = np.where(np.isfinite(m.rest_score), np.minimum(1, np.abs(s - m.sink_score) / 4), 0)
    off = m.all_all - 2 * m.rest_all + m.rest_rest
    off = off - 2 * share * (m.all_value - m.rest_value) + share**2 * vv
    bound: np.ndarray = (moved * np.sqrt(np.maximum(far, 0)) + np.sqrt(np.maximum(off, 0))) ** 2
    return bound


def _left_over(measured: Measured, logits: np.ndarray) -> np.ndarray:
    """(1 - S) / (1 - P), or 0 where there are no other keys."""
    rest = measured.rest_score
    with np.errstate(invalid="ignore", over="ignore"):
        logs = np.logaddexp(0, measured.sink_score - rest) - np.logaddexp(0, logits - rest)
        out: np.ndarray = np.where(np.isfinite(rest), np.exp(logs), 0.0)
    return out


def _share(sink_score: np.ndarray, rest_score: np.ndarray) -> np.ndarray:
    """P. Where neither rows nor other keys are seen, it is 0."""
    with np.errstate(invalid="ignore"):
        out: np.ndarray = np.nan_to_num(_sigmoid(sink_score - rest_score), nan=0.0)
    return out


def _sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        out: np.ndarray = 1 / (1 + np.exp(-x))
    return out
