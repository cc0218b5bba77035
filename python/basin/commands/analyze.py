"""`basin analyze`: measure the sinks and outliers of a model on data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from basin.commands.data_options import (
    BATCH,
    BOS,
    DEVICE,
    SEQUENCES,
    TOKENIZER,
    Device,
    bos_of,
    list_read,
    read_dataset,
)
from basin.commands.ray_option import RAY
from basin.commands.statistics_files import (
    FIGURES,
    REPORT,
    STATS,
    check_inputs,
    check_targets,
    finish,
)
from basin.errors import AnalysisError
from basin.output.files import refers_to


def analyze(
    model: Annotated[Path, typer.Argument(help="The ONNX model.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(help="Token ids (.npz, .npy, .jsonl) or text.", show_default=False),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(help="Arrays by input name (.npz), for any model.", show_default=False),
    ] = None,
    tokenizer: Annotated[str | None, TOKENIZER] = None,
    bos: Annotated[int | None, BOS] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="How many tokens a sequence has at most.")
    ] = None,
    sequences: Annotated[int | None, SEQUENCES] = None,
    batch: Annotated[int, BATCH] = 8,
    random: Annotated[
        int | None, typer.Option(min=1, help="Run N random sequences instead of data.")
    ] = None,
    sink_length: Annotated[
        int, typer.Option(min=1, max=65536, help="How many first tokens sink importance looks at.")
    ] = 64,
    taps: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Kinds of places to measure, of residual,projection,norm,attention.",
            show_default="all",
        ),
    ] = None,
    stats: Annotated[Path | None, STATS] = None,
    report: Annotated[Path | None, REPORT] = None,
    figures: Annotated[Path | None, FIGURES] = None,
    device: Annotated[Device, DEVICE] = Device.cpu,
    ray: Annotated[str | None, RAY] = None,
) -> None:
    """Measure the sinks and outliers of MODEL on your data."""
    from basin.analysis import run
    from basin.analysis.data import random_tokens
    from basin.analysis.feed import vocabulary
    from basin.analysis.kinds import check_kinds
    from basin.analysis.runs import Arrays, Source
    from basin.distribution.cluster import connect
    from basin.inputs.signature import read_facts

    if sum(bool(one) for one in (data, random, inputs)) != 1:
        raise AnalysisError("give exactly one of --data FILE, --inputs FILE.npz and --random N")
    if data is None and tokenizer is not None:
        raise AnalysisError("--tokenizer needs --data")
    if inputs and any(one is not None for one in (bos, length, sequences)):
        raise AnalysisError("--bos, --length and --sequences need --data or --random")
    kinds = None if taps is None else [name.strip() for name in taps.split(",") if name.strip()]
    if kinds is not None:
        check_kinds(kinds)
    check_targets(stats, report)
    if not model.is_file():
        raise AnalysisError(f"no such file: {model}")
    facts = read_facts(model)
    read = refers_to(model, facts.files) + (inputs or []) + list_read(data, tokenizer)
    check_inputs({"--stats": stats, "--report": report}, figures, read)
    size = vocabulary(facts)
    model_bos = bos_of(facts.metadata)
    dataset: Source
    if data is not None:
        dataset = read_dataset(
            facts, data, tokenizer=tokenizer, bos=bos, length=length, sequences=sequences
        )
    elif random is not None:
        if size is None:
            raise AnalysisError(
                "--random: the table that token ids index was not found in the model; give --data"
            )
        dataset = random_tokens(random, size, length, bos if bos is not None else model_bos)
    else:
        dataset = Arrays.load(inputs or [])
    with connect(ray) as cluster:
        result = run.analyze(
            model,
            dataset,
            batch=batch,
            sink_length=sink_length,
            taps=kinds,
            device=device.value,
            facts=facts,
            progress=True,
            cluster=cluster,
        )
    finish(result.document(), stats, report, figures)
