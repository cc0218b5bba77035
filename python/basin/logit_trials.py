"""Trials of a model whose parameters are optional inputs: what they do to its logits.

One session tries all settings. Each is a set of parameters, and the others keep their values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import external_data_helper, numpy_helper

from basin.errors import VerifyError
from basin.inputs.signature import read_facts
from basin.step_data import Feeds
from basin.verification.distance import are_logits, sum_divergences

__all__ = ["LogitTrials", "open_parameters"]

Arrays = Mapping[str, np.ndarray]


def open_parameters(
    model: onnx.ModelProto, wanted: Collection[str], folder: Path
) -> dict[str, np.ndarray]:
    """The named initializers of a model with its data in `folder`, which become inputs, too."""
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


class LogitTrials:
    """Divergences from a model's own logits, over all real tokens of the feeds."""

    def __init__(
        self, run: Callable[[Arrays, Arrays], Mapping[str, object]], path: Path, feeds: Feeds
    ) -> None:
        """Runs the model at `path` as it is, and holds its logits.

        `run` takes inputs and parameters. Raises VerifyError if no output is known to be logits.
        """
        self._run, self._feeds = run, feeds
        facts = read_facts(path)
        self._before: list[dict[str, np.ndarray]] = []
        for feed, mask in feeds:
            found = run(feed, {})
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

    def measure(self, given: Arrays) -> float:
        """The mean KL(before || after) in nats. It is infinite if a logit is no number."""
        total, rows = 0.0, 0
        for (feed, mask), before in zip(self._feeds, self._before):
            after = self._run(feed, given)
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
