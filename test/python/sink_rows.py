"""Models whose prefix was absorbed, and conversions of its rows by the passes themselves."""

from __future__ import annotations

from pathlib import Path

import basin
import numpy as np
import onnxruntime as ort
from basin.prefix import write_tensors
from basin.sink_trials import Conversion, InstrumentedModel
from basin.verification.distance import OutputDistance


def absorb(path: Path, prefix: list[int], target: Path) -> Path:
    model = basin.load(path)
    model.rewrite(("absorb-prefix", {"ids": prefix}))
    model.save(target)
    return target


def feed(session: ort.InferenceSession, ids: np.ndarray) -> dict[str, np.ndarray]:
    made = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
    }
    return {one.name: made[one.name] for one in session.get_inputs()}


def open_plain(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options)


def instrument(path: Path, target: Path, options: str = "") -> InstrumentedModel:
    model = basin.load(path)
    model.run(f"basin-raise,sink-instrument-sinks{{{options}}},convert-sink-to-onnx")
    model.save(target)
    return InstrumentedModel(target)


def compress(path: Path, target: Path, conversions: dict[str, Conversion]) -> None:
    tensors = {}
    for name, given in conversions.items():
        tensors[name] = given.logits.astype(np.float32)
        if given.values is not None:
            tensors[f"{name}.sink_value"] = given.values.astype(np.float32)
    file = target.with_suffix(".fit.onnx")
    write_tensors(tensors, file)
    model = basin.load(path)
    model.run(f"basin-raise,sink-compress-sinks{{fit={file}}},convert-sink-to-onnx")
    model.save(target)


def divergence(before: np.ndarray, after: np.ndarray) -> float:
    distance = OutputDistance("logits")
    distance.add("", before, after, is_logits=True)
    assert distance.mean_divergence is not None
    return distance.mean_divergence
