"""Command line of the testbeds.

python -m basin.testbed train text|bigram [TEXT...] --checkpoint FILE [--resume] [options]
python -m basin.testbed measure CHECKPOINT text|bigram [TEXT...]
python -m basin.testbed export CHECKPOINT OUT.onnx [--exporter script|dynamo] [--opset N]
python -m basin.testbed plant IN.onnx OUT.onnx --dim J --power K
python -m basin.testbed plant-table MODEL.onnx --ids FILE.npz
python -m basin.testbed table1|table2 TEXT... --results FILE.jsonl --folder DIR [--seeds N...]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from basin.testbed import TestbedError, require_torch
from basin.testbed.config import ModelConfig, TrainConfig, choices

_TYPES = {"int": int, "float": float, "str": str, "float | None": float}


def _add_config(parser: argparse.ArgumentParser, record: type, left_out: tuple = ()) -> None:
    group = parser.add_argument_group(record.__name__)
    for item in fields(record):
        if item.name in left_out:
            continue
        text = f"{item.metadata['help']} ({item.default})"
        flag = f"--{item.name.replace('_', '-')}"
        if item.type == "bool":
            group.add_argument(flag, action="store_true", default=item.default, help=text)
        else:
            kind, allowed = _TYPES[item.type], choices(item.name)
            group.add_argument(flag, type=kind, default=item.default, choices=allowed, help=text)


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=("text", "bigram"))
    parser.add_argument("texts", type=Path, nargs="*", help="text files, read as bytes")
    parser.add_argument(
        "--tokens", type=int, default=64, help="tokens of the bigram task, without BOS"
    )
    parser.add_argument("--triggers", type=int, default=3, help="triggers of the bigram task")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m basin.testbed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("train", help="train a small decoder")
    _add_task(run)
    run.add_argument("--checkpoint", type=Path, required=True, help="checkpoint file to write")
    run.add_argument("--resume", action="store_true", help="continue from the checkpoint")
    run.add_argument("--device", default="cpu")
    run.add_argument("--threads", type=int, default=1)
    _add_config(run, ModelConfig, ("vocab",))
    _add_config(run, TrainConfig)
    look = commands.add_parser("measure", help="print the metrics of a checkpoint as JSON")
    look.add_argument("checkpoint", type=Path)
    _add_task(look)
    look.add_argument("--sequences", type=int, default=64)
    write = commands.add_parser("export", help="write a checkpoint as ONNX")
    write.add_argument("checkpoint", type=Path)
    write.add_argument("out", type=Path)
    write.add_argument("--exporter", choices=("script", "dynamo"), default="script")
    write.add_argument("--opset", type=int)
    plant = commands.add_parser(
        "plant", help="plant an activation outlier that leaves the logits unchanged"
    )
    plant.add_argument("model", type=Path)
    plant.add_argument("out", type=Path)
    plant.add_argument("--dim", type=int, required=True)
    plant.add_argument("--power", type=int, required=True, help="multiply the outlier by 2^POWER")
    table = commands.add_parser(
        "plant-table", help="print the NLL of quantized models, clean and planted"
    )
    table.add_argument("model", type=Path)
    table.add_argument(
        "--ids", type=Path, required=True, help=".npz file with input_ids [batch, seq]"
    )
    table.add_argument("--dim", type=int, default=15)
    table.add_argument("--powers", type=int, nargs="+", default=[4, 8])
    for name, what in (("table1", "outliers and losses"), ("table2", "quantized models")):
        paper = commands.add_parser(name, help=f"train the paper's variants; print {what}")
        paper.add_argument("texts", type=Path, nargs="*", help="text files, read as bytes")
        paper.add_argument(
            "--results", type=Path, required=True, help="JSON lines of finished runs"
        )
        paper.add_argument("--folder", type=Path, help="checkpoints and models; none: only print")
        paper.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
        paper.add_argument("--variants", nargs="+", metavar="VARIANT", help="all, unless named")
        paper.add_argument("--threads", type=int, default=1)
        _add_config(paper, ModelConfig, ("vocab", "norm", "attention", "ffn", "clip"))
        _add_config(paper, TrainConfig, ("seed",))
    return parser


def _config(record: type, options: argparse.Namespace, **given: Any) -> Any:
    names = [item.name for item in fields(record)]
    return record(**{n: getattr(options, n) for n in names if hasattr(options, n)} | given)


def _task(options: argparse.Namespace, config: TrainConfig) -> Any:
    from basin.testbed.bigram import BigramTask
    from basin.testbed.data import TextTask

    if options.task == "text":
        return TextTask(options.texts, config.batch, config.seq, config.seed)
    tokens, triggers = options.tokens, options.triggers
    return BigramTask(config.batch, config.seq, config.seed, tokens, triggers)


def _train(options: argparse.Namespace) -> None:
    import torch

    from basin.testbed import train

    torch.set_num_threads(options.threads)
    config = _config(TrainConfig, options)
    task = _task(options, config)
    if options.resume:
        run = train.load(options.checkpoint, options.device, config)
    else:
        model = _config(ModelConfig, options, vocab=task.vocab)
        run = train.start(model, config, options.device)
    count = sum(p.numel() for p in run.model.parameters())
    print(f"{count} parameters, {config.batch * config.seq} ids an update", flush=True)
    train.train(run, task, options.checkpoint, lambda line: print(line, flush=True))


def _measure(options: argparse.Namespace) -> None:
    from basin.testbed import train

    run = train.load(options.checkpoint)
    task = _task(options, run.config)
    report = train.probe(run.model, task, options.sequences)
    report |= {"step": run.step, "held_out_loss": train.held_out_loss(run.model, task)}
    print(json.dumps(report, indent=1))


def _export(options: argparse.Namespace) -> None:
    from basin.testbed import export, train

    export.export(
        train.load(options.checkpoint).model, options.out, options.exporter, options.opset
    )
    print(f"{options.out}: {options.out.stat().st_size} bytes")


def _plant(options: argparse.Namespace) -> None:
    from basin.testbed import plant

    for line in plant.plant_file(options.model, options.out, options.dim, options.power):
        print(line)


def _plant_table(options: argparse.Namespace) -> None:
    from basin.testbed import plant_table

    print(plant_table.table(options.model, options.ids, options.dim, options.powers))


def _reproduce(options: argparse.Namespace) -> None:
    from basin.testbed import tables

    if options.folder is not None:
        require_torch()
        import torch

        from basin.testbed import reproduce

        unknown = [one for one in options.variants or () if one not in reproduce.VARIANTS]
        if unknown:
            known = ", ".join(reproduce.VARIANTS)
            raise TestbedError(f"unknown variant '{unknown[0]}': expected {known}")
        torch.set_num_threads(options.threads)
        reproduce.run_all(
            options.results,
            options.texts,
            _config(ModelConfig, options),
            _config(TrainConfig, options),
            options.seeds,
            options.variants or list(reproduce.VARIANTS),
            options.folder,
            lambda line: print(line, file=sys.stderr, flush=True),
        )
    try:
        lines = options.results.read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise TestbedError(f"{options.results}: expected JSON lines: {error}") from None
    print(tables.table1(rows) if options.command == "table1" else tables.table2(rows))


def main(arguments: list[str] | None = None) -> int:
    """Run a command; a user's error is one line on stderr and status 1."""
    options = _parser().parse_args(arguments)
    commands = {
        "train": _train,
        "measure": _measure,
        "export": _export,
        "plant": _plant,
        "plant-table": _plant_table,
        "table1": _reproduce,
        "table2": _reproduce,
    }
    try:
        if options.command in ("train", "measure", "export"):
            require_torch()
        commands[options.command](options)
    except (TestbedError, OSError) as error:
        print(f"basin.testbed: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
