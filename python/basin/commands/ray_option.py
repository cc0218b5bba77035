"""The option `--ray [ADDRESS]`, whose value may be left out."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from basin.distribution.cluster import LOCAL, is_address

RAY = typer.Option(
    "--ray",
    metavar="[ADDRESS]",
    help="Run on the Ray cluster at HOST:PORT, or 'auto'; alone, on this machine's cores.",
    show_default=False,
)


class Command(TyperCommand):
    """A command in which `--ray` may stand alone: typer's options take either a value or none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with the value that stands for no address put in."""
        return super().parse_args(ctx, complete(args))


def complete(args: list[str]) -> list[str]:
    """The arguments, with `--ray=local` for each `--ray` that no address follows.

    What follows and is no address is an argument of its own: `--ray model.onnx` names a model.
    A URL is taken for an address, and refused as one.
    """
    end = args.index("--") if "--" in args else len(args)
    out = list(args)
    for i, arg in enumerate(args[:end]):
        following = args[i + 1] if i + 1 < end else ""
        if arg == "--ray" and not (is_address(following) or "://" in following):
            out[i] = f"--ray={LOCAL}"
    return out
