"""Makes batches from sequences, and leaves out those that a model of fixed sizes cannot take."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from basin.analysis.batch import Batch
from basin.analysis.feed import Feeder
from basin.errors import AnalysisError


@dataclass
class Plan:
    """Batches to run, in order, and what had to be done to the data to get them."""

    batches: list[list[np.ndarray]]
    length: int | None
    notes: list[str] = field(default_factory=list)

    def make(self, index: int) -> Batch:
        """The batch with that index, padded on the right where its sequences differ in length."""
        rows = self.batches[index]
        length = self.length or max(map(len, rows))
        ids = np.zeros((len(rows), length), np.int64)
        mask = np.zeros(ids.shape, bool)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
        return Batch.of(ids, mask)


def plan(sequences: list[np.ndarray], feeder: Feeder, size: int, pad: bool) -> Plan:
    """Batches of at most `size` sequences.

    With `pad` (the statistics can leave padding out) they follow the order of the data. Without
    it, sequences of equal length go together. Raises AnalysisError if none can be run.
    """
    fixed, length = feeder.batch_size, feeder.length
    size = fixed or size
    out = Plan([], length)
    if length is not None:
        sequences = _fit(sequences, length, pad, out.notes)
    groups = [sequences] if pad else _by_length(sequences)
    left_out = 0
    for group in groups:
        batches = [group[i : i + size] for i in range(0, len(group), size)]
        if fixed is not None and batches and len(batches[-1]) < fixed:
            left_out += len(batches.pop())
        out.batches += batches
    if left_out:
        out.notes.append(f"the model takes batches of {fixed}: {left_out} sequences are left out")
    if not out.batches:
        raise AnalysisError(
            "no sequence can be run: the model was exported for a batch of "
            f"{fixed or 'any size'} and a length of {length or 'any size'}"
        )
    feeder.check_length(max(len(one) for batch in out.batches for one in batch))
    return out


def _fit(sequences: list[np.ndarray], length: int, pad: bool, notes: list[str]) -> list[np.ndarray]:
    """Sequences cut to a model's only length; shorter ones are kept if they can be padded."""
    longer = sum(len(one) > length for one in sequences)
    if longer:
        notes.append(f"the model takes {length} tokens: {longer} longer sequences are cut")
    cut = [one[:length] for one in sequences]
    if pad:
        return cut
    kept = [one for one in cut if len(one) == length]
    if len(kept) < len(cut):
        left = len(cut) - len(kept)
        notes.append(f"the model takes {length} tokens: {left} shorter sequences are left out")
    return kept


def _by_length(sequences: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Sequences in groups of equal length, the order within a group as it was."""
    groups: dict[int, list[np.ndarray]] = defaultdict(list)
    for one in sequences:
        groups[len(one)].append(one)
    return [groups[length] for length in sorted(groups)]
