"""The report on a statistics file (docs/statistics.md): HTML page, figures, terminal summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["terminal_summary", "write_figures", "write_html"]


def write_html(stats: dict[str, Any], path: Path | str) -> None:
    """Write the report as one self-contained HTML file."""
    from basin.report import html

    html.write_html(stats, path)


def write_figures(stats: dict[str, Any], folder: Path | str) -> list[Path]:
    """Write the figures as PNG files into `folder`; those without data are left out."""
    from basin.report import figures

    return figures.write_figures(stats, folder)


def terminal_summary(stats: dict[str, Any]) -> str:
    """The findings as plain text of at most 100 columns."""
    from basin.report import terminal

    return terminal.terminal_summary(stats)
