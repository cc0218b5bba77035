"""The groups of the step `smooth` in an instrumented model, and the ranges that runs measure.

`sink-instrument-smoothing` makes outputs of the groups' values, and describes the groups in the
model's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import external_data_helper, numpy_helper

from basin.errors import VerifyError
from basin.step_data import Feeds
from basin.verification.sessions import open_session, run_session

__all__ = ["Group", "Observed", "Product", "SmoothModel"]

_RUN_KEY = "basin.smooth-run"
# Rows of each value that are kept for a search.
_ROWS = 512


@dataclass(frozen=True)
class Product:
    """A stored matrix, the axis of its rows, and the value that the product gives."""

    matrix: str
    rows: int
    result: str


@dataclass(frozen=True)
class Group:
    """A value and the products that read it.

    `names` are those of the value and of its views. `ties` has for each channel the first one whose
    factor it shares. `origin` says what takes the inverse factors.
    """

    names: tuple[str, ...]
    channels: int
    products: tuple[Product, ...]
    ties: np.ndarray
    origin: str
    output: str | None

    @property
    def name(self) -> str:
        """The name of the value."""
        return self.names[0]

    def join(self, values: np.ndarray) -> np.ndarray:
        """Values of channels [C], with the largest of those that share a factor for all of them."""
        largest = np.full_like(values, -np.inf)
        np.maximum.at(largest, self.ties, values)
        joined: np.ndarray = largest[self.ties]
        return joined


@dataclass
class Observed:
    """The largest |x| of each channel [C], and some rows [n, C] of a value."""

    max_abs: np.ndarray
    rows: list[np.ndarray] = field(default_factory=list)

    def sample(self) -> np.ndarray:
        """The rows that are kept, at equal distances over all runs."""
        rows = np.concatenate(self.rows)
        chosen = np.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).round().astype(int)
        picked: np.ndarray = rows[chosen]
        return picked


class SmoothModel:
    """A model that `sink-instrument-smoothing` made, at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = onnx.load(path, load_external_data=False)
        found = json.loads({one.key: one.value for one in self.model.metadata_props}[_RUN_KEY])
        self.groups = [_read_group(one) for one in found["groups"]]
        self.skipped: dict[str, str] = {one["name"]: one["why"] for one in found["skipped"]}

    @cached_property
    def session(self) -> ort.InferenceSession:
        """The session, which is opened at its first use."""
        return open_session(self.path, threads=0)

    @cached_property
    def _tensors(self) -> dict[str, onnx.TensorProto]:
        found = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.model.graph.node:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                found |= {
                    name: a.t for a in node.attribute for name in node.output if a.HasField("t")
                }
        return found

    def matrix(self, product: Product) -> np.ndarray:
        """A product's matrix in f32, [columns, rows]: what it sums over is the last axis."""
        tensor = self._tensors[product.matrix]
        if external_data_helper.uses_external_data(tensor):
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            external_data_helper.load_external_data_for_tensor(copy, str(self.path.parent))
            tensor = copy
        value = np.moveaxis(numpy_helper.to_array(tensor), product.rows, -1)
        return np.ascontiguousarray(value.reshape(-1, value.shape[-1]), dtype=np.float32)

    def max_weights(self, group: Group) -> np.ndarray:
        """The largest |w| of each channel [C] over all matrices of the group."""
        largest = np.zeros(group.channels)
        for product in group.products:
            largest = np.maximum(largest, np.abs(self.matrix(product)).max(axis=0))
        return largest

    def observe(self, feeds: Feeds, *, rows: bool) -> dict[str, Observed]:
        """What runs measure of each group, by name. Raises VerifyError."""
        found = {one.name: Observed(np.zeros(one.channels)) for one in self.groups}
        each = max(1, -(-_ROWS // max(1, len(feeds))))
        for feed, mask in feeds:
            outputs = run_session(self.session, feed, self.path)
            for one in self.groups:
                value = _real_rows(outputs[one.output or ""], mask)
                if not np.isfinite(value).all():
                    raise VerifyError(f"'{one.name}' has elements that are not finite on the data")
                own = found[one.name]
                own.max_abs = np.maximum(own.max_abs, np.abs(value).max(axis=0, initial=0))
                if rows and len(value):
                    at = np.linspace(0, len(value) - 1, min(len(value), each)).round().astype(int)
                    own.rows.append(value[at])
        return found


def _read_group(entry: Mapping[str, Any]) -> Group:
    channels = int(entry["channels"])
    products = (Product(one["matrix"], one["rows"], one["result"]) for one in entry["products"])
    return Group(
        tuple(entry["names"]),
        channels,
        tuple(products),
        np.array(entry.get("ties", range(channels))),
        entry["origin"],
        entry.get("output"),
    )


def _real_rows(value: Any, mask: np.ndarray | None) -> np.ndarray:
    """Rows [N, C] of the real tokens; all rows where the mask is not of this value's tokens."""
    array = np.asarray(value, dtype=np.float32)
    if mask is not None and array.ndim > 2 and array.shape[:2] == mask.shape:
        return np.asarray(array[mask]).reshape(-1, array.shape[-1])
    if mask is not None and array.ndim == 2 and array.shape[0] == mask.size:
        return np.asarray(array[mask.reshape(-1)])
    return array.reshape(-1, array.shape[-1])
