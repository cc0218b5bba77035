"""`basin merge-stats`: statistics of parts of a data set, added up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from basin.commands.statistics_files import FIGURES, REPORT, check_inputs, check_targets, finish


def merge_stats(
    files: Annotated[list[Path], typer.Argument(metavar="STATS...", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", show_default=False)],
    report: Annotated[Path | None, REPORT] = None,
    figures: Annotated[Path | None, FIGURES] = None,
) -> None:
    """Add up statistics of one model, measured on different data."""
    from basin.analysis import stats

    check_targets(out, report)
    check_inputs({"--out": out, "--report": report}, figures, files)
    finish(stats.merge_stats(files).document(), out, report, figures)
