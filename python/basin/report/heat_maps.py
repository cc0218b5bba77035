"""The heat maps of the report: each from the metrics, or None where there is nothing to show."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from basin.report import values as v
from basin.report.grids import Grid, at, log_range, main_stream, matrix, place_name, stream_taps

TOP_DIMS = 40
ALPHA_LOW = 1e-2  # uniform attention over 64 tokens has 0.074
MOST_POWER = 1100  # of two, in a double
MAP_LOW = 1e-3  # attention below a thousandth is the darkest colour


def attention_maps(metrics: dict[str, Any]) -> Grid | None:
    """The mean over layers, and each layer's map; maps of another size are left out."""
    taps = [tap for tap in v.table(metrics, "attention") if tap.get("map")]
    maps = [(tap, matrix(tap["map"])) for tap in taps if isinstance(tap["map"], list)]
    maps = [(tap, one) for tap, one in maps if np.isfinite(one).any()]
    if not maps:
        return None
    shape = Counter(one.shape for _, one in maps).most_common(1)[0][0]
    maps = [(tap, one) for tap, one in maps if one.shape == shape]
    maps = [(tap, np.where(one > 0, one, np.nan)) for tap, one in maps]
    stack = np.nan_to_num(np.stack([one for _, one in maps])).mean(axis=0)
    average = np.where(stack > 0, stack, np.nan)
    return Grid(
        "attention-map",
        "Attention map",
        "Probability that a query (row) gives a key (column), mean over heads and sequences. A "
        "bright column is an attention sink. Empty cells are masked.",
        "query position",
        "key position",
        "probability",
        [f"query {i}" for i in range(shape[0])],
        [f"key {i}" for i in range(shape[1])],
        average,
        MAP_LOW,
        1.0,
        log=True,
        frames=[(place_name(tap), one) for tap, one in maps],
    )


def sink_importance(metrics: dict[str, Any]) -> Grid | None:
    """alpha_1 by layer and head."""
    taps = [tap for tap in v.table(metrics, "attention") if v.numbers(tap.get("alpha_first"))]
    if not taps:
        return None
    values = matrix([tap["alpha_first"] for tap in taps])
    return Grid(
        "sink-importance",
        "Sink importance of the first token",
        "alpha_1: the mean attention that queries give the first token, by layer and head. The "
        "published criterion calls a head's first token a sink above 0.3.",
        "layer",
        "head",
        "alpha_1",
        [place_name(tap) for tap in taps],
        [f"head {i}" for i in range(values.shape[1])],
        np.maximum(values, ALPHA_LOW),
        ALPHA_LOW,
        1.0,
        log=True,
        mark=0.3,
    )


def key_importance(metrics: dict[str, Any]) -> Grid | None:
    """alpha_k of the first keys, mean over heads, by layer."""
    taps = [tap for tap in v.table(metrics, "attention") if isinstance(tap.get("alpha"), list)]
    rows = [np.ma.masked_invalid(matrix(tap["alpha"])).mean(axis=0) for tap in taps]
    rows = [np.ma.filled(np.atleast_1d(row), np.nan).tolist() for row in rows]
    values = matrix(rows)
    if not np.isfinite(values).any():
        return None
    return Grid(
        "key-importance",
        "Sink importance by key",
        "alpha_k of the first keys, mean over heads: sinks that are not the first token show as "
        "further bright columns. The last keys are seen by near queries only.",
        "layer",
        "key position",
        "alpha_k",
        [place_name(tap) for tap in taps],
        [f"key {i}" for i in range(values.shape[1])],
        np.where(values > 0, values, np.nan),
        MAP_LOW,
        1.0,
        log=True,
    )


def residual_dimensions(metrics: dict[str, Any]) -> Grid | None:
    """Mean abs(x) at the top dimensions by Havg, by place in the network."""
    order = [int(dim) for dim in v.numbers(main_stream(metrics).get("order"))][:TOP_DIMS]
    taps = [tap for tap in stream_taps(metrics) if isinstance(tap.get("havg"), list)]
    if not order or not taps:
        return None
    rows = [[at(tap["havg"], dim) for dim in order] for tap in taps]
    values = matrix(rows)
    limits = log_range(values)
    if limits is None:
        return None
    return Grid(
        "residual-dimensions",
        "Residual dimensions",
        "Mean abs(x) over tokens of the residual stream at its dimensions with the largest Havg, "
        "in that order. A residual sink is a column that stays bright through the layers.",
        "after",
        f"dimension, the top {len(order)} by Havg",
        "mean abs(x)",
        [place_name(tap) for tap in taps],
        [f"dimension {dim}" for dim in order],
        values,
        *limits,
        log=True,
        colors="cividis",
        wide=True,
    )


def norm_weights(metrics: dict[str, Any]) -> Grid | None:
    """abs(gamma) over its median at the stream's top dimensions, by norm."""
    taps = [tap for tap in v.table(metrics, "norms") if v.table(tap, "suppressed")]
    dims: dict[int, None] = {}
    for tap in taps:
        for one in tap["suppressed"]:
            dim = v.whole(one.get("dim")) if isinstance(one, dict) else None
            if dim is not None:
                dims[dim] = None
    columns = list(dims)[:TOP_DIMS]
    rows = []
    for tap in taps:
        found = {v.whole(one.get("dim")): one for one in v.table(tap, "suppressed")}
        ratios = [v.number(found.get(dim, {}).get("to_median")) for dim in columns]
        rows.append([None if ratio is None else abs(ratio) for ratio in ratios])
    values = matrix(rows, len(columns))
    limits = log_range(values, 4)
    if limits is None:
        return None
    return Grid(
        "norm-weights",
        "Norm weights at the top dimensions",
        "abs(gamma) over the norm's median, at the stream's largest dimensions. Dark cells: the "
        "norm suppresses a dimension after it has enlarged the root mean square.",
        "norm",
        "dimension, by Havg",
        "abs(gamma) / median",
        [place_name(tap) for tap in taps],
        [f"dimension {dim}" for dim in columns],
        values,
        *limits,
        log=True,
        colors="cividis",
        wide=True,
    )


def positions(metrics: dict[str, Any]) -> Grid | None:
    """The largest abs(x) at each of the first positions and at the rest."""
    taps = [tap for tap in stream_taps(metrics) if isinstance(tap.get("first_positions"), list)]
    width = max((len(tap["first_positions"]) for tap in taps), default=0)
    rows = [
        (tap["first_positions"] + [None] * width)[:width] + [tap.get("other_positions")]
        for tap in taps
    ]
    values = matrix(rows)
    limits = log_range(values)
    if limits is None:
        return None
    return Grid(
        "positions",
        "Largest value by position",
        "Largest abs(x) of the residual stream at each of the first positions and at all others. "
        "Massive activations are bright cells at few positions.",
        "after",
        "token position",
        "max abs(x)",
        [place_name(tap) for tap in taps],
        [f"position {i}" for i in range(width)] + [f"position {width} and later"],
        values,
        *limits,
        log=True,
        colors="cividis",
    )


def magnitudes(metrics: dict[str, Any]) -> Grid | None:
    """How the stream's abs(x) spread over powers of two."""
    taps = [tap for tap in stream_taps(metrics) if v.mapping(tap, "histogram").get("counts")]
    spans = {}
    for index, tap in enumerate(taps):
        first, counts = v.whole(tap["histogram"].get("first")), tap["histogram"]["counts"]
        if first is None or not isinstance(counts, list):
            continue
        for power, count in enumerate(counts, first):
            if (v.number(count) or 0) > 0 and abs(power) <= MOST_POWER:
                spans[index, power] = float(count)
    if not spans:
        return None
    low, high = min(p for _, p in spans), max(p for _, p in spans)
    values = np.full((len(taps), high - low + 1), np.nan)
    for (index, power), count in spans.items():
        values[index, power - low] = count
    values /= np.nansum(values, axis=1, keepdims=True)
    limits = log_range(values, 8)
    assert limits is not None  # there are counts, and they are positive
    return Grid(
        "magnitudes",
        "Distribution of abs(x)",
        "Share of the residual stream's values in each power of two. Outliers are the thin tail on "
        "the right, far from the bulk.",
        "after",
        "abs(x) from 2^k to 2^(k+1), k",
        "share of values",
        [place_name(tap) for tap in taps],
        [str(power) for power in range(low, high + 1)],
        values,
        *limits,
        log=True,
        colors="cividis",
    )


def all_grids(metrics: dict[str, Any]) -> list[Grid]:
    """Every heat map the document has data for, in the page's order."""
    makers = (
        attention_maps, sink_importance, key_importance, residual_dimensions, norm_weights,
        positions, magnitudes,
    )  # fmt: skip
    return [grid for grid in (maker(metrics) for maker in makers) if grid is not None]
