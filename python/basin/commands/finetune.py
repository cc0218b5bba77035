"""`basin finetune`: trains parameters of a model, perhaps with a quantizer in the loop."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basin.commands.data_options import (
    BOS,
    DEVICE,
    SEQUENCES,
    TOKENIZER,
    Device,
    list_read,
    read_dataset,
)
from basin.commands.reporting import fail
from basin.commands.statistics_files import check_inputs, check_targets
from basin.output.files import refers_to, write_whole

if TYPE_CHECKING:
    from basin.finetune import Entry


class Schedule(str, Enum):
    """How the learning rate goes on after the warm-up."""

    cosine = "cosine"
    constant = "constant"


class Precision(str, Enum):
    """The type of the products."""

    f32 = "f32"
    bf16 = "bf16"


def _line(entry: Entry) -> str:
    """An entry on one line."""
    loss = "" if entry.loss is None else f"loss {entry.loss:.4g}, "
    largest = "" if entry.largest is None else f", largest |x| {entry.largest:.5g}"
    return (
        f"update {entry.step}: {loss}held out {entry.held_out:.4g}, cross entropy "
        f"{entry.cross_entropy:.4g}{largest} ({entry.seconds:.0f} s)"
    )


def _write_log(path: Path, entries: list[Entry]) -> None:
    """Entries as CSV, or as a line of JSON each."""
    import csv
    import io
    import json
    from dataclasses import asdict

    rows = [asdict(one) for one in entries]
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        return
    write_whole(path, "".join(json.dumps(one) + "\n" for one in rows).encode())


def finetune(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    data: Annotated[
        Path, typer.Option(help="Token ids (.npz, .npy, .jsonl) or text.", show_default=False)
    ],
    tokenizer: Annotated[str | None, TOKENIZER] = None,
    bos: Annotated[int | None, BOS] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="How many tokens a sequence has at most.")
    ] = None,
    sequences: Annotated[int | None, SEQUENCES] = None,
    train: Annotated[
        str, typer.Option(metavar="learnable|all|PATTERN", help="Which parameters are trained.")
    ] = "learnable",
    distill_from: Annotated[
        Path | None, typer.Option(help="Train the KL to this model, not the next tokens.")
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(metavar="SCHEME", help="Quantize in the loop, as the step quantize does."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many updates.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="How many sequences an update has.")] = 8,
    lr: Annotated[float, typer.Option(help="The largest learning rate of AdamW.")] = 1e-3,
    schedule: Annotated[Schedule, typer.Option(help="The rate after the warm-up.")] = (
        Schedule.cosine
    ),
    warmup: Annotated[int, typer.Option(min=0, help="Updates that raise the rate.")] = 10,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.")] = 0.0,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradients; 0 for any.")] = 1.0,
    precision: Annotated[Precision, typer.Option(help="The type of the products.")] = (
        Precision.f32
    ),
    seed: Annotated[int, typer.Option(min=0, help="Start of the random numbers.")] = 0,
    held_out: Annotated[
        int, typer.Option(min=1, help="How many of the last sequences are measured alone.")
    ] = 8,
    log_every: Annotated[int, typer.Option(min=1, help="Updates between measurements.")] = 20,
    save_every: Annotated[int, typer.Option(min=1, help="Updates between checkpoints.")] = 100,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep the run here, and go on from it.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Write the measurements: .csv, or lines of JSON.")
    ] = None,
    device: Annotated[Device, DEVICE] = Device.cpu,
) -> None:
    """Train parameters of a model, and write them into a copy of it."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        fail("basin finetune needs PyTorch: pip install torch")
    from basin.finetune import Settings
    from basin.finetune import finetune as run
    from basin.inputs.signature import read_facts
    from basin.recommendation.target import parse_target

    for path in (model, distill_from):
        if path is not None and not path.is_file():
            fail(f"no such file: {path}")
    check_targets(out, checkpoint, log)
    facts = read_facts(model)
    read = [*refers_to(model, facts.files), *list_read(data, tokenizer)]
    if distill_from is not None:
        read += refers_to(distill_from, read_facts(distill_from).files)
    check_inputs({"OUT": out, "--log": log, "--checkpoint": checkpoint}, None, read)
    options: dict[str, str] = {}
    if quantize is not None:
        asked = parse_target(quantize)
        if asked.is_f16:
            fail("--quantize: fp16 is no scheme; --precision bf16 computes products in bf16")
        options = dict(asked.options)
    dataset = read_dataset(
        facts, data, tokenizer=tokenizer, bos=bos, length=length, sequences=sequences
    )
    settings = Settings(
        train, options, steps, batch, lr, schedule.value, warmup, weight_decay, clip,
        precision.value, seed, held_out, log_every, save_every,
    )  # fmt: skip
    seen: list[Entry] = []

    def say(entry: Entry) -> None:
        seen.append(entry)
        print(_line(entry), flush=True)
        if log is not None:
            _write_log(log, seen)

    found = run(
        model,
        out,
        dataset,
        settings,
        teacher=distill_from,
        checkpoint=checkpoint,
        device=device.value,
        progress=True,
        say=say,
    )
    first, last = found.entries[0], found.entries[-1]
    print(
        f"trained {found.trained} of {found.parameters} parameters: held out {first.held_out:.4g} "
        f"-> {last.held_out:.4g}; written: {out}"
    )
