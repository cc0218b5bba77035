"""Sums of doubles without rounding, elementwise over arrays.

A sum is kept as parts that add up to it exactly, made by TwoSum (Knuth, TAOCP 2, 4.2.2, theorem B;
Shewchuk, "Adaptive precision floating-point arithmetic", 1997, theorem 7). Its canonical parts are
c0 = the sum rounded to a double, c1 = the rounded rest, and so on. They depend on nothing but the
sum, so they are the same for every order of additions and every division into files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b rounded, and its error: the two add up to a + b exactly, unless that overflows."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _fold(rows: np.ndarray) -> list[np.ndarray]:
    """Rows [N, ...] -> arrays [...] with the same sum, at most N of them, usually one or two."""
    planes = [rows]
    while len(planes[0]) > 1:
        folded = []
        for plane in planes:
            half = len(plane) // 2
            total, error = two_sum(plane[:half], plane[half : 2 * half])
            folded.append(np.concatenate((total, plane[2 * half :])))
            if error.any():
                # The odd row was added to the sums and has no error, so zeros stand in its place.
                folded.append(np.concatenate((error, np.zeros_like(plane[2 * half :]))))
        planes = folded
    return [plane[0] for plane in planes]


def _distill(parts: list[np.ndarray]) -> list[np.ndarray]:
    """The same sums in parts; each part is at most half a last place of the one before."""
    changed = True
    while changed:
        changed = False
        for i in range(len(parts) - 1, 0, -1):
            total, error = two_sum(parts[i - 1], parts[i])
            changed = changed or bool((total != parts[i - 1]).any())
            parts[i - 1], parts[i] = total, error
    while parts and not parts[-1].any():
        parts.pop()
    return parts


def _greedy(parts: Sequence[float]) -> list[float]:
    """Canonical parts of one sum."""
    left, out = list(parts), []
    while (part := math.fsum(left)) != 0:
        out.append(part)
        left.append(-part)
    return out


class ExactSum:
    """The exact sums of arrays of one shape; `shape` () for a single number."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.shape = shape
        self._parts: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        """Add all of `rows`, [N, *shape]. Raises ValueError for another shape, NaN or infinity."""
        rows = np.asarray(rows, np.float64)
        if rows.shape[1:] != self.shape or rows.ndim == 0:
            raise ValueError(f"expected rows of shape {self.shape}, but got {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("expected finite numbers")
        if len(rows):
            self._parts = _distill([*self._parts, *_fold(rows)])

    def merge(self, other: ExactSum) -> None:
        """Add the other sums, of the same shape."""
        for part in other.parts():
            self.add(part[None])

    def parts(self) -> list[np.ndarray]:
        """Canonical parts, arrays of the shape, the sum itself rounded first; none if all are 0.

        `_distill` gives canonical parts if there are at most two. If there are more, a later part
        can break a tie and change the rounding, so these few sums are done one by one.
        """
        parts = [np.array(part, np.float64) for part in self._parts]
        if len(parts) > 2:
            for at in np.argwhere(parts[2] != 0):
                index = tuple(at)
                exact = _greedy([float(part[index]) for part in parts])
                for i, part in enumerate(parts):
                    part[index] = exact[i] if i < len(exact) else 0.0
        while parts and not parts[-1].any():
            parts.pop()
        # No zero has a sign that depends on the order of additions.
        return [part + 0.0 for part in parts]

    def value(self) -> np.ndarray:
        """The sums, each rounded once, [*shape] float64."""
        parts = self.parts()
        return parts[0] if parts else np.zeros(self.shape)

    def to_json(self) -> list[Any]:
        """One entry for each element, in row-major order: a number, or the list of its parts."""
        size = math.prod(self.shape)
        found: list[list[float]] = [part.reshape(size).tolist() for part in self.parts()]
        parts = found or [[0.0] * size]
        if len(parts) == 1:
            return parts[0]
        columns = ([x for x in column if x != 0] for column in zip(*parts))
        return [c if len(c) > 1 else (c[0] if c else 0.0) for c in columns]

    @classmethod
    def from_json(cls, entries: list[Any], shape: tuple[int, ...] = ()) -> ExactSum:
        """What `to_json` gave for sums of `shape`. Raises ValueError for another number of them."""
        if len(entries) != math.prod(shape):
            raise ValueError(f"expected {math.prod(shape)} sums, but got {len(entries)}")
        columns = [entry if isinstance(entry, list) else [entry] for entry in entries]
        planes = np.zeros((max(map(len, columns), default=0), len(columns)))
        for i, column in enumerate(columns):
            planes[: len(column), i] = column
        out = cls(shape)
        out.add(planes.reshape(-1, *shape))
        return out

    def __eq__(self, other: object) -> bool:
        """Whether the sums are equal as real numbers."""
        if not isinstance(other, ExactSum):
            return NotImplemented
        return self.shape == other.shape and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]
