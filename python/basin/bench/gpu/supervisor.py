"""Starts the process that measures, and starts it again if a case broke it or does not end.

A kernel that reads outside of its memory breaks the process's device, and one that never ends
blocks the process. The file of results says which case that was. It counts as failed, and the other
cases go on.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from basin.bench.gpu.records import Records, RecordsError

BROKEN = 3  # exit status of a worker whose device is lost
BAD = 1  # of one that refuses what it was given, or of any exception
BUDGET = "the time budget was used up"
POLL = 0.1


def _wait(worker: Any, path: Path, stall: float, deadline: float | None) -> str | None:
    """Wait until the worker ends. If it had to be ended, return why."""
    size, since = -1, time.monotonic()
    while worker.poll() is None:
        time.sleep(POLL)
        now, length = time.monotonic(), path.stat().st_size if path.exists() else 0
        if length != size:
            size, since = length, now
        why = None
        if now - since > stall:
            why = f"no result after {stall:g} s"
        elif deadline is not None and now > deadline:
            why = BUDGET
        if why:
            worker.kill()
            worker.wait()
            return why
    return None


def supervise(
    command: Callable[[float | None], Sequence[str]],
    path: Path,
    budget: float | None = None,
    stall: float = 150,
    grace: float = 15,
) -> int:
    """Run `command(seconds left)` until it is through; the exit status.

    The worker has to keep the budget. It is ended `grace` seconds after it.
    """
    start = time.monotonic()
    while True:
        left = None if budget is None else budget - (time.monotonic() - start)
        if left is not None and left <= 0:
            return 0
        before = Records(path).begins
        worker = subprocess.Popen(command(left))
        deadline = None if left is None else time.monotonic() + left + grace
        ended = _wait(worker, path, stall, deadline)
        if ended == BUDGET or worker.returncode == 0:
            return 0
        records = Records(path)
        if records.begins == before:
            if worker.returncode == BAD:
                return BAD
            status = f"status {worker.returncode}"
            raise RecordsError(f"the measuring process ended before its first case ({status})")
        if records.begun is not None:
            why = ended or f"the process ended with status {worker.returncode}"
            case = {"times": {}, "errors": {}, "failed": {"case": why}}
            records.add(records.begun, **case, seconds=0.0)
