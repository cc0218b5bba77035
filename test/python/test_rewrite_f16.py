"""Residual rewrites of f16 models: total, exact if the types allow it, and a cure for overflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from stream_graphs import Graph

basin = pytest.importorskip("basin")

DIM, LAYERS, SINK = 32, 3, 5
LARGEST = 65504.0
ABSORB = "sink-absorb-residual-sinks"
ATTN, MLP = 2e5, 2e5


def rewrite(source: Path, target: Path, passes: str) -> onnx.ModelProto:
    model = basin.load(source)
    model.run(f"builtin.module(basin-raise,{passes},convert-sink-to-onnx{{form=original}})")
    model.save(target)
    return onnx.load(target)


def count(model: onnx.ModelProto) -> int:
    """Nodes that compute."""
    return sum(node.op_type != "Constant" for node in model.graph.node)


def evaluate(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """By onnx's reference evaluator, which rounds to f16 after each node."""
    dtype = np.float16 if model.graph.input[0].type.tensor_type.elem_type == 10 else np.float32
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model).run(None, {"x": x.astype(dtype)})[0].astype(np.float32)


def norm(g: Graph, x: str) -> str:
    """As exporters write it: squares in f32, the weight in the model's type."""
    f32 = np.dtype(np.float32)
    wide = g("Cast", x, to=TensorProto.FLOAT)
    mean = g("ReduceMean", g("Mul", wide, wide), g.ints(-1), keepdims=1)
    root = g("Sqrt", g("Add", mean, g.weight(value=1e-6, dtype=f32)))
    kind = TensorProto.FLOAT16 if g.dtype == np.float16 else TensorProto.FLOAT
    return g("Mul", g.weight(g.dim), g("Cast", g("Div", wide, root), to=kind))


def attention(g: Graph, x: str) -> str:
    q, k, v = (g("MatMul", x, g.weight(g.dim, g.dim, scale=0.1)) for _ in range(3))
    scores = g("MatMul", q, g("Transpose", k, perm=[0, 2, 1]))
    return g("MatMul", g("Softmax", scores, axis=-1), v)


def llama(dtype: type, clip: bool) -> Graph:
    """A few layers whose residual stream exceeds f16's largest number in one dimension.

    In either type the weights are numbers of f16. Most are too small to be halved exactly in f16.
    """
    g = Graph(DIM, dtype, keep_f16=True)

    def add(a: str, b: str) -> str:
        total = g("Add", a, b)
        if not clip:
            return total
        return g("Clip", total, g.weight(value=-LARGEST), g.weight(value=LARGEST))

    def write(x: str, sink: float) -> str:
        w = g.rng.standard_normal((DIM, DIM)) * 0.01
        w[:, SINK] = np.abs(w[:, SINK]) * sink
        return g("MatMul", x, g.weight(value=w))

    h = g("Mul", write("x", 9e4), g.weight(value=2.0))
    for _ in range(LAYERS):
        h = add(h, write(g("Abs", attention(g, norm(g, h))), ATTN))
        up = g("MatMul", norm(g, h), g.weight(DIM, DIM, scale=0.2))
        h = add(h, write(g("Abs", g("Mul", up, g("Sigmoid", up))), MLP))
    g.output = g("MatMul", norm(g, h), g.weight(DIM, DIM, scale=0.2))
    return g


def draw() -> np.ndarray:
    return np.abs(np.random.default_rng(3).standard_normal((2, 5, DIM))).astype(np.float16)


def close(a: np.ndarray, reference: np.ndarray) -> bool:
    # f16 has 11 bits, and the errors of a few layers add up.
    return bool(np.abs(a - reference).max() < 64 * 2**-11 * np.abs(reference).max())


CURES = {
    "rescale": "sink-rescale-residual{k=5}",
    "rounded": "sink-rescale-residual{k=5 inexact=0.01}",
}
# This restores elements before each norm, so those above f16's largest number overflow there.
REWRITES = CURES | {"absorb": f"sink-absorb-residual-sinks{{scale-dims={SINK}:64}}"}


@pytest.mark.parametrize("cure", CURES)
def test_overflow_is_cured_in_f16_itself(cure: str, tmp_path: Path) -> None:
    """The result is NaN before, and equal to f32 within f16's rounding afterwards."""
    source = llama(np.float16, clip=False).save_output(tmp_path / "in.onnx")
    wide = llama(np.float32, clip=False).save_output(tmp_path / "wide.onnx")
    reference = evaluate(onnx.load(wide), draw())
    assert np.isnan(evaluate(onnx.load(source), draw())).any()
    cured = rewrite(source, tmp_path / "out.onnx", CURES[cure])
    assert close(evaluate(cured, draw()), reference)


def test_the_cure_by_conversion(tmp_path: Path) -> None:
    """Rewritten in f32 and then converted, no weight is too small, so no product is added.

    The converter makes the norms square in f16, so elements must be below 255.9 there.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    wide = llama(np.float32, clip=False).save_output(tmp_path / "wide.onnx")
    before = onnx.load(wide)
    after = rewrite(wide, tmp_path / "out.onnx", "sink-rescale-residual{k=10}")
    assert count(after) == count(before)
    how = {"min_positive_val": 5.97e-8, "max_finite_val": LARGEST}
    converted = [convert_float_to_float16(model, **how) for model in (before, after)]
    reference = evaluate(onnx.load(wide), draw())
    assert not close(evaluate(converted[0], draw()), reference)
    assert close(evaluate(converted[1], draw()), reference)


@pytest.mark.parametrize("cure", REWRITES)
def test_clipped_streams_stay_one(cure: str, tmp_path: Path) -> None:
    """Published f16 models have a Clip after each Add. Its bounds take the scale."""
    source = llama(np.float16, clip=True).save_output(tmp_path / "in.onnx")
    wide = llama(np.float32, clip=True).save_output(tmp_path / "wide.onnx")
    streams = basin.load(source).inspect()["residual_streams"]
    assert len(streams) == 1 and streams[0]["adds"] == 2 * LAYERS
    cured = rewrite(source, tmp_path / "out.onnx", REWRITES[cure])
    assert close(evaluate(cured, draw()), evaluate(onnx.load(wide), draw()))
    if cure == "absorb":
        return
    names = {n.input[1] for n in cured.graph.node if n.op_type == "Clip"}
    values = {
        float(numpy_helper.to_array(n.attribute[0].t))
        for n in cured.graph.node
        if n.op_type == "Constant" and n.output[0] in names
    }
    assert values == {-LARGEST / 32}


def test_explicit_products_are_exact(tmp_path: Path) -> None:
    """f16 keeps each bit if nothing overflows or falls below the normal range."""
    g = Graph(8, np.float16)
    g.rng = np.random.default_rng(11)
    w = g.rng.integers(-8, 9, (8, 8)) / 4.0
    w[0, 1] = 2.0**-24  # no scale can halve it
    h = g("Mul", g("MatMul", "x", g.weight(value=w)), g.weight(value=3.0))
    v = g.rng.integers(-8, 9, (8, 8)) / 4.0
    v[2, 1] = 2.0**-23
    h = g("Add", h, g("MatMul", "x", g.weight(value=v)))
    source = g.save(tmp_path / "in.onnx", norm(g, h), h)
    x = np.random.default_rng(5).integers(-16, 17, (2, 3, 8)) / 2.0
    for passes in ("sink-rescale-residual{k=3}", "sink-absorb-residual-sinks{scale-dims=1:4,2:2}"):
        out = rewrite(source, tmp_path / "out.onnx", passes)
        products = sum(n.op_type == "Mul" for n in out.graph.node)
        before = ReferenceEvaluator(onnx.load(source)).run(None, {"x": x.astype(np.float16)})
        after = ReferenceEvaluator(out).run(None, {"x": x.astype(np.float16)})
        for a, b in zip(before, after):
            assert a.dtype == b.dtype == np.float16
            assert a.tobytes() == b.tobytes()
        # The first writer's scale goes into its factor of 3, the second's gets a product.
        assert products > sum(n.op_type == "Mul" for n in onnx.load(source).graph.node)
        constants = [n for n in out.graph.node if n.op_type == "Constant"]
        factors = [numpy_helper.to_array(n.attribute[0].t) for n in constants]
        assert any(np.any(f == np.float16(3 / (8 if "rescale" in passes else 4))) for f in factors)


def test_a_product_that_overflows_is_divided_before(tmp_path: Path) -> None:
    """The matrix has an element that no scale can halve, so its input takes the scale."""
    wide = [Graph(4, dtype, keep_f16=True) for dtype in (np.float16, np.float32)]
    for g in wide:
        w = np.full((4, 4), 2.0)
        w[0, 1] = 2.0**-24
        h = g("MatMul", "x", g.weight(value=w))
        g.output = norm(g, g("Add", h, g("MatMul", "x", g.weight(value=np.eye(4)))))
    narrow, reference = (g.save_output(tmp_path / f"{i}.onnx") for i, g in enumerate(wide))
    x = np.full((1, 2, 4), 16384.0)
    assert np.isnan(evaluate(onnx.load(narrow), x)).any()
    cured = rewrite(narrow, tmp_path / "out.onnx", "sink-rescale-residual{k=3}")
    assert close(evaluate(cured, x), evaluate(onnx.load(reference), x))


def test_rounding_is_bounded(tmp_path: Path) -> None:
    source = llama(np.float16, clip=False).save_output(tmp_path / "in.onnx")
    rounded = rewrite(source, tmp_path / "out.onnx", "sink-rescale-residual{k=5 inexact=0.01}")
    assert count(rounded) == count(onnx.load(source))
    target = tmp_path / "refused.onnx"
    with pytest.raises(basin.BasinError, match="relative error of .*above the bound of"):
        rewrite(source, target, "sink-rescale-residual{k=5 inexact=1e-9}")
    assert not target.exists()


@pytest.mark.parametrize("passes", ["sink-insert-pre-affine", f"{ABSORB}{{scale-dims=1:4,3:2}}"])
@pytest.mark.parametrize("op", ["SkipSimplifiedLayerNormalization", "SkipLayerNormalization"])
@pytest.mark.parametrize("bias", [False, True])
def test_skip_operators_normalize_the_unrounded_sum(
    bias: bool, op: str, passes: str, tmp_path: Path
) -> None:
    """Runs in ONNX Runtime. The sum is used as well."""
    from test_rewrite_soundness import assert_same

    g = Graph(4, np.float16)
    vectors = [g.weight(4) for _ in range((op == "SkipLayerNormalization") + 1 + bias)]
    y = g(op, g.project("x"), "x", *vectors, outputs=4, domain="com.microsoft", epsilon=1e-5)
    source = g.save(tmp_path / "in.onnx", y, g("Neg", f"{y}_3"))
    target = tmp_path / "out.onnx"
    rewrite(source, target, passes)
    x = np.random.default_rng(2).standard_normal((2, 3, 4)).astype(np.float16)
    assert_same(source, target, {"x": x})
