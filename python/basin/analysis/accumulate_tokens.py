"""Accumulators of values that every token has: the residual stream, inputs of matrices, norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from basin.analysis.accumulate import Accumulator
from basin.analysis.batch import Batch
from basin.analysis.cells import Best, Count, Maximum, Mean, TokenMaximum

# Sun et al., arXiv 2402.17762, section 2: "surpasses 100 and ... around 1,000 times ... median".
MASSIVE_ABS, MASSIVE_RATIO = 100.0, 1000.0
# PrefixQuant, arXiv 2410.05265: an outlier token's largest value is over 64 medians.
OUTLIER_TOKEN = 64.0
# The number of positions whose largest value is kept. One more entry is for all others.
FIRST_POSITIONS = 8


def histogram_medians(counts: np.ndarray, histogram: dict[str, Any]) -> np.ndarray:
    """Medians of abs(x) from counts [B, bins] -> [B]; NaN without any.

    The median lies in one bin, and is interpolated between the bin's bounds on the logarithmic
    scale. So it is off by at most a factor 2^(1/octave), and by far less in a smooth distribution.
    In the first bin, which also counts zeros, it is that bin's upper bound.
    """
    total = counts.sum(axis=1)
    below = np.cumsum(counts, axis=1)
    at = np.argmax(2 * below >= total[:, None], axis=1)
    rows = np.arange(len(counts))
    inside = counts[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (total / 2 - (below[rows, at] - inside)) / inside
    share = np.where(at == 0, 1.0, share)
    medians = 2.0 ** (histogram["first"] + (at + share) / histogram["octave"])
    return np.where(total > 0, medians, np.nan)


def add_moments(accumulator: Accumulator, moments: np.ndarray) -> None:
    """Kurtosis mean (x - mean)^4 / (mean (x - mean)^2)^2 of each sequence; moments [B, 3]."""
    variance, fourth = (moments[:, i].astype(np.float64) for i in (1, 2))
    spread = variance > 0
    kurtosis = fourth[spread] / variance[spread] ** 2
    accumulator.kurtosis.add(kurtosis, np.ones(len(kurtosis)))
    accumulator.max_kurtosis.add(kurtosis)


class Residual(Accumulator):
    """Kind `residual`. D dimensions; `rest` and `presence` leave out each sequence's largest token.

    `presence` is the share of tokens that carry a dimension: (sum abs(x))^2 / (n sum x^2). It is
    1 / n if one token has everything, 1 if all tokens have the same, and 2 / pi for a normal
    distribution. A massive activation of one token would hide a residual sink, so the largest
    token of each sequence is left out.
    """

    by_token = ("token_max", "token_sum_square")

    def __init__(self, tap: dict[str, Any], instrumentation: dict[str, Any]) -> None:
        super().__init__(tap, instrumentation)
        dim = tap["dim"]
        self.cells |= {
            "abs": Mean((dim,)),
            "rest": Mean((dim,)),
            "square": Mean((dim,)),
            "presence": Mean((dim,)),
            "maximum": TokenMaximum(dim),
            "largest": Best("max_abs", "dim", "position", "id", "median"),
            "ratio": Best("ratio", "max_abs", "median"),
            "massive": Count(),
            "histogram": Count((instrumentation["histogram"]["bins"],)),
            "peak": Mean(),
            "kurtosis": Mean(),
            "max_kurtosis": Maximum(),
            "infinity": Mean(),
            "positions": Maximum((FIRST_POSITIONS + 1,)),
        }

    def _take(self, own: dict[str, np.ndarray], rows: Batch, tokens: Batch) -> None:
        largest = own["max_abs"].astype(np.float64)
        self._take_dims(own, largest, rows)
        positions, ids = rows.holders(own["max_position"])
        self.maximum.add(largest, positions, ids)
        self.histogram.add(own["histogram"])
        medians = histogram_medians(np.rint(own["histogram"]), self.instrumentation["histogram"])
        for row, dim in enumerate(largest.argmax(axis=1).tolist()):
            value, median = float(largest[row, dim]), float(medians[row])
            position, id = int(positions[row, dim]), int(ids[row, dim])
            self.largest.add(value, dim, position, id, median)
            self.ratio.add(value / median, value, median)
            massive = value > MASSIVE_ABS and value >= MASSIVE_RATIO * median
            self.massive.add(np.array([massive]))
        peaks = largest.max(axis=1)
        self.infinity.add(peaks, np.ones(len(peaks)))
        add_moments(self, own["moments"])
        self._take_tokens(own, tokens)

    def _take_dims(self, own: dict[str, np.ndarray], largest: np.ndarray, rows: Batch) -> None:
        sums, squares = (own[key].astype(np.float64) for key in ("sum_abs", "sum_square"))
        lengths = rows.lengths
        self.abs.add(sums, lengths)
        self.square.add(squares, lengths)
        later = lengths > 1
        # After the largest is subtracted from an f32 sum, the rest may be rounding, even below 0.
        rest = np.maximum(sums - largest, 0.0)[later]
        others = (lengths - 1)[later]
        self.rest.add(rest, others)
        left = (squares - largest**2)[later]
        exact = left > 1e-4 * squares[later]
        top, total = np.where(exact, rest, sums[later]), np.where(exact, left, squares[later])
        size = np.where(exact, others[:, None], lengths[later][:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(total > 0, top**2 / (size * total), 0.0)
        # Rounded to f32, as the runtime's outputs are, so that exact sums have few parts.
        self.presence.add(np.minimum(share, 1.0).astype(np.float32), np.ones(len(share)))

    def _take_tokens(self, own: dict[str, np.ndarray], tokens: Batch) -> None:
        norms = np.sqrt(own["token_sum_square"].astype(np.float64))
        first, later = tokens.is_first, tokens.is_later
        for row in range(len(norms)):
            others = norms[row][later[row]]
            if first[row].any() and others.size and others.mean() > 0:
                ratio = norms[row][first[row]].mean() / others.mean()
                self.peak.add(np.array([ratio]), np.ones(1))
        largest = own["token_max"]
        slots = np.minimum(tokens.positions, FIRST_POSITIONS)
        columns = [
            np.where(slots == i, largest, -np.inf).max(axis=1) for i in range(FIRST_POSITIONS + 1)
        ]
        self.positions.add(np.stack(columns, axis=1))


class Projection(Accumulator):
    """Kind `projection`: the C channels of a value that a constant matrix multiplies."""

    by_token = ("token_max",)

    def __init__(self, tap: dict[str, Any], instrumentation: dict[str, Any]) -> None:
        super().__init__(tap, instrumentation)
        self.cells |= {
            "max_abs": Maximum((tap["dim"],)),
            "outliers": Count((tap["dim"],)),
            "kurtosis": Mean(),
            "max_kurtosis": Maximum(),
            "infinity": Mean(),
            "token_ratio": Maximum(),
            "outlier_tokens": Mean(),
        }

    def _take(self, own: dict[str, np.ndarray], rows: Batch, tokens: Batch) -> None:
        self.max_abs.add(own["max_abs"])
        self.outliers.add(own["outliers"])
        add_moments(self, own["moments"])
        peaks = own["max_abs"].astype(np.float64).max(axis=1)
        self.infinity.add(peaks, np.ones(len(peaks)))
        for row, real in zip(own["token_max"].astype(np.float64), tokens.mask):
            values = row[real]
            median = float(np.median(values))
            if median > 0:
                self.token_ratio.add(np.array([values.max() / median]))
                over = int((values / median > OUTLIER_TOKEN).sum())
                self.outlier_tokens.add(np.array([over]), np.ones(1))


class Norm(Accumulator):
    """Kind `norm`: means over tokens, and gamma, which is the same for all data."""

    by_token = ("share", "bound", "output_rms")

    def __init__(self, tap: dict[str, Any], instrumentation: dict[str, Any]) -> None:
        super().__init__(tap, instrumentation)
        self.cells |= {name: Mean() for name in self.by_token}
        self.cells["tightness"] = Maximum()
        if "weight" in tap["outputs"]:
            self.cells["weight"] = Maximum((tap["dim"],))

    def _take(self, own: dict[str, np.ndarray], rows: Batch, tokens: Batch) -> None:
        if "weight" in own:
            self.weight.add(own["weight"][None])
        values = {name: own[name].astype(np.float64) for name in self.by_token}
        mask = tokens.mask
        if values["share"].shape != mask.shape:
            mask = np.ones(values["share"].shape, bool)
        for name in self.by_token:
            sums = np.array([row[real].sum() for row, real in zip(values[name], mask)])
            getattr(self, name).add(sums, mask.sum(axis=1))
        bounded = mask & (values["bound"] > 0)
        if bounded.any():
            tightness = values["output_rms"][bounded] / values["bound"][bounded]
            self.tightness.add(tightness)
