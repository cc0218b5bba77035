"""Run an instrumented model over data."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

import basin
from basin.analysis.accumulate import Accumulator, by_tap
from basin.analysis.batch import Batch
from basin.analysis.instrumented import instrument, instrumentation_of, open_instrumented
from basin.analysis.kinds import KINDS, check_kinds
from basin.analysis.metrics import known_ids
from basin.analysis.progress import steps
from basin.analysis.runs import Feed, Runs, Source
from basin.analysis.stats import Stats
from basin.distribution import Site, map_pieces, split
from basin.errors import AnalysisError
from basin.inputs.signature import Facts, list_inputs, read_facts
from basin.verification.sessions import run_session

if TYPE_CHECKING:
    from basin.distribution.cluster import Cluster


def analyze(
    path: Path,
    data: Source,
    *,
    batch: int = 8,
    sink_length: int = 64,
    taps: Sequence[str] | None = None,
    device: str = "cpu",
    facts: Facts | None = None,
    progress: bool = False,
    cluster: Cluster | None = None,
) -> Stats:
    """Measure the model at `path` on `data` (a Dataset, or Arrays), at most `batch` at a time.

    Sinks are measured over the first `sink_length` tokens. `taps` names the kinds of places that
    are measured, all by default. `progress` shows on stderr how far the run is. With a `cluster`
    the batches run there, with the same result. Raises AnalysisError, BasinError, ClusterError or
    VerifyError.
    """
    if taps is not None:
        check_kinds(taps)
    facts = facts or read_facts(path)
    source, folder = _links(path, facts.files)
    with folder:
        try:
            settings = f"sink-length={sink_length} taps={','.join(taps or KINDS)}"
            target, remarks = instrument(source, Path(folder.name), settings, device)
            session = open_instrumented(target, source, device)
        except (basin.BasinError, AnalysisError) as error:
            # The error names the link that was loaded, and users know their file by its own name.
            raise AnalysisError(str(error).replace(str(source), str(path))) from None
        instrumentation = instrumentation_of(session)
        if not instrumentation["taps"]:
            nothing = f"no tap of {', '.join(taps or KINDS)} was found"
            reasons = "; ".join(dict.fromkeys(remarks)) or nothing
            raise AnalysisError(f"{path}: the model has nothing that can be measured: {reasons}")
        runs = data.runs(list_inputs(session), facts, instrumentation, batch)
        accumulators = by_tap(instrumentation)
        if cluster is None:
            for index in steps(runs.total, progress):
                take_run(session, path, runs.make(index), accumulators)
        else:
            # The workers open it anew, and the memory of this machine may be theirs.
            del session
            measure_on(cluster, target, path, device, runs, accumulators, progress)
    stats = Stats(
        model=_describe(path, facts),
        data=runs.describe(sink_length),
        instrumentation=instrumentation,
        accumulators=accumulators,
        notes=runs.notes + list(dict.fromkeys(remarks)),
    )
    if runs.tokenizer is not None:
        texts = {id: runs.tokenizer.text(id) for id in sorted(known_ids(accumulators))}
        stats.data["texts"] = {str(id): text for id, text in texts.items() if text is not None}
    return stats


def take_run(
    session: ort.InferenceSession,
    path: Path,
    run: tuple[Feed, Batch | None],
    accumulators: list[Accumulator],
) -> None:
    """Run the instrumented model of `path` once, and take its statistics in."""
    feed, tokens = run
    outputs = run_session(session, feed, path)
    for accumulator in accumulators:
        accumulator.update(outputs, tokens)


def measure_on(
    cluster: Cluster,
    target: Path,
    path: Path,
    device: str,
    runs: Runs,
    accumulators: list[Accumulator],
    progress: bool,
) -> None:
    """Take in what the workers of a cluster measure with the instrumented model at `target`."""
    pool = cluster.pool([(target, read_facts(target).files)], gpu=device == "cuda")
    parts = split(range(runs.total), pool.workers)
    pieces = ([runs.make(index) for index in part] for part in parts)
    opens = partial(_open_at, path, device)
    with closing(map_pieces(opens, partial(_measure, path), pieces, pool)) as results:
        for _ in steps(len(parts), progress, "pieces"):
            # Merging is exact, so that the division into pieces leaves no trace.
            for mine, theirs in zip(accumulators, next(results)):
                mine.merge(theirs)


def _open_at(path: Path, device: str, site: Site) -> ort.InferenceSession:
    return open_instrumented(site.models[0], path, device, site.threads)


def _measure(
    path: Path, session: ort.InferenceSession, piece: list[tuple[Feed, Batch | None]]
) -> list[Accumulator]:
    """What some runs add to the statistics."""
    found = by_tap(instrumentation_of(session))
    for run in piece:
        take_run(session, path, run, found)
    return found


def _links(path: Path, names: list[str]) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """A model to load and a folder to write beside it, without a copy of its external data.

    A model refers to its data by name only, so the folder gets hard links to all files. It is in
    the system's place for temporary files if that is on the same disk, else beside the model. If
    neither is possible, the model itself is loaded, and the written model gets a copy of the data.
    `names` are the files beside the model.
    """
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        names = []  # Loading the model refuses it.
    for place in (None, path.absolute().parent) if names else ():
        try:
            folder = tempfile.TemporaryDirectory(prefix=".basin-", dir=place)
        except OSError:
            continue
        try:
            for name in [path.name, *names]:
                link = Path(folder.name) / name
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link((path.parent / name).resolve(), link)
            return Path(folder.name) / path.name, folder
        except OSError:
            folder.cleanup()
    return path, tempfile.TemporaryDirectory(prefix=".basin-")


def _describe(path: Path, facts: Facts) -> dict[str, Any]:
    """Name, checksum (of the file, then of its external data by name) and number of parameters."""
    digest = hashlib.sha256()
    for file in [path, *(path.parent / name for name in facts.files)]:
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return {"name": path.name, "sha256": digest.hexdigest(), "parameters": facts.parameters}
