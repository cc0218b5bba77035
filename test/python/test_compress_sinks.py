"""Logits in place of a prefix's keys and values: what is measured, tried and written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from trained_models import BIGRAM, ROOT

basin = pytest.importorskip("basin", reason="the extension is not built")
from basin.testbed.bigram import BigramTask  # noqa: E402
from basin.verification.distance import OutputDistance  # noqa: E402

EXPORTED = ROOT / "test" / "models" / "exported"
# A model and its prefix. The Llamas' heads share keys in pairs.
MODELS = {
    "bigram": (BIGRAM, [64]),
    "llama-eager": (EXPORTED / "llama-eager-script17.onnx", [1, 2]),
    "llama-sdpa": (EXPORTED / "llama-sdpa-dynamo18.onnx", [1]),
}
IDS = np.random.default_rng(0).integers(0, 40, (4, 31))


@pytest.fixture(scope="module", params=sorted(MODELS))
def absorbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, prefix = MODELS[request.param]
    target = tmp_path_factory.mktemp("absorbed") / f"{request.param}.onnx"
    model = basin.load(path)
    model.rewrite(("absorb-prefix", {"ids": prefix}))
    model.save(target)
    return target


def feed(session: ort.InferenceSession, ids: np.ndarray = IDS) -> dict[str, np.ndarray]:
    made = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return {one.name: made[one.name] for one in session.get_inputs()}


def open_plain(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options)


def instrument(path: Path, target: Path) -> tuple[ort.InferenceSession, list, dict]:
    """The instrumented model, whose parameters a run can be given, and these."""
    model = basin.load(path)
    model.run("basin-raise,sink-instrument-sinks,convert-sink-to-onnx")
    model.save(target)
    proto = onnx.load(target)
    described = json.loads({e.key: e.value for e in proto.metadata_props}["basin.sinks-run"])
    wanted = {one[part] for one in described for part in ("key", "value", "logit")}
    given = {}
    for tensor in proto.graph.initializer:
        if tensor.name in wanted:
            given[tensor.name] = numpy_helper.to_array(tensor)
            proto.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    onnx.save(proto, target)
    assert set(given) == wanted
    return open_plain(target), described, given


def fit(measured: list[np.ndarray]) -> np.ndarray:
    """The logit of each head with the least squared error of the head's output, [H]."""
    _, rest, uu, uo, oo = (x.astype(np.float64) for x in measured)
    share = 1 / (1 + np.exp(measured[0].astype(np.float64) - rest))
    best, least = None, None
    for logit in np.linspace(-12, 25, 741):
        factor = 1 / (1 + np.exp(logit - rest)) / share
        error = (factor**2 * uu - 2 * factor * uo + oo).sum(axis=(0, 2))
        if least is None:
            best, least = np.full(error.shape, logit), error
        best, least = np.where(error < least, logit, best), np.minimum(error, least)
    return best


def convert(one: dict, given: dict, logits: np.ndarray) -> dict[str, np.ndarray]:
    """What the instrumented model is given to try a conversion. Heads with -inf stay."""
    heads, groups = one["heads"], one["groups"]
    out = {}
    for part in ("key", "value"):
        rows, axis = given[one[part]].copy(), one[f"{part}_axis"]
        blocks = np.split(rows, groups, axis=axis)
        for group, block in enumerate(blocks):
            if np.isfinite(logits[group * heads // groups]):
                block[...] = 0
        out[one[part]] = np.concatenate(blocks, axis=axis)
    lowest = np.finfo(np.float32).min
    with np.errstate(all="ignore"):
        left = np.where(np.isfinite(logits), 1 - one["count"] * np.exp(-logits), 0)
        out[one["logit"]] = np.where(left > 0, logits + np.log(left), lowest).astype(np.float32)
    return out


def compress(path: Path, target: Path, fits: dict[str, np.ndarray]) -> None:
    tensors = [numpy_helper.from_array(x.astype(np.float32), name) for name, x in fits.items()]
    graph = onnx.helper.make_graph([], "fit", [], [], initializer=tensors)
    file = target.with_suffix(".fit.onnx")
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), file)
    model = basin.load(path)
    model.run(f"basin-raise,sink-compress-sinks{{fit={file}}},convert-sink-to-onnx")
    model.save(target)


def divergence(before: np.ndarray, after: np.ndarray) -> float:
    distance = OutputDistance("logits")
    distance.add("", before, after, is_logits=True)
    assert distance.mean_divergence is not None
    return distance.mean_divergence


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= 2e-5 * np.abs(a).max())


def test_instrumented_model_computes_the_same(absorbed: Path, tmp_path: Path) -> None:
    session, described, _ = instrument(absorbed, tmp_path / "m.onnx")
    plain = open_plain(absorbed)
    assert described
    outputs = [o.name for o in plain.get_outputs()]
    before, after = plain.run(outputs, feed(plain)), session.run(outputs, feed(plain))
    assert all(close(x, y) for x, y in zip(before, after, strict=True))


def test_measured_products_are_those_of_the_head(absorbed: Path, tmp_path: Path) -> None:
    """u is a part of o, so Cauchy's inequality holds, and each query has its shares of both."""
    session, described, _ = instrument(absorbed, tmp_path / "m.onnx")
    for one in described:
        sink, rest, uu, uo, oo = session.run(one["outputs"], feed(open_plain(absorbed)))
        assert sink.shape == (len(IDS), one["heads"], IDS.shape[1]) == oo.shape
        assert np.isfinite(sink).all() and np.isfinite(rest).all()
        assert (uu >= 0).all() and (uo**2 <= uu * oo * (1 + 1e-4) + 1e-9).all()


@pytest.mark.parametrize("kept", ["none", "first", "all but first"])
def test_what_is_tried_is_what_is_written(absorbed: Path, kept: str, tmp_path: Path) -> None:
    """A conversion has the outputs of the instrumented model that was given the same."""
    session, described, given = instrument(absorbed, tmp_path / "m.onnx")
    plain = open_plain(absorbed)
    output = plain.get_outputs()[0].name
    fits, values = {}, dict(feed(plain))
    for one in described:
        # High enough that the rows' own exp(0) does not matter.
        logits = np.linspace(2, 6, one["heads"])
        first = np.arange(one["heads"]) < one["heads"] // one["groups"]
        if kept == "first":
            logits[first] = -np.inf
        elif kept == "all but first":
            logits[~first] = -np.inf
        fits[one["attention"]] = logits
        values |= convert(one, given, logits)
    target = tmp_path / "out.onnx"
    compress(absorbed, target, fits)
    written = open_plain(target)
    after = written.run([output], feed(plain))[0]
    assert close(session.run([output], values)[0], after)
    if any(np.isfinite(logits).any() for logits in fits.values()):
        assert not close(plain.run([output], feed(plain))[0], after)


def test_bigram_sinks_are_logits(tmp_path: Path) -> None:
    """Two heads of the bigram model use BOS as a sink alone: as logits they cost next to nothing.

    The other one, of the first layer, reads BOS's value, so it costs thousands of times as much.
    """
    target = tmp_path / "absorbed.onnx"
    model = basin.load(BIGRAM)
    model.rewrite(("absorb-prefix", {"ids": [64]}))
    model.save(target)
    ids, _ = BigramTask(batch=1, seq=64, seed=0).held_out()
    session, described, given = instrument(target, tmp_path / "m.onnx")
    plain = open_plain(target)
    output = plain.get_outputs()[0].name
    to_fit, to_measure = (feed(plain, part[:, 1:]) for part in (ids[:32], ids[32:]))
    before = plain.run([output], to_measure)[0]
    fits = {one["attention"]: fit(session.run(one["outputs"], to_fit)) for one in described}
    costs = {}
    for one in described:
        assert (one["heads"], one["groups"], one["count"]) == (1, 1, 1)
        values = to_measure | convert(one, given, fits[one["attention"]])
        costs[one["attention"]] = divergence(before, session.run([output], values)[0])
    first, *sinks = sorted(costs, key=lambda name: -costs[name])
    assert first.startswith("/blocks.0/") and len(sinks) == 2

    compress(target, tmp_path / "two.onnx", {name: fits[name] for name in sinks})
    after = open_plain(tmp_path / "two.onnx").run([output], to_measure)[0]
    assert divergence(before, after) <= 1e-4
    # Their rows are gone, and what was written is recognized again.
    names = {tensor.name for tensor in onnx.load(tmp_path / "two.onnx").graph.initializer}
    assert {name for name in names if name.endswith(".sink_logit")} == {
        f"{name}.sink_logit" for name in sinks
    }
    assert {name for name in names if name.endswith(".prefix_key")} == {f"{first}.prefix_key"}
    found = basin.load(tmp_path / "two.onnx").inspect()["attention"]
    assert [one["sink_logit"] for one in found] == [False, True, True]

    compress(target, tmp_path / "all.onnx", fits)
    after = open_plain(tmp_path / "all.onnx").run([output], to_measure)[0]
    assert divergence(before, after) > 0.1
