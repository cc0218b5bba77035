"""How the time and the memory of `basin inspect` grow with the number of a graph's nodes.

Each graph is inspected in a process of its own, at each size. A growth of 1 means that the time,
less that of the start, grows as the number of nodes does; 2 at twice the size means a square.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from basin.bench.graphs import KINDS, write_graph
from basin.bench.rewrite import machine, measure
from basin.bench.synthetic import Shape, write_model

TRANSFORMER = "transformer"
ALL_KINDS = (TRANSFORMER, *KINDS)


@dataclass
class Row:
    """One inspection: seconds of wall time, and peak bytes."""

    kind: str
    nodes: int
    seconds: float
    peak: int
    error: str | None = None


def _write(path: Path, kind: str, nodes: int) -> int:
    if kind != TRANSFORMER:
        return write_graph(path, kind, nodes)
    layers = max(1, round(nodes / 140))
    written = write_model(path, Shape(layers, 64, 4, 2, 96, 50))
    return written.nodes


def inspect(basin: Sequence[str], folder: Path, kind: str, nodes: int) -> Row:
    """Write one graph and inspect it."""
    path = folder / "graph.onnx"
    count = _write(path, kind, nodes)
    sample = measure([*basin, "inspect", "--json", str(path)])
    error = None if sample.status == 0 else f"exit status {sample.status}: {sample.error}"
    for left in folder.glob("graph.onnx*"):
        left.unlink()
    return Row(kind, count, sample.seconds, sample.peak, error)


def run(
    basin: Sequence[str], folder: Path, kinds: Sequence[str], sizes: Sequence[int]
) -> list[Row]:
    """Inspect all kinds at all sizes. The first row is the start: a graph of a few nodes."""
    rows = [inspect(basin, folder, "chain", 4)]
    for kind in kinds:
        rows += [inspect(basin, folder, kind, size) for size in sorted(sizes)]
    return rows


def growth(rows: Sequence[Row], index: int) -> float | None:
    """Growth of the time over the growth of the size, against the next smaller graph."""
    row, before = rows[index], rows[index - 1]
    start = rows[0].seconds
    if index < 2 or row.kind != before.kind or row.error or before.error:
        return None
    if before.seconds - start < 0.05:
        return None  # too little above the start to be compared
    return (row.seconds - start) / (before.seconds - start) / (row.nodes / before.nodes)


def table(basin: Sequence[str], rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [shlex.join([*basin, "inspect", "--json"])]
    lines.append(
        f"{'kind':14} {'nodes':>8} {'wall s':>8} {'us/node':>8} {'growth':>7} {'peak MB':>8}"
    )
    for index, row in enumerate(rows):
        head = f"{'start' if index == 0 else row.kind:14} {row.nodes:8}"
        if row.error:
            lines.append(f"{head} failed: {row.error}")
            continue
        each = (row.seconds - rows[0].seconds) / row.nodes * 1e6
        grew = growth(rows, index)
        shown = f"{grew:7.2f}" if grew is not None else f"{'':7}"
        lines.append(f"{head} {row.seconds:8.2f} {each:8.1f} {shown} {row.peak / 1e6:8.0f}")
    return "\n".join(lines)


def write_json(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows and the machine."""
    content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n")
