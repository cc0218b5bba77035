"""The promise of each residual rewrite, checked in ONNX Runtime on every model at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

basin = pytest.importorskip("basin")
from basin.verify import verify  # noqa: E402
from rewrite_passes import REWRITES, find_refusal  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models" / "stories260K.onnx"
TRAINED = SHARED if SHARED.exists() else ROOT / "models" / "tiny-shakespeare.onnx"
MODELS = [
    path
    for path in sorted((ROOT / "test" / "models" / "exported").glob("*.onnx"))
    if json.loads(path.with_suffix("").with_suffix(".expect.json").read_text()).get(
        "ort_runs", True
    )
]
REWRITES = REWRITES | {"both": "sink-absorb-residual-sinks{scale-dims=3:64},sink-insert-pre-affine"}


def rewrite(source: Path, target: Path, passes: str, form: str = "original") -> None:
    """Raise, run `passes`, lower, save."""
    model = basin.load(source)
    chain = f"basin-raise,{passes},convert-sink-to-onnx{{form={form}}}"
    model.run(f"builtin.module({chain})")
    model.save(target)


def inputs_of(path: Path) -> dict[str, np.ndarray] | None:
    """The model's own inputs; None for a trained model, which takes random tokens."""
    stored = path.with_suffix("").with_suffix(".inputs.npz")
    return dict(np.load(stored)) if stored.exists() else None


# ONNX Runtime's CPU provider has no f16 Mul. It runs one in f32 and drops the roundings between it
# and its neighbours, so even a multiplication by one changes their results.
NOT_COMPARABLE = {"llama-eager-fp16-dynamo23"}


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_bit_identical(path: Path, name: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    if path.stem in NOT_COMPARABLE:
        pytest.skip("the runtime does not round to f16 between nodes; see the next test")
    if reason := find_refusal(path.stem, REWRITES[name]):
        with pytest.raises(basin.BasinError, match=reason):
            rewrite(path, target, REWRITES[name])
        return
    rewrite(path, target, REWRITES[name])
    report = verify(path, target, inputs=inputs_of(path))
    assert report.passed, str(report)


@pytest.mark.parametrize(
    "passes",
    [
        "sink-rescale-residual{k=1}",
        "sink-rescale-residual{k=-3}",
        "sink-absorb-residual-sinks{scale-dims=3:2,17:0.0625}",
        "sink-insert-pre-affine",
        "sink-insert-gated-norm{rank=4}",
        "sink-insert-gated-norm{granularity=tensor norms=all}",
        "sink-insert-gated-norm{activation=identity rank=4}",
        "sink-insert-gated-attention",
        "sink-insert-gated-attention{granularity=element}",
    ],
)
@pytest.mark.parametrize("stem", sorted(NOT_COMPARABLE))
def test_bit_identical_in_f16(stem: str, passes: str, tmp_path: Path) -> None:
    """onnx's reference evaluator rounds after each node.

    The scales are small, because the stream of this model is small and f16 has few exponents.
    """
    from onnx.reference import ReferenceEvaluator

    path, target = ROOT / "test" / "models" / "exported" / f"{stem}.onnx", tmp_path / "out.onnx"
    rewrite(path, target, passes)
    before, after = (
        ReferenceEvaluator(onnx.load(model)).run(None, inputs_of(path)) for model in (path, target)
    )
    assert len(before) == len(after)
    for a, b in zip(before, after):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


BF16 = sorted((ROOT / "test" / "models" / "exported").glob("*-bf16-*.onnx"))


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize("path", BF16, ids=lambda p: p.stem)
def test_bit_identical_in_bf16(path: Path, name: str, tmp_path: Path) -> None:
    """Run by onnx's reference evaluator: ONNX Runtime's CPU provider has no bf16 kernels."""
    from onnx.reference import ReferenceEvaluator

    target = tmp_path / "out.onnx"
    rewrite(path, target, REWRITES[name])
    before, after = (
        ReferenceEvaluator(onnx.load(model)).run(None, inputs_of(path)) for model in (path, target)
    )
    assert len(before) == len(after)
    for a, b in zip(before, after):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
        assert np.isfinite(a.astype(np.float32)).all()


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize("form", ["original", "functions"])
def test_trained_model(name: str, form: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    rewrite(TRAINED, target, REWRITES[name], form)
    report = verify(TRAINED, target, random=2)
    assert report.passed, str(report)


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def test_a_scale_folded_into_the_norm_weight_is_found_out(tmp_path: Path) -> None:
    """In the wrong rewrite gamma takes the scale, so the root mean square changes."""
    right, wrong = tmp_path / "right.onnx", tmp_path / "wrong.onnx"
    rewrite(TRAINED, right, "sink-absorb-residual-sinks{scale-dims=3:4}")
    model = onnx.load(right)
    weights = initializers(model)
    vectors = [name for name in weights if name.endswith("pre_affine")]
    assert vectors
    for name in vectors:
        gamma = weights[name.removesuffix("pre_affine") + "weight"]
        scale = numpy_helper.to_array(weights[name])
        folded = numpy_helper.to_array(gamma) * scale
        gamma.CopyFrom(numpy_helper.from_array(folded, gamma.name))
        weights[name].CopyFrom(numpy_helper.from_array(np.ones_like(scale), name))
    onnx.save(model, wrong)
    assert verify(TRAINED, right).passed
    assert not verify(TRAINED, wrong).passed
    assert not verify(TRAINED, wrong, tolerance=1e-3).passed


def to_fp16(source: Path) -> onnx.ModelProto:
    """Weights and activations in f16, by ONNX Runtime's own converter, nothing clipped."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(
        onnx.load(source), keep_io_types=True, min_positive_val=5.97e-8, max_finite_val=65504.0
    )


def run_f16(source: Path, ids: np.ndarray) -> np.ndarray:
    """The f16 model by onnx's reference evaluator, which rounds after each node.

    ONNX Runtime's CPU provider has no f16 Add: it runs chains of such nodes in f32, where nothing
    overflows, so it does not show what a device that stores the stream in f16 computes.
    """
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        return ReferenceEvaluator(to_fp16(source)).run(None, {"input_ids": ids})[0]


def run(path: Path, ids: np.ndarray) -> np.ndarray:
    """The model in ONNX Runtime, optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input_ids": ids})[0]


def test_overflow_in_half_precision_is_cured(tmp_path: Path) -> None:
    """A residual stream that overflows f16: useless before the rescale, equal to f32 after it.

    The squares overflow first: the root is infinite, the norm's result and all logits are zero.
    """
    large, cured = tmp_path / "large.onnx", tmp_path / "cured.onnx"
    rewrite(TRAINED, large, "sink-rescale-residual{k=-14}")
    assert verify(TRAINED, large).passed, "the planted model is the same function in f32"
    rewrite(large, cured, "sink-rescale-residual{k=14}")
    ids = np.arange(1, 17, dtype=np.int64).reshape(1, 16)
    reference = run(large, ids)
    before, after = run_f16(large, ids), run_f16(cured, ids)
    assert not np.isfinite(before).all() or np.abs(before - reference).max() > 1
    assert np.isfinite(after).all()
    # f16 has 11 bits, and the errors of a few layers add up.
    assert np.abs(after - reference).max() < 64 * 2**-11 * np.abs(reference).max()


@pytest.mark.parametrize(
    ("passes", "reason"),
    [
        ("sink-absorb-residual-sinks{scale-dims=3:3}", "power of two"),
        ("sink-absorb-residual-sinks{scale-dims=100000:2}", "dimension below"),
        ("sink-rescale-residual{k=auto}", "takes one of the options"),
        ("sink-rescale-residual{k=half}", "integer"),
        ("sink-absorb-residual-sinks{stats=/nonexistent.json}", "statistics"),
    ],
)
def test_refusals(passes: str, reason: str, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    with pytest.raises(basin.BasinError, match=reason):
        rewrite(TRAINED, target, passes)
    assert not target.exists()


def test_statistics_choose_the_scales(tmp_path: Path) -> None:
    dim = basin.load(TRAINED).inspect()["residual_streams"][0]["dim"]
    maxima = [1.0] * dim
    maxima[5] = 1000.0
    stats = tmp_path / "stats.json"
    stats.write_text(json.dumps({"version": 1, "residual_streams": [{"max_abs": maxima}]}))
    target = tmp_path / "out.onnx"
    rewrite(TRAINED, target, f"sink-absorb-residual-sinks{{stats={stats}}}")
    assert verify(TRAINED, target).passed
    vectors = [
        numpy_helper.to_array(t)
        for name, t in initializers(onnx.load(target)).items()
        if name.endswith("pre_affine")
    ]
    expected = np.ones(dim, np.float32)
    expected[5] = 1024
    assert vectors and all(np.array_equal(v, expected) for v in vectors)
