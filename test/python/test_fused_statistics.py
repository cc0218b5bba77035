"""Statistics of attention operators that hold their past or their operands in one tensor.

Each model is one operator of com.microsoft, which ONNX Runtime runs. The reference computes in f64
what the operator's documentation says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_instrument import instrument, run, session, statistics_of

pytest.importorskip("basin")

B, H, P, D = 2, 3, 5, 4
WIDTH = H * D
TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
Arrays = dict[str, np.ndarray]


def draw(*shape: int) -> np.ndarray:
    """Numbers that depend on the shape alone."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def write(
    path: Path,
    op: str,
    inputs: list[str],
    feed: Arrays,
    outputs: int,
    free: dict[str, list[Any]] | None = None,
    **attributes: Any,
) -> None:
    """Write a model of one node. Inputs without a value are absent; `free` are shapes to state."""
    names = [name if name in feed else "" for name in inputs]
    node = helper.make_node(
        op, names, ["y", *(f"more{i}" for i in range(1, outputs))], "node",
        domain="com.microsoft", **attributes,
    )  # fmt: skip
    values = [
        helper.make_tensor_value_info(
            name, TYPES[str(feed[name].dtype)], (free or {}).get(name, list(feed[name].shape))
        )
        for name in names
        if name
    ]
    results = [helper.make_tensor_value_info(name, 1, None) for name in node.output]
    graph = helper.make_graph([node], "g", values, results)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def heads(x: np.ndarray, count: int = H) -> np.ndarray:
    """[B, T, count * d] -> [B, count, T, d] in f64."""
    return x.astype(np.float64).reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


def check(
    path: Path, feed: Arrays, q: np.ndarray, k: np.ndarray, v: np.ndarray, seen: np.ndarray
) -> None:
    """Compare the model's statistics and its result with those of q, k and v [B, heads, .., d].

    `seen` broadcasts to [B, H, T, S].
    """
    target = path.with_name("out.onnx")
    assert instrument(path, target) == []
    model = session(target)
    (tap,) = (t for t in statistics_of(model)["taps"] if t["kind"] == "attention")
    before, after = run(session(path), feed), run(model, feed)
    for name, value in before.items():
        assert value.tobytes() == after[name].tobytes(), name
    group = q.shape[1] // k.shape[1]
    raw = q @ np.repeat(k, group, 1).swapaxes(2, 3) / np.sqrt(q.shape[-1])
    seen = np.broadcast_to(seen, raw.shape)
    e = np.where(seen, np.exp(raw - np.where(seen, raw, -np.inf).max(-1, keepdims=True)), 0)
    p = e / e.sum(-1, keepdims=True)
    result = (p @ np.repeat(v, group, 1)).transpose(0, 2, 1, 3).reshape(before["y"].shape)
    np.testing.assert_allclose(before["y"], result, atol=1e-5)
    logs = np.log(np.where(p > 0, p, 1))
    want = {
        "mass": p.sum(2),
        "queries": seen.any(1).sum(1),
        "max_logit": np.where(seen, raw, -np.inf).max((2, 3)),
        "entropy": -(p * logs).sum(-1).mean(-1),
        "key_norm": np.linalg.norm(k, axis=-1),
        "value_norm": np.linalg.norm(v, axis=-1),
    }
    for name, expected in want.items():
        got = after[tap["outputs"][name]]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=name)
    assert (tap["heads"], tap["kv_heads"]) == (q.shape[1], k.shape[1])


# com.microsoft.Attention with a past of one tensor, as of GPT-2

ATTENTION = ["input", "weights", "bias", "mask_index", "past"]
T = 4


def attention_feed() -> Arrays:
    return {
        "input": draw(B, T, WIDTH),
        "weights": 0.3 * draw(WIDTH, 3 * WIDTH),
        "bias": draw(3 * WIDTH),
        "past": draw(2, B, H, P, D),
    }


def attention_parts(feed: Arrays) -> tuple[np.ndarray, ...]:
    """Query, and key and value with those of the past."""
    packed = feed["input"].astype(np.float64) @ feed["weights"] + feed["bias"]
    q, k, v = (heads(part) for part in np.split(packed, 3, -1))
    if "past" in feed:
        k, v = (np.concatenate(pair, 2) for pair in zip(feed["past"], (k, v)))
    return q, k, v


CAUSAL = np.tril(np.ones((T, P + T), bool), P)


@pytest.mark.parametrize("mask", ["none", "keys", "lengths", "pairs", "no-past"])
def test_packed_past(mask: str, tmp_path: Path) -> None:
    feed, seen, causal = attention_feed(), np.ones((1, P + T), bool), mask != "lengths"
    if mask == "keys":
        seen = np.ones((B, P + T), bool)
        seen[0, :2] = False
        feed["mask_index"] = seen.astype(np.int32)
        seen = seen[:, None, None]
    elif mask == "lengths":
        feed["mask_index"] = np.array([P + T, P + T - 3], np.int32)
        seen = (np.arange(P + T) < feed["mask_index"][:, None])[:, None, None]
    elif mask == "pairs":
        seen = np.ones((B, T, P + T), bool)
        seen[1, 2, 1:4] = False
        feed["mask_index"] = seen.astype(np.int32)
        seen = seen[:, None]
    elif mask == "no-past":
        del feed["past"]
        seen = np.tril(np.ones((T, T), bool))
        causal = False
    path = tmp_path / "m.onnx"
    unidirectional = int(mask != "lengths")
    write(path, "Attention", ATTENTION, feed, 2, num_heads=H, unidirectional=unidirectional)
    check(path, feed, *attention_parts(feed), seen & CAUSAL if causal else seen)


# DecoderMaskedMultiHeadAttention, whose past and present are one buffer

DECODER = [
    "query", "key", "value", "mask_index", "attention_bias", "past_key", "past_value",
    "past_sequence_length", "beam_width", "cache_indirection", "bias",
]  # fmt: skip
LONGEST = 9


def decoder_feed() -> Arrays:
    feed = {name: draw(B, 1, WIDTH + i)[..., :WIDTH] for i, name in enumerate(DECODER[:3])}
    feed |= {name: draw(B, H, LONGEST, D + i)[..., :D] for i, name in enumerate(DECODER[5:7])}
    return feed | {"past_sequence_length": np.array([P], np.int32)}


@pytest.mark.parametrize("case", ["plain", "mask", "bias"])
def test_decoder_buffers(case: str, tmp_path: Path) -> None:
    feed = decoder_feed()
    feed = {name: np.ascontiguousarray(value) for name, value in feed.items()}
    # Rows after the past are of no meaning.
    for name in ("past_key", "past_value"):
        feed[name][:, :, P:] = 1e6
    seen = np.ones((B, P + 1), bool)
    if case == "mask":
        seen[0, 1:3] = False
        feed["mask_index"] = seen.astype(np.int32)
    offset = np.zeros((3, 1, 1, WIDTH))
    if case == "bias":
        feed["bias"] = draw(3 * WIDTH)
        offset = feed["bias"].reshape(3, 1, 1, WIDTH)
    path = tmp_path / "m.onnx"
    # ONNX Runtime writes to the present buffers, whether they are outputs or not.
    write(
        path, "DecoderMaskedMultiHeadAttention", DECODER, feed, 3,
        num_heads=H, past_present_share_buffer=1,
    )  # fmt: skip
    q, k, v = (heads(feed[name] + add) for name, add in zip(DECODER, offset))
    k = np.concatenate((feed["past_key"][:, :, :P], k), 2)
    v = np.concatenate((feed["past_value"][:, :, :P], v), 2)
    check(path, feed, q, k, v, seen[:, None, None])


def test_decoder_recognition_is_told(tmp_path: Path) -> None:
    """An operator that ONNX Runtime does not run as it stands is left alone, and says why."""
    import basin

    feed = decoder_feed()
    for drop, share, reason in (
        ([], 0, "its past is not in a buffer"),
        (["past_sequence_length"], 1, "its past is not in a buffer"),
        (["key", "value"], 1, "its new keys and values are not apart"),
    ):
        given = {name: value for name, value in feed.items() if name not in drop}
        path = tmp_path / "m.onnx"
        write(
            path, "DecoderMaskedMultiHeadAttention", DECODER, given, 1,
            num_heads=H, past_present_share_buffer=share,
        )  # fmt: skip
        found = basin.load(path).inspect()
        assert found["attention"] == []
        (miss,) = found["unrecognized"]
        assert reason in miss["reason"]


# GroupQueryAttention with packed operands

GROUP = ["query", "key", "value", "past_key", "past_value", "seqlens_k", "total_sequence_length"]
GROUP += ["cos_cache", "sin_cache"]
KV = 1


def rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Halves rotated by the tables' first rows."""
    a, b = np.split(x, 2, -1)
    cos, sin = cos[: x.shape[2]].astype(np.float64), sin[: x.shape[2]].astype(np.float64)
    return np.concatenate((a * cos - b * sin, b * cos + a * sin), -1)


@pytest.mark.parametrize("rotary", [0, 1])
@pytest.mark.parametrize("width", ["static", "free"])
def test_packed_groups(width: str, rotary: int, tmp_path: Path) -> None:
    """The width of the packed operand may be known at run time only."""
    size = 16
    feed = {
        "query": draw(B, T, (H + 2 * KV) * size),
        "seqlens_k": np.full(B, T - 1, np.int32),
        "total_sequence_length": np.array(T, np.int32),
    }
    angles = draw(8, size // 2)
    if rotary:
        feed |= {"cos_cache": np.cos(angles), "sin_cache": np.sin(angles)}
    path = tmp_path / "m.onnx"
    free = {"query": [B, T, "width"]} if width == "free" else {}
    write(
        path, "GroupQueryAttention", GROUP, feed, 3, free,
        num_heads=H, kv_num_heads=KV, do_rotary=rotary,
    )  # fmt: skip
    ends = np.cumsum([H * size, KV * size])
    q, k, v = (heads(x, n) for x, n in zip(np.split(feed["query"], ends, -1), (H, KV, KV)))
    if rotary:
        q, k = (rotate(x, feed["cos_cache"], feed["sin_cache"]) for x in (q, k))
    check(path, feed, q, k, v, np.tril(np.ones((T, T), bool)))
