"""Heat maps as data, apart from how they are drawn, and what they are made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from basin.report import values as v


@dataclass
class Grid:
    """A heat map: values [rows, columns], NaN where there is none.

    `frames` are alternatives to `values`, `mark` a threshold on the colour scale.
    """

    id: str
    title: str
    caption: str
    row_title: str
    column_title: str
    unit: str
    rows: list[str]
    columns: list[str]
    values: np.ndarray
    low: float
    high: float
    log: bool = False
    colors: str = "viridis"
    wide: bool = False
    mark: float | None = None
    frames: list[tuple[str, np.ndarray]] = field(default_factory=list)


def place_name(tap: dict[str, Any]) -> str:
    """A tap in words: its layer and place."""
    layer, place = v.whole(tap.get("layer")), tap.get("place")
    where = "layer –" if layer is None else f"layer {layer}"
    return place if place == "embedding" else f"{where} {place}" if place else where


def matrix(rows: list[Any], width: int | None = None) -> np.ndarray:
    """Rows of numbers and nulls as [R, C] f64, short and missing ones filled with NaN."""
    lists = [row if isinstance(row, list) else [] for row in rows]
    width = max((len(row) for row in lists), default=0) if width is None else width
    result = np.full((len(lists), width), np.nan)
    for index, row in enumerate(lists):
        for column, value in enumerate(row[:width]):
            found = v.number(value)
            if found is not None:
                result[index, column] = found
    return result


def log_range(values: np.ndarray, decades: float = 6) -> tuple[float, float] | None:
    """The range of the positive values, not below `decades` under the largest."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return None
    high = float(positive.max())
    low = max(float(positive.min()), high / 10**decades)
    return (low, high) if low < high else (low / 2, high * 2)


def main_stream(metrics: dict[str, Any]) -> dict[str, Any]:
    """The residual stream with the most taps (figures show one; the tables have all)."""
    counts = Counter(v.whole(tap.get("stream")) for tap in v.table(metrics, "residual"))
    streams = v.table(metrics, "streams")
    return max(streams, key=lambda one: counts.get(v.whole(one.get("stream")), 0), default={})


def stream_taps(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The taps of the main stream."""
    taps = v.table(metrics, "residual")
    stream = v.whole(main_stream(metrics).get("stream"))
    return (
        [tap for tap in taps if v.whole(tap.get("stream")) == stream]
        if stream is not None
        else taps
    )


def at(values: list[Any], index: int) -> Any:
    """`values[index]`, or None."""
    return values[index] if 0 <= index < len(values) else None
