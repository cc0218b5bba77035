"""The findings as plain text for a terminal."""

from __future__ import annotations

import io
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from basin.report import values as v
from basin.report.findings import Finding, Verdict, find, warnings

WIDTH = 100
MARKS = {Verdict.FOUND: "!", Verdict.WEAK: "~", Verdict.NONE: " ", Verdict.UNKNOWN: "?"}


def header(stats: dict[str, Any]) -> str:
    """The model and the data on one line."""
    model, data = v.mapping(stats, "model"), v.mapping(stats, "data")
    return (
        f"{model.get('name') or 'model'}: {v.grouped(data.get('tokens'))} tokens in "
        f"{v.grouped(data.get('sequences'))} sequences, {data.get('source') or 'unknown source'} "
        f"({data.get('kind') or 'unknown kind'})"
    ).replace("\u2009", " ")


def findings_table(findings: list[Finding]) -> Table:
    """One row a finding."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, width=WIDTH)
    table.add_column("")
    table.add_column("finding", min_width=16, max_width=18)
    table.add_column("verdict", min_width=12)
    table.add_column("figures")
    for one in findings:
        figures = "; ".join(f"{f.name} {f.value}" for f in one.figures[:3])
        body = one.headline + (f"\n{figures}" if figures else "")
        # Text, not str: a name's square brackets are no markup.
        table.add_row(MARKS[one.verdict], Text(one.title), one.verdict.value, Text(body))
    return table


def terminal_summary(stats: dict[str, Any]) -> str:
    """Header, warnings, findings, and the commands that treat what was found."""
    stats = v.clean(stats)
    findings = find(stats)
    out = io.StringIO()
    console = Console(
        file=out, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(Text(header(stats)))
    for warning in warnings(stats):
        console.print(Text(f"warning: {warning}"))
    console.print(findings_table(findings))
    commands: dict[str, list[str]] = {}
    for finding in findings:
        for treatment in finding.treatments:
            if treatment.command is not None:
                commands.setdefault(treatment.command, [treatment.good, treatment.not_good])
    for command, (good, not_good) in commands.items():
        console.print(Text(command))
        console.print(Padding(Text(f"good for: {good}"), (0, 0, 0, 2)))
        console.print(Padding(Text(f"not for: {not_good}"), (0, 0, 0, 2)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
