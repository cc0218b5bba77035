"""Heat maps and line charts as SVG: text and lines by the page's styles, cells as one image.

Everything that comes from a document goes through `escape`; colours of text and lines are classes,
so that one drawing reads on a light, a dark and a printed page.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from markupsafe import Markup, escape

from basin.report import axes, pixels
from basin.report import values as v
from basin.report.curves import Chart, Point
from basin.report.grids import Grid

HALF, WIDE = 500, 1040
RIGHT, TOP = 84, 10
HIT = 6  # radius of what the pointer has to meet


def text(x: float, y: float, what: str, kind: str, turn: float = 0) -> Markup:
    """A label."""
    spin = Markup(' transform="rotate({} {:.1f} {:.1f})"').format(turn, x, y) if turn else ""
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}"{}>{}</text>').format(
        x, y, kind, spin, what
    )


def rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, kind
    )


def picture(x: float, y: float, width: float, height: float, uri: str, kind: str) -> Markup:
    """An image stretched over a rectangle."""
    return Markup(
        '<image x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" preserveAspectRatio="none" '
        'class="{}" href="{}"/>'
    ).format(x, y, width, height, kind, uri)


def frame(ident: str, label: str, width: float, height: float, parts: list[Markup]) -> Markup:
    """The svg element."""
    return Markup(
        '<svg id="{}" role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}" width="{:.0f}" '
        'height="{:.0f}">{}</svg>'
    ).format(ident, label, width, height, width, height, Markup("").join(parts))


def grid_height(grid: Grid, width: float) -> float:
    """Square cells where a map is square, rows of a readable height else."""
    rows, columns = map(float, grid.values.shape)
    if grid.frames:
        return width * min(rows / columns, 1.0)
    if grid.id == "sink-importance":  # stands beside the square map
        return 340.0
    return min(max(rows * 15.0, 200.0), 420.0 if grid.wide else 340.0)


def heat_map(grid: Grid) -> Markup:
    """A grid with axes and a colour bar."""
    full = WIDE if grid.wide else HALF
    ticks = max(len(axes.short_label(name)) for name in grid.rows)
    left = 34 + 6.7 * min(ticks, 12)
    width = full - left - RIGHT
    height = grid_height(grid, width)
    rows, columns = grid.values.shape
    unit = pixels.unit_scale(grid.values, grid.low, grid.high, grid.log)
    colors = pixels.palette(grid.colors)
    cells = picture(left, TOP, width, height, pixels.data_uri(pixels.png(unit, colors)), "cells")
    border = Markup(
        '<rect x="{}" y="{}" width="{:.1f}" height="{:.1f}" class="border"/>'
    ).format(left, TOP, width, height)  # fmt: skip
    parts = [cells, border]
    for row in axes.thinned(rows, height, 14):
        y = TOP + (row + 0.5) * height / rows + 4
        parts.append(text(left - 7, y, axes.short_label(grid.rows[row]), "tick end"))
    below = column_labels(grid, left, width, TOP + height, parts)
    parts.append(text(left + width / 2, TOP + height + below + 18, grid.column_title, "axis mid"))
    parts.append(text(12, TOP + height / 2, grid.row_title, "axis mid", -90))
    parts += color_bar(grid, colors, left + width + 14, height)
    label = f"{grid.title}: heat map of {rows} by {columns} cells, {grid.unit}"
    return frame(f"svg-{grid.id}", label, full, TOP + height + below + 28, parts)


def column_labels(grid: Grid, left: float, width: float, y: float, parts: list[Markup]) -> float:
    """Labels under the columns, on end where they are long; returns the height they take."""
    columns = len(grid.columns)
    labels = [axes.short_label(name) for name in grid.columns]
    longest = max(len(one) for one in labels)
    turned = grid.wide or longest > 4
    for column in axes.thinned(columns, width, 14 if turned else 9 + 7 * longest):
        x = left + (column + 0.5) * width / columns
        if turned:
            parts.append(text(x + 4, y + 7, labels[column], "tick end", -90))
        else:
            parts.append(text(x, y + 15, labels[column], "tick mid"))
    return 7 + 6.6 * longest if turned else 16


def color_bar(grid: Grid, colors: np.ndarray, x: float, height: float) -> list[Markup]:
    """The scale beside a heat map."""
    ramp = pixels.data_uri(pixels.png(np.linspace(1, 0, 128)[:, None], colors))
    parts = [picture(x, TOP, 11, height, ramp, "ramp")]
    ticks = axes.log_ticks(grid.low, grid.high, max(int(height / 26), 2)) if grid.log else (
        axes.linear_ticks(grid.low, grid.high)
    )  # fmt: skip
    for tick in ticks if grid.mark is None else [*ticks, grid.mark]:
        place = float(pixels.unit_scale(np.array([tick]), grid.low, grid.high, grid.log)[0])
        y = TOP + (1 - place) * height
        parts.append(rule(x + 11, y, x + 14, y, "mark"))
        inside = min(max(y + 4, TOP + 8), TOP + height)
        kind = "axis" if tick == grid.mark else "tick"
        parts.append(text(x + 17, inside, axes.tick_text(tick), kind))
    parts.append(text(x + 66, TOP + height / 2, grid.unit, "axis mid", -90))
    return parts


def chart_range(chart: Chart) -> tuple[float, float]:
    """The y axis: all points and the reference, with some room; from zero where not log."""
    ys = [y for one in chart.series for _, y, _ in one.points]
    if chart.reference is not None:
        ys.append(chart.reference[0])
    # Statistics are of f32; beyond this only the room around them would overflow.
    low, high = (min(max(y, -1e300), 1e300) for y in (min(ys), max(ys)))
    if chart.log:
        low = max(low, high * 1e-60)
        if high / low < 4:
            middle = math.sqrt(low * high)
            low, high = min(low, middle / 2), max(high, middle * 2)
        room = (high / low) ** 0.05
        return low / room, high * room
    low, high = min(low, 0.0), max(high, 0.0)
    return low, high + (high - low) * 0.05 or 1.0


def line_chart(chart: Chart) -> Markup:
    """Lines over layers; each point answers the pointer with its figures."""
    left, right, bottom, full, tall = 62, 14, 42, HALF, 250
    width, height = full - left - right, tall - TOP - bottom
    low, high = chart_range(chart)
    xs = [x for one in chart.series for x, _, _ in one.points]
    first, last = min(xs), max(max(xs), min(xs) + 1)

    def place_x(x: float) -> float:
        return left + (x - first) / (last - first) * width

    def place_y(y: float) -> float:
        unit = pixels.unit_scale(np.array([y]), low, high, chart.log)[0]
        return TOP + (1 - float(unit)) * height

    parts = []
    for tick in (axes.log_ticks if chart.log else axes.linear_ticks)(low, high):
        parts.append(rule(left, place_y(tick), left + width, place_y(tick), "gridline"))
        parts.append(text(left - 7, place_y(tick) + 4, axes.tick_text(tick), "tick end"))
    for tick in axes.linear_ticks(math.ceil(first), last, min(8, max(int(last - first), 1))):
        if tick == int(tick):
            x = place_x(tick)
            parts.append(rule(x, TOP + height, x, TOP + height + 4, "mark"))
            parts.append(text(x, TOP + height + 17, axes.tick_text(tick), "tick mid"))
    if chart.reference is not None:
        y = place_y(chart.reference[0])
        parts.append(rule(left, y, left + width, y, "reference"))
        above = y - 5 if y > TOP + 16 else y + 13
        parts.append(text(left + width - 4, above, chart.reference[1], "tick end halo"))
    for index, one in enumerate(chart.series):
        parts += curve(one.name, one.points, index, place_x, place_y)
    parts.append(rule(left, TOP + height, left + width, TOP + height, "mark"))
    parts.append(text(left + width / 2, tall - 6, chart.x_title, "axis mid"))
    parts.append(text(12, TOP + height / 2, chart.y_title, "axis mid", -90))
    label = f"{chart.title}: " + ", ".join(one.name for one in chart.series)
    return frame(f"svg-{chart.id}", label, full, tall, parts)


def curve(
    name: str,
    points: list[Point],
    index: int,
    place_x: Callable[[float], float],
    place_y: Callable[[float], float],
) -> list[Markup]:
    """One line, its marks where they are few, and what the pointer meets."""
    places = [(place_x(x), place_y(y), y, where) for x, y, where in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    parts = [Markup('<polyline points="{}" class="line s{}"/>').format(path, index)]
    radius = 2.6 if len(points) <= 40 else 0
    for x, y, value, where in places:
        if radius:
            parts.append(
                Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="dot s{}"/>').format(
                    x, y, radius, index
                )
            )
        title = f"{where}: {name} {v.show(value, 4)}"
        parts.append(
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="hit"><title>{}</title></circle>')
            .format(x, y, HIT, escape(title))
        )  # fmt: skip
    return parts
