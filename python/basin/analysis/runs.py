"""The data that a model runs on: token sequences that inputs are made from, or arrays."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from basin.analysis.batch import Batch
from basin.analysis.batches import plan
from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.analysis.tokenizer import Tokenizer
from basin.errors import AnalysisError
from basin.inputs.signature import Facts
from basin.inputs.types import input_dtype

Feed = dict[str, np.ndarray]


class Runs(Protocol):
    """Runs of a model, by index; `describe` gives the object `data` of the file."""

    total: int
    notes: list[str]
    tokenizer: Tokenizer | None

    def make(self, index: int) -> tuple[Feed, Batch | None]:
        """The inputs of one run, and its tokens if they are known."""
        ...

    def describe(self, sink_length: int) -> dict[str, Any]:
        """What was run."""
        ...


class Source(Protocol):
    """Data that runs can be made from as soon as the model is known."""

    def runs(
        self, signature: list[ort.NodeArg], facts: Facts, instrumentation: dict[str, Any], size: int
    ) -> Runs:
        """Runs of at most `size` sequences. Raises AnalysisError where there are none."""
        ...


class TokenRuns:
    """Runs on a dataset's sequences, padded where the statistics can leave padding out."""

    def __init__(
        self, data: Dataset, signature: list[ort.NodeArg], facts: Facts, settings: Any, size: int
    ) -> None:
        self._feeder = Feeder(signature, facts)
        # If the statistics know no mask, or a tap has rows that are no tokens, padding would count.
        pad = self._feeder.pads and settings["token_mask"] is not None
        pad = pad and all(tap["batched"] and tap.get("tokens", True) for tap in settings["taps"])
        self._data, self._plan = data, plan(data.sequences, self._feeder, size, pad)
        self.total, self.tokenizer = len(self._plan.batches), data.tokenizer
        self.notes = data.notes + self._plan.notes

    def make(self, index: int) -> tuple[Feed, Batch | None]:
        """The inputs of one run, and its tokens."""
        batch = self._plan.make(index)
        return self._feeder.feed(batch), batch

    def describe(self, sink_length: int) -> dict[str, Any]:
        """What was run: sequences that were left out do not count."""
        ran, data = [one for batch in self._plan.batches for one in batch], self._data
        return {
            "source": data.source,
            "kind": data.kind,
            "tokenizer": data.tokenizer.name if data.tokenizer else None,
            "sequences": len(ran),
            "tokens": sum(map(len, ran)),
            "length": max(map(len, ran)),
            "bos": {"id": data.bos, "starts": sum(int(one[0]) == data.bos for one in ran)},
            "short": sum(len(one) < sink_length for one in ran),
            "texts": {},
        }


@dataclass
class Arrays:
    """Arrays by input name from .npz files, one set of inputs each.

    If the model takes any batch, a file may hold more samples than run at a time. Inputs whose
    first axis is the batch are cut along it, and the others go into every run.
    """

    paths: list[Path]
    sets: list[Feed] = field(default_factory=list)

    @classmethod
    def load(cls, paths: list[Path]) -> Arrays:
        """Read the files. Raises AnalysisError."""
        return cls(paths, [_read(path) for path in paths])

    def runs(
        self, signature: list[ort.NodeArg], facts: Facts, instrumentation: dict[str, Any], size: int
    ) -> Runs:
        """Runs of at most `size` samples."""
        return ArrayRuns(self, signature, instrumentation, size)


def _read(path: Path) -> Feed:
    if not path.is_file():
        raise AnalysisError(f"--inputs: no such file: {path}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if isinstance(archive, np.ndarray):
                raise AnalysisError(f"--inputs: {path}: expected an .npz file of arrays by name")
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise AnalysisError(f"--inputs: {path}: {error}") from None


class ArrayRuns:
    """Runs on a user's arrays; tokens are those of the inputs that the instrumentation names."""

    tokenizer: Tokenizer | None = None

    def __init__(
        self, arrays: Arrays, signature: list[ort.NodeArg], settings: Mapping[str, Any], size: int
    ) -> None:
        self._ids, self._mask = settings["token_ids"], settings["token_mask"]
        self._source = ", ".join(path.name for path in arrays.paths)
        self.notes: list[str] = []
        self._feeds: list[Feed] = []
        for path, values in zip(arrays.paths, arrays.sets):
            feed = {item.name: _fitted(path, item, values) for item in signature}
            unknown = sorted(set(values) - set(feed))
            if unknown:
                self.notes.append(f"{path.name}: the model has no input {', '.join(unknown)}")
            self._feeds += _cut(path, feed, _batched(signature), size)
        self.total = len(self._feeds)
        others = [one for one in settings["taps"] if not one.get("tokens", True)]
        if others and any(self._pads(feed) for feed in self._feeds):
            self.notes.append(
                f"'{self._mask}' does not mask the sequences of {len(others)} of "
                f"{len(settings['taps'])} taps: their figures include padding, if there is any"
            )

    def _pads(self, feed: Feed) -> bool:
        return self._mask is not None and not feed[self._mask].astype(bool).all()

    def make(self, index: int) -> tuple[Feed, Batch | None]:
        """The inputs of one run, and its tokens where the model has them."""
        feed = self._feeds[index]
        return feed, self._tokens(feed)

    def _tokens(self, feed: Feed) -> Batch | None:
        ids = feed.get(self._ids) if self._ids is not None else None
        if ids is None or ids.ndim != 2:
            embedded = feed.get("inputs_embeds")
            if embedded is None or embedded.ndim < 2:
                return None
            ids = Batch.unlabelled(*embedded.shape[:2]).ids
        mask = feed[self._mask] if self._mask is not None else None
        # The mask may begin with the keys of a past.
        if mask is None or mask.ndim != 2 or mask.shape[1] < ids.shape[1]:
            return Batch.of(ids, None)
        return Batch.of(ids, mask[:, mask.shape[1] - ids.shape[1] :])

    def describe(self, sink_length: int) -> dict[str, Any]:
        """What was run; without tokens a sample counts as one."""
        lengths: list[int] = []
        for feed in self._feeds:
            batch = self._tokens(feed)
            samples = max((value.shape[0] for value in feed.values() if value.ndim), default=1)
            lengths += [1] * samples if batch is None else batch.lengths.tolist()
        return {
            "source": self._source,
            "kind": "inputs",
            "tokenizer": None,
            "sequences": len(lengths),
            "tokens": sum(lengths),
            "length": max(lengths),
            "bos": {"id": None, "starts": 0},
            "short": sum(length < sink_length for length in lengths),
            "texts": {},
        }


def _fitted(path: Path, item: ort.NodeArg, values: Feed) -> np.ndarray:
    """The array of one input, converted to the input's type if only the width differs."""
    if item.name not in values:
        known = ", ".join(sorted(values)) or "nothing"
        raise AnalysisError(f"--inputs: {path}: no array '{item.name}', but {known}")
    value, dtype = values[item.name], input_dtype(item)
    if value.ndim != len(item.shape):
        raise AnalysisError(
            f"--inputs: {path}: '{item.name}': expected {len(item.shape)} axes, but got the shape "
            f"{list(value.shape)}"
        )
    if value.dtype == dtype:
        return value
    if value.dtype.kind in "iu" and dtype.kind in "iu" or value.dtype.kind == dtype.kind == "f":
        return value.astype(dtype)
    raise AnalysisError(f"--inputs: {path}: '{item.name}': expected {dtype}, but got {value.dtype}")


def _batched(signature: list[ort.NodeArg]) -> set[str]:
    """The inputs whose first axis is the batch: the symbol that most of them begin with."""
    first = {item.name: item.shape[0] for item in signature if len(item.shape) > 0}
    symbols = Counter(one for one in first.values() if isinstance(one, str))
    if not symbols:
        return set()
    batch = symbols.most_common(1)[0][0]
    return {name for name, symbol in first.items() if symbol == batch}


def _cut(path: Path, feed: Feed, batched: set[str], size: int) -> list[Feed]:
    """A set of inputs in parts of at most `size` samples."""
    samples = {name: feed[name].shape[0] for name in sorted(batched)}
    if len(set(samples.values())) > 1:
        shown = ", ".join(f"{count} in '{name}'" for name, count in samples.items())
        raise AnalysisError(
            f"--inputs: {path}: expected as many samples in each array, but got {shown}"
        )
    total = next(iter(samples.values()), None)
    if total == 0:
        raise AnalysisError(f"--inputs: {path}: expected at least one sample, but got none")
    if total is None:
        return [feed]
    return [
        {n: v[i : i + size] if n in batched else v for n, v in feed.items()}
        for i in range(0, total, size)
    ]
