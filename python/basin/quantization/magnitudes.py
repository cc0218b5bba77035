"""Histograms of numbers, and the ones that a static scale maps to the ends of a format.

A bin holds the numbers whose f32 bits have the same upper 16: the sign, the exponent and 7 bits of
the fraction. So bins are 0.4 to 0.8 percent wide at all magnitudes, and one pass over the data
suffices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from basin import _basin

__all__ = ["Magnitudes", "choose_largest", "choose_range"]

# Bins of each sign.
_BINS = 1 << 15
# Thresholds that are tried for the least square error, as parts of the largest magnitude.
_PARTS = np.exp2(-np.arange(0, 7, 1 / 16))


@dataclass
class Magnitudes:
    """The numbers of one value over all runs. Bins of negative ones stand behind the others."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(2 * _BINS, np.int64))
    lowest: float = 0.0
    highest: float = 0.0
    nonfinite: int = 0

    def add(self, values: np.ndarray) -> None:
        """Count the elements of an f32 array. Those that are not finite are counted apart."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        finite = np.isfinite(flat)
        if not finite.all():
            self.nonfinite += int((~finite).sum())
            flat = flat[finite]
        self.counts += np.bincount(flat.view(np.uint32) >> 16, minlength=2 * _BINS)
        self.lowest = min(self.lowest, float(flat.min(initial=0.0)))
        self.highest = max(self.highest, float(flat.max(initial=0.0)))

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(-self.lowest, self.highest)

    @property
    def magnitudes(self) -> np.ndarray:
        """The counts without signs."""
        folded: np.ndarray = self.counts[:_BINS] + self.counts[_BINS:]
        return folded


def _edges(bins: np.ndarray) -> np.ndarray:
    """The least magnitudes of bins."""
    words: np.ndarray = (bins.astype(np.uint32) << 16).view(np.float32)
    return words


def _find_percentile(counts: np.ndarray, percent: float, most: float) -> float:
    """The upper edge of the bin where that percent of the counted magnitudes is reached."""
    reached = np.cumsum(counts) >= counts.sum() * (percent / 100)
    return min(most, float(_edges(np.array([int(np.argmax(reached)) + 1]))[0]))


def _centers(counts: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """The middles of bins that have counts, at most `most`, and these counts."""
    used = np.flatnonzero(counts)
    middles: np.ndarray = (_edges(used) + _edges(used + 1)) / 2
    return np.minimum(middles, np.float32(most)), counts[used].astype(np.float64)


def _find_best_part(
    values: np.ndarray, counts: np.ndarray, lowest: float, highest: float, scheme: str, part: str
) -> float:
    """The part of the range for which the squares of the errors have the least sum."""
    row = values.astype(np.float32)[None, :]
    errors = []
    for size in _PARTS:
        made = _basin.fake_quantize(row, scheme, part, float(highest * size), float(lowest * size))
        errors.append(float((counts * np.square(made[0].astype(np.float64) - values)).sum()))
    return float(_PARTS[int(np.argmin(errors))])


def choose_largest(
    found: Magnitudes, method: str, percentile: float, scheme: str, part: str = "activations"
) -> float:
    """The magnitude that a scale maps to the largest number of the format.

    With "min-max" it is the largest one, with "percentile" the least that is not below that percent
    of magnitudes (to the width of a bin), and with "mse" that for which the squares of errors of
    `scheme`, a name or YAML, have the least sum.
    """
    most = found.largest
    if method == "min-max" or most == 0:
        return most
    if method == "percentile":
        return _find_percentile(found.magnitudes, percentile, most)
    values, counts = _centers(found.magnitudes, most)
    return most * _find_best_part(values, counts, -most, most, scheme, part)


def choose_range(
    found: Magnitudes, method: str, percentile: float, scheme: str
) -> tuple[float, float]:
    """The numbers that a scale with a zero point maps to the ends of the format. 0 is among them.

    With "min-max" they are the lowest and the highest one. "percentile" cuts off half of the rest
    at each end, and "mse" takes the part of the range for which the squares of errors of `scheme`
    have the least sum.
    """
    if method == "min-max" or found.largest == 0:
        return found.lowest, found.highest
    negative, positive = found.counts[_BINS:], found.counts[:_BINS]
    if method == "percentile":
        cut = found.counts.sum() * (100 - percentile) / 200
        lowest, highest = (
            _find_percentile(side, 100 * (1 - cut / side.sum()), most) if side.sum() > cut else 0.0
            for side, most in ((negative, -found.lowest), (positive, found.highest))
        )
        return -lowest, highest
    sides = [_centers(negative, -found.lowest), _centers(positive, found.highest)]
    values = np.concatenate([-sides[0][0], sides[1][0]])
    counts = np.concatenate([sides[0][1], sides[1][1]])
    part = _find_best_part(values, counts, found.lowest, found.highest, scheme, "activations")
    return found.lowest * part, found.highest * part
