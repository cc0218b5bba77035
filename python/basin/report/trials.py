"""The section of the page that says what `basin recommend` tried."""

from __future__ import annotations

import math
from typing import Any

from basin.report import values as v
from basin.report.tables import Cell, Table, make, num, word

__all__ = ["trial_section"]

_MOST = 200
# Larger numbers are those with which masks hide keys.
_MASK = 1e30


def trial_section(stats: dict[str, Any]) -> dict[str, Any] | None:
    """Table and reason of the document's object `recommendation`, or None without it."""
    found = v.mapping(stats, "recommendation")
    trials = v.table(found, "trials")
    if not trials:
        return None
    target, name, reason = (found.get(key) for key in ("target", "recommended", "reason"))
    note = f"Recommended for {target}: {name}: {reason}."
    return {
        "id": "recommendation",
        "title": "Rewrites for the target",
        "grids": [],
        "charts": [],
        "tables": [_table(trials), *_ranges(trials)],
        "note": v.clean_text(note, 600),
    }


def _table(trials: list[dict[str, Any]]) -> Table:
    rows: list[list[Cell]] = []
    for one in trials:
        name = f"{one.get('name')}{' (recommended)' if one.get('recommended') else ''}"
        rows.append(
            [
                word(name),
                num(one.get("divergence")),
                num(one.get("error"), 2),
                num(one.get("perplexity"), 5),
                num(one.get("agreement"), 4),
                num(one.get("largest"), 5),
                num(one.get("parameters")),
                num(one.get("nodes")),
                word(one.get("promise") or None),
                word(one.get("refused") or None),
            ]
        )
    columns = (
        "treatment|#mean KL|#± KL|#perplexity|#same top-1|#largest abs(x)|#parameters added|"
        "#nodes added|promise|refused"
    )
    return make("trials", "Trials", columns, rows, _MOST)


def _ranges(trials: list[dict[str, Any]]) -> list[Table]:
    """For f16: the values of the largest magnitudes, as they are and as recommended."""
    plain = next((one for one in trials if not one.get("treatments")), {})
    best = next((one for one in trials if one.get("recommended")), {})
    after = {str(one.get("name")): one.get("largest") for one in v.table(best, "ranges")}
    rows: list[list[Cell]] = []
    for one in sorted(v.table(plain, "ranges"), key=_size, reverse=True):
        if _MASK < _size(one) < math.inf:
            continue
        name, largest = one.get("name"), one.get("largest")
        rows.append(
            [word(name), word(one.get("op")), num(largest, 5), num(after.get(str(name)), 5)]
        )
    if not rows:
        return []
    columns = "value|operator|#largest abs(x)|#as recommended"
    return [make("ranges", "Largest magnitudes (f16 ends at 65504)", columns, rows, _MOST)]


def _size(row: dict[str, Any]) -> float:
    """A magnitude to sort by. What is not finite comes first."""
    largest = v.number(row.get("largest"))
    return math.inf if largest is None else largest
