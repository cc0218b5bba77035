"""Run an instrumented model over data."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

import basin
from basin.analysis.accumulate import by_tap
from basin.analysis.kinds import KINDS, check_kinds
from basin.analysis.metrics import known_ids
from basin.analysis.progress import steps
from basin.analysis.runs import Source
from basin.analysis.stats import Stats
from basin.errors import AnalysisError
from basin.inputs.signature import Facts, read_facts
from basin.verification.sessions import run_session

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_METADATA = "basin.statistics"


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
) -> Stats:
    """Measure the model at `path` on `data` (a Dataset, or Arrays), at most `batch` at a time.

    Sinks are measured over the first `sink_length` tokens. `taps` names the kinds of places that
    are measured, all by default. `progress` shows on stderr how far the run is. Raises
    AnalysisError, BasinError or VerifyError.
    """
    if taps is not None:
        check_kinds(taps)
    facts = facts or read_facts(path)
    source, folder = _links(path, facts.files)
    with folder:
        try:
            settings = f"sink-length={sink_length} taps={','.join(taps or KINDS)}"
            session, remarks = open_instrumented(source, Path(folder.name), settings, device)
        except (basin.BasinError, AnalysisError) as error:
            # The error names the link that was loaded, and users know their file by its own name.
            raise AnalysisError(str(error).replace(str(source), str(path))) from None
        instrumentation = json.loads(session.get_modelmeta().custom_metadata_map[_METADATA])
        if not instrumentation["taps"]:
            nothing = f"no tap of {', '.join(taps or KINDS)} was found"
            reasons = "; ".join(dict.fromkeys(remarks)) or nothing
            raise AnalysisError(f"{path}: the model has nothing that can be measured: {reasons}")
        runs = data.runs(session.get_inputs(), facts, instrumentation, batch)
        accumulators = by_tap(instrumentation)
        for index in steps(runs.total, progress):
            feed, tokens = runs.make(index)
            outputs = run_session(session, feed, path)
            for accumulator in accumulators:
                accumulator.update(outputs, tokens)
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


def open_instrumented(
    path: Path, folder: Path, settings: str, device: str
) -> tuple[ort.InferenceSession, list[str]]:
    """A session of the model with its statistics as outputs, and the compiler's remarks.

    The instrumented model is written to `folder`. Raises AnalysisError or BasinError.
    """
    if PROVIDERS[device] not in ort.get_available_providers():
        raise AnalysisError(f"--device {device}: this build of ONNX Runtime has no such provider")
    model = basin.load(path)
    passes = [
        "basin-raise",
        f"sink-instrument-outliers{{{settings}}}",
        "convert-sink-to-onnx",
    ]
    remarks = model.remarks + model.run(f"builtin.module({','.join(passes)})")
    target = _free_name(folder, "instrumented", ".onnx")
    model.save(target)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Higher levels fuse ops, and a value that is measured, like a norm's input, may vanish.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        session = ort.InferenceSession(str(target), options, providers=[PROVIDERS[device]])
    except Exception as error:  # ONNX Runtime's own exceptions share no other base.
        raise AnalysisError(f"{path}: ONNX Runtime does not load it: {error}") from None
    return session, ["; ".join(line.split("\n")) for line in remarks]


def _free_name(folder: Path, stem: str, end: str) -> Path:
    """An unused path in `folder`. The model's own name could be too long to append to."""
    while os.path.lexists(folder / (stem + end)):
        stem += "_"
    return folder / (stem + end)


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
