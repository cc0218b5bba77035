"""Figures of whole residual streams: residual sinks, and what a rewrite would do to the stream.

The predictions repeat the choices of two passes on the statistics they read: sink-absorb-
residual-sinks (a power of two a dimension) and sink-rescale-residual (one for the stream).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from basin.analysis.accumulate_tokens import Norm, Residual
from basin.analysis.figures import number, numbers, over
from basin.analysis.kinds import kinds_of

# A residual sink is large at most tokens (arXiv 2601.22966, section 2, which has no threshold):
# here, without the largest token of each sequence, at least 2^3 times the median dimension's mean,
# carried by at least half of the tokens. Measured: 14.8 and 17.2 medians in the two testbeds that
# have a sink, at most 4.9 in those that have none.
SINK_TO_MEDIAN, SINK_PRESENCE = 8.0, 0.5
F16_LARGEST = 65504.0
# The largest value whose square f16 holds.
F16_ROOT = math.sqrt(F16_LARGEST)


def stream_metrics(residual: list[Residual], norms: list[Norm]) -> list[dict[str, Any]]:
    """One entry a stream that was measured, by number."""
    numbers_ = sorted({one.tap["stream"] for one in residual})
    taps = {n: [one for one in residual if one.tap["stream"] == n] for n in numbers_}
    return [_stream(n, taps[n], _readers(n, taps, norms)) for n in numbers_]


def stream_maxima(accumulators: list[Residual]) -> list[list[float]]:
    """`max_abs` of each stream over all its taps, by number: what the steps' option stats reads.

    0 if nothing was measured of the stream: the passes then leave it as it is.
    """
    out: list[list[float]] = []
    for n in range(max((one.tap["stream"] for one in accumulators), default=-1) + 1):
        taps = [one for one in accumulators if one.tap["stream"] == n]
        seen = [one.maximum.max_abs for one in taps if one.sequences.value]
        dim = taps[0].tap["dim"] if taps else 1
        out.append(np.max([*seen, np.zeros(dim)], axis=0).tolist())
    return out


def _readers(n: int, taps: dict[int, list[Residual]], norms: list[Norm]) -> list[Norm]:
    """The norms that read stream `n`, as the compiler noted for each norm's input.

    If a file lacks these notes, the norms that take the value of one of the stream's taps.
    """
    if any("stream" in one.tap for one in norms):
        return [one for one in norms if one.tap.get("stream") == n]
    sources = [one.tap.get("inputs", [one.tap["name"]]) for one in taps[n]]
    return [one for one in norms if one.tap["inputs"] in sources]


def _stream(n: int, taps: list[Residual], readers: list[Norm]) -> dict[str, Any]:
    """The entry of one stream."""
    havg = np.mean([one.abs.value() for one in taps], axis=0)
    maxima = np.array(stream_maxima(taps)[n])
    exponents = absorb_exponents(maxima)
    largest = float(maxima.max())
    after = float((maxima / 2.0**exponents).max())
    narrow = sum(one.tap.get("squares") == "f16" for one in readers)
    has_norms = "norm" in kinds_of(taps[0].instrumentation)
    return {
        "stream": n,
        "dim": taps[0].tap["dim"],
        "havg": numbers(havg),
        "order": np.argsort(-havg, kind="stable").tolist(),
        "norms": [one.tap["id"] for one in readers] if has_norms else None,
        "residual_sinks": _residual_sinks(taps, maxima, havg, readers),
        "absorb": [
            {"dim": dim, "exponent": int(exponents[dim])}
            for dim in np.flatnonzero(exponents).tolist()
        ],
        "max_abs": largest,
        "max_abs_after": after,
        "factor": over(largest, after),
        "f16_headroom": over(F16_LARGEST, largest),
        "rescale": rescale_exponent(largest),
        "type": stream_type(taps),
        "f16_norms": narrow if has_norms else None,
        "square_headroom": over(F16_ROOT, largest) if narrow else None,
        "rescale_squares": square_exponent(largest) if narrow else None,
    }


def stream_type(taps: list[Residual]) -> str | None:
    """The type that the stream is stored in, f16 if a part of it is. None if it is not known."""
    types = [one.tap["type"] for one in taps if "type" in one.tap]
    return "f16" if "f16" in types else next(iter(types), None)


def absorb_exponents(maxima: np.ndarray) -> np.ndarray:
    """The k by which `absorb-residual stats=FILE` divides each dimension by 2^k, [D] i64.

    It is round(log2(m / median)), with halves away from zero, and at least 0. If the number of
    dimensions is even, the median is the upper of the middle two.
    """
    typical = float(np.sort(maxima)[len(maxima) // 2])

    def exponent(value: float) -> int:
        if not (typical > 0 and value > typical):
            return 0
        power = math.log2(value / typical)
        return math.floor(power) + int(power - math.floor(power) >= 0.5)

    return np.array([exponent(value) for value in maxima.tolist()], np.int64)


def rescale_exponent(largest: float) -> int:
    """The k of `rescale-residual stats=FILE`: a quarter of f16's range is the target."""
    target = F16_LARGEST / 4
    return 0 if largest <= target else math.ceil(math.log2(largest / target))


def square_exponent(largest: float) -> int:
    """The least k by which `rescale-residual k=K` keeps the squares of f16 norms finite."""
    return 0 if largest <= F16_ROOT else math.ceil(math.log2(largest / F16_ROOT))


def _residual_sinks(
    taps: list[Residual], maxima: np.ndarray, havg: np.ndarray, readers: list[Norm]
) -> list[dict[str, Any]] | None:
    """Dimensions that stand out at most tokens, largest first.

    `to_median` and `presence` leave out the largest token of each sequence. Presence is that of
    the tap where the dimension is largest. None if nothing is left to compare: sequences have one
    token, or the median dimension is zero.
    """
    rest = np.nan_to_num(np.array([one.rest.value() for one in taps]))
    presence = np.nan_to_num(np.array([one.presence.value() for one in taps]))
    mean = rest.mean(axis=0)
    typical = float(np.median(mean))
    carried = np.take_along_axis(presence, rest.argmax(axis=0)[None], axis=0)[0]
    if not typical > 0:
        return None
    found = (mean >= SINK_TO_MEDIAN * typical) & (carried >= SINK_PRESENCE)
    dims = sorted(np.flatnonzero(found).tolist(), key=lambda dim: -mean[dim])
    return [
        {
            "dim": dim,
            "havg": float(havg[dim]),
            "to_median": over(mean[dim], typical),
            "max_abs": float(maxima[dim]),
            "presence": number(carried[dim]),
            "weights": [_weight(one, dim) for one in readers if "weight" in one.cells],
        }
        for dim in dims
    ]


def _weight(one: Norm, dim: int) -> dict[str, Any]:
    weight = np.abs(one.weight.value())
    return {
        "layer": one.tap["layer"],
        "place": one.tap["place"],
        "weight": float(weight[dim]),
        "to_median": over(weight[dim], float(np.median(weight))),
    }
