"""The statistics of docs/statistics.md, computed from whole activations in numpy float64.

Shapes: x [B, T, C]; keep [B, T] bool, false at padding; probabilities and scores [B, H, T, S];
values and keys [B, G, S, d]. Each function returns the outputs of one tap by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Outputs = dict[str, np.ndarray]


def moments(x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Mean, and means of centred squares and fourth powers, of each sequence: [B, 3]."""
    rows = []
    for one, kept in zip(x.astype(np.float64), keep):
        values = one[kept].ravel()
        centred = values - values.mean()
        rows.append([values.mean(), (centred**2).mean(), (centred**4).mean()])
    return np.array(rows)


def histogram(x: np.ndarray, keep: np.ndarray, bins: dict[str, int]) -> np.ndarray:
    """Counts by bin, [B, bins]; edges 2^(first + b / octave - 1e-5), open at both ends."""
    exponents = bins["first"] + np.arange(1, bins["bins"]) / bins["octave"] - 1e-5
    rows = [
        np.bincount(
            np.searchsorted(2.0**exponents, np.abs(one[kept]).ravel(), side="right"),
            minlength=bins["bins"],
        )
        for one, kept in zip(x.astype(np.float64), keep)
    ]
    return np.array(rows)


def residual(x: np.ndarray, keep: np.ndarray, settings: dict[str, Any]) -> Outputs:
    """Statistics of a residual stream's state."""
    a = np.abs(x.astype(np.float64)) * keep[..., None]
    return {
        "max_abs": a.max(1),
        "max_position": a.argmax(1),
        "sum_abs": a.sum(1),
        "sum_square": (a * a).sum(1),
        "token_max": a.max(2),
        "token_sum_square": (a * a).sum(2),
        "histogram": histogram(x, keep, settings["histogram"]),
        "moments": moments(x, keep),
    }


def projection(x: np.ndarray, keep: np.ndarray, settings: dict[str, Any]) -> Outputs:
    """Statistics of a projection's input."""
    a = np.abs(x.astype(np.float64)) * keep[..., None]
    return {
        "max_abs": a.max(1),
        "outliers": (a >= settings["outlier"]).sum(1),
        "token_max": a.max(2),
        "moments": moments(x, keep),
    }


def norm(
    x: np.ndarray,
    result: np.ndarray,
    keep: np.ndarray,
    gamma: np.ndarray | None,
    bias: np.ndarray | None = None,
    centre: bool = False,
    vector: np.ndarray | None = None,
) -> Outputs:
    """Statistics of a norm of `x`, which is multiplied by `vector` and, with `centre`, centred."""
    u = x.astype(np.float64) * (1 if vector is None else vector.astype(np.float64))
    if centre:
        u = u - u.mean(-1, keepdims=True)
    weight = np.ones(u.shape[-1]) if gamma is None else np.abs(gamma.astype(np.float64))
    weight = np.broadcast_to(weight, u.shape[-1:])
    top = np.abs(u).argmax(-1)
    share = np.abs(u).max(-1) / np.linalg.norm(u, axis=-1)
    e = weight[top] / weight.max()
    y = result.astype(np.float64) - (0 if bias is None else bias.astype(np.float64))
    out = {
        "share": share * keep,
        "bound": weight.max() * np.sqrt(1 - share**2 + (e * share) ** 2) * keep,
        "output_rms": np.sqrt((y * y).mean(-1)) * keep,
    }
    return out if gamma is None else out | {"weight": gamma.astype(np.float64).reshape(-1)}


def attention(
    probabilities: np.ndarray,
    values: np.ndarray,
    keep: np.ndarray,
    visible: np.ndarray,
    settings: dict[str, Any],
) -> Outputs:
    """Statistics of an attention; `visible` [B or 1, 1, T, S] as the mask says.

    `key_norm` and `max_logit` cannot be computed from the probabilities, and are left out.
    """
    p = np.where(keep[:, None, :, None], probabilities.astype(np.float64), 0)
    seen = np.broadcast_to(visible & keep[:, None, :, None], (*p.shape[:1], 1, *p.shape[2:]))[:, 0]
    size, count = settings["sink_length"], keep.sum(1)[:, None]
    logs = np.log(np.where(p > 0, p, 1))
    out = {
        "mass": p.sum(2),
        "queries": seen.sum(1),
        "sink_mass": p[:, :, :size, :size].sum(2),
        "sink_queries": seen[:, :size, :size].sum(1),
        "entropy": -(p * logs).sum((2, 3)) / count,
        "value_norm": np.linalg.norm(values.astype(np.float64), axis=-1),
        "map": p[:, :, : settings["map"], : settings["map"]].mean(1),
    }
    learned = np.where(keep[:, None, :], 1 - p.sum(3), 0).sum(2) / count
    return out | {"learned": learned}
