"""The results as a part of a Markdown page, between two markers; the rest of the page is kept."""

from __future__ import annotations

import textwrap
from pathlib import Path

from basin.bench.recognize import stages, table
from basin.bench.recognize.cases import Case
from basin.bench.recognize.matrix import Matrix
from basin.bench.recognize.outcomes import Outcome, outcomes
from basin.bench.rewrite import machine

BEGIN, END = "<!-- recognition matrix: begin -->", "<!-- recognition matrix: end -->"
PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "onnxslim", "onnxsim")
WIDTH = 130


def results(matrix: Matrix, cases: list[Case]) -> str:
    """All tables under headings, with machine, date and versions."""
    rows = outcomes(matrix, cases)
    about = machine()
    when = f"{about['cpu']}, {about['cores']} cores, {about['date']}; {stages.versions(*PACKAGES)}."
    parts = ["\n".join(textwrap.wrap(f"{when} {_totals(rows)}", WIDTH))]
    parts += ["## Summary", table.summary(rows)]
    parts += ["## By form of export", table.by_form(rows)]
    copies = table.by_tool(matrix, cases)
    if copies.count("\n") > 1:
        parts += ["## Copies that other tools rewrote", copies]
    parts += ["## By architecture", table.by_architecture(rows)]
    return "\n\n".join(parts)


def _totals(rows: list[Outcome]) -> str:
    done = [one for one in rows if not one.export_error]
    sound = [one for one in done if not one.broken]
    whole = sum(not one.missing and not one.error for one in sound)
    differ = sum(bool(one.wrong) for one in sound)
    unverified = sum(bool(one.unverified) for one in sound)
    refused = len(rows) - len(done)
    names = len({one.case.arch for one in done})
    return (
        f"{len(rows)} cases were tried. In {refused} of them the exporter refuses the model. "
        f"{len(done)} exports of {names} architectures were made. "
        f"{len(done) - len(sound)} of them are broken: ONNX Runtime does not run them, "
        f"or does not compute what torch does. Of the {len(sound)} sound ones, {whole} are "
        f"recognized whole, {sum(one.false > 0 for one in sound)} have a false find, and in "
        f"{differ} a recognized operator differs from its meaning. In {unverified} the operators "
        f"could not be compared with their meaning in ONNX Runtime or onnx's evaluator."
    )


def write(page: Path, text: str) -> None:
    """Put `text` between the markers of `page`."""
    whole = page.read_text("utf-8")
    if BEGIN not in whole or END not in whole:
        raise SystemExit(f"{page}: expected the lines '{BEGIN}' and '{END}'")
    head, rest = whole.split(BEGIN, 1)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}", "utf-8")
