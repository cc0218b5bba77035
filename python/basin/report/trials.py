"""The section of the page that says what `basin recommend` tried."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.tables import Cell, Table, make, num, word

__all__ = ["trial_section"]

_MOST = 200


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
        "tables": [_table(trials)],
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
                word(one.get("refused") or None),
            ]
        )
    columns = (
        "treatment|#mean KL|#± KL|#perplexity|#same top-1|#largest abs(x)|#parameters added|"
        "#nodes added|refused"
    )
    return make("trials", "Trials", columns, rows, _MOST)
