"""The cost of measuring outliers inside the graph, compared with returning whole activations.

Three models take turns in ONNX Runtime: the model as it is; the instrumented model; and the model
with each measured tensor as a further output, as for a user who reduces activations afterwards (the
reductions themselves are not counted). Each run is a process of its own, so that it has its own
peak memory. Times are those of `session.run` in it, without the first one.

`turns` runs all models in one process, one after the other in each round, and takes processor time:
on a machine with other work that tells more. It also has a model for each kind of taps alone, and
those that an earlier version of Basin instrumented, if they are given.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from basin.bench.rewrite import machine, measure
from basin.bench.synthetic import Shape, write_model

PIPELINE = "basin-raise,sink-instrument-outliers,convert-sink-to-onnx"


@dataclass
class Cost:
    """One model's medians: seconds of a run, and of making the session; peak bytes; outputs."""

    model: str
    seconds: float
    session: float
    peak: int
    outputs: int
    output_bytes: int


@dataclass
class Turn:
    """One model's medians in turns: seconds of the processor and of the clock, for one run."""

    model: str
    processor: float
    wall: float


def instrument(original: Path, target: Path, options: str = "") -> Path:
    """Write the instrumented model beside the original, whose weights it shares."""
    import basin

    model = basin.load(original)
    passes = PIPELINE.replace("outliers", f"outliers{{{options}}}") if options else PIPELINE
    model.run(f"builtin.module({passes})")
    model.save(target, "share")
    return target


def prepare(folder: Path, shape: Shape) -> dict[str, Path]:
    """Write the three models; weights are one file that all share."""
    original = write_model(folder / "model.onnx", shape).path
    instrumented = instrument(original, folder / "instrumented.onnx")
    whole = onnx.load(str(original), load_external_data=False)
    properties = onnx.load(str(instrumented), load_external_data=False).metadata_props
    settings = json.loads({p.key: p.value for p in properties}["basin.statistics"])
    names = {tap["name"] for tap in settings["taps"]}
    names |= {node.output[0] for node in whole.graph.node if node.op_type == "Softmax"}
    names -= {output.name for output in whole.graph.output}
    for name in sorted(names):
        whole.graph.output.append(helper.make_empty_tensor_value_info(name))
    onnx.save(whole, str(folder / "activations.onnx"))
    return {
        "as it is": original,
        "instrumented": instrumented,
        "whole activations": folder / "activations.onnx",
    }


def run_once(path: str, vocab: int, length: int, batch: int, repeats: int, optimize: bool) -> str:
    """The body of a measured process: one JSON object on a line."""
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    options.log_severity_level = 3
    began = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    made = time.perf_counter() - began
    ids = np.arange(batch * length).reshape(batch, length) % vocab
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        outputs = session.run(None, {session.get_inputs()[0].name: ids})
        seconds.append(time.perf_counter() - began)
    sizes = [np.asarray(output).nbytes for output in outputs]
    return json.dumps([seconds[1:], made, len(sizes), sum(sizes)])


def run(
    folder: Path, shape: Shape, length: int, batch: int, repeats: int, optimize: bool
) -> list[Cost]:
    """Measure all three models, in turns."""
    rows = []
    for name, path in prepare(folder, shape).items():
        result = folder / "result.json"
        call = f"run_once({str(path)!r}, {shape.vocab}, {length}, {batch}, {repeats}, {optimize})"
        code = "from basin.bench.instrument import run_once; "
        code += f"open({str(result)!r}, 'w').write({call})"
        sample = measure([sys.executable, "-c", code])
        if sample.status != 0:
            raise SystemExit(f"{name}: {sample.error}")
        seconds, made, count, size = json.loads(result.read_text())
        rows.append(Cost(name, statistics.median(seconds), made, sample.peak, count, size))
    return rows


def _session(path: Path, threads: int) -> ort.InferenceSession:
    """A session as `basin analyze` makes it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def turns(
    folder: Path,
    shape: Shape,
    length: int,
    batch: int,
    repeats: int,
    threads: int,
    also: list[Path],
) -> list[Turn]:
    """Run all models in turns, in this process; `also` are further instrumented models."""
    from basin.analysis.kinds import KINDS

    models = prepare(folder, shape)
    original = models["as it is"]
    for kind in KINDS:
        path = instrument(original, folder / f"{kind}.onnx", f"taps={kind}")
        models[f"{kind} taps alone"] = path
    for path in also:
        # Its weights are beside it, under the name that the model refers to.
        models[path.stem] = path
    sessions = {name: _session(path, threads) for name, path in models.items()}
    ids = np.arange(batch * length).reshape(batch, length) % shape.vocab
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for _ in range(repeats + 1):
        for name, session in sessions.items():
            began = time.process_time(), time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: ids})
            times[name].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    medians = {name: np.median(rows[1:], axis=0).tolist() for name, rows in times.items()}
    return [Turn(name, *medians[name]) for name in models]


def turns_table(rows: list[Turn]) -> str:
    """The rows as text, ratios to the first."""
    lines = [f"{'model':22} {'processor s':>11} {'ratio':>6} {'wall s':>8} {'ratio':>6}"]
    for row in rows:
        lines.append(
            f"{row.model:22} {row.processor:11.3f} {row.processor / rows[0].processor:6.3f} "
            f"{row.wall:8.3f} {row.wall / rows[0].wall:6.3f}"
        )
    return "\n".join(lines)


def table(rows: list[Cost]) -> str:
    """The rows as text, ratios to the first."""
    lines = [
        f"{'model':18} {'run s':>8} {'ratio':>6} {'session s':>9} {'peak MB':>8} "
        f"{'outputs':>8} {'their MB':>9}"
    ]
    for row in rows:
        lines.append(
            f"{row.model:18} {row.seconds:8.3f} {row.seconds / rows[0].seconds:6.2f} "
            f"{row.session:9.2f} {row.peak / 1e6:8.0f} {row.outputs:8} "
            f"{row.output_bytes / 1e6:9.2f}"
        )
    return "\n".join(lines)


def write_json(path: Path, rows: list[Cost] | list[Turn]) -> None:
    """Write the rows and the machine."""
    content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n")
