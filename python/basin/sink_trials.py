"""Runs of a model in which logits take the place of the constant rows of chosen heads.

`sink-instrument-sinks` makes rows, logits and values parameters, and says in the model's metadata
which. As optional inputs of the graph they let one session try all conversions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from basin.logit_trials import LogitTrials, open_parameters
from basin.step_data import Feeds
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
        wanted = {
            name
            for one in self.attentions
            for name in (one.key, one.value, one.logit, one.first_row, one.sink_value)
            if name is not None
        }
        self.parameters = open_parameters(model, wanted, path.parent)
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


class Trials:
    """Divergences of conversions from the model as it is, over all real tokens of the feeds."""

    def __init__(self, model: InstrumentedModel, feeds: Feeds) -> None:
        """Runs the model as it is, and holds its logits. Raises VerifyError if it has none."""
        self._model = model
        self._trials = LogitTrials(model.run, model.path, feeds)

    def measure(self, conversions: Mapping[str, Conversion]) -> float:
        """The mean KL(before || after) in nats. It is infinite if a logit is no number."""
        return self._trials.measure(self._model.convert(conversions))
