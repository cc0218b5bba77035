"""Command line of the recognition matrix.

python -m basin.bench recognize [--only PATTERN] [--mangle] [--peers] [--out DIR]    run, or go on
python -m basin.bench recognize --table [--out DIR]       print the results of earlier runs
python -m basin.bench recognize --check                   a part of it, against recorded counts
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from basin.bench.recognize import document, expectations, table
from basin.bench.recognize.cases import Case, select
from basin.bench.recognize.matrix import Matrix
from basin.bench.recognize.outcomes import outcomes

NEEDED = ("onnxruntime", "onnxscript", "torch", "transformers")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m basin.bench recognize",
        description="export many architectures, and count what Basin recognizes in them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/recognize"),
        metavar="DIR",
        help="folder of exports and results; what is in it is not done again",
    )
    parser.add_argument(
        "--only", metavar="PATTERN", help="only cases whose name has this, with * for any text"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes at a time")
    parser.add_argument(
        "--mangle", action="store_true", help="inspect copies that other tools rewrote, too"
    )
    parser.add_argument(
        "--peers", action="store_true", help="count what other tools recognize, too"
    )
    parser.add_argument(
        "--no-verify",
        action="store_true",
        help="do not compare recognized operators with their meaning",
    )
    parser.add_argument("--table", action="store_true", help="run nothing, print Markdown tables")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="run nothing, and put the tables between the markers of this file",
    )
    parser.add_argument("--misses", action="store_true", help="run nothing, list what was missed")
    parser.add_argument(
        "--check", action="store_true", help="run a small part; status 1 if less is recognized"
    )
    parser.add_argument(
        "--record", action="store_true", help="run that part, and record its counts for --check"
    )
    return parser


def _print_tables(matrix: Matrix, cases: list[Case]) -> None:
    rows = outcomes(matrix, cases)
    print(table.summary(rows), table.by_architecture(rows), table.by_form(rows), sep="\n\n")
    print("\n" + table.by_tool(matrix, cases))


def _check(matrix: Matrix, cases: list[Case], jobs: int, recorded: bool) -> int:
    """Run the small part, and record it or compare it with what was recorded."""
    matrix.run(cases, jobs)
    rows = outcomes(matrix, cases)
    if recorded:
        expectations.record(rows)
        return 0
    worse = expectations.below(rows)
    print("\n".join(worse) or f"{len(rows)} cases: none is recognized less than recorded")
    return int(bool(worse))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = _parser().parse_args(arguments)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"nothing was run: not installed: {', '.join(missing)}")
        return 0 if options.check else 1
    cases = select(options.only)
    if options.check or options.record:
        cases = expectations.subset(cases)
    if options.list:
        print("\n".join(case.id for case in cases))
        return 0
    matrix = Matrix(
        options.out, verify=not options.no_verify, mangle=options.mangle, peers=options.peers
    )
    if options.markdown:
        document.write(options.markdown, document.results(matrix, cases))
    elif options.table:
        _print_tables(matrix, cases)
    elif options.misses:
        print(table.misses(outcomes(matrix, cases)))
    elif options.check or options.record:
        return _check(matrix, cases, options.jobs, options.record)
    else:
        matrix.run(cases, options.jobs)
    return 0
