"""Command line of the GPU benchmark.

python -m basin.bench gpu --prepare DIR        here: kernels for a machine without the compiler
python -m basin.bench gpu --objects DIR        there: measure, or go on with measuring
python -m basin.bench gpu --render --json FILE [--markdown FILE]     tables of earlier results
python -m basin.bench gpu                      both at once, where there are compiler and device
"""

from __future__ import annotations

import argparse
import importlib.metadata
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from basin.bench.gpu import objects, plan, records
from basin.runtime import KernelError

NO_DEVICE = "no CUDA device was found: nothing was measured"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m basin.bench gpu", description="measure the speed of the GPU kernels"
    )
    parser.add_argument(
        "--prepare", type=Path, metavar="DIR", help="only compile the kernels, into this folder"
    )
    parser.add_argument(
        "--objects",
        type=Path,
        metavar="DIR",
        help="measure the kernels of a folder made by --prepare",
    )
    parser.add_argument("--target", default="sm_90a", help="chip to compile for")
    parser.add_argument("--compiler", help="path of basin-compile, if it is not on PATH")
    parser.add_argument("--jobs", type=int, help="number of parallel compilations")
    parser.add_argument("--counters", action="store_true", help="only print registers and spills")
    parser.add_argument("--only", choices=("norms", "attention"))
    parser.add_argument("--quick", action="store_true", help="only measure the most telling cases")
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SECONDS",
        help="measuring time: a case that may not end in it is left out",
    )
    parser.add_argument(
        "--stall", type=float, default=150, help="most seconds that a case may take"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="file of results, one per line; results in it are not measured again",
    )
    parser.add_argument("--markdown", type=Path, help="file to write the tables to, too")
    parser.add_argument(
        "--render", action="store_true", help="only print the tables of the results in --json"
    )
    parser.add_argument(
        "--no-flush", action="store_true", help="do not flush the L2 cache before a launch"
    )
    parser.add_argument(
        "--no-graphs", action="store_true", help="time single calls instead of CUDA graphs"
    )
    mode = "max-autotune-no-cudagraphs"
    parser.add_argument(
        "--compile-mode", default=mode, help="mode of torch.compile, or none to leave it out"
    )
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit status. An error is one line."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (objects.ObjectsError, records.RecordsError, KernelError, OSError) as error:
        print(f"basin.bench gpu: error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.render:
        return _render(options)
    if options.prepare:
        manifest = _prepare(options, options.prepare)
        return int(any("error" in entry for entry in manifest["kernels"]))
    if options.worker:
        from basin.bench.gpu import worker

        return worker.run(options)
    if options.objects:
        return _with_objects(options, options.objects)
    with tempfile.TemporaryDirectory() as folder:
        _prepare(options, Path(folder))
        # Without --objects nobody asked for a device, so it is no error if there is none.
        return _with_objects(options, Path(folder), needs_device=False)


def _prepare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    compiler = objects.find_compiler(options.compiler)
    began = time.monotonic()
    kernels = plan.kernels(plan.plan(options.quick, options.only))
    manifest = objects.prepare(kernels, folder, options.target, compiler, options.jobs)
    failed = [entry for entry in manifest["kernels"] if "error" in entry]
    for entry in failed:
        text = f"--{entry['family']} {entry['parts']}: {entry['error']}"
        print(f"basin.bench gpu: error: {text}", file=sys.stderr)
    made, seconds = len(kernels) - len(failed), time.monotonic() - began
    print(f"{folder}: {made} kernels for {options.target} in {seconds:.1f} s")
    return manifest


def _has_device() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _with_objects(options: argparse.Namespace, folder: Path, needs_device: bool = True) -> int:
    manifest = objects.read_manifest(folder)
    if options.counters:
        print(objects.counters(manifest))
        return 0
    if not _has_device():
        print(objects.counters(manifest))
        print(NO_DEVICE)
        return int(needs_device)
    from basin.bench.gpu import supervisor

    path = options.json or folder / "results.jsonl"
    status = supervisor.supervise(
        lambda left: _worker(options, folder, path, left), path, options.budget, options.stall
    )
    if status == 0:
        _write_tables(options, records.Records(path))
    return status


def _worker(options: argparse.Namespace, folder: Path, path: Path, left: float | None) -> list[str]:
    """The command of the process that measures."""
    command = [sys.executable, "-m", "basin.bench", "gpu", "--worker"]
    command += ["--objects", str(folder), "--json", str(path)]
    command += ["--compile-mode", options.compile_mode]
    for name in ("quick", "no_flush", "no_graphs"):
        command += [f"--{name.replace('_', '-')}"] * getattr(options, name)
    command += ["--only", options.only] * bool(options.only)
    return command + (["--budget", f"{left:.3f}"] if left is not None else [])


def _render(options: argparse.Namespace) -> int:
    if options.json is None or not options.json.is_file():
        raise records.RecordsError(
            f"--render: expected a file of results by --json, but got {options.json}"
        )
    _write_tables(options, records.Records(options.json))
    return 0


def _write_tables(options: argparse.Namespace, found: records.Records) -> None:
    from basin.bench.gpu import report

    text = report.markdown(found.results, found.machine)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)


def versions() -> dict[str, str]:
    """The versions of the software that takes part, without importing it."""
    out = {}
    for name in ("torch", "triton", "nvidia-cudnn-cu13"):
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "none"
    return out


def machine(gpu: str, manifest: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Describes the machine and the software that the results belong to."""
    return {
        "gpu": gpu,
        "driver, SM clock, the largest, memory clock, temperature, power": clocks(),
        "target": manifest["target"],
        "objects": objects.digest(manifest),
        "date": time.strftime("%Y-%m-%d"),
        **versions(),
        "torch.compile": options.compile_mode,
        "L2": "as it is" if options.no_flush else "flushed",
        "graphs": not options.no_graphs,
    }


def clocks() -> str:
    """nvidia-smi's driver, clocks and temperature, or why it gave none."""
    query = "driver_version,clocks.sm,clocks.max.sm,clocks.mem,temperature.gpu,power.draw"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout.strip() or f"nvidia-smi: exit status {done.returncode}"
