"""The report's figures as PNG files, drawn with matplotlib from the page's own grids and charts."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from basin.output.files import write_whole
from basin.report import axes as ticks
from basin.report import values as v
from basin.report.charts import all_charts
from basin.report.curves import Chart
from basin.report.grids import Grid
from basin.report.heat_maps import all_grids
from basin.report.svg import chart_range

DPI = 120
COLORS = ("#0072b2", "#d55e00", "#00805d", "#b0558c", "#8a6d00", "#3d3d3d")
STYLES = ("-", "--", ":", "-.", (0, (5, 2)), (0, (12, 4)))
GRID_FILES = {
    "attention-map": "attention_map.png",
    "sink-importance": "sink_importance.png",
    "residual-dimensions": "residual_dimensions.png",
    "norm-weights": "norm_weights.png",
}
CHART_FILES = {
    "layers.png": ("stream-size", "stream-ratio", "first-token-mass", "value-key-ratio",
                   "norm-bound", "stream-kurtosis"),
    "projections.png": ("kurtosis", "input-size", "token-ratio", "outlier-token-count"),
}  # fmt: skip


def figure_paths(folder: Path) -> list[Path]:
    """Every file that write_figures may write."""
    return [folder / name for name in (*GRID_FILES.values(), *CHART_FILES)]


def literal(text: str) -> str:
    """`text` that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def encode(figure: Any) -> bytes:
    """A figure as PNG, without metadata, so that the bytes are always the same."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        # Names in a script that matplotlib's font lacks are shown as boxes. No warning is needed.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def new_figure(width: float, height: float) -> Any:
    """An empty figure on the Agg canvas, apart from pyplot's state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def label_axis(axis: Any, names: list[str], room: float, each: float) -> None:
    """Ticks in the middle of cells, as many as fit."""
    shown = ticks.thinned(len(names), room, each)
    labels = [literal(ticks.short_label(names[i])) for i in shown]
    axis.set_ticks(list(shown), labels=labels)


def draw_grid(grid: Grid) -> Any:
    """A heat map."""
    from matplotlib.colors import LogNorm, Normalize

    rows, columns = grid.values.shape
    width = 10.0 if grid.wide else 5.6
    height = 4.8 if grid.frames else min(max(rows * 0.17, 2.2), 5.5) + 1.1
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    norm = (LogNorm if grid.log else Normalize)(grid.low, grid.high)
    # A log scale clips what is below its range to its darkest colour; NaN stays empty.
    shown = np.where(grid.values > 0, np.maximum(grid.values, grid.low), np.nan)
    image = axes.imshow(
        np.ma.masked_invalid(shown if grid.log else grid.values),
        cmap=grid.colors,
        norm=norm,
        aspect="equal" if grid.frames else "auto",
        interpolation="nearest",
    )
    label_axis(axes.yaxis, grid.rows, height - 1.1, 0.17)
    longest = max(len(ticks.short_label(one)) for one in grid.columns)
    turned = grid.wide or longest > 4
    label_axis(axes.xaxis, grid.columns, width - 2, 0.19 if turned else 0.12 + 0.09 * longest)
    axes.tick_params(labelsize=8, length=0)
    axes.tick_params("x", rotation=90 if turned else 0)
    axes.set_xlabel(grid.column_title)
    axes.set_ylabel(grid.row_title)
    axes.set_title(grid.title, fontsize=11, loc="left")
    bar = figure.colorbar(image, ax=axes, label=grid.unit, pad=0.02)
    marks = (ticks.log_ticks if grid.log else ticks.linear_ticks)(grid.low, grid.high)
    marks += [] if grid.mark is None else [grid.mark]
    bar.set_ticks(marks, labels=[ticks.tick_text(one) for one in marks])
    bar.ax.minorticks_off()
    return figure


def draw_chart(axes: Any, chart: Chart) -> None:
    """Lines over layers."""
    for index, one in enumerate(chart.series):
        xs, ys = [x for x, _, _ in one.points], [y for _, y, _ in one.points]
        axes.plot(
            xs,
            ys,
            color=COLORS[index % len(COLORS)],
            linestyle=STYLES[index % len(STYLES)],
            marker="o" if len(xs) <= 40 else None,
            markersize=3,
            label=one.name,
        )
    low, high = chart_range(chart)
    axes.set_yscale("log" if chart.log else "linear")
    axes.set_ylim(low, high)
    marks = (ticks.log_ticks if chart.log else ticks.linear_ticks)(low, high)
    axes.set_yticks(marks, labels=[ticks.tick_text(one) for one in marks])
    axes.yaxis.minorticks_off()
    if chart.reference is not None:
        value, name = chart.reference
        axes.axhline(value, color="#666666", linewidth=1, linestyle=(0, (2, 3)), label=name)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    axes.set_title(chart.title, fontsize=11, loc="left")
    axes.legend(fontsize=8, framealpha=0.85, edgecolor="none")


def draw_charts(charts: list[Chart]) -> Any:
    """Charts in two columns."""
    lines = (len(charts) + 1) // 2
    figure = new_figure(10.0, 3.2 * lines)
    for index, chart in enumerate(charts):
        draw_chart(figure.add_subplot(lines, 2, index + 1), chart)
    return figure


def write_figures(stats: dict[str, Any], folder: Path | str) -> list[Path]:
    """Write every figure that has data, and return the paths, in a fixed order.

    All are drawn before the first is written.
    """
    folder = Path(folder)
    stats = v.clean(stats)
    metrics, data = v.mapping(stats, "metrics"), v.mapping(stats, "data")
    grids = {grid.id: grid for grid in all_grids(metrics)}
    drawn = {
        folder / name: encode(draw_grid(grids[ident]))
        for ident, name in GRID_FILES.items()
        if ident in grids
    }
    sections = all_charts(metrics, v.whole(data.get("length")))
    charts = {chart.id: chart for section in sections.values() for chart in section}
    for name, wanted in CHART_FILES.items():
        found = [charts[ident] for ident in wanted if ident in charts]
        if found:
            drawn[folder / name] = encode(draw_charts(found))
    folder.mkdir(parents=True, exist_ok=True)
    for path, picture in drawn.items():
        write_whole(path, picture)
    return list(drawn)
