"""The search for the alphas of the step `smooth` under a quantization scheme.

A group's error is the sum over its products of ||Q(X / s) Q(s W) - X W||^2 on sampled rows X. The
whole model is then compared with and without the factors, quantized as the step `quantize` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from basin import _basin
from basin.analysis.progress import steps
from basin.errors import VerifyError
from basin.quantization import measure_divergence
from basin.smooth_model import Group, Observed, SmoothModel
from basin.smoothing import choose_factors
from basin.step_data import Feeds

__all__ = ["Trial", "fake_quantize", "find_best", "search"]

_STEP = "smooth"
_ALPHAS = tuple(i / 10 for i in range(11))

# Writes the model smoothed by factors, and returns its path.
Apply = Callable[[Mapping[str, np.ndarray]], Path]


def fake_quantize(x: np.ndarray, scheme: str, part: str) -> np.ndarray:
    """Rows [n, K] as the scheme stores them, for the part "weights" or "activations"."""
    return _basin.fake_quantize(np.ascontiguousarray(x, dtype=np.float32), scheme, part)


# Groups


@dataclass(frozen=True)
class Trial:
    """The factors that are best for a group, their alpha (None for no factors), and errors."""

    group: Group
    factors: np.ndarray
    alpha: float | None
    error: float
    plain: float

    @property
    def gain(self) -> float:
        """How many times smaller the error becomes."""
        return self.plain / self.error if self.error > 0 else np.inf


def find_best(
    group: Group, observed: Observed, matrices: Sequence[np.ndarray], scheme: str, is_real: bool
) -> Trial:
    """Try no factors and those of each alpha. Matrices are [columns, channels]."""
    x = observed.sample()
    weights = np.max([np.abs(matrix).max(axis=0) for matrix in matrices], axis=0)
    exact = [x @ matrix.T for matrix in matrices]

    def measure(factors: np.ndarray) -> float:
        s = factors.astype(np.float32)
        rows = fake_quantize(x / s, scheme, "activations")
        total = 0.0
        for matrix, want in zip(matrices, exact):
            got = rows @ fake_quantize(matrix * s, scheme, "weights").T
            total += float(np.square((got - want).astype(np.float64)).sum())
        return total if np.isfinite(total) else np.inf

    none = np.ones(group.channels)
    plain = measure(none)
    best = Trial(group, none, None, plain, plain)
    tried = [none]
    for alpha in _ALPHAS:
        factors = choose_factors(group, observed.max_abs, weights, alpha, is_real)
        if any(np.array_equal(factors, one) for one in tried):
            continue
        tried.append(factors)
        error = measure(factors)
        if error < best.error:
            best = Trial(group, factors, alpha, error, plain)
    return best


def search(
    smooth: SmoothModel,
    feeds: Feeds,
    observed: Mapping[str, Observed],
    scheme: str,
    apply: Apply,
    *,
    is_real: bool,
    progress: bool = False,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The factors of each group, and remarks. Factors that do not lower the whole model's KL to the
    original on the data are left out. `apply` writes the smoothed model.
    """
    trials = []
    for at in steps(len(smooth.groups), progress, "groups"):
        group = smooth.groups[at]
        matrices = [smooth.matrix(product) for product in group.products]
        trials.append(find_best(group, observed[group.name], matrices, scheme, is_real))
    chosen = sorted((one for one in trials if one.alpha is not None), key=lambda one: -one.gain)
    chosen, lines = _confirm(feeds, chosen, scheme, apply)
    lines += [_describe(one, one in chosen) for one in trials]
    factors = {one.group.name: one.factors for one in chosen}
    return factors, [f"remark: {_STEP}: {line}" for line in lines]


def _describe(trial: Trial, is_kept: bool) -> str:
    name = trial.group.name
    if trial.alpha is None:
        return f"'{name}': no factors; each alpha has a larger error"
    change = f"alpha {trial.alpha:g} divides the squared error by {trial.gain:.3g}"
    return f"'{name}': {change}" if is_kept else f"'{name}': no factors, though {change}"


# The whole model


def _confirm(
    feeds: Feeds, chosen: Sequence[Trial], scheme: str, apply: Apply
) -> tuple[list[Trial], list[str]]:
    """The trials that lower the mean KL of the quantized model, the best of them first."""
    kept, options = list(chosen), {"scheme": scheme}
    if not kept:
        return [], []
    try:
        plain = measure_divergence(apply({}), options, feeds)
        while kept:
            factors = {one.group.name: one.factors for one in kept}
            found = measure_divergence(apply(factors), options, feeds)
            if found < plain:
                break
            kept = kept[: len(kept) // 2]
    except VerifyError as error:
        return kept, [f"the whole model was not measured with {scheme}: {error}"]
    if not kept:
        return [], [
            f"no factors: with {scheme} the mean KL of the logits is {plain:.3g} nats without, and "
            "not less with them"
        ]
    line = f"with {scheme} the mean KL of the logits falls from {plain:.3g} to {found:.3g} nats"
    dropped = len(chosen) - len(kept)
    return kept, [line + (f"; {dropped} groups with small gains were left out" if dropped else "")]
