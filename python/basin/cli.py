"""The `basin` command: the one list of its commands.

A user's error is one line on stderr and exit status 1; nothing is half-written.
"""

from __future__ import annotations

import typer

from basin.commands.analyze import analyze
from basin.commands.evaluate import evaluate
from basin.commands.finetune import finetune
from basin.commands.inspect import inspect
from basin.commands.merge_stats import merge_stats
from basin.commands.ray_option import Command
from basin.commands.recommend import recommend
from basin.commands.reporting import reports_errors
from basin.commands.rewrite import rewrite
from basin.commands.run import run
from basin.commands.verify import verify

# In the order in which --help shows them. Their modules import what they need when they run.
COMMANDS = (inspect, rewrite, verify, analyze, evaluate, recommend, finetune, run, merge_stats)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Move the outliers of transformers into parameters: ONNX in, ONNX out.",
)
for command in COMMANDS:
    app.command(cls=Command)(reports_errors(command))


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="basin")
