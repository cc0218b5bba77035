"""The operands of a raised op describe what its nodes compute: each model without the forms.

Raising keeps the exporter's nodes in each op's form. Here the forms are dropped, so lowering builds
the decompositions from operands and attributes alone. The outputs must then agree except for
rounding. A wrong operand, scale or mask shows, although the form would hide it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from test_sink_decompositions import BIN

basin = pytest.importorskip("basin")

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = ROOT / "test" / "models" / "exported"
RAISE = "basin-raise"

# Relative to the largest output.
TOLERANCE = {
    "f32": 1e-5,  # reductions in another order, through a few layers
    "f16": 4e-3,  # the same, rounded to 2^-11 at other places than the exporter's
}


class Refused(Exception):
    """The decomposition of an op was refused with a diagnostic."""


def without_forms(text: str) -> str:
    """The module with each sink op's region dropped."""
    out: list[str] = []
    closing = None
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        if closing is not None:
            closing = None if line == closing else closing
        elif re.search(r"= sink\.\w+ .* \{$", line) and following.lstrip().startswith("^bb0"):
            out.append(line.removesuffix(" {"))
            closing = line[: len(line) - len(line.lstrip())] + "}"
        else:
            out.append(line)
    return "\n".join(out)


def decompose(source: Path, folder: Path) -> Path:
    """The model at `source`, raised and lowered without the forms."""
    model = basin.load(source)
    model.run(RAISE)
    bare, lowered, target = (folder / name for name in ("bare.mlir", "onnx.mlir", "bare.onnx"))
    bare.write_text(without_forms(model.text(large=True)))
    command = [BIN / "basin-opt", bare, "--convert-sink-to-onnx", "-o", lowered]
    lower = subprocess.run(command, capture_output=True, text=True, check=False)
    if lower.returncode != 0:
        raise Refused(lower.stderr)
    subprocess.run([BIN / "basin-translate", "--mlir-to-onnx", lowered, "-o", target], check=True)
    return target


def outputs(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def weights(path: Path) -> list[onnx.TensorProto]:
    return list(onnx.load(path).graph.initializer)


def assert_same_function(source: Path, inputs: dict[str, np.ndarray], folder: Path) -> None:
    before, after = outputs(source, inputs), outputs(decompose(source, folder), inputs)
    assert len(before) == len(after)
    for a, b in zip(before, after):
        assert a.shape == b.shape and a.dtype == b.dtype
        half = any(t.data_type == onnx.TensorProto.FLOAT16 for t in weights(source))
        error = np.abs(a.astype(np.float64) - b).max() / np.abs(a).max()
        assert error <= TOLERANCE["f16" if half else "f32"]


MODELS = [
    path
    for path in sorted(EXPORTED.glob("*.onnx"))
    if json.loads(path.with_suffix("").with_suffix(".expect.json").read_text()).get(
        "ort_runs", True
    )
]

# These cannot be decomposed without the form: operands that its operator projects, and inner values
# that are used outside.
REFUSALS = ("no operator in its form says", "further ones are inner values")


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_operands_say_what_the_nodes_compute(path: Path, tmp_path: Path) -> None:
    inputs = dict(np.load(path.with_suffix("").with_suffix(".inputs.npz")))
    try:
        assert_same_function(path, inputs, tmp_path)
    except Refused as refused:
        assert any(reason in str(refused) for reason in REFUSALS)
