"""`basin evaluate`: perplexity of models on a text, and how far each is from the first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basin.commands.analyze import Device, bos_of
from basin.commands.reporting import fail, print_remarks
from basin.output.files import find_clash, write_whole

if TYPE_CHECKING:
    from basin.evaluation import Estimate, Evaluation


def _show(one: Estimate | None, form: str) -> str:
    """An estimate with its standard error, in the format of its value."""
    if one is None:
        return ""
    value = format(one.value, form)
    return value if one.error is None else f"{value} ± {format(one.error, '.2g')}"


def print_table(result: Evaluation) -> None:
    """One row for each model."""
    rows = [["model", "perplexity", "KL to the first", "same top-1", "largest |x|"]]
    for one in result.models:
        largest = "" if one.largest is None else f"{one.largest:.5g}"
        rows.append(
            [
                one.name,
                _show(one.perplexity, ".5g"),
                _show(one.divergence, ".3g"),
                _show(one.agreement, ".4f"),
                largest,
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(f"{result.tokens} tokens in {result.sequences} sequences")
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def evaluate(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL [OTHER]...", help="ONNX models.", show_default=False),
    ],
    data: Annotated[
        Path, typer.Option(help="Token ids (.npz, .npy, .jsonl) or text.", show_default=False)
    ],
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FILE|bytes", help="A tokenizer.json, or 'bytes': ids are bytes."),
    ] = None,
    bos: Annotated[
        int | None, typer.Option(min=0, help="Id to put before sequences that lack it.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="How many tokens a sequence has at most.")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="How far a window of a stream is from the one before it."),
    ] = None,
    sequences: Annotated[
        int | None, typer.Option(min=1, help="How many sequences to read.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="How many sequences to run at a time.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.cpu,
) -> None:
    """Perplexity of models on your text, and how far each is from the first one."""
    from json import dumps

    from basin.analysis.data import load
    from basin.analysis.feed import vocabulary
    from basin.analysis.tokenizer import make_tokenizer
    from basin.evaluation import evaluate as run
    from basin.evaluation.evaluate import as_json
    from basin.inputs.signature import read_facts

    for model in models:
        if not model.is_file():
            fail(f"no such file: {model}")
    clash = find_clash({"--json": json}, [*models, data])
    if clash is not None:
        fail(clash)
    if json is not None and not json.absolute().parent.is_dir():
        fail(f"--json: no such folder: {json.parent}")
    facts = read_facts(models[0])
    size = vocabulary(facts)
    dataset = load(
        data,
        vocabulary=size,
        tokenizer=make_tokenizer(tokenizer, size),
        bos=bos,
        model_bos=bos_of(facts.metadata),
        length=length,
        limit=sequences,
        stride=stride,
    )
    result = run(models, dataset, batch=batch, device=device.value, progress=True)
    print_remarks([f"remark: {note}" for note in result.notes])
    print_table(result)
    if json is not None:
        write_whole(json, (dumps(as_json(result), indent=1) + "\n").encode())
