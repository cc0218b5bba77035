"""Histograms of magnitudes, and the magnitude that a static scale maps to the largest number.

A bin holds the magnitudes whose f32 numbers have the same upper 16 bits: the sign, the exponent and
7 bits of the fraction. So bins are 0.4 to 0.8 percent wide at all magnitudes, and one pass over the
data suffices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from basin import _basin

__all__ = ["Magnitudes", "choose_largest"]

_BINS = 1 << 15
# Thresholds that are tried for the least square error, as parts of the largest magnitude.
_PARTS = np.exp2(-np.arange(0, 7, 1 / 16))


@dataclass
class Magnitudes:
    """The magnitudes of one value over all runs."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    largest: float = 0.0
    nonfinite: int = 0

    def add(self, values: np.ndarray) -> None:
        """Count the elements of an f32 array. Those that are not finite are counted apart."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        finite = np.isfinite(flat)
        if not finite.all():
            self.nonfinite += int((~finite).sum())
            flat = flat[finite]
        bits = flat.view(np.uint32) & np.uint32(0x7FFFFFFF)
        self.counts += np.bincount(bits >> 16, minlength=_BINS)
        self.largest = max(self.largest, float(np.abs(flat).max(initial=0.0)))


def _edges(bins: np.ndarray) -> np.ndarray:
    """The least magnitudes of bins."""
    words: np.ndarray = (bins.astype(np.uint32) << 16).view(np.float32)
    return words


def choose_largest(
    found: Magnitudes, method: str, percentile: float, scheme: str, part: str = "activations"
) -> float:
    """The magnitude that a scale maps to the largest number of the format.

    With "min-max" it is the largest one, with "percentile" the least that is not below that percent
    of magnitudes (to the width of a bin), and with "mse" that for which the squares of errors of
    `scheme`, a name or YAML, have the least sum.
    """
    total = int(found.counts.sum())
    if method == "min-max" or total == 0 or found.largest == 0:
        return found.largest
    if method == "percentile":
        reached = np.cumsum(found.counts) >= total * (percentile / 100)
        index = int(np.argmax(reached))
        return min(found.largest, float(_edges(np.array([index + 1]))[0]))
    used = np.flatnonzero(found.counts)
    counts = found.counts[used].astype(np.float64)
    values = np.minimum((_edges(used) + _edges(used + 1)) / 2, np.float32(found.largest))
    row = values.astype(np.float32)[None, :]
    errors = []
    for part_of in _PARTS:
        made = _basin.fake_quantize(row, scheme, part, float(found.largest * part_of))
        errors.append(float((counts * np.square(made[0].astype(np.float64) - values)).sum()))
    return float(found.largest * _PARTS[int(np.argmin(errors))])
