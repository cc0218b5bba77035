"""What all commands say alike: errors, warnings and remarks, a line each on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from basin.errors import AnalysisError, ClusterError, PlanError, RecipeError, VerifyError
from basin.output.printable import printable

Options = ParamSpec("Options")


def fail(message: str) -> NoReturn:
    """End with exit status 1 and `message` on one line of stderr."""
    print("basin: error: " + printable("; ".join(message.split("\n"))), file=sys.stderr)
    raise typer.Exit(1)


def describe_os_error(error: OSError) -> str:
    """The file and the reason, without Python's number of the error."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{os.fspath(error.filename)}: {error.strerror}"


def reports_errors(command: Callable[Options, None]) -> Callable[Options, None]:
    """Turn the errors that a user can cause into `fail`."""

    @wraps(command)
    def wrapped(*args: Options.args, **kwargs: Options.kwargs) -> None:
        from basin.model import BasinError

        try:
            command(*args, **kwargs)
        except (
            AnalysisError, BasinError, ClusterError, PlanError, RecipeError, VerifyError,
        ) as error:  # fmt: skip
            fail(str(error))
        except OSError as error:
            fail(describe_os_error(error))

    return wrapped


def print_remarks(lines: list[str]) -> None:
    """Warnings and remarks on stderr, one line each."""
    for line in lines:
        print(printable("; ".join(line.split("\n"))), file=sys.stderr)
