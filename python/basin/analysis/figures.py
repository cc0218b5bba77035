"""Numbers as JSON has them: NaN and infinity become null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from basin.analysis.cells import UNKNOWN

# Texts of ids, as far as known.
Texts = Mapping[int, str]


def number(value: Any) -> float | None:
    """A float, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def numbers(values: np.ndarray) -> list[Any]:
    """Nested lists, None for what is not finite."""
    if values.ndim > 1:
        return [numbers(row) for row in values]
    return [number(value) for value in values.tolist()]


def token(position: int, id: int, texts: Texts) -> dict[str, Any]:
    """A token of the metrics; what is UNKNOWN is null."""
    return {
        "position": None if position == UNKNOWN else position,
        "id": None if id == UNKNOWN else id,
        "text": texts.get(id),
    }


def over(value: float, typical: float) -> float | None:
    """value / typical, None where that is no number."""
    return number(value / typical) if typical > 0 else None
