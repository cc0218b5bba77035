"""`basin inspect`: what the compiler recognizes in a model, as tables or as JSON."""

from __future__ import annotations

import json
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from basin.commands.reporting import print_remarks
from basin.output.printable import printable


def inspect(
    model: Annotated[Path, typer.Argument(help="The ONNX model.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the compiler recognizes in MODEL."""
    from basin.model import load

    loaded = load(model)
    found = loaded.inspect()
    print_remarks(loaded.remarks)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        del found["operators"]  # is for programs
        print_inspection(found | {"steps": [describe_step(step) for step in found["steps"]]})


def describe_step(step: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of steps, whose options have their names."""
    options = [f"{name}={value}" for name, value in step["options"].items()]
    return {"step": step["step"], "options": options, "basin": step["basin"]}


# Longer tables are printed without the boxes that rich draws, which takes a millisecond a line.
MOST_LINES = 500


def print_inspection(found: dict[str, Any]) -> None:
    """One table a list, one line a plain value."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    for key, value in found.items():
        if not (isinstance(value, list) and value and isinstance(value[0], dict)):
            shown = json.dumps(value) if isinstance(value, list | dict) else value
            console.print(printable(f"{key}: {shown}"), markup=False, highlight=False)
            continue
        title = f"{key} ({len(value)})"
        columns = list(dict.fromkeys(name for row in value for name in row))
        rows = [[show_cell(row.get(name)) for name in columns] for row in value]
        if sum(max(cell.count("\n") + 1 for cell in row) for row in rows) > MOST_LINES:
            print_long_table(title, columns, rows)
            continue
        table = Table(title=title, title_justify="left")
        for name in columns:
            table.add_column(name)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)


def print_long_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Columns as wide as their cells, a line for each line of a cell."""
    lines = [columns]
    for row in rows:
        lines += map(list, zip_longest(*(cell.split("\n") for cell in row), fillvalue=""))
    widths = [max(map(len, column)) for column in zip(*lines)]
    print(title)
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def show_cell(value: Any) -> str:
    """A table cell's text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(show_cell(one) for one in value)
    if isinstance(value, dict):
        return " ".join(show_cell(one) for one in value.values())
    return printable(value) if isinstance(value, str) else json.dumps(value)
