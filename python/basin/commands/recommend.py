"""`basin recommend`: which rewrites help a model for a target, tried and measured."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from basin.commands.data_options import BOS, SEQUENCES, TOKENIZER, list_read, read_dataset
from basin.commands.ray_option import RAY
from basin.commands.reporting import fail, print_remarks
from basin.commands.statistics_files import check_inputs, check_targets
from basin.output.files import refers_to, write_whole

if TYPE_CHECKING:
    from basin.recommendation import Recommendation, Trial


# How many values' ranges the table has.
_MOST_RANGES = 20


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def make_rows(found: Recommendation) -> list[list[str]]:
    """The table of trials, with its head. The recommended one has a mark."""
    rows = [["", "treatment", "KL", "perplexity", "same top-1", "largest |x|", "promise", "adds"]]
    for one in found.trials:
        mark = "*" if one is found.best else ""
        if one.refused:
            rows.append([mark, one.name, f"refused: {one.refused}", *[""] * 5])
            continue
        error = "" if one.error is None else f" ± {one.error:.2g}"
        adds = f"{one.parameters:+d} parameters, {one.nodes:+d} nodes" if one.treatments else ""
        rows.append(
            [
                mark,
                one.name,
                _number(one.divergence, ".3g") + error,
                _number(one.perplexity, ".5g"),
                _number(one.agreement, ".4f"),
                _number(one.largest, ".5g"),
                one.promise or ("not checked" if one.treatments else ""),
                adds,
            ]
        )
    return rows


def make_range_rows(found: Recommendation) -> list[list[str]]:
    """The values that are nearest to the end of f16, or beyond it, with the table's head.

    The last column has the same value after the recommended treatments.
    """
    from basin.recommendation.ranges import LARGEST, find_nearest
    from basin.report.values import clean_text

    plain = next((one for one in found.trials if not one.treatments), None)
    if plain is None or not plain.ranges:
        return []
    after = {one.name: one.largest for one in found.best.ranges}
    rows = [["value", "operator", "largest |x|", "of 65504", "recommended"]]
    for one in find_nearest(plain.ranges)[:_MOST_RANGES]:
        rows.append(
            [
                clean_text(one.name, 60),
                one.op or "input",
                _number(one.largest, ".5g"),
                _number(one.largest / LARGEST, ".3g"),
                _number(after.get(one.name), ".5g"),
            ]
        )
    return rows


def _print_columns(rows: list[list[str]], measured: list[list[str]], first: int) -> None:
    """Print rows in columns. Those that are not `measured` make only the first columns wider."""
    widths = [
        max(len(row[i]) for row in (rows if i < first else measured)) for i in range(len(rows[0]))
    ]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_table(found: Recommendation) -> None:
    """All trials, what is recommended and why, what did not help, and what was not tried."""
    rows = make_rows(found)
    _print_columns(rows, [row for row in rows if not row[2].startswith("refused")], 2)
    print(f"recommended: {found.best.name}: {found.reason}")
    for one in found.trials:
        for note in one.notes:
            print(f"{one.name}: {note}")
    for line in _without_help(found):
        print(line)
    for line in found.left_out:
        print(f"not tried: {line}")
    ranges = make_range_rows(found)
    if ranges:
        count = len(next(one.ranges for one in found.trials if not one.treatments))
        print(f"the largest of {count} values, as they are and as recommended (all with --json):")
        _print_columns(ranges, ranges, 0)


def _without_help(found: Recommendation) -> list[str]:
    """The treatments that are not in the recommendation, with their figures."""
    alone = {one.treatments: one for one in found.trials if not one.exclude}
    plain = alone.get(())
    lines = []
    for one in found.trials:
        if len(one.treatments) != 1 or one.exclude or one.treatments[0] in found.best.treatments:
            continue
        if one.refused or plain is None or plain.divergence is None or one.divergence is None:
            continue
        lines.append(
            f"did not help: {one.name}: KL {one.divergence:.3g} against {plain.divergence:.3g}"
        )
    return lines


def describe(found: Recommendation) -> dict[str, Any]:
    """The result as JSON has it. A number that is not finite is the text "inf" or "nan"."""
    from dataclasses import asdict

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return str(value) if isinstance(value, float) and not isfinite(value) else value

    def trial(one: Trial) -> dict[str, Any]:
        return {**plain(asdict(one)), "name": one.name, "recommended": one is found.best}

    return {
        "target": found.target.text,
        "recommended": found.best.name,
        "reason": found.reason,
        "trials": [trial(one) for one in found.trials],
        "steps": [[name, dict(options)] for name, options in found.steps],
        "left_out": found.left_out,
        "notes": found.notes,
    }


def recommend(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Token ids (.npz, .npy, .jsonl) or text.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Option(
            metavar="SCHEME",
            help="A scheme of quantize, its options (residual=int8), or fp16.",
            show_default=False,
        ),
    ],
    tokenizer: Annotated[str | None, TOKENIZER] = None,
    bos: Annotated[int | None, BOS] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="How many tokens a sequence has at most.")
    ] = None,
    sequences: Annotated[int | None, SEQUENCES] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Begin no trial after that time.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the recipe, for basin rewrite.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all trials as JSON.")] = None,
    trials: Annotated[
        Path | None, typer.Option(help="Keep finished trials here, and go on from them.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report on the model, with the table of trials.")
    ] = None,
    same_data: Annotated[
        bool,
        typer.Option("--same-data", help="Calibrate on what is measured, as many tables do."),
    ] = False,
    ray: Annotated[str | None, RAY] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not prove the promises of the steps.")
    ] = False,
) -> None:
    """Try the rewrites that a model's outliers suggest for a target, and recommend a recipe."""
    from json import dumps

    from basin.analysis.run import analyze
    from basin.distribution.cluster import connect
    from basin.inputs.signature import read_facts
    from basin.recommendation import parse_target
    from basin.recommendation import recommend as run
    from basin.recommendation.recipe import recipe_files
    from basin.report import write_html

    if not model.is_file():
        fail(f"no such file: {model}")
    asked = parse_target(target)
    tokens = None if out is None else out.with_suffix(".tokens.jsonl")
    check_targets(out, json, trials, report)
    facts = read_facts(model)
    read = [*refers_to(model, facts.files), *list_read(data, tokenizer)]
    written: dict[str, Path | None] = {
        "--out": out,
        "--out (tokens)": tokens,
        "--json": json,
        "--trials": trials,
    }
    written["--report"] = report
    check_inputs(written, None, read)
    dataset = read_dataset(
        facts, data, tokenizer=tokenizer, bos=bos, length=length, sequences=sequences
    )
    with connect(ray) as cluster:
        found = run(
            model,
            asked,
            dataset,
            minutes=budget,
            file=trials,
            check=not no_verify,
            same_data=same_data,
            progress=True,
            cluster=cluster,
        )
    print_remarks([f"remark: {note}" for note in found.notes])
    print_table(found)
    if out is not None and tokens is not None:
        recipe, lines = recipe_files(found, dataset, tokens, same_data)
        write_whole(tokens, lines.encode())
        write_whole(out, recipe.encode())
        print(f"written: {out} and {tokens}, for basin rewrite IN OUT --recipe {out}")
    if json is not None:
        write_whole(json, (dumps(describe(found), indent=1) + "\n").encode())
    if report is not None:
        document = analyze(model, dataset, batch=1, progress=True).document()
        write_html(document | {"recommendation": describe(found)}, report)
