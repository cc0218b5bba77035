"""The figures of residual, projection and norm taps."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from basin.analysis.accumulate_tokens import FIRST_POSITIONS, Norm, Projection, Residual
from basin.analysis.figures import Texts, number, numbers, over, token
from basin.analysis.kinds import kinds_of

# Dettmers et al., arXiv 2208.07339, section 4: the share of layers and of positions.
FEATURE_LAYERS, FEATURE_POSITIONS = 0.25, 0.06
TOP = 5


def largest_dims(values: np.ndarray, count: int) -> list[int]:
    """Indices of the largest values, descending; the lower index of equals."""
    return [int(index) for index in np.argsort(-values, kind="stable")[:count]]


def neuron_kurtosis(square: np.ndarray) -> float | None:
    """mean(s^4) / mean(s^2)^2 over dimensions, s^2 = mean x^2 over tokens (arXiv 2405.19279)."""
    mean = float(square.mean())
    return number((square**2).mean() / mean**2) if mean > 0 else None


def residual_metrics(one: Residual, texts: Texts) -> dict[str, Any]:
    """The entry of a residual tap."""
    largest, ratio, maximum = one.largest.record, one.ratio.record, one.maximum
    octave = one.instrumentation["histogram"]["octave"]
    bins = one.histogram.value
    counts = np.add.reduceat(bins, np.arange(0, len(bins), octave))
    positions = numbers(one.positions.value())

    def holder(dim: int) -> dict[str, Any]:
        return token(int(maximum.position[dim]), int(maximum.id[dim]), texts)

    return {
        "layer": one.tap["layer"],
        "place": one.tap["place"],
        "name": one.tap["name"],
        "stream": one.tap["stream"],
        "max_abs": largest["max_abs"],
        "token": token(largest["position"], largest["id"], texts),
        "dim": largest["dim"],
        "median": ratio["median"],
        "ratio": ratio["ratio"],
        "massive": bool(one.massive.value),
        "top": [
            {"dim": dim, "max_abs": float(maximum.max_abs[dim]), "token": holder(dim)}
            for dim in largest_dims(maximum.max_abs, TOP)
        ],
        "peak": number(one.peak.value()),
        "kurtosis": number(one.kurtosis.value()),
        "max_kurtosis": number(one.max_kurtosis.value()),
        "infinity_norm": number(one.infinity.value()),
        "havg": numbers(one.abs.value()),
        "neuron_kurtosis": neuron_kurtosis(one.square.value()),
        "histogram": {
            "first": one.instrumentation["histogram"]["first"],
            "counts": counts.tolist(),
        },
        "first_positions": positions[:FIRST_POSITIONS],
        "other_positions": positions[FIRST_POSITIONS],
    }


def massive_metrics(residual: list[Residual], texts: Texts) -> dict[str, Any] | None:
    """The network's largest value, with the median of its own sequence and tap."""
    if not residual:
        return None
    # Among equal taps, max() takes the first in the order of the network.
    one = max(residual, key=lambda tap: tap.largest.record["max_abs"])
    largest = one.largest.record
    return {
        "max_abs": largest["max_abs"],
        "layer": one.tap["layer"],
        "place": one.tap["place"],
        "token": token(largest["position"], largest["id"], texts),
        "dim": largest["dim"],
        "median": largest["median"],
        "ratio": over(largest["max_abs"], largest["median"]),
        "is_massive": any(bool(tap.massive.value) for tap in residual),
    }


def projection_metrics(one: Projection) -> dict[str, Any]:
    """The entry of a projection's input."""
    channels = one.max_abs.value()
    top = largest_dims(channels, TOP)
    return {
        "layer": one.tap["layer"],
        "roles": one.tap["roles"],
        "name": one.tap["name"],
        "weights": one.tap["weights"],
        "max_abs": number(channels[top[0]]),
        "channel": top[0],
        "kurtosis": number(one.kurtosis.value()),
        "max_kurtosis": number(one.max_kurtosis.value()),
        "infinity_norm": number(one.infinity.value()),
        "token_ratio": number(one.token_ratio.value()),
        "outlier_tokens": number(one.outlier_tokens.value()),
        "top": [{"dim": channel, "max_abs": number(channels[channel])} for channel in top],
        "channel_max": numbers(channels),
    }


def outlier_features(projections: list[Projection]) -> list[dict[str, Any]] | None:
    """LLM.int8's outlier features: dimensions of the hidden states that projections read.

    Hidden states are the inputs of the `qkv` and `up` matrices of the most common width. A layer
    has the feature if any of its tokens has it. Positions are pooled over all hidden states. None
    if no such input was measured.
    """
    hidden = [one for one in projections if {"qkv", "up"} & set(one.tap["roles"])]
    if not hidden:
        return None
    widths = [one.tap["dim"] for one in hidden]
    width = max(sorted(set(widths)), key=widths.count)
    hidden = [one for one in hidden if one.tap["dim"] == width]
    by_layer: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(width, bool))
    for one in hidden:
        by_layer[one.tap["layer"]] |= one.outliers.value > 0
    layers = np.mean(list(by_layer.values()), axis=0)
    tokens = sum(int(one.tokens.value) for one in hidden)
    positions = sum(one.outliers.value for one in hidden) / tokens
    found = np.flatnonzero((layers >= FEATURE_LAYERS) & (positions >= FEATURE_POSITIONS))
    return [
        {"dim": dim, "layers": float(layers[dim]), "positions": float(positions[dim])}
        for dim in found.tolist()
    ]


def norm_weights(one: Norm, dims: list[int]) -> list[dict[str, Any]]:
    """abs(gamma) of a norm at `dims`, and over its median."""
    weight = np.abs(one.weight.value())
    median = float(np.median(weight))
    return [
        {"dim": dim, "weight": float(weight[dim]), "to_median": over(weight[dim], median)}
        for dim in dims
    ]


def norm_metrics(one: Norm, streams: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of a norm; `streams` are the streams' figures, for their top dimensions."""
    has_weight = "weight" in one.cells
    has_streams = "residual" in kinds_of(one.instrumentation)
    stream = next((s for s in streams if one.tap["id"] in s["norms"]), None)
    dims = stream["order"][:TOP] if stream else []
    return {
        "layer": one.tap["layer"],
        "place": one.tap["place"],
        "norm": one.tap["norm"],
        "name": one.tap["name"],
        "pre_affine": one.tap["pre_affine"],
        "dim": one.tap["dim"],
        "weight_median": number(np.median(np.abs(one.weight.value()))) if has_weight else None,
        "suppressed": (norm_weights(one, dims) if has_weight else []) if has_streams else None,
        "share": number(one.share.value()),
        "bound": number(one.bound.value()),
        "output_rms": number(one.output_rms.value()),
        "tightness": number(one.tightness.value()),
    }
