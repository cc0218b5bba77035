"""An invented network of one layer, as full activations and as the outputs of its taps.

Sequences differ in length and are padded on the right or, if asked for, on the left. The
activations have every phenomenon that the metrics look for: a massive activation at the first token
(dimension 3), a residual sink (dimension 5), an attention sink at the first token in head 0,
drained values there, and an outlier token in the input of a projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import reference_taps
from basin.analysis.accumulate import Accumulator, by_tap
from basin.analysis.batch import Batch

DIM, HEADS, GROUPS, LENGTH, COUNT = 24, 4, 2, 80, 12
MASSIVE_DIM, SINK_DIM, OUTLIER_CHANNEL, OUTLIER_TOKEN = 3, 5, 7, 20


def tap(id: int, kind: str, names: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """A tap's entry of the metadata."""
    outputs = {name: f"basin.{id}.{name}" for name in names}
    base = {"id": id, "kind": kind, "name": f"value{id}", "layer": 1, "batched": True}
    return base | {"outputs": outputs} | more


RESIDUAL = ("max_abs", "max_position", "sum_abs", "sum_square", "token_max", "token_sum_square")
RESIDUAL += ("histogram", "moments")
PROJECTION = ("max_abs", "outliers", "token_max", "moments")
NORM = ("weight", "share", "bound", "output_rms")
ATTENTION = ("mass", "queries", "sink_mass", "sink_queries", "max_logit", "entropy", "map")
ATTENTION += ("value_norm", "key_norm")
SETTINGS: dict[str, Any] = {
    "version": 1,
    "token_mask": "attention_mask",
    "token_ids": "input_ids",
    "sink_length": 64,
    "histogram": {"first": -24, "octave": 4, "bins": 180},
    "map": 16,
    "outlier": 6.0,
    "taps": [
        tap(0, "residual", RESIDUAL, place="embedding", stream=0, dim=DIM),
        tap(1, "residual", RESIDUAL, place="mlp", stream=0, dim=DIM),
        tap(2, "projection", PROJECTION, roles=["up"], weights=["w"], dim=DIM),
        tap(3, "norm", NORM, norm="rms_norm", pre_affine=False, place="final", dim=DIM)
        | {"inputs": ["value1"]},
        tap(4, "attention", ATTENTION, heads=HEADS, kv_heads=GROUPS, causal=True, sinks=0),
    ],
}


@dataclass
class Activations:
    """Full activations of one batch, f32: x [2][B, T, D], p [B, H, T, T], v, k [B, G, T, 4]."""

    batch: Batch
    residual: list[np.ndarray]
    hidden: np.ndarray
    gamma: np.ndarray
    probabilities: np.ndarray
    values: np.ndarray
    keys: np.ndarray
    scores: np.ndarray

    def outputs(self) -> dict[str, np.ndarray]:
        """The outputs of an instrumented model, by name."""
        keep = self.batch.mask
        length = keep.shape[1]
        visible = np.tril(np.ones((length, length), bool))[None, None] & keep[:, None, None, :]
        attention = reference_taps.attention(
            self.probabilities, self.values, keep, visible, SETTINGS
        )
        seen = visible & keep[:, None, :, None]
        attention["max_logit"] = np.where(seen, self.scores, -np.inf).max((2, 3))
        attention["key_norm"] = np.linalg.norm(self.keys.astype(np.float64), axis=-1)
        norm = reference_taps.norm(self.residual[1], self.hidden, keep, self.gamma)
        by_tap_ = [reference_taps.residual(x, keep, SETTINGS) for x in self.residual]
        by_tap_ += [reference_taps.projection(self.hidden, keep, SETTINGS), norm, attention]
        out = {}
        for entry, values in zip(SETTINGS["taps"], by_tap_, strict=True):
            for name, output in entry["outputs"].items():
                value = np.asarray(values[name])
                out[output] = value if value.dtype.kind in "iu" else value.astype(np.float32)
        return out


def sequence(index: int) -> dict[str, np.ndarray]:
    """The activations of one sequence, by name; lengths run from 33 to 80."""
    rng = np.random.default_rng(index)
    length = int(rng.integers(33, LENGTH + 1))
    x = rng.standard_normal((2, length, DIM)).astype(np.float32)
    x[1, 0, MASSIVE_DIM] = 4000 + index
    x[1, :, SINK_DIM] = 30 + rng.standard_normal(length)
    gamma = np.full(DIM, 0.5, np.float32)
    gamma[SINK_DIM] = 0.01
    hidden = x[1] * gamma / np.sqrt((x[1] ** 2).mean(-1, keepdims=True))
    hidden[OUTLIER_TOKEN, OUTLIER_CHANNEL] = 90 + index
    scores = rng.standard_normal((HEADS, length, length))
    scores[0, :, 0] += 8
    scores[1, :, 4] += 7
    # A key that only one query sees is no sink in the window or in the whole sequence.
    for last in (63, length - 1):
        if last < length:
            scores[3, last, last] += 30
    masked = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
    p = np.exp(masked - masked.max(-1, keepdims=True))
    values, keys = rng.standard_normal((2, GROUPS, length, 4)).astype(np.float32)
    values[:, 0] *= 0.01
    ids = rng.integers(2, 50, length)
    ids[0] = 1
    return {
        "ids": ids,
        "x": x,
        "gamma": gamma,
        "hidden": hidden.astype(np.float32),
        "p": (p / p.sum(-1, keepdims=True)).astype(np.float32),
        "values": values,
        "keys": keys,
        "scores": scores.astype(np.float32),
    }


def batch_of(indices: list[int], left: bool = False, length: int = LENGTH) -> Activations:
    """Sequences side by side, padded to `length`; padding holds large values on purpose."""
    parts = [sequence(index) for index in indices]

    def pad(array: np.ndarray, axes: tuple[int, ...], value: float) -> np.ndarray:
        widths = [(0, 0)] * array.ndim
        for axis in axes:
            rest = length - array.shape[axis]
            widths[axis] = (rest, 0) if left else (0, rest)
        return np.pad(array, widths, constant_values=value)

    def stack(name: str, axes: tuple[int, ...], value: float = 1e4) -> np.ndarray:
        return np.stack([pad(part[name], axes, value) for part in parts])

    mask = np.stack([pad(np.ones(len(part["ids"]), bool), (0,), 0) for part in parts])
    x = stack("x", (1,))
    return Activations(
        Batch.of(stack("ids", (0,), 0), mask),
        [x[:, 0], x[:, 1]],
        stack("hidden", (0,)),
        parts[0]["gamma"],
        stack("p", (1, 2), 0.0),
        stack("values", (1,)),
        stack("keys", (1,)),
        stack("scores", (1, 2)),
    )


def accumulated(*batches: Activations) -> list[Accumulator]:
    """Accumulators that have seen the batches."""
    out = by_tap(SETTINGS)
    for one in batches:
        outputs = one.outputs()
        for accumulator in out:
            accumulator.update(outputs, one.batch)
    return out
