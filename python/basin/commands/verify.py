"""`basin verify`: two models on the same inputs, or a model's ops against their meaning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from basin.commands.reporting import describe_os_error, fail
from basin.output.printable import printable


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
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="ID,...|@FILE", help="B absorbed these ids: compare at the tokens after them."
        ),
    ] = None,
    recognition: Annotated[
        bool,
        typer.Option(
            "--recognition", help="Compare each op recognized in A with its stated meaning."
        ),
    ] = False,
) -> None:
    """Run A and B on the same inputs and report how far apart they are.

    With --recognition there is no B: each op recognized in A is compared with its meaning. With
    --prefix the inputs are those of A. If they do not start with the prefix, the report also says
    how far B is from A, as a mean KL.
    """
    from basin.verify import format_report
    from basin.verify import verify as compare

    values = None if inputs is None else read_inputs(inputs)
    if recognition:
        if any((b, optimize, prefix)) or tolerance is not None or size is not None:
            fail(
                "--recognition takes one model, and no --optimize, --tolerance, --size or --prefix"
            )
        verify_recognition(a, values)
        return
    if b is None:
        fail("expected two models, or one model and --recognition")
    if inputs is not None and size is not None:
        fail("--size sets the sizes of random inputs: it cannot be given with --inputs")
    given: dict[str, Any] = {
        "inputs": values,
        "random": random,
        "tolerance": tolerance,
        "optimize": optimize,
        "sizes": read_sizes(size),
    }
    if prefix is None:
        report = compare(a, b, **given)
    else:
        from basin.prefix import read_ids
        from basin.verification.prefixed import verify_prefix

        report = verify_prefix(a, b, read_ids(prefix), **given)
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
    except ValueError as error:
        fail(f"--inputs: {error}")
    except OSError as error:
        fail(f"--inputs: {describe_os_error(error)}")


def verify_recognition(model: Path, values: dict[str, Any] | None) -> None:
    """Print a line for each recognized op. Exit with status 1 if one differs from its meaning."""
    from basin.inputs.drawn_inputs import Case
    from basin.verification.recognition import check_recognition, format_recognition

    cases = None if values is None else [Case("inputs", values)]
    report = check_recognition(model, cases)
    print(format_recognition(report))
    if not report.passed:
        raise typer.Exit(1)
