"""Results as they come: a JSON object a line, so that an interrupted run loses one case at most.

{"kind": "machine", ...}                      once, first
{"kind": "begin", "key": KEY}                 before each case
{"kind": "result", "key": KEY, "times": {..}, "errors": {..}, "failed": {..}, "clock": MHZ,
 "seconds": S}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class RecordsError(Exception):
    """A file of results cannot be continued; the message says why."""


class Records:
    """A file of results. Its present content is read first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.machine: dict[str, Any] | None = None
        self.results: dict[str, dict[str, Any]] = {}
        self.begun: str | None = None  # a case without its result
        self.begins = 0
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror}") from error
        # A line without its end was cut off while it was written, and is dropped.
        self._end = content.rfind(b"\n") + 1
        for number, line in enumerate(content[: self._end].splitlines(), 1):
            try:
                self._note(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise RecordsError(f"{path}:{number}: not a result ({error!r})") from error

    def _note(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        if kind == "machine":
            self.machine = record
        elif kind == "begin":
            self.begun = record["key"]
            self.begins += 1
        elif kind == "result":
            self.results[record["key"]] = record
            self.begun = None
        else:
            raise ValueError(f"unknown kind {kind!r}")

    def _append(self, record: dict[str, Any]) -> None:
        self._note(record)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(record).encode() + b"\n"
        with open(self.path, "ab") as file:
            file.truncate(self._end)
            file.write(line)
        self._end += len(line)

    def start(self, machine: dict[str, Any]) -> None:
        """Record the machine, or check that it is the same as before."""
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
        """Record that a case begins."""
        self._append({"kind": "begin", "key": key})

    def add(self, key: str, **result: Any) -> None:
        """Record a case's result."""
        self._append({"kind": "result", "key": key, **result})
