"""Sums over the tokens of each sequence, and estimates with standard errors from them.

With sums s_i over the n_i tokens of sequence i, the mean is m = sum s_i / sum n_i. Sequences are
taken as independent and tokens within one as not, so the standard error of m is that of a ratio of
means: sqrt(k / (k - 1) sum (s_i - m n_i)^2) / sum n_i for k sequences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from basin.verification.distance import log_softmax

__all__ = ["Estimate", "RowSums", "ratio", "score_rows"]

# Elements of logits that are taken to f64 at a time.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, which is None for a single sequence."""

    value: float
    error: float | None


@dataclass(frozen=True)
class RowSums:
    """Sums over the scored tokens of one sequence.

    `loss` is the negative logarithm of the tokens' probabilities and `divergence` the KL of the
    first model's distribution to this one's, both in nats. `agreements` counts tokens for which
    both have the same likeliest one.
    """

    tokens: int
    loss: float
    divergence: float
    agreements: int


def ratio(sums: Sequence[float], counts: Sequence[int]) -> Estimate:
    """The mean over all tokens, from sums over the tokens of each sequence."""
    s, n = np.asarray(sums, np.float64), np.asarray(counts, np.float64)
    mean = float(s.sum() / n.sum())
    if len(s) < 2 or not math.isfinite(mean):
        return Estimate(mean, None)
    spread = float(np.square(s - mean * n).sum())
    return Estimate(mean, math.sqrt(len(s) / (len(s) - 1) * spread) / float(n.sum()))


def score_rows(logits: np.ndarray, reference: np.ndarray | None, targets: np.ndarray) -> RowSums:
    """Sums for the rows `logits` [N, V] that predict `targets` [N].

    `reference` are the first model's rows, or None for that model itself. A row with a logit that
    is no number, or is infinity, has an infinite loss and divergence.
    """
    loss = divergence = 0.0
    agreements = 0
    step = max(1, _BLOCK // max(1, logits.shape[-1]))
    for start in range(0, len(logits), step):
        part = slice(start, start + step)
        q = log_softmax(logits[part].astype(np.float64))
        loss -= float(q[np.arange(len(q)), targets[part]].sum())
        if reference is None:
            agreements += len(q)
            continue
        p = log_softmax(reference[part].astype(np.float64))
        with np.errstate(all="ignore"):
            terms = np.where(p == -np.inf, 0.0, np.exp(p) * (p - q))
        divergence += float(terms.sum())
        agreements += int((p.argmax(axis=-1) == q.argmax(axis=-1)).sum())
    return RowSums(len(logits), _or_infinite(loss), _or_infinite(divergence), agreements)


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
