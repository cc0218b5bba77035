"""Command line of the recognition matrix: python -m basin.bench recognize --help."""

from __future__ import annotations

import argparse
from pathlib import Path

from basin.bench.recognize.cases import select
from basin.bench.recognize.matrix import Matrix


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m basin.bench recognize",
        description="export many architectures, and count what Basin recognizes in them",
    )
    parser.add_argument("--out", type=Path, default=Path("build/recognize"), metavar="DIR",
                        help="folder of exports and results; what is there is not done again")  # fmt: skip
    parser.add_argument("--only", metavar="PATTERN", help="only cases whose name has this")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--no-verify", action="store_true",
                        help="do not compare raised operators with their meaning")  # fmt: skip
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = _parser().parse_args(arguments)
    cases = select(options.only)
    if options.list:
        print("\n".join(case.id for case in cases))
        return 0
    matrix = Matrix(options.out, verify=not options.no_verify)
    matrix.run(cases, options.jobs)
    return 0
