"""Rows of attention that see no key, and batches whose elements have different numbers of keys.

The decomposition of `sink.attention` is compared with its formula in float64, and with the
operators of ONNX Runtime that have the same meaning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from test_sink_decompositions import rand, run

LAYOUTS = ", ".join(f"{n}_layout = #sink.layout<bhsd>" for n in ("query", "key", "value", "result"))


def softmax_rows(scores: np.ndarray, zero: bool) -> np.ndarray:
    """Softmax by its formula, which is 0 / 0 if all scores are -inf."""
    with np.errstate(invalid="ignore"):
        largest = scores.max(-1, keepdims=True)
        weights = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
        rows = weights / weights.sum(-1, keepdims=True)
    return np.nan_to_num(rows, nan=0.0) if zero else rows


@pytest.mark.parametrize("fill", [None, -1e9, -3.4e38, -1e4])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("kind", ["keep", "drop"])
def test_rows_without_a_key(tmp_path: Path, fill: float | None, zero: bool, kind: str) -> None:
    q, k, v = (rand(2, 3, 5, 8) for _ in range(3))
    seen = np.tril(np.ones((5, 5), bool))[None, None] & np.ones((2, 1, 1, 1), bool)
    seen[1, :, :, :3] = False  # left padding: three rows of the second element see nothing
    mask = seen if kind == "keep" else ~seen
    inputs = {n: (a, (0, 2)) for n, a in zip("qkv", (q, k, v))} | {"m": (mask, (0, 2, 3))}
    attrs = f"mask_kind = #sink.mask_kind<{kind}>, {LAYOUTS}"
    attrs += f", mask_fill = {fill:e} : f64" if fill is not None else ""
    attrs += ", zero_hidden_rows" if zero else ""
    (y,) = run(tmp_path, "attention", "%q, %k, %v mask %m", inputs, attrs=attrs)
    scores = (q.astype(float) @ k.astype(float).swapaxes(2, 3)) / np.sqrt(8)
    scores = np.where(seen, scores, -np.inf if fill is None else fill)
    expected = softmax_rows(scores, zero) @ v.astype(float)
    hidden = np.isnan(expected).all(-1)
    assert hidden.any() == (fill is None and not zero)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_a_causal_mask_is_not_applied_twice(tmp_path: Path) -> None:
    """A finite mask of padding and causality makes its hidden rows uniform over all keys."""
    q, k, v = (rand(1, 2, 4, 8) for _ in range(3))
    seen = np.tril(np.ones((4, 4), bool))
    seen[:, :2] = False
    low = np.finfo(np.float32).min
    mask = np.where(seen, np.float32(0), low)[None, None]
    inputs = {n: (a, (0, 2)) for n, a in zip("qkv", (q, k, v))} | {"m": (mask, (2, 3))}
    attrs = f"causal, causal_in_mask, mask_kind = #sink.mask_kind<additive>, {LAYOUTS}"
    (y,) = run(tmp_path, "attention", "%q, %k, %v mask %m", inputs, attrs=attrs)
    np.testing.assert_allclose(y[:, :, 0], v.mean(2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, :, 2], v[:, :, 2], rtol=1e-5, atol=1e-6)


def test_later_keys_are_what_a_mask_leaves(tmp_path: Path) -> None:
    """MultiHeadAttention, unidirectional, adds the lowest number to the scores of later keys."""
    q, k, v = (rand(1, 1, 3, 8) for _ in range(3))
    for hidden, row0 in ((slice(0, 1), v[0, 0, 1:].mean(0)), (slice(0, 0), v[0, 0, 0])):
        mask = np.zeros((1, 1, 3, 3), np.float32)
        mask[..., hidden] = -np.inf
        inputs = {n: (a, (0, 2)) for n, a in zip("qkv", (q, k, v))} | {"m": (mask, (2, 3))}
        low = float(np.finfo(np.float32).min)
        attrs = (
            f"causal, mask_fill = {low!r} : f64, mask_kind = #sink.mask_kind<additive>, {LAYOUTS}"
        )
        (y,) = run(tmp_path, "attention", "%q, %k, %v mask %m", inputs, attrs=attrs)
        np.testing.assert_allclose(y[0, 0, 0], row0, rtol=1e-5, atol=1e-6)


def test_a_wide_mask_of_narrow_operands(tmp_path: Path) -> None:
    """The lowest f32 is -inf in f16, so the scores are added to it in f32."""
    q, k, v = (rand(1, 2, 4, 8, dtype=np.float16) for _ in range(3))
    mask = np.full((1, 1, 4, 4), np.finfo(np.float32).min)
    inputs = {n: (a, (0, 2)) for n, a in zip("qkv", (q, k, v))} | {"m": (mask, (2, 3))}
    attrs = f"mask_kind = #sink.mask_kind<additive>, {LAYOUTS}"
    (y,) = run(tmp_path, "attention", "%q, %k, %v mask %m", inputs, attrs=attrs)
    expected = np.broadcast_to(v.astype(float).mean(2, keepdims=True), y.shape)
    np.testing.assert_allclose(y, expected, rtol=2e-3, atol=2e-3)


def grouped_query(inputs: dict[str, np.ndarray], **attrs: int) -> list[np.ndarray]:
    """ONNX Runtime's GroupQueryAttention of 4 heads and 2 key heads."""
    names = ["q", "k", "v", "pk", "pv", "last", "total"]
    node = helper.make_node(
        "GroupQueryAttention", names, ["y", "ok", "ov"],
        domain="com.microsoft", num_heads=4, kv_num_heads=2, **attrs,
    )  # fmt: skip
    info = helper.make_tensor_value_info
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}
    graph = helper.make_graph(
        [node], "g",
        [info(n, kinds[inputs[n].dtype], inputs[n].shape) for n in names],
        [info(n, TensorProto.FLOAT, None) for n in ("y", "ok", "ov")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


CASES = {
    "prompts padded at the end": (2, 3, 0, [1, 2]),
    "equal prompts": (2, 3, 0, [2, 2]),
    "uneven decoding": (3, 1, 5, [5, 3, 0]),
    "a cache with room": (2, 1, 8, [5, 3]),
    "a second prompt": (1, 3, 5, [7]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("causal", "window"), [(1, None), (1, 3), (0, None)])
def test_own_lengths(tmp_path: Path, case: str, causal: int, window: int | None) -> None:
    batch, queries, past, last = CASES[case]
    q, k, v = (rand(batch, queries, 8 * h) for h in (4, 2, 2))
    pk, pv = rand(batch, 2, past, 8), rand(batch, 2, past, 8)
    last = np.array(last, np.int32)
    total = np.array(last.max() + 1, np.int32)
    given = {"q": q, "k": k, "v": v, "pk": pk, "pv": pv, "last": last, "total": total}
    wanted = {"local_window_size": window} if window else {}
    expected = grouped_query(given, causal=causal, **wanted)[0]
    inputs = {n: (given[n], (0, 1)) for n in ("q", "k", "v")}
    operands = "%q, %k, %v"
    if past:
        inputs |= {n: (given[n], (0, 2)) for n in ("pk", "pv")}
        operands += " past %pk, %pv"
    inputs["last"] = (last, (0,))
    layouts = LAYOUTS.replace("bhsd", "bsd")
    attrs = f"num_heads = 4 : i64, kv_num_heads = 2 : i64, {layouts}"
    attrs += ", causal" * causal + (f", window = {window} : i64" if window else "")
    (y,) = run(tmp_path, "attention", f"{operands} last_key %last", inputs, attrs=attrs)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
