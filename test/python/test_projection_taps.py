"""Inputs of quantized products and of tied heads are measured: their figures are numpy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from stream_graphs import Graph
from token_models import DIM, VOCABULARY, own_norm, save

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis import run  # noqa: E402
from basin.analysis.data import random_tokens  # noqa: E402

WIDE = 2 * DIM


def bytes_of(g: Graph, *shape: int) -> str:
    return g.weight(value=g.rng.integers(-100, 100, shape), dtype=np.int8)


def integer(g: Graph, x: str, rows: int, columns: int) -> tuple[str, str]:
    """DynamicQuantizeLinear, MatMulInteger, Cast, Mul: ONNX Runtime's dynamic quantization."""
    quantized = g("DynamicQuantizeLinear", x, outputs=3)
    scale, zero = f"{quantized}_1", f"{quantized}_2"
    weight = bytes_of(g, rows, columns)
    product = g("MatMulInteger", quantized, weight, zero, g.weight(value=0, dtype=np.int8))
    scales = g("Mul", scale, g.weight(value=1e-3))
    return g("Mul", g("Cast", product, to=TensorProto.FLOAT), scales), x


def linear(g: Graph, x: str, rows: int, columns: int) -> tuple[str, str]:
    """QLinearMatMul of a quantized input."""
    scale, zero = g.weight(value=0.05), g.weight(value=3, dtype=np.int8)
    quantized = g("QuantizeLinear", x, scale, zero)
    weight = bytes_of(g, rows, columns)
    factors = (g.weight(value=1e-3), g.weight(value=0, dtype=np.int8))
    out = (g.weight(value=0.5), g.weight(value=0, dtype=np.int8))
    product = g("QLinearMatMul", quantized, scale, zero, weight, *factors, *out)
    return g("DequantizeLinear", product, *out), x


def linear_of_integers(g: Graph, x: str, rows: int, columns: int) -> tuple[str, str]:
    """QLinearMatMul of an input that only exists as integers, after a Relu of quantized ones."""
    scale, zero = g.weight(value=0.05), g.weight(value=0, dtype=np.int8)
    quantized = g("Max", g("QuantizeLinear", x, scale, zero), zero)
    weight = bytes_of(g, rows, columns)
    factors = (g.weight(value=1e-3), g.weight(value=0, dtype=np.int8))
    out = (g.weight(value=0.5), g.weight(value=0, dtype=np.int8))
    product = g("QLinearMatMul", quantized, scale, zero, weight, *factors, *out)
    return g("DequantizeLinear", product, *out), g("DequantizeLinear", quantized, scale, zero)


def dequantized(g: Graph, x: str, rows: int, columns: int) -> tuple[str, str]:
    """A MatMul by a matrix that a DequantizeLinear makes."""
    weight = g("DequantizeLinear", bytes_of(g, rows, columns), g.weight(value=1e-3))
    return g("MatMul", x, weight), x


def float_of_integers(g: Graph, x: str, rows: int, columns: int) -> tuple[str, str]:
    """ONNX Runtime's fused operator."""
    weight, scale = bytes_of(g, rows, columns), g.weight(value=1e-3)
    return g("DynamicQuantizeMatMul", x, weight, scale, domain="com.microsoft"), x


FORMS = [integer, linear, linear_of_integers, dequantized, float_of_integers]


def model(path: Path, form: Any) -> tuple[Path, list[str]]:
    """A feed-forward of two products of that form, a tied head, and the products' inputs."""
    g = Graph(DIM, np.float32, 17)
    table = g.weight(VOCABULARY, DIM)
    h = g("Gather", table, "input_ids")
    up, first = form(g, own_norm(g, h), DIM, WIDE)
    down, second = form(g, g("Sigmoid", up), WIDE, DIM)
    h = g("Add", h, down)
    z = own_norm(g, h)
    logits = g("MatMul", z, g("Transpose", table, perm=[1, 0]))
    return save(g, path, ["input_ids"], logits), [first, second, z]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_inputs_of_products(form, tmp_path):
    path, inputs = model(tmp_path / "m.onnx", form)
    data = random_tokens(2, VOCABULARY, 6)
    stats = run.analyze(path, data).document()
    taps = stats["metrics"]["projections"]
    assert [tap["roles"] for tap in taps] == [["up"], ["down"], ["head"]]
    assert taps[2]["weights"] == ["w0"]
    loaded = onnx.load(path)
    for name in inputs:
        loaded.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = ort.InferenceSession(loaded.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(inputs, {"input_ids": np.stack(data.sequences)})
    for tap, value in zip(taps, values, strict=True):
        assert tap["max_abs"] > 0
        np.testing.assert_allclose(tap["channel_max"], np.abs(value).max(axis=(0, 1)), rtol=1e-6)


def test_what_is_no_product_with_a_matrix_is_no_tap(tmp_path):
    """A matrix on the left, a computed matrix, and integers of unknown scale."""
    g = Graph(DIM, np.float32, 17)
    h = g("Gather", g.weight(VOCABULARY, DIM), "input_ids")
    left = g("MatMul", g.weight(6, 6), h)
    computed = g("MatMul", h, g("Transpose", h, perm=[0, 2, 1]))
    integers = g("Cast", h, to=TensorProto.INT8)
    unscaled = g("MatMulInteger", integers, bytes_of(g, DIM, DIM))
    unscaled = g("Cast", unscaled, to=TensorProto.FLOAT)
    z = own_norm(g, g("Add", h, g("Add", left, g("MatMul", computed, unscaled))))
    path = save(g, tmp_path / "m.onnx", ["input_ids"], z)
    stats = run.analyze(path, random_tokens(2, VOCABULARY, 6)).document()
    assert stats["metrics"]["projections"] == []
    assert stats["metrics"]["outlier_features"] is None
