"""The data of the per-layer line charts, apart from how they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from basin.report import values as v
from basin.report.grids import place_name, stream_taps

ROLE_NAMES = {
    "qkv": "query, key, value",
    "o": "attention output",
    "up": "gate and up",
    "down": "down",
    "head": "head",
    "other": "other",
}
Point = tuple[float, float, str]


@dataclass
class Series:
    """A named line: (x, y, where), sorted by x."""

    name: str
    points: list[Point]


@dataclass
class Chart:
    """Lines over layers; `reference` is a labelled horizontal line."""

    id: str
    title: str
    caption: str
    y_title: str
    series: list[Series]
    log: bool = False
    reference: tuple[float, str] | None = None
    x_title: str = "layer"
    empty: bool = field(init=False)

    def __post_init__(self) -> None:
        """Lines without a point (or, on a log scale, without a positive one) go."""
        if self.log:
            for one in self.series:
                one.points = [point for point in one.points if point[1] > 0]
        self.series = [one for one in self.series if one.points]
        self.empty = not self.series


def layer_of(tap: dict[str, Any]) -> float | None:
    """Where a tap stands on the layer axis: the attention's half a layer early, the end's late."""
    layer, place = v.number(tap.get("layer")), tap.get("place")
    if not layer:
        return layer
    return layer + {"attention": -0.5, "final": 0.5}.get(str(place), 0.0)


def line(
    name: str,
    taps: list[dict[str, Any]],
    figure: Callable[[dict[str, Any]], float | None],
    where: Callable[[dict[str, Any]], float | None] = layer_of,
) -> Series:
    """One figure of each tap over the layers."""
    points = []
    for tap in taps:
        x, y = where(tap), figure(tap)
        if x is not None and y is not None:
            points.append((x, y, place_name(tap)))
    return Series(name, sorted(points, key=lambda point: point[0]))


def plain_layer(tap: dict[str, Any]) -> float | None:
    """The layer's number."""
    return v.number(tap.get("layer"))


def at_key(key: str) -> Callable[[dict[str, Any]], float | None]:
    """The figure at `key` of a tap."""
    return lambda tap: v.number(tap.get(key))


def of_heads(summary: Callable[[Any], float | None], key: str) -> Callable[..., float | None]:
    """A summary over heads of the list at `key`."""
    return lambda tap: summary(tap.get(key))


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


def roles_of(tap: dict[str, Any]) -> list[str]:
    """The roles of a projection's input."""
    roles = tap.get("roles")
    return [one for one in roles if isinstance(one, str)] if isinstance(roles, list) else []


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
