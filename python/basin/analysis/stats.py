"""Statistics files: stats.json of docs/statistics.md, section 2. Read, written, merged.

A file holds accumulators and what was derived from them. Merging adds the accumulators up and
derives anew; it refuses files of different models, settings or kinds of data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from basin.analysis.accumulate import Accumulator, by_tap
from basin.analysis.accumulate_attention import Attention
from basin.analysis.accumulate_tokens import Residual
from basin.analysis.kinds import kinds_of
from basin.analysis.metrics import derive, known_ids, score_bound
from basin.analysis.packing import fill_marks, has_mark, mark_long_lists, pack, unpack
from basin.analysis.streams import stream_maxima
from basin.errors import AnalysisError
from basin.output.files import write_whole

VERSION = 1
# In a file, in place of a long list of the metrics.
DERIVED = "derived"


@dataclass
class Stats:
    """What was measured: the objects of the file, and its accumulators.

    `notes` are the warnings that the data and the run gave; those that the accumulators imply are
    added when the document is made.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    instrumentation: dict[str, Any]
    accumulators: list[Accumulator]
    notes: list[str]

    def document(self) -> dict[str, Any]:
        """The file's content, with all metrics."""
        texts = {int(id): text for id, text in self.data["texts"].items()}
        ids = known_ids(self.accumulators)
        kept = {str(id): texts[id] for id in sorted(ids & set(texts))}
        residual = [one for one in self.accumulators if isinstance(one, Residual)]
        attention = [one for one in self.accumulators if isinstance(one, Attention)]
        return {
            "version": VERSION,
            "model": self.model,
            "data": self.data | {"texts": kept},
            "instrumentation": self.instrumentation,
            "accumulators": [one.to_json() for one in self.accumulators],
            "residual_streams": [{"max_abs": maxima} for maxima in stream_maxima(residual)],
            "attentions": [
                {"name": one.tap["name"], "score_bound": score_bound(one)} for one in attention
            ],
            "metrics": derive(self.accumulators, self.instrumentation["sink_length"], texts),
            "notes": self.notes + _implied(self),
        }

    def merge(self, other: Stats, where: str) -> None:
        """Take in another's accumulators. Raises AnalysisError, about `where`, unless they fit."""
        pairs = [
            ("model", self.model["sha256"], other.model["sha256"]),
            (
                "instrumentation",
                self.instrumentation | {"kinds": kinds_of(self.instrumentation)},
                other.instrumentation | {"kinds": kinds_of(other.instrumentation)},
            ),
            ("kind of data", self.data["kind"], other.data["kind"]),
            ("tokenizer", self.data["tokenizer"], other.data["tokenizer"]),
            ("BOS", self.data["bos"]["id"], other.data["bos"]["id"]),
        ]
        for what, mine, theirs in pairs:
            if mine != theirs:
                shown = "" if isinstance(mine, dict) else f": {mine} and {theirs}"
                raise AnalysisError(
                    f"{where}: expected the same {what} as in the files before{shown}"
                )
        for mine, theirs in zip(self.accumulators, other.accumulators):
            mine.merge(theirs)
        self.data = _merged_data(self.data, other.data)
        self.notes = list(dict.fromkeys(self.notes + other.notes))


def _merged_data(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Counts added up, sources listed once each."""
    sources = dict.fromkeys(mine["source"].split(", ") + theirs["source"].split(", "))
    return mine | {
        "source": ", ".join(sources),
        "sequences": mine["sequences"] + theirs["sequences"],
        "tokens": mine["tokens"] + theirs["tokens"],
        "length": max(mine["length"], theirs["length"]),
        "bos": {
            "id": mine["bos"]["id"],
            "starts": mine["bos"]["starts"] + theirs["bos"]["starts"],
        },
        "short": mine["short"] + theirs["short"],
        "texts": mine["texts"] | theirs["texts"],
    }


def _implied(stats: Stats) -> list[str]:
    """Warnings that follow from what was measured on what."""
    data, length = stats.data, stats.instrumentation["sink_length"]
    count, bos = data["sequences"], data["bos"]
    out = []
    if data["kind"] == "random":
        out.append("random tokens were run: sinks and outliers of text may differ")
    if data["kind"] == "inputs":
        out.append("the inputs were given as arrays: which tokens are BOS is not known")
    elif bos["id"] is None:
        out.append(
            "no BOS is known: if the model has one, give it with --bos, or sinks at BOS are missed"
        )
    elif bos["starts"] < count:
        out.append(
            f"{count - bos['starts']} of {count} sequences do not begin with BOS (id {bos['id']}): "
            "sinks at BOS are missed there"
        )
    if data["short"]:
        out.append(
            f"{data['short']} of {count} sequences are shorter than {length} tokens: "
            "their sink importance is taken over fewer"
        )
    return out + _of_taps(stats.accumulators)


def _of_taps(accumulators: list[Accumulator]) -> list[str]:
    """Notes on taps that did not run, and on those with NaN or infinity."""
    out = []
    idle = [one for one in accumulators if not one.sequences.value and not one.nonfinite.value]
    if idle:
        branches = sorted({str(one.tap.get("branch")) for one in idle})
        out.append(f"{len(idle)} taps did not run (branches: {', '.join(branches)})")
    for one in accumulators:
        if one.nonfinite.value:
            total = int(one.sequences.value + one.nonfinite.value)
            out.append(
                f"tap {one.tap['id']} ({one.tap['kind']} '{one.tap['name']}'): NaN or infinity in "
                f"{int(one.nonfinite.value)} of {total} sequences, which its figures leave out"
            )
    return out


@cache
def _validator(metrics: bool) -> Any:
    """The validator of documents; without `metrics`, it accepts any object in their place."""
    import jsonschema

    text = resources.files("basin.analysis").joinpath("stats.schema.json").read_text("utf-8")
    schema = json.loads(text)
    if not metrics:
        schema["properties"]["metrics"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def check(document: Any, where: str, metrics: bool = True) -> None:
    """Raise AnalysisError, about `where`, unless the document is valid: the first error's path.

    Without `metrics` those are not looked at.
    """
    error = next(iter(_validator(metrics).iter_errors(document)), None)
    if error is not None:
        path = error.json_path.removeprefix("$").removeprefix(".") or "the document"
        message = (
            error.message
            if len(error.message) < 200
            else f"expected a value that meets '{error.validator}' of the schema"
        )
        raise AnalysisError(f"{where}: {path}: {message}")


def _finite(text: str) -> float:
    """A number as JSON has it: neither NaN nor infinity, nor too large for a double."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def read(path: Path) -> dict[str, Any]:
    """The document of a statistics file, checked. Raises AnalysisError."""
    if not path.is_file():
        raise AnalysisError(f"no such file: {path}")

    try:
        text = path.read_text("utf-8")
        document: dict[str, Any] = unpack(
            json.loads(text, parse_constant=_finite, parse_float=_finite)
        )
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path}: not JSON: {error}") from None
    if isinstance(document, dict) and has_mark(document.get("metrics"), DERIVED):
        document = _with_derived(document, str(path))
    check(document, str(path))
    return document


def _with_derived(document: dict[str, Any], where: str) -> dict[str, Any]:
    """The document, with the long lists that its file left out derived again."""
    check(document, where, metrics=False)
    derived = from_document(document, where).document()["metrics"]
    try:
        return document | {"metrics": fill_marks(document["metrics"], DERIVED, derived)}
    except ValueError as error:
        raise AnalysisError(f"{where}: metrics: {error}") from None


def from_document(document: dict[str, Any], where: str) -> Stats:
    """The statistics of a valid document. Raises AnalysisError where accumulators do not fit."""
    instrumentation = document["instrumentation"]
    accumulators = by_tap(instrumentation)
    if len(accumulators) != len(document["accumulators"]):
        raise AnalysisError(
            f"{where}: expected {len(accumulators)} accumulators, but got "
            f"{len(document['accumulators'])}"
        )
    for one, value in zip(accumulators, document["accumulators"]):
        try:
            one.load(value)
        except AnalysisError as error:
            raise AnalysisError(f"{where}: {error}") from None
    out = Stats(document["model"], document["data"], instrumentation, accumulators, [])
    implied = set(_implied(out))
    out.notes = [note for note in document["notes"] if note not in implied]
    return out


def merge_stats(paths: Iterable[Path]) -> Stats:
    """The statistics of all files together. Raises AnalysisError, about a file, unless they fit."""
    merged: Stats | None = None
    for path in paths:
        one = from_document(read(path), str(path))
        if merged is None:
            merged = one
        else:
            merged.merge(one, str(path))
    if merged is None:
        raise AnalysisError("no statistics files given")
    return merged


def write(document: dict[str, Any], path: Path) -> None:
    """Write a document, whole or not at all. Long lists are packed, but those that rewrites read
    are not.

    Long lists of the metrics, which `read` derives from the accumulators again, are left out.
    """
    document = document | {
        "accumulators": pack(document["accumulators"]),
        "metrics": mark_long_lists(document["metrics"], DERIVED),
    }
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    write_whole(path, (text + "\n").encode("utf-8"))
