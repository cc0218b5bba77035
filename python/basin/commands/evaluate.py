"""`basin evaluate`: perplexity of models on a text, and how far each is from the first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basin.commands.data_options import (
    BATCH,
    BOS,
    DEVICE,
    SEQUENCES,
    TOKENIZER,
    Device,
    list_read,
    read_dataset,
)
from basin.commands.ray_option import RAY
from basin.commands.reporting import fail, print_remarks
from basin.commands.statistics_files import check_inputs, check_targets
from basin.output.files import refers_to, write_whole

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
    tokenizer: Annotated[str | None, TOKENIZER] = None,
    bos: Annotated[int | None, BOS] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="How many tokens a sequence has at most.")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="How far a window of a stream is from the one before it."),
    ] = None,
    sequences: Annotated[int | None, SEQUENCES] = None,
    batch: Annotated[int, BATCH] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
    device: Annotated[Device, DEVICE] = Device.cpu,
    ray: Annotated[str | None, RAY] = None,
) -> None:
    """Perplexity of models on your text, and how far each is from the first one."""
    from json import dumps

    from basin.distribution.cluster import connect
    from basin.evaluation import evaluate as run
    from basin.evaluation.evaluate import as_json
    from basin.inputs.signature import read_facts

    for model in models:
        if not model.is_file():
            fail(f"no such file: {model}")
    check_targets(json)
    facts = [read_facts(model) for model in models]
    weights = [file for model, one in zip(models, facts) for file in refers_to(model, one.files)]
    check_inputs({"--json": json}, None, weights + list_read(data, tokenizer))
    dataset = read_dataset(
        facts[0],
        data,
        tokenizer=tokenizer,
        bos=bos,
        length=length,
        sequences=sequences,
        stride=stride,
    )
    with connect(ray) as cluster:
        result = run(
            models, dataset, batch=batch, device=device.value, progress=True, cluster=cluster
        )
    print_remarks([f"remark: {note}" for note in result.notes])
    print_table(result)
    if json is not None:
        write_whole(json, (dumps(as_json(result), indent=1) + "\n").encode())
