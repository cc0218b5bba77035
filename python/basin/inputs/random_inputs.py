"""Random inputs for a model, made from its signature and from its graph.

If the graph shows the table that token ids index, the ids stay within it. Each symbolic dimension
gets one value, so that past, new and total lengths fit together. Masks keep everything, and
positions continue from the past. Weights are never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort

from basin.errors import VerifyError
from basin.inputs.signature import Facts, is_past, lengths_of, read_facts
from basin.inputs.types import input_dtype


@dataclass(frozen=True)
class SizePlan:
    """The sizes that dynamic dimensions get. If `batch` is None, the graph decides it.

    `named` has sizes of symbolic dimensions by name. They take precedence over the names of inputs.
    """

    batch: int | None = None
    seq: int = 5
    past: int = 3
    other: int = 4
    named: Mapping[str, int] = field(default_factory=dict)


# Bound of integers whose table is not found: small, because any table has at least two rows.
UNKNOWN_BOUND = 2


@dataclass
class InputSet:
    """Arrays by input name, and what had to be assumed to make them."""

    values: dict[str, np.ndarray]
    notes: list[str] = field(default_factory=list)


def make_inputs(
    path: str | os.PathLike[str],
    session: ort.InferenceSession,
    seed: int,
    plan: SizePlan | None = None,
    facts: Facts | None = None,
) -> InputSet:
    """Return random inputs for the model at `path`, already open as `session`.

    `facts` are those of the model, if they were read before. Raises VerifyError for an input whose
    type or rank suggests no content.
    """
    facts = facts or read_facts(path)
    rng = np.random.default_rng(seed)
    signature = session.get_inputs()
    plan = plan or SizePlan()
    _check_names(signature, plan.named)
    sizes = _Sizes(signature, facts, plan)
    result = InputSet({})
    for item in signature:
        dtype = input_dtype(item)
        shape = [sizes.of(item, axis) for axis in range(len(item.shape))]
        result.values[item.name] = _fill(item.name, dtype, shape, sizes, facts, rng, result.notes)
    return result


def _check_names(signature: list[ort.NodeArg], named: Mapping[str, int]) -> None:
    """Refuse sizes of names that no input has."""
    symbols = list(dict.fromkeys(s for i in signature for s in i.shape if isinstance(s, str)))
    for name in named:
        if name not in symbols:
            known = f"its inputs have {', '.join(map(repr, symbols))}" if symbols else "it has none"
            raise VerifyError(f"no dimension of the model is named '{name}': {known}")


class _Sizes:
    """Values of all dimensions. A symbol has the same value in all inputs."""

    def __init__(self, signature: list[ort.NodeArg], facts: Facts, plan: SizePlan) -> None:
        has_past = any(is_past(i.name) and len(i.shape) >= 3 for i in signature)
        self.past = plan.past if has_past else 0
        self.seq = plan.seq
        self.other = plan.other
        self.batch = facts.batch if plan.batch is None else plan.batch
        self._symbols: dict[str, int] = dict(plan.named)
        for item in signature:
            self._fixed(item)
        # Symbols of inputs whose axes have a known role first, so that expressions see them.
        for item in sorted(signature, key=lambda i: "mask" in i.name):
            for axis, symbol in enumerate(item.shape):
                role = self._role(item, axis)
                if isinstance(symbol, str) and role is not None and symbol.isidentifier():
                    self._symbols.setdefault(symbol, role)

    @property
    def total(self) -> int:
        """Past and new tokens together."""
        return self.past + self.seq

    def _fixed(self, item: ort.NodeArg) -> None:
        """Take sizes from a model that was exported for fixed lengths, and from named sizes."""
        shape = [self._symbols.get(size, size) for size in item.shape]
        if len(shape) > 1 and isinstance(item.shape[0], str) and isinstance(shape[0], int):
            self.batch = shape[0]
        if "ids" in item.name and len(shape) == 2:
            self.batch = shape[0] if isinstance(shape[0], int) else self.batch
            self.seq = shape[1] if isinstance(shape[1], int) else self.seq
        if is_past(item.name) and len(shape) == 4 and isinstance(shape[2], int):
            self.past = shape[2]

    def _role(self, item: ort.NodeArg, axis: int) -> int | None:
        """The value that an axis should have by the name of its input, or None."""
        rank = len(item.shape)
        if axis == 0 and rank > 1:
            return self.batch
        if is_past(item.name) and rank == 4:
            return self.past if axis == 2 else None
        if "mask" in item.name and rank in (2, 4) and axis == rank - 1:
            return self.total
        if "mask" in item.name and rank == 4:
            return self.seq if axis == 2 else 1
        if ("ids" in item.name or "embeds" in item.name) and axis == 1:
            return self.seq
        return None

    def of(self, item: ort.NodeArg, axis: int) -> int:
        """Return the size of one axis."""
        symbol = item.shape[axis]
        if isinstance(symbol, int) and symbol >= 0:
            return symbol
        if isinstance(symbol, str) and symbol in self._symbols:
            return self._symbols[symbol]
        if isinstance(symbol, str) and "+" in symbol:
            terms = [self._term(term.strip()) for term in symbol.split("+")]
            if None not in terms:
                return sum(term for term in terms if term is not None)
        role = self._role(item, axis)
        if role is None:
            role = self._by_symbol(symbol)
        if isinstance(symbol, str):
            self._symbols[symbol] = role
        return role

    def _term(self, text: str) -> int | None:
        return int(text) if text.isdigit() else self._symbols.get(text)

    def _by_symbol(self, symbol: object) -> int:
        text = str(symbol).lower()
        if "batch" in text:
            return self.batch
        if "total" in text:
            return self.total
        if "past" in text:
            return self.past
        if "seq" in text or "len" in text:
            return self.seq
        return self.other


def _fill(
    name: str,
    dtype: np.dtype,
    shape: list[int],
    sizes: _Sizes,
    facts: Facts,
    rng: np.random.Generator,
    notes: list[str],
) -> np.ndarray:
    """Return the content of one input."""
    lower = name.lower()
    if dtype.kind == "b":
        return np.ones(shape, dtype)
    if dtype.kind not in "iu":
        if "mask" in lower:
            # Additive masks (rank 4) keep everything with zeros, multiplied ones with ones.
            return np.full(shape, 0.0 if len(shape) > 2 else 1.0).astype(dtype)
        return rng.standard_normal(shape).astype(dtype)
    if "mask" in lower:
        return np.ones(shape, dtype)
    length = lengths_of(lower, sizes.past, sizes.seq)
    if length is not None:
        return np.full(shape, length, dtype)
    bound = facts.bounds.get(name)
    if "position" in lower:
        return _positions(name, shape, sizes, bound).astype(dtype)
    if bound is None:
        bound = UNKNOWN_BOUND
        notes.append(
            f"input '{name}': found no table that it indexes: its values are below {bound}"
        )
    return rng.integers(0, bound, shape).astype(dtype)


def _positions(name: str, shape: list[int], sizes: _Sizes, bound: int | None) -> np.ndarray:
    if not shape:
        return np.asarray(sizes.past)
    last = sizes.past + shape[-1]
    if bound is not None and last > bound:
        raise VerifyError(
            f"input '{name}': expected at most {bound} positions, the rows of its table, "
            f"but got {last}"
        )
    return np.broadcast_to(np.arange(sizes.past, last), shape)
