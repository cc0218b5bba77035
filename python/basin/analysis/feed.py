"""The inputs of a model for a batch of token sequences.

An input's name and type, as exporters choose them, tell its content: ids, masks, positions, token
types (zeros), an empty past, lengths as GroupQueryAttention wants them, and `use_cache` branches
(false). Padding is on the right, with id 0. Any other input is refused, with its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort

from basin.analysis.batch import Batch
from basin.errors import AnalysisError
from basin.inputs.signature import Facts, is_past, lengths_of
from basin.inputs.types import input_dtype

Fill = Callable[[ort.NodeArg, Batch], np.ndarray]


def is_ids(name: str) -> bool:
    """Whether an index input of this name holds the tokens themselves."""
    lower = name.lower()
    other = ("position", "type", "segment", "mask", "past", "len", "cache")
    return not any(word in lower for word in other)


def vocabulary(facts: Facts) -> int | None:
    """The number of ids of the model, None where its table is not found."""
    found = [bound for name, bound in facts.bounds.items() if is_ids(name)]
    return found[0] if len(found) == 1 else None


class Feeder:
    """Makes feeds for one model. Raises AnalysisError for an input that it cannot fill.

    `batch_size` and `length` are what the model was exported for, None where it takes any;
    `pads` tells whether it has an input that says which tokens are padding.
    """

    def __init__(self, signature: list[ort.NodeArg], facts: Facts) -> None:
        self._ids = self._find_ids(signature)
        batch, length = self._ids.shape
        self._batch_symbol = batch
        self.batch_size = batch if isinstance(batch, int) else (1 if facts.batch == 1 else None)
        self.length = length if isinstance(length, int) else None
        self._facts = facts
        self._fills = {item.name: (item, self._fill_of(item)) for item in signature}
        self.pads = any(fill == _fill_mask for _, fill in self._fills.values())

    @staticmethod
    def _find_ids(signature: list[ort.NodeArg]) -> ort.NodeArg:
        def may_be(item: ort.NodeArg) -> bool:
            return "int" in item.type and len(item.shape) == 2 and is_ids(item.name)

        found = [item for item in signature if may_be(item)]
        if len(found) != 1:
            names = ", ".join(f"'{item.name}'" for item in found or signature)
            raise AnalysisError(
                f"expected one input of token ids, [batch, length], but found {len(found)} "
                f"among the inputs {names}"
            )
        return found[0]

    def feed(self, batch: Batch) -> dict[str, np.ndarray]:
        """Arrays by input name."""
        return {
            name: np.ascontiguousarray(fill(item, batch).astype(input_dtype(item), copy=False))
            for name, (item, fill) in self._fills.items()
        }

    def check_length(self, length: int) -> None:
        """Refuse sequences that are longer than the model's table of positions."""
        for name, bound in self._facts.bounds.items():
            if "position" in name.lower() and length > bound:
                raise AnalysisError(
                    f"expected sequences of at most {bound} tokens, the rows of the table of "
                    f"'{name}', but got {length}: give --length {bound}"
                )

    def _fill_of(self, item: ort.NodeArg) -> Fill:
        """How an input is filled, by its name, type and rank."""
        lower, kind = item.name.lower(), input_dtype(item).kind
        if item is self._ids:
            return lambda item, batch: batch.ids
        if is_past(lower) and kind not in "biu" and len(item.shape) >= 3:
            return self._past_of(item)
        if "cache" in lower and kind == "b":
            return lambda item, batch: np.zeros(_sizes(item, 1), bool)
        if "mask" in lower:
            return _fill_mask
        if kind in "iu" and "position" in lower:
            return _fill_positions
        if kind in "iu" and ("token_type" in lower or "segment" in lower):
            return lambda item, batch: np.zeros(batch.ids.shape)
        if kind in "iu" and lengths_of(lower, 0, 1) is not None:
            return _fill_lengths
        raise AnalysisError(
            f"input '{item.name}' ({item.type}, {list(item.shape)}): its name and type do not "
            "show what to feed it; give arrays by name with --inputs"
        )

    def _past_of(self, item: ort.NodeArg) -> Fill:
        """Keys or values of an empty past: the axis that is left symbolic has size 0."""

        def role(axis: int, size: Any) -> int | str:
            if isinstance(size, int):
                return size
            return "batch" if size == self._batch_symbol or axis == 0 else "past"

        roles = [role(axis, size) for axis, size in enumerate(item.shape)]
        if roles.count("past") != 1:
            raise AnalysisError(
                f"input '{item.name}': expected one axis of any length, for an empty past, but got "
                f"the shape {list(item.shape)}"
            )

        def fill(item: ort.NodeArg, batch: Batch) -> np.ndarray:
            sizes = {"batch": len(batch.ids), "past": 0}
            shape = [one if isinstance(one, int) else sizes[one] for one in roles]
            return np.zeros(shape)

        return fill


def _sizes(item: ort.NodeArg, default: int) -> list[int]:
    return [size if isinstance(size, int) else default for size in item.shape]


def _fill_mask(item: ort.NodeArg, batch: Batch) -> np.ndarray:
    """A mask of rank 2 is 1 at real tokens. Others are causal, [B, 1, T, T]; floats are added."""
    dtype = input_dtype(item)
    if len(item.shape) == 2:
        return batch.mask
    length = batch.ids.shape[1]
    keep = np.tril(np.ones((length, length), bool)) & batch.mask[:, None, :]
    # A padding query sees itself, because the softmax of a row without any key is NaN.
    keep |= np.eye(length, dtype=bool)
    middle = len(item.shape) - 3
    keep = keep.reshape(len(keep), *[1] * middle, length, length)
    heads = [size if isinstance(size, int) else 1 for size in item.shape[1:-2]]
    keep = np.broadcast_to(keep, (len(keep), *heads, length, length))
    if dtype.kind in "biu":
        return keep
    lowest = np.finfo(np.float16 if dtype == np.float16 else np.float32).min
    return np.where(keep, 0.0, float(lowest))


def _fill_positions(item: ort.NodeArg, batch: Batch) -> np.ndarray:
    """Positions [T] or [B, T], or the same with further axes before these."""
    if len(item.shape) == 1:
        return np.arange(batch.ids.shape[1])
    before = [size if isinstance(size, int) else 1 for size in item.shape[:-2]]
    return np.broadcast_to(np.maximum(batch.positions, 0), (*before, *batch.ids.shape))


def _fill_lengths(item: ort.NodeArg, batch: Batch) -> np.ndarray:
    """`seqlens_k` of each sequence, or one number for all."""
    if "seqlens_k" in item.name.lower():
        rest = [1] * (len(item.shape) - 1)
        return (batch.lengths - 1).reshape(-1, *rest)
    value = lengths_of(item.name, 0, batch.ids.shape[1])
    return np.full(_sizes(item, len(batch.ids)), value)
