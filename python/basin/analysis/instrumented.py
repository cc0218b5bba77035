"""A model that returns its statistics: written by the compiler, opened in ONNX Runtime."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import onnxruntime as ort

import basin
from basin.errors import AnalysisError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_METADATA = "basin.statistics"


def instrument(path: Path, folder: Path, settings: str, device: str) -> tuple[Path, list[str]]:
    """The model with its statistics as outputs, written to `folder`; and the compiler's remarks.

    Raises AnalysisError or BasinError.
    """
    _check_device(device)
    model = basin.load(path)
    passes = [
        "basin-raise",
        f"sink-instrument-outliers{{{settings}}}",
        "convert-sink-to-onnx",
    ]
    remarks = model.remarks + model.run(f"builtin.module({','.join(passes)})")
    target = _free_name(folder, "instrumented", ".onnx")
    model.save(target)
    return target, ["; ".join(line.split("\n")) for line in remarks]


def open_instrumented(
    target: Path, path: Path, device: str, threads: int | None = None
) -> ort.InferenceSession:
    """A session of what `instrument` wrote for the model at `path`. Raises AnalysisError."""
    _check_device(device)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Higher levels fuse ops, and a value that is measured, like a norm's input, may vanish.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return ort.InferenceSession(str(target), options, providers=[PROVIDERS[device]])
    except Exception as error:  # ONNX Runtime's own exceptions share no other base.
        raise AnalysisError(f"{path}: ONNX Runtime does not load it: {error}") from None


def _free_name(folder: Path, stem: str, end: str) -> Path:
    """An unused path in `folder`. The model's own name could be too long to append to."""
    while os.path.lexists(folder / (stem + end)):
        stem += "_"
    return folder / (stem + end)


def _check_device(device: str) -> None:
    """Raise AnalysisError where ONNX Runtime would run on the CPU instead, as it does unasked."""
    if PROVIDERS[device] not in ort.get_available_providers():
        raise AnalysisError(f"--device {device}: this build of ONNX Runtime has no such provider")


def instrumentation_of(session: ort.InferenceSession) -> dict[str, Any]:
    """What the model's metadata say about its statistics."""
    found: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map[_METADATA])
    return found
