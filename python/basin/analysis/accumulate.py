"""Accumulators keep what outlasts a batch, one class for each kind of tap.

If a definition looks at one sequence at a time, its figure is computed here, in f64, from that
sequence's outputs alone. Exact sums, counts and largest values are kept. So an accumulator does not
depend on how sequences were cut into files, apart from the runtime's rounding inside a sequence.
A sequence in which a tap has NaN or infinity is counted in `nonfinite` and otherwise left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from basin.analysis.batch import Batch
from basin.analysis.cells import Cell, Count
from basin.errors import AnalysisError

# Outputs that are the same for every batch.
CONSTANT = ("weight",)


class Accumulator:
    """The base of all kinds. A subclass makes its `cells`, and its `_take` adds to them."""

    def __init__(self, tap: dict[str, Any], instrumentation: dict[str, Any]) -> None:
        self.tap = tap
        self.instrumentation = instrumentation
        # Sequences and tokens that were counted, and sequences left out because of NaN or infinity.
        self.cells: dict[str, Cell] = {
            "sequences": Count(),
            "tokens": Count(),
            "nonfinite": Count(),
        }

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["cells"][name]
        except KeyError:
            raise AttributeError(name) from None

    def update(self, outputs: Mapping[str, object], batch: Batch | None) -> None:
        """Take in one run: the model's outputs by name, of this batch.

        An If's branch that did not run gives outputs without elements. Without a batch, or
        for a tap of another sequence (an encoder's, an image's), tokens have positions but no ids.
        """
        own = {key: np.asarray(outputs[name]) for key, name in self.tap["outputs"].items()}
        if any(value.size == 0 for value in own.values()):
            return
        if batch is None or not self.tap.get("tokens", True):
            batch = self._unlabelled(own)
        elif self.tap["batched"]:
            batch = self._with_inserted(own, batch)
        rows = tokens = batch
        if not self.tap["batched"]:
            rows, tokens = self._unbatched(own, batch)
        finite = self._finite(own)
        self.nonfinite.add((~finite).astype(np.int64))
        if not finite.any():
            return
        if not finite.all():
            own = {k: v if k in CONSTANT or len(v) == 1 else v[finite] for k, v in own.items()}
            rows, tokens = rows.take(finite), tokens.take(finite)
        self.sequences.add(np.ones(len(rows.lengths)))
        self.tokens.add(rows.lengths)
        self._take(own, rows, tokens)

    def _unlabelled(self, own: dict[str, np.ndarray]) -> Batch:
        """The batch of a tap that sees tokens other than the run's, or unknown ones."""
        shaped = next(own[key] for key in (*self.by_token, "queries") if key in own)
        return Batch.unlabelled(*shaped.shape[:2])

    def _with_inserted(self, own: dict[str, np.ndarray], batch: Batch) -> Batch:
        """The batch of a tap that may see more tokens than the run has: the model's sink tokens.

        Their places among the others are not known, so the tokens have positions but no ids.
        """
        lengths = {own[key].shape[1] for key in self.by_token if key in own}
        if not lengths or lengths == {batch.ids.shape[1]}:
            return batch
        if not batch.mask.all():
            raise AnalysisError(
                f"tap {self.tap['id']} sees {max(lengths)} tokens where the batch has "
                f"{batch.ids.shape[1]}, so which of them are padding is not known: expected "
                "sequences of one length, or batches of one"
            )
        return Batch.unlabelled(len(batch.ids), max(lengths))

    def _unbatched(self, own: dict[str, np.ndarray], batch: Batch) -> tuple[Batch, Batch]:
        """For a tap that sees rows and not sequences: the batch by rows, and the batch by tokens.

        If there are as many rows as tokens, the rows are the tokens in order, and outputs by token
        are divided into sequences again.
        """
        by_token = [key for key, value in own.items() if key in self.by_token]
        length = own[by_token[0]].shape[1] if by_token else batch.ids.size
        if length != batch.ids.size:
            unknown = Batch.unknown(1, length)
            return unknown, unknown
        for key in by_token:
            own[key] = own[key].reshape(batch.ids.shape)
        return batch.flat(), batch

    # Outputs of shape [B, T].
    by_token: tuple[str, ...] = ()

    def _finite(self, own: dict[str, np.ndarray]) -> np.ndarray:
        """Whether all outputs of a sequence are finite, [B] (or [1] for a tap without batch)."""
        found = []
        for key, value in own.items():
            if key in CONSTANT or value.dtype.kind != "f":
                continue
            # The largest score of a head that sees no key at all is -inf, which is no fault.
            bad = ~np.isfinite(value) & ~((key == "max_logit") & np.isneginf(value))
            found.append(~bad.reshape(len(value), -1).any(axis=1))
        if not self.tap["batched"]:
            return np.array([all(one.all() for one in found)])
        together: np.ndarray = np.logical_and.reduce(found)
        return together

    def _take(self, own: dict[str, np.ndarray], rows: Batch, tokens: Batch) -> None:
        """Take in finite outputs: `rows` fits those by sequence, `tokens` those by token."""
        raise NotImplementedError

    def merge(self, other: Accumulator) -> None:
        """Take in what another accumulator of the same tap has seen."""
        for name, cell in self.cells.items():
            cell.merge(other.cells[name])

    def to_json(self) -> dict[str, Any]:
        """The state, as numbers, lists and objects."""
        own = {name: cell.to_json() for name, cell in self.cells.items()}
        return {"id": self.tap["id"], "kind": self.tap["kind"]} | own

    def load(self, value: dict[str, Any]) -> None:
        """Take what `to_json` gave. Raises AnalysisError if it does not fit the tap."""
        where = f"accumulator of tap {self.tap['id']}"
        if (value.get("id"), value.get("kind")) != (self.tap["id"], self.tap["kind"]):
            raise AnalysisError(f"{where}: expected kind '{self.tap['kind']}'")
        for name, cell in self.cells.items():
            try:
                cell.load(value[name])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                reason = f"no {error}" if isinstance(error, KeyError) else str(error)
                raise AnalysisError(f"{where}, '{name}': {reason}") from None


def by_tap(instrumentation: dict[str, Any]) -> list[Accumulator]:
    """An empty accumulator for each tap, in order."""
    from basin.analysis.accumulate_attention import Attention
    from basin.analysis.accumulate_tokens import Norm, Projection, Residual

    kinds = {"residual": Residual, "projection": Projection, "norm": Norm, "attention": Attention}
    out: list[Accumulator] = []
    for tap in instrumentation["taps"]:
        if tap["kind"] not in kinds:
            raise AnalysisError(
                f"tap {tap['id']}: unknown kind '{tap['kind']}'; expected {', '.join(kinds)}"
            )
        out.append(kinds[tap["kind"]](tap, instrumentation))
    return out
