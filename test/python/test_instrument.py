"""Instrumented models: their own outputs do not change, and each statistic is that of numpy."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import reference_taps
from onnx import helper

basin = pytest.importorskip("basin")
from basin.inputs.random_inputs import make_inputs  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
MODELS = [
    path
    for path in sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
    if json.loads(path.with_suffix("").with_suffix(".expect.json").read_text()).get(
        "ort_runs", True
    )
]
TRAINED = [SHARED] if SHARED.exists() else []
TRAINED += sorted((ROOT / "models").glob("*.onnx"))
# Single precision may differ by this if it is summed in another order. f16 models compute the same
# value in f16 or, if fused, in f32.
TOLERANCE, TOLERANCE_F16 = 2e-5, 4e-3


def session(model: Path | bytes, optimize: bool = False) -> ort.InferenceSession:
    """The model in ONNX Runtime, each node as it stands."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    source = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def instrument(path: Path, target: Path, options: str = "") -> list[str]:
    """Write the instrumented model; returns the remarks."""
    model = basin.load(path)
    passes = f"basin-raise,sink-instrument-outliers{options},convert-sink-to-onnx"
    remarks = model.run(f"builtin.module({passes})")
    model.save(target)
    return remarks


def statistics_of(model: ort.InferenceSession) -> dict[str, Any]:
    """What the model says of its statistics."""
    return json.loads(model.get_modelmeta().custom_metadata_map["basin.statistics"])


def run(model: ort.InferenceSession, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name."""
    return dict(zip([o.name for o in model.get_outputs()], model.run(None, feed)))


def feed_of(path: Path, model: ort.InferenceSession) -> dict[str, np.ndarray]:
    """The model's inputs. If it has a mask, the last token of the first sequence is padding."""
    stored = path.with_suffix("").with_suffix(".inputs.npz")
    values = dict(np.load(stored)) if stored.exists() else make_inputs(path, model, 3).values
    mask = values.get("attention_mask")
    tokens = values.get("input_ids", np.zeros((1, 1))).shape[1]
    if mask is not None and mask.ndim == 2 and mask.shape[0] > 1 and tokens > 1:
        mask = mask.copy()
        mask[0, -1:] = 0
        values["attention_mask"] = mask
    return values


@pytest.mark.parametrize("path", MODELS + TRAINED, ids=lambda p: p.stem)
def test_own_outputs_are_bit_identical(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    instrument(path, target)
    before, after = session(path), session(target)
    feed = feed_of(path, before)
    outputs = run(after, feed)
    assert len(outputs) > len(before.get_outputs())
    for name, value in run(before, feed).items():
        assert np.asarray(value).tobytes() == np.asarray(outputs[name]).tobytes(), name


class Graph:
    """A model whose inner values can be read as outputs."""

    def __init__(self, path: Path) -> None:
        self.model = onnx.load(path)
        self.producer = {o: node for node in self.model.graph.node for o in node.output}
        self.inputs = {i.name for i in self.model.graph.input}
        self.weights = {t.name: onnx.numpy_helper.to_array(t) for t in self.model.graph.initializer}

    def __contains__(self, name: str) -> bool:
        return name in self.producer or name in self.inputs or name in self.weights

    def values(self, names: set[str], feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The values of that name in one run."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        have = {o.name for o in model.graph.output}
        wanted = [n for n in names if n in self.producer]
        for name in wanted:
            if name not in have:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
        found = run(session(model.SerializeToString()), feed)
        weights = {n: self.weights[n] for n in names if n in self.weights}
        return {n: found[n] for n in wanted} | weights | {n: feed[n] for n in names if n in feed}


def keep_of(settings: dict[str, Any], feed: dict[str, np.ndarray], shape: tuple) -> np.ndarray:
    """keep [B, T], which are the mask's last columns, or all true without a mask."""
    name = settings["token_mask"]
    if name is None:
        return np.ones(shape[:2], bool)
    return feed[name].astype(bool)[:, -shape[1] :]


def compare(name: str, got: np.ndarray, want: np.ndarray, tolerance: float) -> None:
    """Check that integers are equal, and floats equal up to `tolerance` times the largest."""
    assert got.shape == want.shape, (name, got.shape, want.shape)
    if got.dtype.kind in "iu":
        assert np.array_equal(got, want), name
        return
    scale = max(float(np.abs(want).max(initial=0)), 1e-6)
    assert np.abs(got - want).max(initial=0) <= tolerance * scale, name


def tensors_of(graph: Graph, taps: list[dict[str, Any]]) -> set[str]:
    """Names of the values that the references of `taps` start from."""
    return {n for tap in taps for n in [tap["name"], *tap.get("inputs", [])] if n in graph}


def summed(tap: dict[str, Any], values: dict[str, np.ndarray]) -> np.ndarray | None:
    """The value that a residual or norm tap measures, or the sum that a fused norm keeps."""
    names = tap.get("inputs", [tap["name"]])
    if not all(name in values for name in names):
        return None
    return sum(values[name].astype(np.float32) for name in names)


@pytest.mark.parametrize("path", MODELS + TRAINED, ids=lambda p: p.stem)
def test_streams_and_projections(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    instrument(path, target)
    model = session(target)
    settings = statistics_of(model)
    feed = feed_of(path, model)
    outputs = run(model, feed)
    graph = Graph(path)
    taps = [t for t in settings["taps"] if t["kind"] in ("residual", "projection")]
    values = graph.values(tensors_of(graph, taps), feed)
    compared = 0
    for tap in taps:
        x = summed(tap, values)
        if x is None or not tap["batched"]:
            continue
        batch, length = feed[settings["token_ids"]].shape
        if batch != length and x.shape[:2] == (length, batch):
            # Models of torch's MultiheadAttention have the sequence first.
            x = x.reshape(length, batch, -1).swapaxes(0, 1)
        elif x.ndim != 3:
            x = x.reshape(batch, length, -1)
        tolerance = TOLERANCE_F16 if values[tap["name"]].dtype != np.float32 else TOLERANCE
        kind = getattr(reference_taps, tap["kind"])
        want = kind(x, keep_of(settings, feed, x.shape), settings)
        assert set(tap["outputs"]) == set(want)
        for name, expected in want.items():
            got = outputs[tap["outputs"][name]]
            if tolerance != TOLERANCE and got.dtype.kind == "i":
                continue  # rounding may move a count to a neighbouring bin
            compare(f"{tap['name']}.{name}", got, expected, tolerance)
        compared += 1
    if not any("branch" in tap for tap in taps) and "functions" not in path.stem:
        assert compared >= len(taps) - 1


@pytest.mark.parametrize("path", MODELS + TRAINED, ids=lambda p: p.stem)
def test_norms(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    instrument(path, target)
    model = session(target)
    settings = statistics_of(model)
    feed = feed_of(path, model)
    outputs = run(model, feed)
    graph = Graph(path)
    taps = [t for t in settings["taps"] if t["kind"] == "norm" and t["batched"]]
    values = graph.values(tensors_of(graph, taps), feed)
    for tap in taps:
        x = summed(tap, values)
        if x is None or tap["pre_affine"]:
            continue
        tolerance = TOLERANCE_F16 if values[tap["name"]].dtype != np.float32 else TOLERANCE
        gamma = outputs[tap["outputs"]["weight"]] if "weight" in tap["outputs"] else None
        got = {name: outputs[output] for name, output in tap["outputs"].items()}
        layer = tap["norm"] == "layer_norm"
        keep = keep_of(settings, feed, x.shape)
        want = reference_taps.norm(x, values[tap["name"]], keep, gamma, None, layer)
        for name in ("share", "bound"):
            compare(f"{tap['name']}.{name}", got[name], want[name], tolerance)
        # The measured size is that of the result without the bias, and it must be below the bound.
        if not layer:
            compare(tap["name"], got["output_rms"], want["output_rms"], tolerance)
        assert (got["output_rms"] <= got["bound"] * (1 + 10 * tolerance) + 1e-6).all(), tap["name"]


@cache
def find_products(path: Path) -> dict[str, tuple[str, str]]:
    """Results of MatMul(probabilities, values): name -> names of its operands."""
    graph = Graph(path)
    views = ("Cast", "Dropout", "Identity", "Where", "Slice", "Split")
    out = {}
    for node in graph.model.graph.node:
        if node.op_type != "MatMul":
            continue
        source = graph.producer.get(node.input[0])
        while source is not None and source.op_type in views:
            # torch guards against rows that see nothing: Where(IsNaN(p), 0, p)
            source = graph.producer.get(source.input[2 if source.op_type == "Where" else 0])
        if source is not None and source.op_type == "Softmax":
            out[node.output[0]] = (node.input[0], node.input[1])
    return out


def attention_taps(path: Path, settings: dict[str, Any]) -> list[tuple[dict[str, Any], str, str]]:
    """Attention taps whose probabilities the model's own graph has, in program order."""
    names = find_products(path)
    taps = [t for t in settings["taps"] if t["kind"] == "attention" and "branch" not in t]
    if len(taps) != len(names):
        return []
    return [(tap, *pair) for tap, pair in zip(taps, names.values())]


@pytest.mark.parametrize("path", MODELS + TRAINED, ids=lambda p: p.stem)
def test_attention_against_the_models_own_softmax(path: Path, tmp_path: Path) -> None:
    graph = Graph(path)
    if not any(node.op_type == "Softmax" for node in graph.model.graph.node):
        pytest.skip("its attention is a fused operator, or inside a function or an If")
    target = tmp_path / "out.onnx"
    instrument(path, target)
    model = session(target)
    settings = statistics_of(model)
    feed = feed_of(path, model)
    outputs = run(model, feed)
    pairs = attention_taps(path, settings)
    values = graph.values({n for _, *names in pairs for n in names}, feed)
    assert pairs
    for tap, weights, value_name in pairs:
        p, v = values[weights], values[value_name]
        tolerance = TOLERANCE_F16 if p.dtype != np.float32 else TOLERANCE
        heads, kv_heads = tap["heads"], tap["kv_heads"]
        p = p.reshape(-1, heads, *p.shape[-2:])
        v = v.reshape(-1, v.shape[-3] if v.ndim == 4 else heads, *v.shape[-2:])
        v = v[:, :: max(1, v.shape[1] // kv_heads)]
        # Rows of sinks stand before the keys, but behind those of torch's MultiheadAttention.
        keys = outputs[tap["outputs"]["mass"]].shape[2]
        start = 0 if path.stem.startswith("mha-") else p.shape[-1] - keys
        p, v = p[..., start : start + keys], v[..., start : start + keys, :]
        keep = keep_of(settings, feed, (p.shape[0], p.shape[2]))
        visible = (p > 0).any(axis=1, keepdims=True)
        want = reference_taps.attention(p, v, keep, visible, settings)
        for name, output in tap["outputs"].items():
            if name in want:
                compare(f"{tap['name']}.{name}", outputs[output], want[name], tolerance)


@pytest.mark.parametrize("path", MODELS + TRAINED, ids=lambda p: p.stem)
def test_attention_gives_the_models_own_result(path: Path, tmp_path: Path) -> None:
    """The measured probabilities times the values are the result of the attention, fused or not."""
    target = tmp_path / "out.onnx"
    instrument(path, target)
    settings = statistics_of(session(target))
    graph = Graph(target)
    taps = [t for t in settings["taps"] if t["kind"] == "attention" and t["name"] in graph]
    if not taps:
        pytest.skip("its attention is inside a function or an If")
    inner = {t["id"]: measured_tensors(graph, t["id"]) for t in taps}
    names = {n for pair in inner.values() for n in pair}
    names |= {n for t in taps for n in [t["name"], *ungated(graph, t["name"])]}
    feed = feed_of(path, session(target))
    values = graph.values(names, feed)
    for tap in taps:
        p, v = (values[name].astype(np.float64) for name in inner[tap["id"]])
        if tap["sinks"] and re.search("sink-kv|mha-b", path.stem):
            continue  # the result has values of the learned rows, which are not among the keys'
        result = p @ np.repeat(v, p.shape[1] // v.shape[1], axis=1)
        keep = keep_of(settings, feed, (p.shape[0], p.shape[2]))
        dtype = values[tap["name"]].dtype
        tolerance = 5 * (TOLERANCE_F16 if dtype != np.float32 else TOLERANCE)
        # The product with a gate has no name of its own, but its operands do.
        candidates = [values[name] for name in ungated(graph, tap["name"])]
        assert any(is_result(own, result, keep, tolerance) for own in candidates), tap["name"]


def ungated(graph: Graph, name: str) -> list[str]:
    """The operands of the product with a gate that `name` is, or `name` itself."""
    node = graph.producer[name]
    return list(node.input) if node.op_type == "Mul" else [name]


def is_result(own: np.ndarray, result: np.ndarray, keep: np.ndarray, tolerance: float) -> bool:
    """Whether `own` is `result` [B, H, T, d] in some layout, at the tokens that count."""
    if own.size != result.size:
        return False
    if own.ndim == 4 and own.shape == result.shape:
        own = own.transpose(0, 2, 1, 3)
    elif own.ndim == 3 and own.shape[0] != keep.shape[0]:
        own = own.reshape(result.shape).transpose(0, 2, 1, 3)
    own = own.astype(np.float64).reshape(*keep.shape, -1)[keep]
    result = result.transpose(0, 2, 1, 3).reshape(*keep.shape, -1)[keep]
    return bool(np.abs(own - result).max() <= tolerance * max(np.abs(result).max(), 1e-6))


def measured_tensors(graph: Graph, tap: int) -> tuple[str, str]:
    """Names of a tap's probabilities (without learned columns) and values."""
    mass, norm = (graph.producer[f"basin.{tap}.{name}"] for name in ("mass", "value_norm"))
    square = graph.producer[graph.producer[norm.input[0]].input[0]]
    return mass.input[0], square.input[0]
