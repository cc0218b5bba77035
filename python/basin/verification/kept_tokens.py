"""Tokens whose outputs are compared after a rewrite that may change rows which see no key.

With padding on the left, the queries of the padding see no key if the model is causal. Their rows
are what the number that hides keys makes of them, and nothing reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from basin.inputs.drawn_inputs import is_mask
from basin.inputs.signature import is_past

__all__ = ["find_kept", "keep"]


def find_kept(values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The keys that are seen, bool [B, S], or None if each query sees a key.

    A causal query sees the first key, so only a mask that hides it can leave a query without one.
    """
    for name, mask in values.items():
        if not is_mask(name, mask.dtype) or mask.ndim < 2 or not mask.size:
            continue
        if mask.ndim == 2 and not (mask[:, 0] != 0).all():
            kept: np.ndarray = mask != 0
            return kept
        hides = mask.dtype.kind == "b" and not mask.any(axis=-1).all()
        if mask.ndim > 2 and hides:
            seen = mask.any(axis=-1).reshape(mask.shape[0], -1, mask.shape[-2])
            return np.asarray(seen.all(axis=1))
    return None


def keep(
    output: np.ndarray, values: Mapping[str, np.ndarray], kept: np.ndarray
) -> np.ndarray | None:
    """The rows of the output [B, T, D] of tokens that are kept, or None if it has no such rows."""
    lengths = {
        value.shape[1]
        for name, value in values.items()
        if value.ndim in (2, 3) and not is_mask(name, value.dtype) and not is_past(name)
    }
    batch, keys = kept.shape
    fits = output.ndim == 3 and output.shape[0] == batch and output.shape[1] in lengths
    if not fits or output.shape[1] > keys:
        return None
    rows: np.ndarray = output[kept[:, keys - output.shape[1] :]]
    return rows
