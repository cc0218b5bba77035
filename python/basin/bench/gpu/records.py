"""Results as they come: a JSON object a line, so that an interrupted run loses one case at most.

{"kind": "machine", ...}                      once, first
{"kind": "begin", "key": KEY}                 before each case
{"kind": "result", "key": KEY, "times": {..}, "errors": {..}, "failed": {..}, "seconds": S}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class RecordsError(Exception):
    """Why a file of results cannot be gone on with."""


class Records:
    """A file of results; what it holds is read first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.machine: dict[str, Any] | None = None
        self.results: dict[str, dict[str, Any]] = {}
        self.begun: str | None = None  # a case without its result
        self._torn = False
        try:
            text = path.read_text() if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise RecordsError(f"{path}: cannot be read ({error})") from error
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if line:
                self._take(line, number, last=number == len(lines))

    def _take(self, line: str, number: int, last: bool) -> None:
        try:
            record = json.loads(line)
            self._note(record)
        except (ValueError, KeyError, TypeError) as error:
            # The last line may have been cut off; anything else is not a file of ours.
            if not last:
                raise RecordsError(f"{self.path}:{number}: not a result ({error!r})") from error
        self._torn = last

    def _note(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        if kind == "machine":
            self.machine = record
        elif kind == "begin":
            self.begun = record["key"]
        elif kind == "result":
            self.results[record["key"]] = record
            self.begun = None
        else:
            raise ValueError(f"unknown kind {kind!r}")

    def _append(self, record: dict[str, Any]) -> None:
        self._note(record)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            file.write("\n" * self._torn + json.dumps(record) + "\n")
        self._torn = False

    def start(self, machine: dict[str, Any]) -> None:
        """Note the machine, or see that it is the same as before."""
        if self.machine is None:
            self._append({"kind": "machine", **machine})
            return
        for name in ("gpu", "objects"):
            was, now = self.machine.get(name), machine.get(name)
            if was != now:
                raise RecordsError(
                    f"{self.path}: has results of {name} {was}, but this is {now}; "
                    "name another file with --json"
                )

    def begin(self, key: str) -> None:
        """Before a case."""
        self._append({"kind": "begin", "key": key})

    def add(self, key: str, **result: Any) -> None:
        """After it."""
        self._append({"kind": "result", "key": key, **result})
