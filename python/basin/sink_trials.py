"""Runs of a model in which logits take the place of the constant rows of chosen heads.

`sink-instrument-sinks` makes rows, logits and values parameters, and says in the model's metadata
which. As optional inputs of the graph they let one session try all conversions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import external_data_helper, numpy_helper

from basin.calibration import Feeds
from basin.errors import VerifyError
from basin.inputs.signature import read_facts
from basin.verification.distance import are_logits, sum_divergences
from basin.verification.sessions import open_session, run_session

__all__ = ["Conversion", "InstrumentedModel", "SinkAttention", "Trials"]

_RUN_KEY = "basin.sinks-run"


@dataclass(frozen=True)
class Conversion:
    """What an attention gets: logits [H], -inf for heads that keep their rows, and values [G, d].

    Values are None without any, and zeros for heads that keep their rows.
    """

    logits: np.ndarray
    values: np.ndarray | None = None


@dataclass(frozen=True)
class SinkAttention:
    """An attention of the instrumented model, with the names of its parameters and outputs.

    The axes are those of the key heads in the rows, [..., G or G * d, ...], and of d. `sink_value`
    is None, and has no outputs, where the attention can have no value. `first_row` is None where
    the rows cannot be removed.
    """

    attention: str
    heads: int
    groups: int
    count: int
    key: str
    key_axis: int
    value: str
    value_axis: int
    value_dim_axis: int
    logit: str
    outputs: tuple[str, ...] = ()
    first_row: str | None = None
    sink_value: str | None = None
    value_outputs: tuple[str, ...] = ()

    @property
    def group_size(self) -> int:
        """How many heads share a key."""
        return self.heads // self.groups


class InstrumentedModel:
    """A model that `sink-instrument-sinks` made and that is at `path`, open in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        """Rewrites the file, so that its parameters are optional inputs. Raises VerifyError."""
        model = onnx.load(path, load_external_data=False)
        entries = {entry.key: entry.value for entry in model.metadata_props}
        self.attentions = [
            SinkAttention(**{key: _frozen(value) for key, value in one.items()})
            for one in json.loads(entries[_RUN_KEY])
        ]
        self.parameters = _open_parameters(model, self.attentions, path.parent)
        onnx.save(model, path)
        self.path = path

    @cached_property
    def session(self) -> ort.InferenceSession:
        """The session, which is opened at its first use."""
        return open_session(self.path, threads=0)

    def run(
        self, feed: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]
    ) -> dict[str, object]:
        """All outputs of one run with the parameters `given`. Raises VerifyError."""
        return run_session(self.session, {**feed, **given}, self.path)

    def convert(self, conversions: Mapping[str, Conversion]) -> dict[str, np.ndarray]:
        """The parameters that try conversions of attentions, by their names.

        As in the pass, the rows go if all heads are converted and they can be removed. Otherwise
        zeros, which have the score 0, take the place of rows, and a logit adds the rest.
        """
        out: dict[str, np.ndarray] = {}
        for one in self.attentions:
            if one.attention not in conversions:
                continue
            given = conversions[one.attention]
            if one.first_row is not None and np.isfinite(given.logits).all():
                out[one.first_row] = np.array([one.count])
                out[one.logit] = given.logits.astype(self.parameters[one.logit].dtype)
            else:
                out |= self._zero_rows(one, given.logits)
            if one.sink_value is not None and given.values is not None:
                out[one.sink_value] = _like(self.parameters[one.sink_value], given.values)
        return out

    def _zero_rows(self, one: SinkAttention, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Zeros in place of the rows of converted heads, and logits that add the rest."""
        converted = np.isfinite(logits.reshape(one.groups, -1)).all(axis=1)
        out: dict[str, np.ndarray] = {}
        for name, axis in ((one.key, one.key_axis), (one.value, one.value_axis)):
            blocks = np.split(self.parameters[name], one.groups, axis=axis)
            kept = [np.zeros_like(x) if at else x for x, at in zip(blocks, converted)]
            out[name] = np.concatenate(kept, axis=axis)
        old = self.parameters[one.logit]
        # Its own value is the lowest number, which has no effect.
        lowest = float(old.reshape(-1)[0])
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            rest = logits + np.log1p(-np.minimum(1.0, one.count * np.exp(-logits)))
        bounded = np.where(np.isfinite(rest), np.maximum(rest, lowest), lowest)
        out[one.logit] = bounded.astype(old.dtype)
        return out

    def shift_values(self, one: SinkAttention, values: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters with which the attention has values but computes as before: the values [G, d]
        are taken off its rows, too.
        """
        if one.sink_value is None:
            return {}
        blocks = np.split(self.parameters[one.value], one.groups, axis=one.value_axis)
        shape = [1] * blocks[0].ndim
        shape[one.value_dim_axis] = -1
        moved = [
            block - value.astype(block.dtype).reshape(shape) for block, value in zip(blocks, values)
        ]
        return {
            one.sink_value: _like(self.parameters[one.sink_value], values),
            one.value: np.concatenate(moved, axis=one.value_axis),
        }


def _like(old: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The value with the shape and the type of another."""
    out: np.ndarray = value.astype(old.dtype).reshape(old.shape)
    return out


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _open_parameters(
    model: onnx.ModelProto, attentions: Sequence[SinkAttention], folder: Path
) -> dict[str, np.ndarray]:
    """The attentions' parameters, which become inputs of the graph, too."""
    wanted = {
        name
        for one in attentions
        for name in (one.key, one.value, one.logit, one.first_row, one.sink_value)
        if name is not None
    }
    known = {item.name for item in model.graph.input}
    found: dict[str, np.ndarray] = {}
    for tensor in model.graph.initializer:
        if tensor.name not in wanted:
            continue
        if external_data_helper.uses_external_data(tensor):
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        found[tensor.name] = numpy_helper.to_array(tensor)
        if tensor.name not in known:
            model.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return found


class Trials:
    """Divergences of conversions from the model as it is, over all real tokens of the feeds."""

    def __init__(self, model: InstrumentedModel, feeds: Feeds) -> None:
        """Runs the model as it is, and holds its logits. Raises VerifyError if it has none."""
        self._model, self._feeds = model, feeds
        facts = read_facts(model.path)
        self._before: list[dict[str, np.ndarray]] = []
        for feed, mask in feeds:
            found = model.run(feed, {})
            logits = {
                name: _real(value, mask)
                for name, value in found.items()
                if isinstance(value, np.ndarray) and are_logits(name, value, facts)
            }
            if not logits:
                raise VerifyError(
                    "no output is known to be logits, by its name or its size, so no divergence "
                    "can be measured"
                )
            self._before.append(logits)

    def measure(self, conversions: Mapping[str, Conversion]) -> float:
        """The mean KL(before || after) in nats. It is infinite if a logit is no number."""
        given = self._model.convert(conversions)
        total, rows = 0.0, 0
        for (feed, mask), before in zip(self._feeds, self._before):
            after = self._model.run(feed, given)
            for name, x in before.items():
                y = _real(np.asarray(after[name]), mask)
                for a, b in zip(_blocks(x), _blocks(y)):
                    divergence, count = sum_divergences(a, b)
                    if count < _count_usable(a):
                        return float("inf")
                    total += divergence
                    rows += count
        return total / rows if rows else float("inf")


def _count_usable(rows: np.ndarray) -> int:
    """How many rows are logits: finite, or minus infinity in part."""
    fine = (np.isfinite(rows) | (rows == -np.inf)).all(axis=-1) & np.isfinite(rows).any(axis=-1)
    return int(fine.sum())


def _real(value: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Rows [N, V] of the real tokens; all rows where the mask is not of this output's tokens."""
    if mask is not None and value.shape[:2] == mask.shape and value.ndim == 3:
        return np.asarray(value[mask])
    return value.reshape(-1, value.shape[-1])


def _blocks(rows: np.ndarray, size: int = 1 << 22) -> list[np.ndarray]:
    """Rows in parts of f64 of limited size."""
    step = max(1, size // max(1, rows.shape[-1]))
    with np.errstate(invalid="ignore"):
        return [rows[i : i + step].astype(np.float64) for i in range(0, len(rows), step)]
