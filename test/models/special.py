"""Models of another structure: merged decoders and model-local functions."""

from __future__ import annotations

from typing import Any

import attention
import numpy as np
from attention import HEAD_DIM, HEADS, Form
from builder import BOOL, INT64, Builder, value
from common import Built
from decoder import BATCH, PAST, SEQ, VOCAB, expect, feed_forward
from norms import EPS, HIDDEN, norm
from onnx import FunctionProto, TensorProto, helper

LAYERS = 2
PLAIN = Form(rotary="none", kv_heads=HEADS, layers=LAYERS)
DOMAIN = "example.blocks"


def _cached_attention(g: Builder, h: str, layer: int, use_past: bool) -> str:
    """Causal attention whose keys and values are appended to the past ones in one branch."""
    stem = f"layers.{layer}.attn"
    q, k, v = (attention.project(g, h, f"{stem}.{part}", HEADS) for part in ("q", "k", "v"))
    if use_past:
        k, v = (
            g.op("Concat", f"past.{layer}.{kind}", new, axis=2)
            for kind, new in (("key", k), ("value", v))
        )
    present = [
        g.op("Identity", new, outputs=[g.name(f"present.{layer}.{kind}")])
        for kind, new in (("key", k), ("value", v))
    ]
    total, length = g.dim(k, 2), g.dim(h, 1)
    keys = g.op("Range", g.const(0), total, g.const(1))
    queries = g.op("Range", g.op("Sub", total, length), total, g.const(1))
    keep = g.op("LessOrEqual", g.unsqueeze(keys, [0]), g.unsqueeze(queries, [1]))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g.op("Mul", scores, g.const(attention.SCALE))
    scores = g.op("Where", keep, scores, g.const(np.finfo(np.float32).min))
    mixed = attention.merge(g, g.op("MatMul", g.op("Softmax", scores, axis=-1), v))
    g.presents = [*getattr(g, "presents", []), *present]  # type: ignore[attr-defined]
    return g.op("MatMul", mixed, g.weight(f"{stem}.o.weight", HIDDEN, HIDDEN))


def _branch(root: Builder, use_past: bool) -> Any:
    g = root.branch()
    x = g.op("Gather", g.root.weight("embed.weight", VOCAB, HIDDEN), "input_ids", axis=0)
    for layer in range(LAYERS):
        stem = f"layers.{layer}"
        h = norm(g, "pow_sqrt_div", x, f"{stem}.norm1")
        x = g.op("Add", x, _cached_attention(g, h, layer, use_past))
        h = norm(g, "pow_sqrt_div", x, f"{stem}.norm2")
        x = g.op("Add", x, feed_forward(g, h, f"{stem}.mlp"))
    h = norm(g, "pow_sqrt_div", x, "final_norm")
    logits = g.op("MatMul", h, g.weight("lm_head.weight", HIDDEN, VOCAB))
    outputs = [value(logits, g.elem(), "batch", "seq", VOCAB)]
    for name in g.presents:  # type: ignore[attr-defined]
        outputs.append(value(name, g.elem(), "batch", HEADS, "total", HEAD_DIM))
    return g.graph("with_past" if use_past else "without_past", [], outputs)


def merged_decoder(use_cache: bool) -> Built:
    """A whole decoder in each branch of an If. Both share the weights of the outer scope."""
    g = Builder(17)
    names = [f"{layer}.{kind}" for layer in range(LAYERS) for kind in ("key", "value")]
    inputs = [value("input_ids", INT64, "batch", "seq"), value("use_cache_branch", BOOL, 1)]
    rng = np.random.default_rng(5)
    arrays: dict[str, np.ndarray] = {
        "input_ids": rng.integers(0, VOCAB, (BATCH, SEQ)),
        "use_cache_branch": np.array([use_cache]),
    }
    outputs = [value("logits", g.elem(), "batch", "seq", VOCAB)]
    for name in names:
        inputs.append(value(f"past.{name}", g.elem(), "batch", HEADS, "past", HEAD_DIM))
        shape = (BATCH, HEADS, PAST, HEAD_DIM)
        arrays[f"past.{name}"] = rng.standard_normal(shape).astype(np.float32)
        outputs.append(value(f"present.{name}", g.elem(), "batch", HEADS, "total", HEAD_DIM))
    g.op(
        "If",
        "use_cache_branch",
        outputs=[o.name for o in outputs],
        then_branch=_branch(g, True),
        else_branch=_branch(g, False),
    )
    return Built(g.model(inputs, outputs), arrays)


def merged_expect() -> dict[str, Any]:
    """Each branch holds a whole decoder and its own stream; both are counted."""
    one = expect(PLAIN)
    counted = ("attention", "rms_norms", "layer_norms", "rotary", "streams")
    doubled = {key: 2 * one[key] for key in counted}
    return one | doubled | {"branches": 2}


def _function(name: str, inputs: list[str], g: Builder, result: str) -> FunctionProto:
    g.op("Identity", result, outputs=["y"])
    return helper.make_function(
        DOMAIN, name, inputs, ["y"], g.nodes, [helper.make_opsetid("", g.opset)]
    )


def _norm_function() -> FunctionProto:
    g = Builder(17, function=True)
    mean = g.mean(g.op("Pow", "x", g.const(2.0)))
    root = g.op("Sqrt", g.op("Add", mean, g.const(EPS)))
    return _function("RMSNorm", ["x", "w"], g, g.op("Mul", g.op("Div", "x", root), "w"))


def _attention_function() -> FunctionProto:
    g = Builder(17, function=True)
    parts = []
    for weight in ("wq", "wk", "wv"):
        split = g.reshape(g.op("MatMul", "x", weight), [0, -1, HEADS, HEAD_DIM])
        parts.append(g.op("Transpose", split, perm=[0, 2, 1, 3]))
    q, k, v = parts
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g.op("Mul", scores, g.const(attention.SCALE))
    keep = attention.causal_keep(g, g.dim("x", 1))
    scores = g.op("Where", keep, scores, g.const(np.finfo(np.float32).min))
    mixed = attention.merge(g, g.op("MatMul", g.op("Softmax", scores, axis=-1), v))
    return _function("Attention", ["x", "wq", "wk", "wv", "wo"], g, g.op("MatMul", mixed, "wo"))


def functions() -> Built:
    """A decoder whose norms and attention are calls of model-local functions."""
    g = Builder(17)
    x = g.op("Gather", g.weight("embed.weight", VOCAB, HIDDEN), "input_ids", axis=0)

    def normed(x: str, stem: str) -> str:
        return g.op("RMSNorm", x, g.vector(f"{stem}.weight", HIDDEN, 1.0), domain=DOMAIN)

    for layer in range(LAYERS):
        stem = f"layers.{layer}"
        weights = [g.weight(f"{stem}.attn.{p}.weight", HIDDEN, HIDDEN) for p in "qkvo"]
        h = normed(x, f"{stem}.norm1")
        x = g.op("Add", x, g.op("Attention", h, *weights, domain=DOMAIN))
        x = g.op("Add", x, feed_forward(g, normed(x, f"{stem}.norm2"), f"{stem}.mlp"))
    head = g.weight("lm_head.weight", HIDDEN, VOCAB)
    g.op("MatMul", normed(x, "final_norm"), head, outputs=["logits"])
    arrays = {"input_ids": np.random.default_rng(5).integers(0, VOCAB, (BATCH, SEQ))}
    model = g.model(
        [value("input_ids", INT64, "batch", "seq")],
        [value("logits", TensorProto.FLOAT, "batch", "seq", VOCAB)],
        [_norm_function(), _attention_function()],
    )
    return Built(model, arrays)


def functions_expect() -> dict[str, Any]:
    """Counts per call; `in_bodies` counts each function body once."""
    return expect(PLAIN, in_bodies={"attention": 1, "rms_norms": 1})
