"""ONNX from a testbed model, by either of PyTorch's exporters, batch and length symbolic."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import torch

from basin.testbed import TestbedError
from basin.testbed.model import Decoder

# exporter -> (opset by default, lowest that it writes for these models)
EXPORTERS = {"script": (17, 14), "dynamo": (18, 18)}


def export(model: Decoder, out: Path, exporter: str = "script", opset: int | None = None) -> None:
    """Write `input_ids` [batch, seq] (int64) -> `logits` [batch, seq, vocab] to `out`.

    Raises TestbedError for an unknown exporter or an opset below its lowest. The dynamo exporter
    needs onnxscript.
    """
    if exporter not in EXPORTERS:
        raise TestbedError(
            f"exporter: expected one of {', '.join(EXPORTERS)}, but got {exporter!r}"
        )
    default, lowest = EXPORTERS[exporter]
    opset = default if opset is None else opset
    if opset < lowest:
        raise TestbedError(
            f"opset: expected {lowest} or later for the {exporter} exporter, but got {opset}"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    names = {0: "batch", 1: "seq"}
    axes = {"input_ids": names, "logits": names}
    if exporter == "dynamo":
        dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("seq")}
        options = dict(dynamo=True, dynamic_shapes=(dims,), external_data=False, verbose=False)
    else:
        options = dict(dynamo=False, dynamic_axes=axes)
    sample = torch.ones(2, 8, dtype=torch.int64)
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval().cpu(),
            (sample,),
            str(out),
            opset_version=opset,
            input_names=["input_ids"],
            output_names=["logits"],
            **options,
        )
