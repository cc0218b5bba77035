"""The figures of docs/statistics.md, section 2, from accumulators.

Everything here is a function of the accumulators and of the texts of ids: merged files get the
figures of one run over all their data.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from basin.analysis.accumulate import Accumulator
from basin.analysis.accumulate_attention import SINK_EPS, Attention, often_seen
from basin.analysis.accumulate_tokens import Norm, Projection, Residual
from basin.analysis.cells import UNKNOWN
from basin.analysis.coverage import coverage, nonfinite
from basin.analysis.figures import Texts, number, numbers, token
from basin.analysis.metrics_tokens import (
    massive_metrics,
    norm_metrics,
    outlier_features,
    projection_metrics,
    residual_metrics,
)
from basin.analysis.streams import stream_metrics

# How many of the tokens that are sinks are listed.
SINK_TOKENS = 32


def derive(accumulators: list[Accumulator], sink_length: int, texts: Texts) -> dict[str, Any]:
    """All metrics. Taps that saw no sequence (of a branch that did not run) have none."""
    ran = [one for one in accumulators if one.sequences.value]
    attention = [one for one in ran if isinstance(one, Attention)]
    residual = [one for one in ran if isinstance(one, Residual)]
    projections = [one for one in ran if isinstance(one, Projection)]
    norms = [one for one in ran if isinstance(one, Norm)]
    streams = stream_metrics(residual, norms)
    return {
        "attention": [attention_metrics(one, texts) for one in attention],
        "sinks": sink_metrics(attention, sink_length, texts),
        "residual": [residual_metrics(one, texts) for one in residual],
        "streams": streams,
        "massive": massive_metrics(residual, texts),
        "projections": [projection_metrics(one) for one in projections],
        "outlier_features": outlier_features(projections),
        "norms": [norm_metrics(one, streams) for one in norms],
        "coverage": coverage(accumulators),
        "nonfinite": nonfinite(accumulators),
    }


def percent(hits: np.ndarray, total: int) -> dict[str, float | None]:
    """Counts above each threshold -> percent, by threshold."""
    return {
        f"{eps}": 100 * hit / total if total else None for eps, hit in zip(SINK_EPS, hits.tolist())
    }


def attention_metrics(one: Attention, texts: Texts) -> dict[str, Any]:
    """The entry of an attention."""
    alpha = one.alpha.value()
    lengths = one.alpha.count.value
    keys = int((lengths > 0).sum())
    alpha = alpha[:, :keys]
    learned = numbers(one.learned.value()) if "learned" in one.cells else None
    bound = numbers(one.score_bound.value()) if "score_bound" in one.cells else None
    side = int((one.map.count.value[:, 0] > 0).sum())
    trials = int(one.sequences.value) * one.tap["heads"]
    return {
        "layer": one.tap["layer"],
        "name": one.tap["name"],
        "heads": one.tap["heads"],
        "kv_heads": one.tap["kv_heads"],
        "causal": one.tap["causal"],
        "sinks": one.tap["sinks"],
        "alpha_first": numbers(alpha[:, 0]),
        "first_token_mass": numbers(one.first_token_mass.value()),
        "max_logit": numbers(one.max_logit.value()),
        "score_bound": bound,
        "entropy": numbers(one.entropy.value()),
        "learned": learned,
        "heaviest": heaviest_keys(one, alpha, texts),
        "value_ratio": numbers(one.value_ratio.value()),
        "key_ratio": numbers(one.key_ratio.value()),
        "alpha": numbers(alpha),
        "sink_rate": percent(one.sinks.value, trials),
        "map": numbers(one.map.value()[:side, :side]),
    }


def score_bound(one: Attention) -> float | None:
    """What the option stats of narrow-mask reads: no |score| of any head exceeds it.

    None if nothing bounds the scores, or if a sequence was left out.
    """
    if "score_bound" not in one.cells or one.nonfinite.value or not one.sequences.value:
        return None
    return number(one.score_bound.value().max())


def heaviest_keys(one: Attention, alpha: np.ndarray, texts: Texts) -> list[dict[str, Any]]:
    """Of each head the key with the largest mean alpha, [H, K], among those often seen."""
    often = often_seen(one.alpha_queries.value[: alpha.shape[1]])
    ids = one.ids.value()
    out = []
    for row in np.where(often, alpha, -1.0):
        key = int(row.argmax())
        out.append({"alpha": number(row[key]), "token": token(key, int(ids[key]), texts)})
    return out


def sink_metrics(
    attention: list[Attention], sink_length: int, texts: Texts
) -> dict[str, Any] | None:
    """Attention sinks of the network; None without an attention."""
    if not attention:
        return None
    trials = sum(int(one.sequences.value) * one.tap["heads"] for one in attention)
    masses = np.concatenate([one.first_token_mass.value() for one in attention])
    counts: Counter[tuple[int, int]] = Counter()
    for one in attention:
        counts.update(one.tokens_seen.counts)
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SINK_TOKENS]
    return {
        "sink_length": sink_length,
        "sink_rate": percent(sum(one.sinks.value for one in attention), trials),
        "heaviest_rate": percent(sum(one.heaviest.value for one in attention), trials),
        "first_token_mass": number(masses.mean()),
        "tokens": [
            {"token": token(position, id, texts), "count": count, "share": count / trials}
            for (position, id), count in common
        ],
    }


def known_ids(accumulators: list[Accumulator]) -> set[int]:
    """All ids that a metric may name, now or after a merge."""
    found: set[int] = set()
    for one in accumulators:
        if isinstance(one, Residual):
            found.update(one.maximum.id.tolist())
        if isinstance(one, Attention):
            found.update(id for _, id in one.tokens_seen.counts)
            found.update(one.ids.value().tolist())
    return found - {UNKNOWN}
