"""What overflows in f16: the largest magnitude of each value, and the model rounded to f16."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from basin.analysis.batch import Batch
from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.analysis.streams import F16_LARGEST
from basin.inputs.signature import read_facts
from basin.model import load
from basin.verification.sessions import open_session, run_session

__all__ = [
    "LARGEST",
    "ValueRange",
    "describe_overflows",
    "find_nearest",
    "find_overflows",
    "measure_ranges",
    "write_rounded",
]

LARGEST = F16_LARGEST
_RUN_KEY = "basin.ranges-run"
# Masks hide keys by numbers of that size, which f16 clamps without harm.
_MASK = 1e30
_BEFORE = "onnx-inline-functions,onnx-infer-shapes{on-conflict=warn}"


@dataclass(frozen=True)
class ValueRange:
    """A value, the operator that computes it (None for an input), and its largest magnitude."""

    name: str
    op: str | None
    largest: float

    @property
    def overflows(self) -> bool:
        """Whether f16 cannot hold it. A mask's number is no overflow."""
        return not self.largest <= LARGEST and not self.is_mask

    @property
    def is_mask(self) -> bool:
        """Whether it is a number with which masks hide keys."""
        return _MASK < self.largest < np.inf


def measure_ranges(path: Path, data: Dataset, folder: Path) -> list[ValueRange]:
    """The ranges of all values of the main graph over the data, in program order.

    Norms and other operators compute inside what no value shows. Raises BasinError or VerifyError.
    """
    target = folder / "ranges.onnx"
    model = load(path)
    model.run(f"{_BEFORE},sink-instrument-ranges")
    model.save(target, "copy")
    metadata = onnx.load(target, load_external_data=False).metadata_props
    (text,) = (entry.value for entry in metadata if entry.key == _RUN_KEY)
    entries = json.loads(text)
    session = open_session(target)
    feeder = Feeder(session.get_inputs(), read_facts(target))
    largest = {entry["output"]: 0.0 for entry in entries}
    for ids in data.sequences:
        outputs = run_session(session, feeder.feed(Batch.of(ids[None])), target)
        for name in largest:
            found = float(np.asarray(outputs[name])[0])
            # NaN stays, so that it is reported.
            largest[name] = found if np.isnan(found) else max(largest[name], found)
    return [ValueRange(one["name"], one["op"], largest[one["output"]]) for one in entries]


def find_overflows(ranges: Sequence[ValueRange]) -> list[ValueRange]:
    """The values that f16 cannot hold."""
    return [one for one in ranges if one.overflows]


def find_nearest(ranges: Sequence[ValueRange]) -> list[ValueRange]:
    """The values beyond a quarter of what f16 can hold, the largest first, or the largest one."""
    values = [one for one in ranges if not one.is_mask]
    values.sort(key=lambda one: np.inf if np.isnan(one.largest) else one.largest, reverse=True)
    near = [one for one in values if not one.largest <= LARGEST / 4]
    return near or values[:1]


def describe_overflows(ranges: Sequence[ValueRange]) -> str:
    """How many values f16 cannot hold, the first of them, and the largest."""
    found = find_overflows(ranges)
    if not found:
        return "no value overflows f16"
    first, worst = found[0], max(found, key=lambda one: one.largest)
    return (
        f"{len(found)} values overflow f16: first '{first.name}' ({first.op}), which reaches "
        f"{first.largest:.5g}; most '{worst.name}' ({worst.op}) with {worst.largest:.5g}"
    )


def write_rounded(path: Path, target: Path) -> None:
    """Write the model with each value rounded to f16. Raises BasinError."""
    model = load(path)
    model.run(f"{_BEFORE},sink-round-to-f16")
    model.save(target, "copy")
