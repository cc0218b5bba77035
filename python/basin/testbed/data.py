"""Tasks: where batches come from. A batch depends on the seed and the step alone.

A task has `vocab`, `bos`, `batch(step)` and `held_out()`, the latter two giving ids and targets,
both [batch, seq] int64; ids[:, 0] is BOS, and targets are the ids one step later.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from basin.testbed import TestbedError

BYTES, BYTE_BOS = 256, 256


class Task(Protocol):
    """The interface of a task, as `train` uses it."""

    vocab: int
    bos: int

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and targets of one update."""
        ...

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and targets that training never sees, always the same."""
        ...


def with_bos(tokens: np.ndarray, bos: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [batch, seq] -> ids (BOS, then all but the last) and targets (the tokens)."""
    first = np.full((len(tokens), 1), bos, np.int64)
    return np.concatenate((first, tokens[:, :-1]), axis=1), tokens


class TextTask:
    """Bytes of text files, BOS before every window; the last tenth of each file is held out."""

    vocab, bos = BYTES + 1, BYTE_BOS

    def __init__(
        self, paths: Sequence[Path], batch: int, seq: int, seed: int, windows: int = 64
    ) -> None:
        train, held = [], []
        for path in paths:
            try:
                data = np.fromfile(path, np.uint8)
            except OSError as error:
                raise TestbedError(f"{path}: {error.strerror}") from error
            split = len(data) * 9 // 10
            if len(data) - split <= seq:
                raise TestbedError(f"{path}: {len(data)} bytes are too few for windows of {seq}")
            train.append(data[:split])
            held.append(data[split:])
        if not train:
            raise TestbedError("no text files given")
        self.size, self.seq, self.seed = batch, seq, seed
        self.data = np.concatenate(train).astype(np.int64)
        held_out = np.concatenate(held).astype(np.int64)
        self._held = self._windows(
            held_out, np.linspace(0, len(held_out) - seq, windows).astype(int)
        )

    def _windows(self, data: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return with_bos(data[starts[:, None] + np.arange(self.seq)], self.bos)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Random windows of the text."""
        rng = np.random.default_rng((self.seed, step))
        return self._windows(self.data, rng.integers(0, len(self.data) - self.seq + 1, self.size))

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Windows that cover the held-out text evenly."""
        return self._held
