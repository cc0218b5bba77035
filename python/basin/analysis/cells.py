"""Cells: the mergeable quantities that accumulators are made of.

Merging is associative and commutative, bit for bit. Sums are exact, and largest values are the same
in any order. Among equal values the first position wins, then the smallest id, and never the one
that came first. Each cell has `merge`, `to_json`, and `load`, which checks what `to_json` gave.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from basin.analysis.exact import ExactSum

# An id or position that is not known; sorts after all that are.
UNKNOWN = -1


class Cell(Protocol):
    """The methods that an accumulator needs of a cell."""

    def merge(self, other: Any) -> None:
        """Take in what another cell of the same make has seen."""
        ...

    def to_json(self) -> Any:
        """The state, in numbers, lists and objects."""
        ...

    def load(self, value: Any) -> None:
        """Take the state that `to_json` gave. Raises ValueError where it has another shape."""
        ...


def _integers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.size != math.prod(shape) or (array.size and array.dtype.kind != "i"):
        raise ValueError(f"expected {math.prod(shape)} whole numbers")
    return array.astype(np.int64).reshape(shape)


class Count:
    """Whole numbers that add up, [*shape]."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.value = np.zeros(shape, np.int64)

    def add(self, rows: np.ndarray) -> None:
        """Add all of `rows`, [N, *shape]; floats are whole numbers below 2^24, as f32 counts."""
        self.value = self.value + np.rint(rows).astype(np.int64).sum(axis=0)

    def merge(self, other: Count) -> None:
        """Add the other numbers."""
        self.value = self.value + other.value

    def to_json(self) -> Any:
        """A number, or a flat list."""
        return self.value.ravel().tolist() if self.value.shape else int(self.value)

    def load(self, value: Any) -> None:
        """Take over `value`."""
        self.value = _integers(value, self.value.shape)


class Mean:
    """Exact sums [*shape], and the number of their values [*counted], which broadcasts to shape."""

    def __init__(self, shape: tuple[int, ...] = (), counted: tuple[int, ...] = ()) -> None:
        self.sum, self.count = ExactSum(shape), Count(counted)

    def add(self, rows: np.ndarray, counts: np.ndarray) -> None:
        """Add sums [N, *shape] of `counts` [N, *counted] values. A sum of no values must be 0."""
        self.sum.add(rows)
        self.count.add(counts)

    def value(self) -> np.ndarray:
        """The means, [*shape]; NaN where there is no value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.sum.value() / self.count.value)

    def merge(self, other: Mean) -> None:
        """Add the other sums and counts."""
        self.sum.merge(other.sum)
        self.count.merge(other.count)

    def to_json(self) -> Any:
        """Sums and counts."""
        return {"sum": self.sum.to_json(), "count": self.count.to_json()}

    def load(self, value: Any) -> None:
        """Take over `value`."""
        self.sum = ExactSum.from_json(value["sum"], self.sum.shape)
        self.count.load(value["count"])


class Maximum:
    """Largest values, [*shape]; NaN where there was none (-inf counts as none)."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self._value = np.full(shape, -np.inf)

    def add(self, rows: np.ndarray) -> None:
        """Take in `rows`, [N, *shape]."""
        if len(rows):
            self._value = np.maximum(self._value, np.max(np.asarray(rows, np.float64), axis=0))

    def value(self) -> np.ndarray:
        """The largest values."""
        return np.where(self._value == -np.inf, np.nan, self._value)

    def merge(self, other: Maximum) -> None:
        """Take in the other's values."""
        self._value = np.maximum(self._value, other._value)

    def to_json(self) -> Any:
        """A number or a flat list, null for none."""
        flat = [None if x == -math.inf else x for x in self._value.ravel().tolist()]
        return flat if self._value.shape else flat[0]

    def load(self, value: Any) -> None:
        """Take over `value`."""
        flat = value if isinstance(value, list) else [value]
        if len(flat) != self._value.size:
            raise ValueError(f"expected {self._value.size} numbers, but got {len(flat)}")
        numbers = [-math.inf if x is None else float(x) for x in flat]
        self._value = np.array(numbers).reshape(self._value.shape)


class TokenMaximum:
    """For each dimension, the largest value and the token that has it. All arrays are [D]."""

    def __init__(self, dim: int) -> None:
        self.max_abs: np.ndarray = np.full(dim, -np.inf)
        self.position = np.full(dim, UNKNOWN, np.int64)
        self.id = np.full(dim, UNKNOWN, np.int64)

    def add(self, values: np.ndarray, positions: np.ndarray, ids: np.ndarray) -> None:
        """Take in values [N, D] of tokens at positions with ids, [N, D] each."""
        for row in zip(np.asarray(values, np.float64), positions, ids):
            self._take(*row)

    def _take(self, value: np.ndarray, position: np.ndarray, id: np.ndarray) -> None:
        mine = _rank(self.position), _rank(self.id)
        theirs = _rank(position), _rank(id)
        earlier = (theirs[0] < mine[0]) | ((theirs[0] == mine[0]) & (theirs[1] < mine[1]))
        better = (value > self.max_abs) | ((value == self.max_abs) & earlier)
        self.max_abs = np.where(better, value, self.max_abs)
        self.position = np.where(better, position, self.position)
        self.id = np.where(better, id, self.id)

    def merge(self, other: TokenMaximum) -> None:
        """Take in the other's tokens."""
        self._take(other.max_abs, other.position, other.id)

    def to_json(self) -> Any:
        """Three lists; null for a dimension that no token had."""
        values = [None if x == -math.inf else x for x in self.max_abs.tolist()]
        return {"max_abs": values, "position": self.position.tolist(), "id": self.id.tolist()}

    def load(self, value: Any) -> None:
        """Take over `value`."""
        maximum = Maximum(self.max_abs.shape)
        maximum.load(value["max_abs"])
        self.max_abs = maximum._value
        self.position = _integers(value["position"], self.position.shape)
        self.id = _integers(value["id"], self.id.shape)


def _rank(numbers: np.ndarray) -> np.ndarray:
    """Numbers in the order of preference: the unknown one last."""
    return np.where(numbers == UNKNOWN, np.iinfo(np.int64).max, numbers)


class Best:
    """The record with the largest first field. Of equals, the one with the least other fields."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields
        self.record: dict[str, float | int] | None = None

    def add(self, *values: float | int) -> None:
        """Take in one record, its values in the order of the fields."""
        record = dict(zip(self.fields, values, strict=True))
        if self.record is None or self._order(record) < self._order(self.record):
            self.record = record

    def _order(self, record: dict[str, float | int]) -> tuple[float, ...]:
        first, *rest = (record[name] for name in self.fields)
        return (-first, *(math.inf if x == UNKNOWN else x for x in rest))

    def merge(self, other: Best) -> None:
        """Take in the other's record."""
        if other.record is not None:
            self.add(*(other.record[name] for name in self.fields))

    def to_json(self) -> Any:
        """The record, or null."""
        return self.record

    def load(self, value: Any) -> None:
        """Take over `value`."""
        if value is not None and set(value) != set(self.fields):
            raise ValueError(f"expected the fields {', '.join(self.fields)}")
        if value is not None and any(type(x) not in (int, float) for x in value.values()):
            raise ValueError("expected numbers in all fields")
        self.record = value and {name: value[name] for name in self.fields}


class Tally:
    """How often each token (position, id) was seen."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, position: int, id: int, count: int = 1) -> None:
        """Count a token."""
        self.counts[position, id] = self.counts.get((position, id), 0) + count

    def merge(self, other: Tally) -> None:
        """Add the other's counts."""
        for (position, id), count in other.counts.items():
            self.add(position, id, count)

    def to_json(self) -> Any:
        """Triples of position, id and count, sorted."""
        return [[*key, count] for key, count in sorted(self.counts.items())]

    def load(self, value: Any) -> None:
        """Take over `value`."""
        triples = _integers(value, (len(value), 3)).tolist()
        self.counts = {(position, id): count for position, id, count in triples}


class Shared:
    """The id that all sequences have at a position, [K]. UNKNOWN if they differ or none has one."""

    _NONE = -2

    def __init__(self, size: int) -> None:
        self._ids = np.full(size, self._NONE, np.int64)

    def add(self, rows: np.ndarray, where: np.ndarray) -> None:
        """Take in those of the ids [N, K] for which `where` [N, K] is true."""
        for row in np.where(where, rows, self._NONE):
            self._take(row)

    def _take(self, ids: np.ndarray) -> None:
        differ = (self._ids != ids) & (ids != self._NONE) & (self._ids != self._NONE)
        known = np.where(self._ids == self._NONE, ids, self._ids)
        self._ids = np.where(differ, UNKNOWN, known)

    def value(self) -> np.ndarray:
        """The ids."""
        return np.maximum(self._ids, UNKNOWN)

    def merge(self, other: Shared) -> None:
        """Take in the other's ids."""
        self._take(other._ids)

    def to_json(self) -> Any:
        """The ids; -1 where they differ, -2 where there was none."""
        return self._ids.tolist()

    def load(self, value: Any) -> None:
        """Take over `value`."""
        self._ids = _integers(value, self._ids.shape)
