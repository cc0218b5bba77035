"""The results of a matrix: one JSON object a line, appended as they come.

A row belongs to a subject (a case, or a case and what was done with its file) and a stage. Its key
names everything that the result depends on, so that a later run takes up only what has changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Records:
    """The rows of a file; of several with one stage and subject, the last holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[tuple[str, str], Row] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue  # A run was stopped while it wrote.
                self._rows[row["stage"], row["subject"]] = row

    def get(self, stage: str, subject: str, key: str | None = None) -> Row | None:
        """The row of a stage and subject, if it has this key."""
        row = self._rows.get((stage, subject))
        return row if row is not None and key in (None, row["key"]) else None

    def add(self, stage: str, subject: str, key: str, result: Row) -> Row:
        """Append a row."""
        row = {"stage": stage, "subject": subject, "key": key} | result
        self._rows[stage, subject] = row
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return row
