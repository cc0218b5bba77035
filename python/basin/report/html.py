"""The report as one HTML file: no network, no script but its own, the same bytes every time.

Names and token texts are untrusted. The template escapes everything; beyond that the page's content
security policy lets nothing run or load but the one script and style whose hashes it states.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from basin.output.files import write_whole
from basin.report import pixels, svg
from basin.report import values as v
from basin.report.charts import all_charts
from basin.report.coverage import chosen_kinds
from basin.report.definitions import DEFINITIONS
from basin.report.findings import Finding, find, warnings
from basin.report.grids import Grid, main_stream
from basin.report.heat_maps import all_grids
from basin.report.tables import all_tables
from basin.report.trials import trial_section

TEMPLATES = Path(__file__).parent / "templates"
GRID_SECTIONS = {
    "attention-map": "attention",
    "sink-importance": "attention",
    "key-importance": "attention",
    "residual-dimensions": "residual",
    "positions": "residual",
    "magnitudes": "residual",
    "norm-weights": "norms",
}
SECTIONS = {
    "attention": "Attention",
    "residual": "Residual stream",
    "norms": "Norms",
    "inputs": "Inputs of matrices",
}
# Long lists, which the page shows as pictures. Programs read the other figures from the page.
HEAVY = {"map", "alpha", "havg", "order", "channel_max", "histogram"}
MOST_EMBEDDED = 300_000


def island(value: Any) -> Markup:
    """JSON that no HTML parser takes for anything else."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def digest(source: str) -> str:
    """A source expression of a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def pointer_data(grids: list[Grid]) -> dict[str, Any]:
    """The data that the script needs to show the value under the pointer and to repaint a frame."""

    def unit(grid: Grid, values: np.ndarray) -> str:
        return pixels.packed(pixels.unit_scale(values, grid.low, grid.high, grid.log))

    return {
        "grids": {
            grid.id: {
                "rows": grid.rows,
                "columns": grid.columns,
                "unit": grid.unit,
                "low": grid.low,
                "high": grid.high,
                "log": grid.log,
                "colors": grid.colors,
                "frames": [unit(grid, grid.values), *(unit(grid, one) for _, one in grid.frames)],
            }
            for grid in grids
        },
        "palettes": {
            name: base64.b64encode(pixels.palette(name).tobytes()).decode()
            for name in sorted({grid.colors for grid in grids})
        },
    }


def light(value: Any) -> Any:
    """A copy of the metrics without long lists, and with null for NaN and infinity."""
    if isinstance(value, dict):
        return {key: light(one) for key, one in value.items() if key not in HEAVY}
    if isinstance(value, list):
        return [light(one) for one in value]
    if isinstance(value, float):
        return v.number(value)
    return value


def embedded(stats: dict[str, Any], findings: list[Finding]) -> Markup:
    """Findings, and metrics if they are small, for programs that read the page."""
    figures = {
        one.id: {
            "verdict": one.verdict.value,
            "figures": [[f.name, f.value, f.against] for f in one.figures],
        }
        for one in findings
    }
    whole = island({"findings": figures, "metrics": light(v.mapping(stats, "metrics"))})
    return whole if len(whole) <= MOST_EMBEDDED else island({"findings": figures})


def facts(stats: dict[str, Any]) -> list[tuple[str, str]]:
    """The header's pairs of name and value."""
    model, data = v.mapping(stats, "model"), v.mapping(stats, "data")
    metrics, bos = v.mapping(stats, "metrics"), v.mapping(data, "bos")
    attention, streams = v.table(metrics, "attention"), v.table(metrics, "streams")
    heads = v.largest([one.get("heads") for one in attention])
    keys = v.largest([one.get("kv_heads") for one in attention])
    begin = "unknown"
    if v.whole(bos.get("id")) is not None:
        begin = f"id {v.whole(bos['id'])} starts {v.grouped(bos.get('starts'))} sequences"
    widths = ", ".join(v.grouped(one.get("dim")) for one in streams[:4])
    shape = f"{len(attention)}; heads {v.show(heads)}, key heads {v.show(keys)}"
    chosen = chosen_kinds(stats)
    no_attention, no_stream = (
        "none recognized" if kind in chosen else "left out" for kind in ("attention", "residual")
    )
    return [
        ("Parameters", v.grouped(model.get("parameters"))),
        ("Attentions", shape if attention else no_attention),
        ("Residual streams", f"{len(streams)}, width {widths}" if streams else no_stream),
        ("Taps", ", ".join(chosen)),
        ("Data", f"{data.get('source') or '–'} ({data.get('kind') or 'unknown kind'})"),
        ("Tokenizer", str(data.get("tokenizer") or "none")),
        ("Tokens", f"{v.grouped(data.get('tokens'))} in {v.grouped(data.get('sequences'))} "
                   f"sequences of up to {v.grouped(data.get('length'))}"),
        ("BOS", begin),
        ("SHA-256", str(model.get("sha256") or "–")),
    ]  # fmt: skip


def sections(stats: dict[str, Any], grids: list[Grid]) -> list[dict[str, Any]]:
    """Figures and tables by section, empty sections left out."""
    metrics, data = v.mapping(stats, "metrics"), v.mapping(stats, "data")
    charts, tables = all_charts(metrics, v.whole(data.get("length"))), all_tables(metrics)
    tried = trial_section(stats)
    result = [] if tried is None else [tried]
    for ident, title in SECTIONS.items():
        own = [grid for grid in grids if GRID_SECTIONS[grid.id] == ident]
        shown = [tables[ident]] if ident in tables else []
        if ident == "inputs" and "features" in tables:
            shown.append(tables["features"])
        if own or charts[ident] or shown:
            result.append({
                "id": ident,
                "title": title,
                "grids": [(grid, svg.heat_map(grid)) for grid in own],
                "charts": [(chart, svg.line_chart(chart)) for chart in charts[ident]],
                "tables": shown,
                "note": stream_note(metrics) if ident == "residual" else "",
            })  # fmt: skip
    return result


def stream_note(metrics: dict[str, Any]) -> str:
    """Which of several streams the figures show."""
    streams = v.table(metrics, "streams")
    if len(streams) < 2:
        return ""
    shown = v.whole(main_stream(metrics).get("stream"))
    return f"The figures show stream {shown} of {len(streams)}; the table has all."


def render(stats: dict[str, Any]) -> str:
    """The page."""
    stats = v.clean(stats)
    metrics = v.mapping(stats, "metrics")
    findings, grids = find(stats), all_grids(metrics)
    style, script = ((TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=v.mapping(stats, "model").get("name") or "model",
        facts=facts(stats),
        random=v.mapping(stats, "data").get("kind") == "random",
        warnings=warnings(stats),
        findings=findings,
        sections=sections(stats, grids),
        definitions=DEFINITIONS,
        style=Markup(style),
        script=Markup(script),
        style_hash=digest(style),
        script_hash=digest(script),
        pointer=island(pointer_data(grids)),
        embedded=embedded(stats, findings),
    )


def write_html(stats: dict[str, Any], path: Path | str) -> None:
    """Write the report of `stats` to `path`: all of it, or nothing if something fails."""
    write_whole(Path(path), render(stats).encode("utf-8"))
