"""The model that is trained: as it is, or with what a scheme does to weights and activations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from basin import _basin
from basin._basin import BasinError
from basin.finetune.quantizer import fake_quantize, straight_through
from basin.model import load as load_model
from basin.quantization.calibration import calibrate
from basin.quantization.instrument import read_entries, write_instrumented
from basin.step_data import read_feeds
from basin.torch import Module, load
from basin.torch.graph import Call
from basin.torch.node import Function, Node
from basin.verification.sessions import open_session

__all__ = ["load_student"]


def load_student(
    source: Path, options: dict[str, str], tokens: Path, folder: Path
) -> tuple[Module, Path | None]:
    """The module for the model at `source`, and the file of calibrated magnitudes if it has one.

    `options` are those of the step quantize; without any the model stays as it is. Static scales
    are calibrated on `tokens` once, and stay. Files are made in `folder`. Raises BasinError,
    AnalysisError or VerifyError.
    """
    if not options:
        return load(source), None
    copy = folder / "student.onnx"
    load_model(source).save(copy, "copy")
    given = dict(options)
    calibration = folder / "calibration.onnx"
    feeds, _ = read_feeds("finetune", tokens, open_session(copy).get_inputs(), copy, None)
    has_static = calibrate(copy, given, feeds, calibration)
    if has_static:
        given["calibration"] = str(calibration)
    path = write_instrumented(copy, given, trials=True)
    module = load(path)
    module.source = source
    flags = {one["flag"] for key in ("projections", "groups") for one in read_entries(path, key)}
    _train_through(module, flags, _weights_of(options))
    return module, calibration if has_static else None


def _weights_of(options: dict[str, str]) -> dict[str, Any] | None:
    """The fields of the scheme's weights."""
    text = ""
    if "scheme-file" in options:
        text = Path(options["scheme-file"]).read_text("utf-8")
    elif options.get("scheme", "none") != "none":
        text = options["scheme"]
    if not text:
        return None
    fields: dict[str, Any] = yaml.safe_load(_basin.print_scheme(text))
    found: dict[str, Any] | None = fields.get("weights")
    return found


def _train_through(module: Module, flags: set[str], weights: dict[str, Any] | None) -> None:
    """Make each choice by a flag the quantized value, with the gradient of the other one."""
    graph = module._graph
    stored = set(module.names.values())
    readers: dict[str, Call] = {}
    for call in graph.calls:
        for name in call.node.inputs:
            readers.setdefault(name, call)
    for call in graph.calls:
        node = call.node
        if node.op != "Where" or node.inputs[0] not in flags:
            continue
        chosen = node.inputs[1]
        if chosen not in stored:
            call.function = _pass_gradient
            continue
        if weights is None:
            raise BasinError(f"{module.source}: '{chosen}' is a quantized weight of no scheme")
        call.function = _quantize_weight(weights, _depth_axis(readers[node.outputs[0]], node))
        # Its numbers are of the weights as they were.
        node.inputs[1] = ""
        module.remove(chosen)


def _depth_axis(reader: Call, weight: Node) -> int:
    """The axis of a product's matrix over which it sums."""
    node = reader.node
    if node.op not in ("MatMul", "Gemm") or node.inputs[1] != weight.outputs[0]:
        raise BasinError(f"node '{node.name}' ({node.op}) is no product with a quantized matrix")
    return 1 if node.get("transB", 0) else 0


def _pass_gradient(node: Node, inputs: Sequence[Any], device: torch.device) -> torch.Tensor:
    return straight_through(inputs[2], inputs[1])


def _quantize_weight(part: dict[str, Any], depth_axis: int) -> Function:
    def run(node: Node, inputs: Sequence[Any], device: torch.device) -> torch.Tensor:
        weight = inputs[2]
        rows = weight if depth_axis == 1 else weight.transpose(0, 1)
        made = fake_quantize(rows, part)
        return straight_through(weight, made if depth_axis == 1 else made.transpose(0, 1))

    return run
