"""Trials as pieces of work: here, or at workers of a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from basin.analysis.data import Dataset
from basin.distribution.pieces import Site
from basin.recommendation.target import Target
from basin.recommendation.treatments import Treatment
from basin.recommendation.trials import Trial, Trials

__all__ = ["Job", "Piece", "Worker", "open_worker", "run_piece"]

# The names of treatments, and how many projections are kept.
Piece = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class Job:
    """What all trials have in common."""

    source: Path
    target: Target
    calibration: Dataset
    data: Dataset
    check: bool


class Worker:
    """Trials of a job, in a folder that lasts as long as the worker's state."""

    def __init__(self, job: Job, source: Path, treatments: Sequence[Treatment]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="basin-")
        folder = Path(self._folder.name)
        self.trials = Trials(source, job.target, job.calibration, job.data, folder, job.check)
        self.treatments = {one.name: one for one in treatments}

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def open_worker(job: Job, treatments: Sequence[Treatment], site: Site) -> Worker:
    """A worker's state: the model is where the site has it."""
    return Worker(job, site.models[0] if site.models else job.source, treatments)


def run_piece(worker: Worker, piece: Piece) -> Trial:
    """One trial."""
    names, exclude = piece
    return worker.trials.run([worker.treatments[name] for name in names], exclude)
