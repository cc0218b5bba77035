"""The model as `sink-instrument-quantization` writes it, for calibration and for trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import onnx

from basin.prefix import write_passed

__all__ = ["read_entries", "write_instrumented"]

_RUN_KEY = "basin.quantization-run"
# Options that the pass takes as the step does.
_SHARED = ("scheme", "scheme-file", "residual", "residual-scale", "kv-cache", "exclude", "head")
_FILES = ("scheme-file", "calibration")


def write_instrumented(path: Path, options: Mapping[str, str], *, trials: bool) -> Path:
    """Write the model at `path` for calibration or for trials. Raises BasinError."""
    asked = {key: value for key, value in options.items() if key in _SHARED}
    if asked.get("exclude", "").startswith("auto:"):
        del asked["exclude"]
    if trials and "calibration" in options:
        asked["calibration"] = options["calibration"]
    words = [f"trials={str(trials).lower()}"]
    words += [
        f"{key}=file://{quote(value)}" if key in _FILES else f"{key}={value}"
        for key, value in asked.items()
    ]
    target = path.with_name(f"{'trials' if trials else 'calibrate'}-{path.name}")
    write_passed(path, f"sink-instrument-quantization{{{' '.join(words)}}}", target)
    return target


def read_entries(path: Path, key: str) -> list[dict[str, Any]]:
    """A list of the instrumented model's metadata."""
    model = onnx.load(path, load_external_data=False)
    (text,) = (entry.value for entry in model.metadata_props if entry.key == _RUN_KEY)
    found: list[dict[str, Any]] = json.loads(text)[key]
    return found
