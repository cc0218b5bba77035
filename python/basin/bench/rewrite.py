"""The time and the memory that a rewrite of a large model takes, from file to file.

Every measurement is a subprocess of its own: wall time, and the peak resident set as the kernel
reports it for that process (pages of mapped files count where they were touched; below the ten or
so megabytes of the launcher nothing can be told apart). Beside it runs
ONNX Runtime's transformer optimizer, on the largest model of a list that it manages: it loads all
weights, so it is given a limit of memory; `basin` runs on that same model in the same run.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from basin.bench.synthetic import Shape, Written, write_model

# Layers of the models offered to the peer, largest first; 0.7 GB a layer and 1 GB of embeddings.
PEER_LAYERS = (8, 4, 2, 1)
PEER_VOCAB = 32000


@dataclass
class Row:
    """One command on one model; times in seconds, peaks in bytes, one of each per repeat."""

    tool: str
    layers: int
    nodes: int
    weight_bytes: int
    command: str
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    error: str | None = None

    @property
    def median_seconds(self) -> float:
        """Median wall time."""
        return statistics.median(self.seconds)

    @property
    def median_peak(self) -> float:
        """Median peak resident set."""
        return statistics.median(self.peaks)


@dataclass(frozen=True)
class Sample:
    """One run of a process: exit status, wall seconds, peak bytes, what it wrote to stderr."""

    status: int
    seconds: float
    peak: int
    stderr: bytes

    @property
    def error(self) -> str:
        """Last line of its errors."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


# The kernel keeps a process's peak across exec, so a child of this interpreter would start with the
# memory of everything imported here. A bare interpreter in between starts the command instead: its
# own few megabytes are the least that can be measured.
_LAUNCHER = """
import os, resource, sys, time
limit = int(sys.argv[1])
began = time.perf_counter()
child = os.fork()
if child == 0:
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[2]}: {error}")
        os._exit(127)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss)
"""


def measure(
    command: Sequence[str],
    limit: int | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> Sample:
    """Run a command to its end; `limit` bounds its address space in bytes.

    A program that cannot be started has status 127, as in a shell.
    """
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(limit or 0), *command]
    with tempfile.TemporaryFile() as errors:
        result = subprocess.run(
            launch, stdout=subprocess.PIPE, stderr=errors, check=True, cwd=cwd, env=env
        )
        errors.seek(0)
        written = errors.read()
    # The command's own output comes first; the launcher's line is the last.
    status, seconds, peak = result.stdout.splitlines()[-1].split()
    unit = 1 if sys.platform == "darwin" else 1024
    return Sample(int(status), float(seconds), int(peak) * unit, written)


def repeat(row: Row, command: list[str], output: Path, repeats: int, limit: int | None) -> Row:
    """Fill a row with `repeats` runs; stops at the first failure. Outputs are deleted each time."""
    for _ in range(repeats):
        sample = measure(command, limit)
        for left in output.parent.glob(output.name + "*"):
            left.unlink()
        if sample.status != 0:
            row.error = f"exit status {sample.status}: {sample.error}"
            break
        row.seconds.append(sample.seconds)
        row.peaks.append(sample.peak)
    return row


def basin_row(basin: list[str], model: Written, layers: int, repeats: int) -> Row:
    """Measure `basin rewrite` with shared external data on a model."""
    output = model.path.with_name("out-basin.onnx")
    command = [*basin, "rewrite", str(model.path), str(output)]
    command += ["insert-pre-affine", "--external-data", "share"]
    row = Row("basin", layers, model.nodes, model.weight_bytes, shlex.join(command))
    return repeat(row, command, output, repeats, None)


def peer_row(model: Written, layers: int, repeats: int, limit: int) -> Row:
    """Measure ONNX Runtime's transformer optimizer (its own graph optimizations off) on a model."""
    output = model.path.with_name("out-peer.onnx")
    command = [sys.executable, "-m", "onnxruntime.transformers.optimizer"]
    command += ["--input", str(model.path), "--output", str(output), "--model_type", "gpt2"]
    command += ["--opt_level", "0", "--use_external_data_format"]
    row = Row("onnxruntime", layers, model.nodes, model.weight_bytes, shlex.join(command))
    return repeat(row, command, output, repeats, limit)


def run(
    layers: Sequence[int], repeats: int, basin: list[str], folder: Path, peer: bool, limit: int
) -> list[Row]:
    """Run all measurements in `folder`, which needs room for the peer's largest output."""
    rows = []
    for count in layers:
        model = write_model(folder / f"llama-{count}.onnx", Shape(layers=count))
        rows.append(basin_row(basin, model, count, repeats))
        _remove(model)
    for count in PEER_LAYERS if peer else ():
        shape = Shape(layers=count, vocab=PEER_VOCAB)
        model = write_model(folder / f"peer-{count}.onnx", shape)
        row = peer_row(model, count, repeats, limit)
        rows.append(row)
        if row.error is None:
            rows.append(basin_row(basin, model, count, repeats))
        _remove(model)
        if row.error is None:
            break
    return rows


def _remove(model: Written) -> None:
    model.path.unlink()
    model.path.with_name(model.path.name + ".data").unlink()


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, with ratios where both tools ran on the same model."""
    lines = [f"{'tool':12} {'layers':>6} {'nodes':>6} {'weights':>9} {'wall s':>8} {'peak MB':>9}"]
    for row in rows:
        head = f"{row.tool:12} {row.layers:6} {row.nodes:6} {row.weight_bytes / 1e9:6.2f} GB"
        if row.error:
            lines.append(f"{head} failed: {row.error}")
        else:
            lines.append(f"{head} {row.median_seconds:8.3f} {row.median_peak / 1e6:9.1f}")
    for peer, own in ratios(rows):
        time_ratio = peer.median_seconds / own.median_seconds
        peak_ratio = peer.median_peak / own.median_peak
        lines.append(
            f"on {own.layers} layers ({own.weight_bytes / 1e9:.2f} GB): onnxruntime takes "
            f"{time_ratio:.1f} times the time and {peak_ratio:.1f} times the memory of basin"
        )
    return "\n".join(lines)


def ratios(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return (peer, basin) rows that ran on the same model without failure."""
    good = [row for row in rows if row.error is None]
    return [
        (a, b)
        for a in good
        for b in good
        if (a.tool, b.tool) == ("onnxruntime", "basin")
        and (a.layers, a.weight_bytes) == (b.layers, b.weight_bytes)
    ]


def machine() -> dict[str, object]:
    """Describe the machine and versions that a measurement belongs to."""
    import onnx
    import onnxruntime

    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def write_json(path: Path, rows: Sequence[Row], repeats: int) -> None:
    """Write rows with their medians, and the machine, as JSON."""
    items = []
    for row in rows:
        item = asdict(row)
        if row.seconds:
            item |= {"median_seconds": row.median_seconds, "median_peak": row.median_peak}
        items.append(item)
    content = {"machine": machine(), "repeats": repeats, "rows": items}
    path.write_text(json.dumps(content, indent=1) + "\n")
