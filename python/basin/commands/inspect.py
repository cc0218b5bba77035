"""`basin inspect`: what the compiler recognizes in a model, as tables or as JSON."""

from __future__ import annotations

import json
import sys
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
        print_inspection(found)


def print_inspection(found: dict[str, Any]) -> None:
    """One table a list, one line a plain value."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    for key, value in found.items():
        if not (isinstance(value, list) and value and isinstance(value[0], dict)):
            shown = json.dumps(value) if isinstance(value, list | dict) else value
            console.print(printable(f"{key}: {shown}"), markup=False, highlight=False)
            continue
        table = Table(title=f"{key} ({len(value)})", title_justify="left")
        columns = list(dict.fromkeys(name for row in value for name in row))
        for name in columns:
            table.add_column(name)
        for row in value:
            table.add_row(*(show_cell(row.get(name)) for name in columns))
        console.print(table)


def show_cell(value: Any) -> str:
    """A table cell's text, square brackets escaped."""
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(show_cell(one) for one in value)
    if isinstance(value, dict):
        return " ".join(show_cell(one) for one in value.values())
    return escape(printable(value) if isinstance(value, str) else json.dumps(value))
