"""Command line of the benchmarks of models; they need onnx and onnxruntime.

python -m basin.bench rewrite [--layers 8 32 128] [--repeats 3] [--json FILE] [--no-peer]
python -m basin.bench instrument [--layers 8] [--hidden 1024] ... [--length 256] [--optimize]
python -m basin.bench operators MODEL... [--lengths 32 128 512 1024] [--rounds 20] [--threads 1]
python -m basin.bench synthetic OUT.onnx [--layers 32] [--hidden 4096] ...
python -m basin.bench scale [--kinds chain tree] [--nodes 10000 100000 1000000] [--json FILE]
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from basin.bench import instrument, operators, rewrite, scale
from basin.bench.synthetic import Shape, write_model


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m basin.bench", description="run a benchmark")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("gpu", help="measure the speed of the GPU kernels, see gpu --help")
    commands.add_parser(
        "recognize", help="count what is recognized in many exports, see recognize --help"
    )
    commands.add_parser(
        "quantize", help="measure quantization before and after rewrites, see quantize --help"
    )
    run = commands.add_parser(
        "rewrite", help="measure the time and memory of rewriting large models"
    )
    run.add_argument("--layers", type=int, nargs="+", default=[8, 32, 128])
    run.add_argument("--repeats", type=int, default=3)
    run.add_argument("--json", type=Path, help="file to write the measurements to, too")
    run.add_argument("--basin", help='command to measure (default: "PYTHON -m basin")')
    run.add_argument("--dir", type=Path, help="folder for models (default: a temporary one)")
    run.add_argument(
        "--no-peer", action="store_true", help="do not measure onnxruntime.transformers"
    )
    run.add_argument(
        "--peer-memory",
        type=float,
        default=20,
        help="most memory for onnxruntime.transformers, in GB",
    )
    cost = commands.add_parser(
        "instrument", help="measure the time and memory of measuring outliers"
    )
    for name, value in {"length": 256, "batch": 1, "repeats": 5}.items():
        cost.add_argument(f"--{name}", type=int, default=value)
    cost.add_argument(
        "--optimize", action="store_true", help="let ONNX Runtime optimize the models"
    )
    cost.add_argument(
        "--turns", action="store_true", help="run all in one process in turns, and by kind of tap"
    )
    cost.add_argument("--threads", type=int, default=1, help="threads of a run in turns")
    cost.add_argument(
        "--also", type=Path, nargs="+", default=[], help="further instrumented models, for --turns"
    )
    cost.add_argument("--json", type=Path, help="file to write the measurements to, too")
    speed = commands.add_parser(
        "operators", help="measure the speed of models written as fused operators"
    )
    speed.add_argument("models", type=Path, nargs="+")
    speed.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512, 1024])
    speed.add_argument("--rounds", type=int, default=20)
    speed.add_argument("--threads", type=int, default=1)
    speed.add_argument("--kind", default="gpt2", help="model type for ONNX Runtime's optimizer")
    speed.add_argument("--json", type=Path, help="file to write the measurements to, too")
    grow = commands.add_parser(
        "scale", help="measure how the time of inspection grows with the number of nodes"
    )
    grow.add_argument("--kinds", nargs="+", choices=scale.ALL_KINDS, default=scale.ALL_KINDS)
    grow.add_argument("--nodes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    grow.add_argument("--basin", help='command to measure (default: "PYTHON -m basin")')
    grow.add_argument("--dir", type=Path, help="folder for models (default: a temporary one)")
    grow.add_argument("--json", type=Path, help="file to write the measurements to, too")
    write = commands.add_parser("synthetic", help="write one synthetic model")
    write.add_argument("out", type=Path)
    small = Shape(layers=8, hidden=1024, heads=16, kv_heads=8, ffn=2816, vocab=32000)
    for command, default in ((write, Shape()), (cost, small)):
        for item in fields(Shape):
            name = f"--{item.name.replace('_', '-')}"
            value = getattr(default, item.name)
            command.add_argument(name, type=int, default=value, dest=item.name)
    return parser


def _instrument(options: argparse.Namespace) -> int:
    shape = Shape(**{item.name: getattr(options, item.name) for item in fields(Shape)})
    sizes = options.length, options.batch, options.repeats
    rows: list[instrument.Cost] | list[instrument.Turn]
    with tempfile.TemporaryDirectory() as folder:
        if options.turns:
            rows = instrument.turns(Path(folder), shape, *sizes, options.threads, options.also)
            print(instrument.turns_table(rows))
        else:
            rows = instrument.run(Path(folder), shape, *sizes, options.optimize)
            print(instrument.table(rows))
    if options.json:
        instrument.write_json(options.json, rows)
    return 0


def _operators(options: argparse.Namespace) -> int:
    rows = []
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            some = operators.measure_model(
                model,
                Path(folder),
                options.lengths,
                options.rounds,
                options.threads,
                options.kind,
            )
        print(operators.table(some), flush=True)
        rows += some
    if options.json:
        operators.write_json(options.json, rows)
    return int(any(row.why_not for row in rows if row.contender.startswith("basin")))


def _command(options: argparse.Namespace) -> list[str]:
    return shlex.split(options.basin) if options.basin else [sys.executable, "-m", "basin"]


def _scale(options: argparse.Namespace) -> int:
    basin = _command(options)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        rows = scale.run(basin, Path(folder), options.kinds, options.nodes)
    print(scale.table(basin, rows))
    if options.json:
        scale.write_json(options.json, rows)
    return int(any(row.error for row in rows))


def main(arguments: list[str] | None = None) -> int:
    """Run a benchmark; returns the exit status (1 where a measurement of basin failed)."""
    options = _parser().parse_args(arguments)
    if options.command == "instrument":
        return _instrument(options)
    if options.command == "operators":
        return _operators(options)
    if options.command == "scale":
        return _scale(options)
    if options.command == "synthetic":
        shape = Shape(**{item.name: getattr(options, item.name) for item in fields(Shape)})
        done = write_model(options.out, shape)
        print(f"{done.path}: {done.nodes} nodes, {done.graph_bytes} bytes of graph, ", end="")
        print(f"{done.weight_bytes} bytes of weights (sparse)")
        return 0
    limit = int(options.peer_memory * 1e9)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        rows = rewrite.run(
            options.layers,
            options.repeats,
            _command(options),
            Path(folder),
            not options.no_peer,
            limit,
        )
    print(rewrite.table(rows))
    if options.json:
        rewrite.write_json(options.json, rows, options.repeats)
    return int(any(row.error for row in rows if row.tool == "basin"))
