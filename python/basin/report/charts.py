"""The line charts of the report, by section."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.curves import (
    ROLE_NAMES,
    Chart,
    Series,
    at_key,
    line,
    of_heads,
    plain_layer,
    roles_of,
)
from basin.report.grids import stream_taps


def stream_charts(metrics: dict[str, Any]) -> list[Chart]:
    """Size and shape of the residual stream."""
    taps = stream_taps(metrics)
    return [
        Chart(
            "stream-size",
            "Size of the residual stream",
            "Half layers are after attention. The largest value against the median of the same "
            "sequence; f16 ends at 65504.",
            "abs(x)",
            [
                line("largest", taps, at_key("max_abs")),
                line("largest, mean over sequences", taps, at_key("infinity_norm")),
                line("median", taps, at_key("median")),
            ],
            log=True,
        ),
        Chart(
            "stream-ratio",
            "Largest value over median",
            "Massive from 1000 medians on, if it is above 100, too (arXiv 2402.17762).",
            "max abs(x) / median",
            [line("largest / median", taps, at_key("ratio"))],
            log=True,
            reference=(1000.0, "1000"),
        ),
        Chart(
            "residual-peak",
            "Residual peak of the first token",
            "norm2 of the first token over the mean of the others'.",
            "ratio",
            [line("first token / others", taps, at_key("peak"))],
            log=True,
            reference=(1.0, "as the others"),
        ),
        Chart(
            "stream-kurtosis",
            "Kurtosis of the residual stream",
            "Over all values, where a Gaussian has 3; and over the dimensions' sizes, where 1 "
            "means that all are alike.",
            "kurtosis",
            [
                line("values, mean over sequences", taps, at_key("kurtosis")),
                line("dimensions (neuron kurtosis)", taps, at_key("neuron_kurtosis")),
            ],
            log=True,
        ),
    ]


def attention_charts(metrics: dict[str, Any], length: int | None) -> list[Chart]:
    """What heads look at, by layer."""
    taps = v.table(metrics, "attention")
    uniform = None
    if length and length > 1 and all(tap.get("causal") for tap in taps):
        uniform = (v.uniform_mass(length), "uniform")
    return [
        Chart(
            "first-token-mass",
            "Attention to the first token",
            "Mean probability that queries give the first token."
            + (f" The line is uniform causal attention over {length} tokens." if uniform else ""),
            "probability",
            [
                line("largest head", taps, of_heads(v.largest, "first_token_mass"), plain_layer),
                line("mean over heads", taps, of_heads(v.mean, "first_token_mass"), plain_layer),
            ],
            reference=uniform,
        ),
        Chart(
            "entropy",
            "Entropy of attention",
            "Mean over queries, in nats. Low: a head looks at few tokens.",
            "nats",
            [
                line("largest head", taps, of_heads(v.largest, "entropy"), plain_layer),
                line("mean over heads", taps, of_heads(v.mean, "entropy"), plain_layer),
                line("smallest head", taps, of_heads(v.smallest, "entropy"), plain_layer),
            ],
        ),
        Chart(
            "value-key-ratio",
            "Value and key of the first token",
            "norm2 at the first token over the mean of the others'. Far below 1: drained.",
            "ratio",
            [
                line("key, mean", taps, of_heads(v.mean, "key_ratio"), plain_layer),
                line("value, mean", taps, of_heads(v.mean, "value_ratio"), plain_layer),
                line("value, smallest", taps, of_heads(v.smallest, "value_ratio"), plain_layer),
            ],
            log=True,
            reference=(1.0, "as the others"),
        ),
    ]


def role_lines(metrics: dict[str, Any], key: str) -> list[Series]:
    """A figure of the projections' inputs, a line for each role."""
    taps = v.table(metrics, "projections")
    return [
        line(
            name,
            [tap for tap in taps if role in roles_of(tap)],
            at_key(key),
            plain_layer,
        )
        for role, name in ROLE_NAMES.items()
    ]


def input_charts(metrics: dict[str, Any]) -> list[Chart]:
    """What the matrices multiply: where quantizers of activations look."""
    return [
        Chart(
            "kurtosis",
            "Kurtosis of matrix inputs",
            "Fourth moment over squared variance, mean over sequences; a Gaussian has 3.",
            "kurtosis",
            role_lines(metrics, "kurtosis"),
            log=True,
            reference=(3.0, "Gaussian"),
        ),
        Chart(
            "input-size",
            "Size of matrix inputs",
            "Largest abs(x), mean over sequences.",
            "abs(x)",
            role_lines(metrics, "infinity_norm"),
            log=True,
        ),
        Chart(
            "token-ratio",
            "Outlier tokens at matrix inputs",
            "Largest over tokens of a token's max abs(x), over its median over tokens; PrefixQuant "
            "calls a token an outlier above 64.",
            "ratio",
            role_lines(metrics, "token_ratio"),
            log=True,
            reference=(64.0, "64"),
        ),
        Chart(
            "outlier-token-count",
            "How many outlier tokens",
            "Tokens above 64 medians, mean over sequences.",
            "tokens a sequence",
            role_lines(metrics, "outlier_tokens"),
        ),
    ]


def norm_charts(metrics: dict[str, Any]) -> list[Chart]:
    """Outlier-driven rescaling: the bound on a norm's output and the output."""
    taps = [tap for tap in v.table(metrics, "norms") if tap.get("place") != "head"]
    return [
        Chart(
            "norm-bound",
            "Norms: bound and output",
            "Half layers are before attention, the last is the final norm. The bound falls as an "
            "outlier takes more of the input (arXiv 2601.22966, appendix A.1).",
            "root mean square",
            [
                line("bound", taps, at_key("bound")),
                line("measured", taps, at_key("output_rms")),
            ],
            log=True,
        ),
        Chart(
            "norm-share",
            "Share of the largest component",
            "r = max abs(x) / norm2(x) of a norm's input: 1 is one-hot.",
            "r, mean over tokens",
            [line("share", taps, at_key("share"))],
        ),
    ]


def all_charts(metrics: dict[str, Any], length: int | None) -> dict[str, list[Chart]]:
    """Every chart the document has data for, by section."""
    sections = {
        "attention": attention_charts(metrics, length),
        "residual": stream_charts(metrics),
        "norms": norm_charts(metrics),
        "inputs": input_charts(metrics),
    }
    return {name: [c for c in charts if not c.empty] for name, charts in sections.items()}
