"""The caches of a model after fixed first tokens, as the past with which each sequence begins.

A model with a cache needs no rewrite: its past is an input. The file has an array for each such
input, of one batch element; a caller repeats it for the batch.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from basin.errors import VerifyError
from basin.inputs.signature import Facts, lengths_of, read_facts
from basin.inputs.types import input_dtype
from basin.model import BasinError, load
from basin.output.files import write_whole
from basin.prefix import read_ids
from basin.verification.runners import RuntimeRunner

__all__ = ["write_initial_past"]

# New tokens, and batch elements, with which the past is tried.
_TRIALS = ((1, 2), (1, 5), (2, 4))


@dataclass(frozen=True)
class _Caches:
    """For each input with a past: the output that extends it, and its axis of tokens."""

    presents: dict[str, str]
    axes: dict[str, int]


def write_initial_past(
    source: str | os.PathLike[str], target: str | os.PathLike[str], options: Mapping[str, str]
) -> list[str]:
    """Write the caches of the model at `source` after the prefix `ids` to the .npz file `target`.

    The model runs on the prefix with an empty past. Then it runs on drawn tokens after the prefix,
    and after the file's past, and the outputs must have the same bits or differ by rounding.
    Returns remarks. Raises BasinError or VerifyError, and writes nothing, if the model has no
    caches that are inputs, is not proven to be causal, or does not run so.
    """
    unknown = sorted(set(options) - {"ids", "tokens"})
    if unknown:
        raise BasinError(f"option '{unknown[0]}' has no use for an initial past")
    ids = read_ids(options.get("ids", ""))
    caches = _find_caches(Path(source))
    facts = read_facts(source)
    runner = RuntimeRunner(source)
    model = _Feeder(runner, caches, facts, options.get("tokens", "input_ids"))
    row = np.array([ids])
    bound = facts.bounds.get(model.ids)
    if bound is not None and row.max() >= bound:
        raise BasinError(
            f"option 'ids': the id {row.max()} is outside of the vocabulary, which has {bound} ids"
        )
    found = runner.run(model.feed(row, model.empty(1)))
    past = {name: _as_array(found[present], present) for name, present in caches.presents.items()}
    past = {name: model.only(name, value, row.shape[1]) for name, value in past.items()}
    remark = _compare(model, runner, row, past, bound or int(row.max()) + 1, facts.batch)
    _save(Path(target), past)
    size = sum(value.nbytes for value in past.values())
    return [f"remark: {len(past)} arrays, {size} bytes, for a prefix of {row.shape[1]}", remark]


def _find_caches(source: Path) -> _Caches:
    found = load(source).inspect()
    rows = found["caches"]
    if not rows:
        raise BasinError(
            f"{source}: no attention has a cache whose past is an input and whose present is an "
            "output; an OUT that ends in .onnx absorbs the prefix into the graph"
        )
    for attention in found["attention"]:
        if not attention["causal"]:
            raise BasinError(f"attention '{attention['output']}' is not proven to be causal")
    return _Caches(
        {row["past"]: row["present"] for row in rows}, {row["past"]: row["axis"] for row in rows}
    )


class _Feeder:
    """Makes the inputs of a model with caches for tokens after a past."""

    def __init__(self, runner: RuntimeRunner, caches: _Caches, facts: Facts, ids: str) -> None:
        self.ids = ids
        self._caches = caches
        self._inputs = list(runner.session.get_inputs())
        names = [item.name for item in self._inputs]
        if ids not in names:
            raise BasinError(f"the model has no input '{ids}'; option 'tokens' names that of ids")

    def empty(self, batch: int) -> dict[str, np.ndarray]:
        """Pasts without tokens."""
        out: dict[str, np.ndarray] = {}
        for item in self._inputs:
            if item.name not in self._caches.axes:
                continue
            axis = self._caches.axes[item.name]
            shape = [batch if i == 0 else size for i, size in enumerate(item.shape)]
            if isinstance(item.shape[axis], int):
                raise BasinError(f"input '{item.name}' has a fixed number of tokens")
            shape[axis] = 0
            if not all(isinstance(size, int) for size in shape):
                raise BasinError(f"input '{item.name}' has sizes that are not known: {item.shape}")
            out[item.name] = np.zeros(shape, input_dtype(item))
        return out

    def only(self, name: str, value: np.ndarray, tokens: int) -> np.ndarray:
        """The first tokens of a present. Its buffer may be longer."""
        axis = self._caches.axes[name]
        if value.shape[axis] < tokens:
            raise BasinError(f"the present of '{name}' has no {tokens} tokens: {value.shape}")
        return np.take(value, range(tokens), axis=axis)

    def feed(self, rows: np.ndarray, past: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All inputs for new tokens [batch, tokens] after a past."""
        batch, new = rows.shape
        name, axis = next(iter(self._caches.axes.items()))
        before = past[name].shape[axis]
        out = dict(past)
        for item in self._inputs:
            dtype, rank, low = input_dtype(item), len(item.shape), item.name.lower()
            length = lengths_of(item.name, before, new)
            if item.name in out:
                continue
            if item.name == self.ids:
                out[item.name] = rows.astype(dtype)
            elif length is not None:
                shape = [batch if i == 0 and not isinstance(s, int) else s
                         for i, s in enumerate(item.shape)]  # fmt: skip
                out[item.name] = np.full(shape, length, dtype)
            elif "mask" in low and rank == 2:
                out[item.name] = np.ones((batch, before + new), dtype)
            elif "position" in low and rank == 2:
                positions = np.arange(before, before + new)
                out[item.name] = np.broadcast_to(positions, (batch, new)).astype(dtype)
            else:
                raise BasinError(f"the prefix's caches need a value for the input '{item.name}'")
        return out


def _compare(
    model: _Feeder,
    runner: RuntimeRunner,
    prefix: np.ndarray,
    past: Mapping[str, np.ndarray],
    vocabulary: int,
    most: int,
) -> str:
    """Compare drawn tokens after the prefix with those after the past. Returns a remark.

    At `most` so many sequences run together.
    """
    from basin.verification.proof import beyond_rounding

    rng = np.random.default_rng(0)
    differing = total = 0
    for batch, new in _TRIALS:
        if batch > most:
            # GroupQueryAttention takes one sequence after a past.
            continue
        rows = rng.integers(0, vocabulary, (batch, new))
        whole = np.concatenate([np.repeat(prefix, batch, 0), rows], axis=1)
        left = runner.run(model.feed(whole, model.empty(batch)))
        repeated = {name: np.repeat(value, batch, 0) for name, value in past.items()}
        right = runner.run(model.feed(rows, repeated))
        for name, value in left.items():
            x, y = _as_array(value, name), _as_array(right[name], name)
            for axis, (have, want) in enumerate(zip(x.shape, y.shape, strict=True)):
                if have == want + prefix.shape[1]:
                    x = np.take(x, range(prefix.shape[1], have), axis=axis)
            why = "has other sizes" if x.shape != y.shape else beyond_rounding(x, y)
            if why:
                raise BasinError(f"output '{name}' {why} after the past; nothing was written")
            total += x.size
            differing += int(np.count_nonzero((x != y) & ~((x != x) & (y != y))))
    how = "no bit differs" if not differing else f"{differing} differ by rounding"
    return f"remark: of {total} elements of outputs after the past, {how}"


def _as_array(value: object, name: str) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise VerifyError(f"output '{name}' is no tensor")
    return value


def _save(target: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file, whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(value), allow_pickle=False)
    write_whole(target, buffer.getvalue())
