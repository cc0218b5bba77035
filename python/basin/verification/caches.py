"""Caches that a model updates in place, beside the original whose caches are tensors of their own.

`basin rewrite --cache in-place` records their names in the model's metadata. A past is then a
buffer with more rows than are in use, and an input tells how many are. Rows that are not in use are
filled with a number that would show in any output.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

METADATA = "basin.caches"
# Rows of a buffer beyond those that the new keys and values need.
_ROOM = 3
_UNUSED = 1e4
# ONNX Runtime's words for what the user promises not to do.
_UNPROMISED = "batch_size must be 1 when sequence_length > 1"


@dataclass(frozen=True)
class Caches:
    """`buffers` has the name of a past, and that of its present, for each buffer."""

    length: str
    buffers: dict[str, str]

    @staticmethod
    def read(metadata: dict[str, str]) -> Caches | None:
        """The caches that the metadata of a model names, or None."""
        if METADATA not in metadata:
            return None
        found = json.loads(metadata[METADATA])
        return Caches(found["length"], found["buffers"])

    def extend(
        self, values: dict[str, np.ndarray], results: dict[str, object]
    ) -> dict[str, np.ndarray]:
        """The original's inputs, whose outputs are `results`, as those of the model in place."""
        extended = dict(values)
        for past, present in self.buffers.items():
            rows, used = values[past], np.asarray(results[present]).shape[2]
            shape = (*rows.shape[:2], used - rows.shape[2] + _ROOM, rows.shape[3])
            unused = np.full(shape, _UNUSED, np.float32).astype(rows.dtype)
            extended[past] = np.concatenate([rows, unused], axis=2)
            extended[self.length] = np.array(rows.shape[2], np.int64)
        return extended

    def cut(self, made: dict[str, object], results: dict[str, object]) -> dict[str, object]:
        """The outputs `made` in place, without the rows that are not in use."""
        cut = dict(made)
        for present in self.buffers.values():
            used = np.asarray(results[present]).shape[2]
            cut[present] = np.asarray(made[present])[:, :, :used]
        return cut

    def has_past(self, values: dict[str, np.ndarray]) -> bool:
        """Whether any row of a past is in use."""
        return any(values[past].shape[2] > 0 for past in self.buffers)


def is_unpromised(error: Exception) -> bool:
    """Whether a model was refused several queries of several sequences after a past."""
    return _UNPROMISED in str(error)
