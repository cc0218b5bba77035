"""The forms of fused operators, for the suites that hold them to their promise: one place.

A model written in such a form computes what it computed before, except for rounding. The operators
sum in another order than the exporter's nodes, and round to f16 at other places.
"""

from __future__ import annotations

import os
from pathlib import Path

import basin
import numpy as np
import onnx

STANDARD_FORMS = ("operators:opset23", "operators:opset25")
FORMS = (*STANDARD_FORMS, "operators:ort")

# Relative to the largest finite element of the output.
TOLERANCE = {
    "f32": 1e-5,  # sums in another order, through a few layers
    "deep": 2e-4,  # the same through 30 layers, which carry each other's roundings on
    "f16": 4e-3,  # the same, rounded to 2^-11 at other places than the exporter's nodes
}

# ONNX Runtime registers these in ai.onnx. The standard does not have them.
RUNTIME_ONLY = {"SimplifiedLayerNormalization"}


def write(source: Path, target: Path, form: str, raising: str = "basin-raise") -> list[str]:
    """Write the model in a form. Returns the remarks."""
    model = basin.load(source)
    said = model.run(f"builtin.module({raising},convert-sink-to-onnx{{form={form}}})")
    model.save(target)
    return said


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest element. NaN equals NaN."""
    assert a.shape == b.shape and a.dtype == b.dtype
    x, y = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(x)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True) or not finite.any():
        return 0.0 if np.array_equal(x, y, equal_nan=True) else np.inf
    size = max(float(np.abs(x[finite]).max()), 1e-30)
    return float(np.abs(x[finite] - y[finite]).max()) / size


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes of a graph and of its subgraphs."""
    out = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                out += _nodes(inner)
    return out


def check(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Run onnx.checker. It gets ONNX Runtime's own operators in a domain unknown to it."""
    model = onnx.load(path)
    nodes = _nodes(model.graph)
    own = [n for n in nodes if n.op_type in RUNTIME_ONLY and n.domain == ""]
    for node in own:
        node.domain = "onnxruntime"
    if own:
        model.opset_import.append(onnx.helper.make_opsetid("onnxruntime", 1))
    onnx.checker.check_model(model)
    return model
