"""Tables from the results of `reproduce.py`, beside the paper's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["PAPER", "table1", "table2"]

# arXiv 2601.22966: largest activation and final loss of 2B dense models after 120B tokens.
PAPER = {
    "baseline": (6000, 1.964),
    "GA": (2800, 1.957),
    "DyT": (73, 2.216),
    "DyT + GA": (32, 2.041),
    "GatedDyT + GA": (53, 1.969),
    "clip 10": (None, "diverges"),
    "clip 100": (None, "diverges"),
    "clip 1000": (1000, 1.970),
    "GA + clip 10": (10, 1.960),
    "GLU": (1300, 1.975),
    "GA + GLU": (800, 1.955),
    "GA + PreAffine": (640, 1.954),
    "GA + GatedNorm": (430, 1.951),
    "GA + GatedNorm + GLU": (280, 1.948),
}


def _spread(values: Sequence[float], form: str) -> str:
    """The mean and the standard deviation over seeds."""
    if not values:
        return ""
    text = format(float(np.mean(values)), form)
    if len(values) > 1:
        text += f" ± {format(float(np.std(values, ddof=1)), '.2g')}"
    return text


def _by_variant(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in rows:
        found.setdefault(one["variant"], []).append(one)
    return found


def _column(rows: list[dict[str, Any]], get: Callable[[dict[str, Any]], Any], form: str) -> str:
    values = [get(one) for one in rows if "diverged" not in one]
    return _spread([one for one in values if isinstance(one, int | float)], form)


def _render(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def table1(rows: Sequence[dict[str, Any]]) -> str:
    """Outliers and losses of the variants: means and deviations over seeds that did not diverge."""
    body = []
    for variant, runs in _by_variant(rows).items():
        lost = sum("diverged" in one for one in runs)
        seeds = f"{len(runs)}" + (f", {lost} diverged" if lost else "")
        largest, loss = PAPER.get(variant, (None, None))
        body.append([
            variant,
            seeds,
            _column(runs, lambda one: one["loss"], ".4f"),
            _column(runs, lambda one: one["largest"], ".4g"),
            _column(runs, lambda one: one["ratio"], ".4g"),
            _column(runs, lambda one: one["sink_rate"], ".3g"),
            _column(runs, lambda one: one["norm_weights"]["least"], ".3g"),
            _column(runs, lambda one: one["norm_weights"]["largest"], ".3g"),
            "" if largest is None else f"{largest}",
            "" if loss is None else f"{loss}",
        ])  # fmt: skip
    head = ["variant", "seeds", "loss", "largest abs(x)", "in medians", "sinks, %",
            "least norm weight", "largest", "paper: largest", "paper: loss"]  # fmt: skip
    return _render(head, body)


def table2(rows: Sequence[dict[str, Any]]) -> str:
    """KL of quantized models to the same in f32."""
    keys = ["W8A8", "W8A8 + smooth", "W4A4", "W4A4 + smooth"]
    body = [
        [
            variant,
            *(_column(runs, lambda one, k=key: one["quantized"][k]["kl"], ".3g") for key in keys),
        ]
        for variant, runs in _by_variant(rows).items()
    ]
    baseline = [one for one in rows if one["variant"] == "baseline" and "diverged" not in one]
    extra = [key for key in (baseline[0]["quantized"] if baseline else {}) if key not in keys]
    after = [
        [key, _column(baseline, lambda one, k=key: one["quantized"][k]["kl"], ".3g")]
        for key in [*keys, *extra]
    ]
    parts = [_render(["variant", *keys], body)]
    if baseline:
        parts.append(_render(["the trained baseline", "KL"], after))
    return "\n\n".join(parts)
