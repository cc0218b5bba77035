"""What runs in the processes of a Ray cluster: open a job's state once, and work on pieces.

A process keeps the state of one job, so that a task finds it open where an earlier task of the same
job ran. Errors that a user can cause go back as values, because they are answers and no failures of
the worker: Ray must not wrap their text in a traceback, or try again.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from basin import errors
from basin.distribution import files
from basin.distribution.pieces import Site


@dataclass(frozen=True)
class Job:
    """All that the workers of a pool need, but the pieces. `home` is the driver's node."""

    key: str
    open: Callable[[Site], Any]
    run: Callable[[Any, Any], Any]
    models: list[files.SharedModel]
    threads: int
    versions: dict[str, str]
    home: str


@dataclass(frozen=True)
class Failure:
    """An error that the driver raises: the name of its class, and its text."""

    kind: str
    message: str

    def error(self) -> Exception:
        """The error itself."""
        from basin.model import BasinError

        kinds: dict[str, type[Exception]] = {name: getattr(errors, name) for name in errors.__all__}
        return (kinds | {"BasinError": BasinError, "OSError": OSError})[self.kind](self.message)


_opened: dict[str, Any] = {}


def work(job: Job, piece: Any) -> Any:
    """The result for a piece, or a Failure."""
    from basin.model import BasinError

    try:
        if job.key not in _opened:
            # The state of an earlier job may be large.
            _opened.clear()
            _opened[job.key] = job.open(_site(job))
        return job.run(_opened[job.key], piece)
    except BasinError as error:
        return Failure("BasinError", str(error))
    except tuple(getattr(errors, name) for name in errors.__all__) as error:
        return Failure(type(error).__name__, str(error))
    except OSError as error:
        return Failure("OSError", f"{os.uname().nodename}: {error}")


def _site(job: Job) -> Site:
    mine = versions()
    for name, version in job.versions.items():
        if mine[name] != version:
            raise errors.ClusterError(
                f"node {os.uname().nodename}: expected {name} {version}, as on this machine, but "
                f"got {mine[name]}"
            )

    def fetch(path: Path, size: int) -> Iterator[bytes]:
        where = NodeAffinitySchedulingStrategy(job.home, soft=False)
        for start in range(0, size, files.CHUNK):
            task = ray.remote(num_cpus=0, scheduling_strategy=where)(_read)
            yield ray.get(task.remote(str(path), start))

    return Site([files.find_model(one, fetch) for one in job.models], job.threads)


def versions() -> dict[str, str]:
    """The versions of what results depend on: runs have the same bits only if all run one code."""
    try:
        own = importlib.metadata.version("basin")
    except importlib.metadata.PackageNotFoundError:
        own = "from a checkout"
    return {"basin": own, "numpy": np.__version__, "onnxruntime": ort.__version__}


def _read(path: str, start: int) -> bytes:
    """A part of a file of the driver's node."""
    with open(path, "rb") as stream:
        stream.seek(start)
        return stream.read(files.CHUNK)


def remove(key: str) -> None:
    """Remove a pool's files of the node that this runs on."""
    files.remove(key)
