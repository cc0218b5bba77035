"""The stages of a case, each run in a process of its own: export, inspect, verify.

Each function takes plain values and returns what JSON can hold. Whoever calls them keeps the rows.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from basin.bench.recognize.cases import Case
from basin.bench.recognize.catalog import ARCHS

# Changes where exports are made otherwise than before.
FORMAT = "2"
KINDS = ("attention", "layer_norms", "rms_norms", "rotary")


def versions(*packages: str) -> str:
    """The versions of installed packages, as a part of a key."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} none")
    return ", ".join(found)


def digest(data: bytes) -> str:
    """A short digest."""
    return hashlib.sha256(data).hexdigest()[:12]


@cache
def basin_digest() -> str:
    """Identifies the build of Basin's extension."""
    from basin import _basin

    return digest(Path(_basin.__file__).read_bytes())


def export_key(case: Case) -> str:
    """What an export depends on."""
    if case.arch in ARCHS:
        made_of = repr(ARCHS[case.arch]).encode()
    else:
        source = "graphs.py" if case.exporter == "hand" else "plain.py"
        made_of = Path(__file__).with_name(source).read_bytes()
    packages = versions("torch", "transformers", "onnxscript", "onnx")
    return f"{case.id}; {packages}; {digest(made_of)}; {FORMAT}"


def export(case: Case, target: Path) -> dict[str, Any]:
    """Export the case's model; returns what it computes."""
    from basin.bench.recognize import exporting, graphs

    if case.exporter == "hand":
        return {"expected": graphs.export(case.arch, target), "bytes": target.stat().st_size}
    return {"expected": exporting.export(case, target), "bytes": target.stat().st_size}


def example(path: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The inputs and torch's results that were written beside an export."""
    with np.load(path) as file:
        stored = dict(file)
    inputs = {name[3:]: value for name, value in stored.items() if name.startswith("in.")}
    return inputs, [stored[f"out.{i}"] for i in range(len(stored) - len(inputs))]


def run_model(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The results of ONNX Runtime on the CPU without its optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kept = {one.name for one in session.get_inputs()}
    return session.run(None, {name: value for name, value in inputs.items() if name in kept})


def distance(results: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest value of each tensor."""
    worst = 0.0
    for one, other in zip(results, wanted):
        if one.shape != other.shape:
            return float("inf")
        difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
        scale = float(np.abs(other.astype(np.float64)).max(initial=1e-6))
        worst = max(worst, float(difference.max(initial=0.0)) / scale)
    return worst if np.isfinite(worst) else float("inf")


def run(path: Path) -> dict[str, Any]:
    """Run the export in ONNX Runtime on the example; returns how far it is from torch."""
    inputs, wanted = example(path.with_suffix(".npz"))
    return {"distance": min(distance(run_model(path, inputs), wanted), 1e30)}


def counts(found: dict[str, Any]) -> dict[str, int]:
    """How many of each kind an inspection lists."""
    kinds = Counter(norm["kind"] for norm in found["norms"])
    return {
        "attention": len(found["attention"]),
        "layer_norms": kinds["layer"],
        "rms_norms": kinds["rms"],
        "rotary": len(found["rotary"]),
    }


def inspect(path: Path) -> dict[str, Any]:
    """What Basin finds, and why it does not recognize the rest."""
    import basin

    found = basin.load(path).inspect()
    reasons = Counter((row["op"], row["reason"]) for row in found["unrecognized"])
    return {
        "found": counts(found),
        "streams": len(found["residual_streams"]),
        "reasons": [[op, reason, number] for (op, reason), number in reasons.most_common()],
    }


def verify(path: Path) -> dict[str, Any]:
    """Compare each raised op with its meaning in ONNX Runtime.

    The inputs are drawn. A model that takes only some sizes runs on its example instead.
    """
    from basin.errors import VerifyError
    from basin.inputs.drawn_inputs import Case as Drawn
    from basin.verification.recognition import check_recognition

    stored = path.with_name(path.name.split("@")[0].removesuffix(".onnx") + ".npz")
    inputs = "drawn"
    try:
        report = check_recognition(path)
    except VerifyError:
        inputs, values = "example", example(stored)[0]
        report = check_recognition(path, [Drawn("example", _taken(path, values))])
    wrong = [f"{op.kind} {op.name}: {op.differs}" for op in report.ops if op.differs]
    return {
        "compared": sum(op.compared for op in report.ops),
        "not_compared": sum(not op.compared for op in report.ops),
        "inputs": inputs,
        "wrong": wrong,
    }


def _taken(path: Path, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The values that the model has inputs for."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return {one.name: values[one.name] for one in graph.input if one.name in values}
