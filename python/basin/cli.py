"""The `basin` command: inspect, rewrite, verify; analyze and merge-stats are in `basin.analysis`.

A user's error is one line on stderr and exit status 1; nothing is half-written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from basin.analysis import commands
from basin.files import find_clash
from basin.printable import printable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Move the outliers of transformers into parameters: ONNX in, ONNX out.",
)


class Absorb(str, Enum):
    """What `--absorb` moves."""

    residual = "residual"


class Insert(str, Enum):
    """What `--insert` adds."""

    pre_affine = "pre-affine"


class Form(str, Enum):
    """How raised ops are written."""

    standard = "standard"
    functions = "functions"


class ExternalDataMode(str, Enum):
    """Where tensors go that the input keeps in files of their own."""

    auto = "auto"
    share = "share"
    copy = "copy"
    embed = "embed"


def fail(message: str) -> NoReturn:
    """End with exit status 1 and `message` on one line of stderr."""
    print("basin: error: " + printable("; ".join(message.split("\n"))), file=sys.stderr)
    raise typer.Exit(1)


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors that a user can cause into `fail`."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from basin.analysis import AnalysisError
        from basin.model import BasinError
        from basin.signature import VerifyError

        try:
            command(*args, **kwargs)
        except (AnalysisError, BasinError, VerifyError, OSError) as error:
            fail(str(error))

    return wrapped


def quoted(value: str) -> str:
    """The path `value` as an option's value in a textual pipeline; a URI where it is not plain."""
    if re.fullmatch(r"[A-Za-z0-9_./+-]+", value):
        return value
    return Path(value).absolute().as_uri()


def rewrite_pipeline(
    absorb: Absorb | None = None,
    rescale: str | None = None,
    stats: Path | None = None,
    scale_dims: str | None = None,
    insert: Insert | None = None,
    form: Form = Form.standard,
    bound: float | None = None,
    strict: bool = False,
    inexact: float | None = None,
) -> str:
    """The textual pipeline of a rewrite: raise, rewrite, lower."""
    shapes = "onnx-infer-shapes{strict=true}" if strict else "onnx-infer-shapes"
    passes = [shapes, "convert-onnx-to-sink"]
    if rescale is not None or absorb is not None or insert is not None:
        # A residual stream may run through a model's functions.
        passes.insert(0, "onnx-inline-functions")
    rounding = f" inexact={inexact!r}" if inexact is not None else ""
    if rescale is not None:
        options = f"k={rescale}"
        if rescale == "auto" and stats is not None:
            options += f" stats={quoted(str(stats))}"
        elif rescale == "auto" and bound is not None:
            options += f" bound={bound}"
        passes.append(f"sink-rescale-residual{{{options}{rounding}}}")
    if absorb is not None:
        options = ""
        if stats is not None:
            options = f"stats={quoted(str(stats))}"
        elif scale_dims is not None:
            options = f"scale-dims={scale_dims}"
        passes.append(f"sink-absorb-residual-sinks{{{(options + rounding).strip()}}}")
    if insert is not None:
        passes.append("sink-insert-pre-affine")
    passes.append(f"convert-sink-to-onnx{{form={form.value}}}")
    return f"builtin.module({','.join(passes)})"


def check_rewrite_options(
    absorb: Absorb | None,
    rescale: str | None,
    stats: Path | None,
    scale_dims: str | None,
    bound: float | None,
    inexact: float | None,
) -> None:
    """Refuse what the pipeline's own parser would refuse less clearly."""
    if rescale is not None and not re.fullmatch(r"auto|-?\d{1,3}", rescale):
        fail(f"--rescale-residual: expected a whole number or auto, but got '{rescale}'")
    if stats is not None and scale_dims is not None:
        fail("--stats and --scale-dims say the same thing: give one of them")
    if absorb is None and scale_dims is not None:
        fail("--scale-dims belongs to --absorb residual")
    if absorb is None and rescale != "auto" and stats is not None:
        fail("--stats belongs to --absorb residual or --rescale-residual auto")
    if bound is not None and rescale != "auto":
        fail("--bound belongs to --rescale-residual auto")
    if bound is not None and not 0 < bound < float("inf"):
        fail(f"--bound: expected a positive number, but got {bound}")
    if inexact is not None and absorb is None and rescale is None:
        fail("--inexact belongs to --absorb residual or --rescale-residual")
    if inexact is not None and not 0 < inexact < 1:
        fail(f"--inexact: expected an error between 0 and 1, but got {inexact}")
    if rescale == "auto" and stats is None and bound is None:
        fail("--rescale-residual auto needs --bound or --stats")
    if stats is not None and not stats.is_file():
        fail(f"--stats: no such file: {stats}")
    if scale_dims is not None and not re.fullmatch(r"\d+:[\d.eE+-]+(,\d+:[\d.eE+-]+)*", scale_dims):
        fail(f"--scale-dims: expected DIM:SCALE,..., but got '{scale_dims}'")


@app.command()
@reports_errors
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


def print_remarks(lines: list[str]) -> None:
    """Warnings and remarks on stderr, one line each."""
    for line in lines:
        print(printable("; ".join(line.split("\n"))), file=sys.stderr)


@app.command()
@reports_errors
def rewrite(
    source: Annotated[Path, typer.Argument(metavar="IN", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    absorb: Annotated[
        Absorb | None,
        typer.Option(help="Move residual sinks into a vector before each norm."),
    ] = None,
    rescale: Annotated[
        str | None,
        typer.Option(
            "--rescale-residual", metavar="K|auto", help="Divide the residual stream by 2^K."
        ),
    ] = None,
    stats: Annotated[
        Path | None,
        typer.Option(help="Measured residual statistics that choose the scales."),
    ] = None,
    scale_dims: Annotated[
        str | None,
        typer.Option(metavar="D:S,...", help="The scales themselves: dimension and power of two."),
    ] = None,
    insert: Annotated[
        Insert | None,
        typer.Option(help="Add learnable parameters that start as the identity."),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(help="Largest |x| of the residual stream, for --rescale-residual auto."),
    ] = None,
    form: Annotated[Form, typer.Option(help="How recognized ops are written.")] = Form.standard,
    external_data: Annotated[
        ExternalDataMode, typer.Option(help="Where weights outside the model file go.")
    ] = ExternalDataMode.auto,
    inexact: Annotated[
        float | None,
        typer.Option(metavar="E", help="Round weights where a scale is not exact, by at most E."),
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Keep the result without running both models.")
    ] = False,
    verify_limit: Annotated[
        float, typer.Option(metavar="GB", help="The largest model that is run for the proof.")
    ] = 2.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse shapes that the model states wrongly.")
    ] = False,
) -> None:
    """Rewrite the model IN and write it to OUT, if both give the same bits on drawn inputs."""
    from basin.rewriting import rewrite as run_rewrite

    check_rewrite_options(absorb, rescale, stats, scale_dims, bound, inexact)
    clash = find_clash({"OUT": target}, [one for one in (source, stats) if one is not None])
    if clash is not None:
        fail(clash)
    pipeline = rewrite_pipeline(
        absorb, rescale, stats, scale_dims, insert, form, bound, strict, inexact
    )
    limit = int(verify_limit * 2**30)
    print_remarks(
        run_rewrite(
            source,
            target,
            pipeline,
            external_data.value,
            not no_verify,
            limit,
            exact=inexact is None,
        )
    )


@app.command()
@reports_errors
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", show_default=False)],
    b: Annotated[Path | None, typer.Argument(metavar="[B]", show_default=False)] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(help="Inputs by name, as an .npz file."),
    ] = None,
    random: Annotated[int, typer.Option(help="How many sets of random inputs.")] = 1,
    size: Annotated[
        str | None,
        typer.Option(metavar="NAME=N,...", help="Sizes of symbolic dimensions of random inputs."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="The largest difference allowed; without it only equal bits pass."),
    ] = None,
    optimize: Annotated[bool, typer.Option(help="Let ONNX Runtime optimize both models.")] = False,
    recognition: Annotated[
        bool,
        typer.Option(
            "--recognition", help="Compare each op recognized in A with what it is said to mean."
        ),
    ] = False,
) -> None:
    """Run A and B on the same inputs and report how far apart they are.

    With --recognition there is no B: each op recognized in A is compared with its meaning.
    """
    from basin.verify import format_report
    from basin.verify import verify as compare

    values = None if inputs is None else read_inputs(inputs)
    if recognition:
        if b is not None or optimize or tolerance is not None or size is not None:
            fail("--recognition takes one model, and no --optimize, --tolerance or --size")
        verify_recognition(a, values)
        return
    if b is None:
        fail("expected two models, or --recognition")
    if inputs is not None and size is not None:
        fail("--size belongs to random inputs, not to --inputs")
    report = compare(
        a,
        b,
        inputs=values,
        random=random,
        tolerance=tolerance,
        optimize=optimize,
        sizes=read_sizes(size),
    )
    print(printable(format_report(report)))
    if not report.passed:
        raise typer.Exit(1)


def read_sizes(text: str | None) -> dict[str, int]:
    """Sizes by name from "batch=2,seq=16"."""
    sizes: dict[str, int] = {}
    for part in [] if text is None else text.split(","):
        name, equals, value = part.rpartition("=")
        if not equals or not name.strip() or not re.fullmatch(r"[0-9]{1,9}", value.strip()):
            fail(f"--size: expected NAME=N,..., but got '{text}'")
        if name.strip() in sizes:
            fail(f"--size: '{name.strip()}' has two sizes")
        sizes[name.strip()] = int(value)
    return sizes


def read_inputs(path: Path) -> dict[str, Any]:
    """Arrays by name from an .npz file."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as data:
            return dict(data)
    except (ValueError, OSError) as error:
        fail(f"--inputs: {error}")


def verify_recognition(model: Path, values: dict[str, Any] | None) -> None:
    """Print a line for each recognized op; exit status 1 where one differs from its meaning."""
    from basin.drawn_inputs import Case
    from basin.recognition_check import check_recognition, format_recognition

    cases = None if values is None else [Case("inputs", values)]
    report = check_recognition(model, cases)
    print(format_recognition(report))
    if not report.passed:
        raise typer.Exit(1)


app.command()(reports_errors(commands.analyze))
app.command()(reports_errors(commands.merge_stats))


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="basin")
