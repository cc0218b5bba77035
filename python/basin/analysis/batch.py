"""A batch of token sequences, as accumulators see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from basin.analysis.cells import UNKNOWN


@dataclass(frozen=True)
class Batch:
    """Tokens of a run: `ids` and `positions` [B, T] i64, `mask` [B, T] bool, true for real ones.

    Positions count real tokens from the first one of their sequence, so that padding on the left
    does not move them. An id or position that is not known is UNKNOWN.
    """

    ids: np.ndarray
    mask: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, mask: np.ndarray | None = None) -> Batch:
        """The batch of `ids`, [B, T]; without a mask all are real."""
        real = np.ones(ids.shape, bool) if mask is None else mask.astype(bool)
        return cls(ids.astype(np.int64), real, np.cumsum(real, axis=1) - 1)

    @classmethod
    def unknown(cls, rows: int, length: int) -> Batch:
        """`rows` sequences of `length` tokens each, about which nothing is known."""
        nothing = np.full((rows, length), UNKNOWN, np.int64)
        return cls(nothing, np.ones((rows, length), bool), nothing)

    @classmethod
    def unlabelled(cls, rows: int, length: int) -> Batch:
        """`rows` sequences of `length` tokens each, in order, with unknown ids."""
        return cls.of(np.full((rows, length), UNKNOWN, np.int64))

    @property
    def lengths(self) -> np.ndarray:
        """How many real tokens each sequence has, [B]."""
        lengths: np.ndarray = self.mask.sum(axis=1)
        return lengths

    @property
    def starts(self) -> np.ndarray:
        """Index of each sequence's first real token, [B]."""
        starts: np.ndarray = self.mask.argmax(axis=1)
        return starts

    @property
    def is_first(self) -> np.ndarray:
        """Whether a token is the first real one of its sequence, [B, T]."""
        first: np.ndarray = self.mask & (self.positions == 0)
        return first

    @property
    def is_later(self) -> np.ndarray:
        """Whether a token is a real one after the first, [B, T]."""
        later: np.ndarray = self.mask & (self.positions != 0)
        return later

    def take(self, rows: np.ndarray) -> Batch:
        """The sequences for which `rows`, [B] bool, holds."""
        return Batch(self.ids[rows], self.mask[rows], self.positions[rows])

    def flat(self) -> Batch:
        """All tokens one after the other as the rows of one sequence, B = 1."""
        one = (1, self.ids.size)
        return Batch(self.ids.reshape(one), self.mask.reshape(one), self.positions.reshape(one))

    def holders(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and ids of the tokens at `index`, [B, D] into T; both [B, D]."""
        at = np.clip(index, 0, self.ids.shape[1] - 1)
        return (
            np.take_along_axis(self.positions, at, axis=1),
            np.take_along_axis(self.ids, at, axis=1),
        )

    def aligned(self, values: np.ndarray, *axes: int) -> np.ndarray:
        """Values [B, ...] whose `axes` run over tokens, moved so that index 0 is the first real."""
        if not self.starts.any():
            return values
        rows = [
            np.roll(row, [-start] * len(axes), [axis - 1 for axis in axes])
            for row, start in zip(values, self.starts.tolist())
        ]
        return np.stack(rows)
