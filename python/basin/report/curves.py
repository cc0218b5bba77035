"""Line charts over layers as data, apart from how they are drawn, and what they are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from basin.report import values as v
from basin.report.grids import place_name

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


def roles_of(tap: dict[str, Any]) -> list[str]:
    """The roles of a projection's input."""
    roles = tap.get("roles")
    return [one for one in roles if isinstance(one, str)] if isinstance(roles, list) else []
