"""Logits, and values, in place of a prefix's keys and values: measured, tried and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from trained_models import BIGRAM

basin = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.inputs.drawn_inputs import FEW, draw_cases  # noqa: E402
from basin.sink_choice import fit_groups, join_groups  # noqa: E402
from basin.sink_trials import Conversion  # noqa: E402
from basin.verification.proof import is_narrow  # noqa: E402
from basin.verification.runners import RuntimeRunner  # noqa: E402
from sink_rows import absorb, compress, feed, instrument, open_plain  # noqa: E402
from test_absorb_prefix import EXPORTED as EXPORTED_MODELS  # noqa: E402
from test_absorb_prefix import REFUSED as NOT_ABSORBED  # noqa: E402

# A model and its prefix. The Llamas' heads share keys in pairs.
MODELS = {
    "bigram": (BIGRAM, [64]),
    "llama-eager": (EXPORTED_MODELS["llama-eager-script17"], [1, 2]),
    "llama-sdpa": (EXPORTED_MODELS["llama-sdpa-dynamo18"], [1]),
    "llama-attention": (EXPORTED_MODELS["llama-sdpa-dynamo23"], [1, 2]),
    "gpt2": (EXPORTED_MODELS["gpt2-eager-script17"], [3]),
}
IDS = np.random.default_rng(0).integers(0, 40, (4, 31))
# Its RotaryEmbedding takes one sequence alone.
ONE_SEQUENCE = "llama-attention"
HEADS = ("logit", "logit and value")


@pytest.fixture(scope="module", params=sorted(MODELS))
def absorbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, prefix = MODELS[request.param]
    return absorb(path, prefix, tmp_path_factory.mktemp("absorbed") / f"{request.param}.onnx")


def feed_all(path: Path) -> dict[str, np.ndarray]:
    return feed(open_plain(path), IDS[:1] if path.stem == ONE_SEQUENCE else IDS)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= 2e-5 * np.abs(a).max())


def test_instrumented_model_computes_the_same(absorbed: Path, tmp_path: Path) -> None:
    """Also with values, if these are taken off the rows."""
    instrumented = instrument(absorbed, tmp_path / "m.onnx")
    plain = open_plain(absorbed)
    outputs = [o.name for o in plain.get_outputs()]
    before = plain.run(outputs, feed_all(absorbed))
    assert instrumented.attentions
    rng = np.random.default_rng(1)
    moved: dict[str, np.ndarray] = {}
    for one in instrumented.attentions:
        assert one.sink_value is not None
        size = instrumented.parameters[one.sink_value].size // one.groups
        moved |= instrumented.shift_values(one, rng.normal(size=(one.groups, size)))
    for given in ({}, moved):
        after = instrumented.run(feed_all(absorbed), given)
        assert all(close(x, after[name]) for name, x in zip(outputs, before, strict=True))


def test_measured_products_are_those_of_the_head(absorbed: Path, tmp_path: Path) -> None:
    """u is a part of o, so Cauchy's inequality holds, and each query has its shares of both."""
    instrumented = instrument(absorbed, tmp_path / "m.onnx")
    found = instrumented.run(feed_all(absorbed), {})
    for one in instrumented.attentions:
        sink, rest, uu, uo, oo = (found[name] for name in one.outputs)
        assert (
            sink.shape
            == (len(feed_all(absorbed)["input_ids"]), one.heads, IDS.shape[1])
            == oo.shape
        )
        assert np.isfinite(sink).all() and np.isfinite(rest).all()
        assert (uu >= 0).all() and (uo**2 <= uu * oo * (1 + 1e-4) + 1e-9).all()
        # Without a value its products are zeros.
        assert not any(found[name].any() for name in one.value_outputs[1:])


def test_products_with_the_value(absorbed: Path, tmp_path: Path) -> None:
    """For one row c is its value v: (o - u) . v = P v . v, and P c sums to a multiple of v."""
    instrumented = instrument(absorbed, tmp_path / "m.onnx")
    for one in instrumented.attentions:
        if one.count != 1:
            continue
        rows = instrumented.parameters[one.value]
        blocks = np.split(rows, one.groups, axis=one.value_axis)
        values = np.stack([block.reshape(-1) for block in blocks])
        given = instrumented.shift_values(one, values)
        assert not given[one.value].any()
        found = instrumented.run(feed_all(absorbed), given)
        sink, rest = (found[name].astype(np.float64) for name in one.outputs[:2])
        sums, uv, ov = (found[name] for name in one.value_outputs)
        share = 1 / (1 + np.exp(rest - sink))
        wide = np.repeat(values, one.group_size, axis=0)
        squares = (wide**2).sum(axis=-1)
        tolerance = 1e-4 * np.abs(ov).max() + 1e-9
        assert np.allclose(ov - uv, share * squares[:, None], atol=tolerance)
        expected = share.sum(axis=2)[..., None] * wide
        assert np.allclose(sums, expected, atol=1e-4 * np.abs(expected).max() + 1e-9)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("kept", ["none", "first", "all but first"])
def test_what_is_tried_is_what_is_written(
    absorbed: Path, kept: str, kind: str, tmp_path: Path
) -> None:
    """A conversion has the outputs of the instrumented model that was given the same."""
    instrumented = instrument(absorbed, tmp_path / "m.onnx", "measure=false")
    plain = open_plain(absorbed)
    output = plain.get_outputs()[0].name
    assert {o.name for o in instrumented.session.get_outputs()} == {
        o.name for o in plain.get_outputs()
    }
    conversions = {}
    rng = np.random.default_rng(2)
    for one in instrumented.attentions:
        # High enough that the rows' own exp(0) does not matter.
        logits = np.linspace(2, 6, one.heads)
        first = np.arange(one.heads) < one.group_size
        if kept == "first":
            logits[first] = -np.inf
        elif kept == "all but first":
            logits[~first] = -np.inf
        values = None
        if kind != "logit":
            size = instrumented.parameters[one.sink_value].size // one.groups
            values = rng.normal(size=(one.groups, size)) * 0.1
            values[~np.isfinite(logits[:: one.group_size])] = 0
        conversions[one.attention] = Conversion(logits, values)
    target = tmp_path / "out.onnx"
    compress(absorbed, target, conversions)
    written = open_plain(target)
    after = written.run([output], feed_all(absorbed))[0]
    assert close(
        instrumented.run(feed_all(absorbed), instrumented.convert(conversions))[output], after
    )
    if any(np.isfinite(given.logits).any() for given in conversions.values()):
        assert not close(plain.run([output], feed_all(absorbed))[0], after)
    # Heads that keep their rows still have them.
    names = {tensor.name for tensor in onnx.load(target).graph.initializer}
    for one in instrumented.attentions:
        if not np.isfinite(conversions[one.attention].logits).all():
            assert any(name.startswith(f"{one.attention}.prefix_key") for name in names)


def test_values_reach_results_of_heads_that_share_keys(tmp_path: Path) -> None:
    """A value is added where a head's sink takes all: the output is the value."""
    path = absorb(*MODELS["llama-eager"], tmp_path / "a.onnx")
    instrumented = instrument(path, tmp_path / "m.onnx")
    one = instrumented.attentions[-1]
    assert one.group_size == 2
    size = instrumented.parameters[one.sink_value].size // one.groups
    values = np.random.default_rng(0).normal(size=(one.groups, size)).astype(np.float32)
    conversions = {one.attention: Conversion(np.full(one.heads, 60.0), values)}
    compress(path, tmp_path / "out.onnx", conversions)
    model = onnx.load(tmp_path / "out.onnx")
    name = f"{one.attention}.sum"
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    )
    onnx.save(model, tmp_path / "shown.onnx")
    session = open_plain(tmp_path / "shown.onnx")
    result = session.run([name], feed(session, IDS))[0]
    wide = np.repeat(values, one.group_size, axis=0)
    # [batch, heads, queries, d] or [batch, queries, heads, d]
    shape = (1, one.heads, 1, size) if result.shape[1] == one.heads else (1, 1, one.heads, size)
    assert np.allclose(result, np.broadcast_to(wide.reshape(shape), result.shape), atol=1e-6)


# They have a sink, or rows stand in front of flat keys.
NO_PLACE = {
    "hand-gate-sink-logit_last",
    "hand-ms-multi_head",
    "hand-ms-multi_head-bias",
    "hand-op-attention23-flat",
    "hand-sink-kv",
    "hand-sink-logit_first",
    "hand-sink-logit_first-opset18",
    "hand-sink-logit_last",
    "mha-bias-script17",
    "mha-bias-weights-seq_first-dynamo18",
    "mha-both-weights-script17",
    "mha-zero-weights-dynamo18",
}
# ONNX Runtime has no kernels for bf16.
FITTED = sorted(
    stem for stem in set(EXPORTED_MODELS) - set(NOT_ABSORBED) - NO_PLACE if "-bf16-" not in stem
)


@pytest.mark.parametrize("stem", FITTED)
def test_exported_models_are_written_as_tried(stem: str, tmp_path: Path) -> None:
    """Fits of all heads, and of a part of them: also where masks move the scores of the rows."""
    absorbed = absorb(EXPORTED_MODELS[stem], [1, 2, 3], tmp_path / "a.onnx")
    instrumented = instrument(absorbed, tmp_path / "m.onnx")
    assert instrumented.attentions
    plain = RuntimeRunner(absorbed)
    narrow = is_narrow(absorbed)
    cases = list(draw_cases(absorbed, plain.session, FEW, narrow=narrow))[:2]
    feeds = [(case.values, None) for case in cases]
    for with_value in (False, True):
        groups = [g for g in fit_groups(instrumented, feeds, with_value) if g.can_be_converted]
        for part in (groups, groups[1:]):
            conversions = join_groups(part)
            compress(absorbed, tmp_path / "w.onnx", conversions)
            written = RuntimeRunner(tmp_path / "w.onnx")
            for values, _ in feeds:
                tried = instrumented.run(values, instrumented.convert(conversions))
                for name, value in written.run(values).items():
                    assert alike(tried[name], value, 2e-2 if narrow else 5e-5), name
            found = basin.load(tmp_path / "w.onnx").inspect()["attention"]
            assert sum(one["sink_logit"] for one in found) == len(conversions)


def alike(tried: object, written: object, tolerance: float) -> bool:
    x, y = np.asarray(tried, np.float64), np.asarray(written, np.float64)
    return x.shape == y.shape and bool(
        (np.abs(x - y) <= tolerance * np.abs(y).max(initial=0)).all()
    )


@pytest.mark.parametrize("stem", sorted(NO_PLACE))
def test_attentions_without_a_place_are_left(stem: str, tmp_path: Path) -> None:
    absorbed = absorb(EXPORTED_MODELS[stem], [1, 2, 3], tmp_path / "a.onnx")
    assert instrument(absorbed, tmp_path / "m.onnx").attentions == []
