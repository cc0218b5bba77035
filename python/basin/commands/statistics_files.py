"""What `analyze` and `merge-stats` write: statistics, report, figures, and the summary."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from basin.errors import AnalysisError
from basin.output.files import find_clash
from basin.output.printable import printable

STATS = typer.Option("--stats", help="Write the statistics, which steps of rewrite read.")
REPORT = typer.Option("--report", help="Write the report, one HTML file.")
FIGURES = typer.Option("--figures", help="Write the report's figures into this folder.")


def check_targets(*paths: Path | None) -> None:
    """Refuse, before a long run, files that could not be written after it."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise AnalysisError(f"no such folder: {path.parent}")
        if path is not None and path.is_dir():
            raise AnalysisError(f"expected a file to write, but got a folder: {path}")


def check_inputs(targets: dict[str, Path | None], figures: Path | None, inputs: list[Path]) -> None:
    """Refuse, before a long run, to write a file that is read, or one file twice."""
    from basin.report.figures import figure_paths

    if figures is not None:
        targets |= {f"--figures ({path.name})": path for path in figure_paths(figures)}
    clash = find_clash(targets, inputs)
    if clash is not None:
        raise AnalysisError(clash)


def finish(
    document: dict[str, Any], stats: Path | None, report: Path | None, figures: Path | None
) -> None:
    """Warn, write what was asked for and print the summary."""
    from basin import report as reports
    from basin.analysis.stats import write

    for note in document["notes"]:
        print(printable(f"basin: warning: {note}"), file=sys.stderr)
    if stats is not None:
        write(document, stats)
    if report is not None:
        reports.write_html(document, report)
    if figures is not None:
        reports.write_figures(document, figures)
    print(reports.terminal_summary(document))
