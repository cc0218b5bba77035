"""Runs a function in a process of its own, with a limit of time and of memory.

Processes are forks: what is imported before the first one is there in all of them. Several run at
once. A process that crashes, or that is stopped at its limit, fails only its own task.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Result = dict[str, Any]


@dataclass
class Task:
    """A function to run, what to do with its result, and its limit in seconds."""

    name: str
    function: Callable[[], Result]
    done: Callable[[Result], None]
    seconds: float


@dataclass
class _Running:
    task: Task
    began: float
    output: Path


def address_space() -> int:
    """Bytes of address space of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _child(task: Task, output: Path, memory: int) -> None:
    """The forked process: never returns."""
    try:
        os.setsid()
        log = os.open(output.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        limit = address_space() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        result = task.function()
    except MemoryError:
        result = {"error": "it ran out of the memory that a case may take"}
    except BaseException as error:
        if os.environ.get("BASIN_BENCH_TRACEBACK"):
            traceback.print_exc()
        result = {"error": describe(error)}
    output.write_text(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)


def describe(error: BaseException) -> str:
    """An exception's name and its message, on one line; the first cause of a chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(re.sub("\x1b\\[[0-9;]*m", "", str(error)).split())
    return f"{type(error).__name__}: {text[:300]}"


def _result(running: _Running, status: int, timed_out: bool) -> Result:
    if timed_out:
        return {"error": f"it took more than {running.task.seconds:.0f} s"}
    if os.WIFSIGNALED(status):
        return {"error": f"its process ended by {signal.Signals(os.WTERMSIG(status)).name}"}
    try:
        return dict(json.loads(running.output.read_text()))
    except (OSError, ValueError):
        return {"error": "its process wrote no result"}


def run_all(tasks: Iterable[Task], jobs: int, memory: int) -> None:
    """Run the tasks, `jobs` at a time; each process may take `memory` bytes beyond this one's."""
    with tempfile.TemporaryDirectory(prefix="basin-recognize-") as folder:
        waiting = iter(tasks)
        running: dict[int, _Running] = {}
        number, more = 0, True
        while more or running:
            while more and len(running) < jobs:
                task = next(waiting, None)
                if task is None:
                    more = False
                    break
                number += 1
                output = Path(folder) / f"{number}.json"
                pid = os.fork()
                if pid == 0:
                    _child(task, output, memory)
                running[pid] = _Running(task, time.monotonic(), output)
            _collect(running)


def _collect(running: dict[int, _Running]) -> None:
    """Take the results of the processes that ended, and stop those past their limit."""
    ended = False
    for pid, one in list(running.items()):
        found, status = os.waitpid(pid, os.WNOHANG)
        late = time.monotonic() - one.began > one.task.seconds
        if found == 0 and late:
            os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        if found == 0 and not late:
            continue
        ended = True
        del running[pid]
        result = _result(one, status, late and found == 0)
        result["seconds"] = round(time.monotonic() - one.began, 2)
        one.task.done(result)
        for left in (one.output, one.output.with_suffix(".log")):
            left.unlink(missing_ok=True)
    if not ended:
        time.sleep(0.02)
