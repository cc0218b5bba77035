"""Whole runnable models from a `Form`: embedding, residual blocks, final norm, language head."""

from __future__ import annotations

from typing import Any

import attention
import numpy as np
import rotary
from attention import HEADS, Context, Form
from builder import INT64, Builder, value
from common import Built, expectation
from norms import DYT, HIDDEN, add_norm, is_rms, norm

VOCAB, FFN, BATCH, SEQ, PAST = 36, 20, 2, 5, 3


def feed_forward(g: Builder, h: str, stem: str) -> str:
    """SwiGLU: down(silu(gate h) * up h)."""
    gate = g.op("MatMul", h, g.weight(f"{stem}.gate.weight", HIDDEN, FFN))
    up = g.op("MatMul", h, g.weight(f"{stem}.up.weight", HIDDEN, FFN))
    active = g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up)
    return g.op("MatMul", active, g.weight(f"{stem}.down.weight", FFN, HIDDEN))


def attend(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """Attention with its output projection."""
    mixed = attention.FORMS[form.attention](g, form, c, h, stem)
    return g.op("MatMul", mixed, g.weight(f"{stem}.o.weight", HEADS * form.head_dim, HIDDEN))


def pre_norm(g: Builder, form: Form, c: Context, x: str) -> str:
    """x + attn(norm x), x + mlp(norm x); returns the final norm of the stream."""
    h = norm(g, form.norm, x, "layers.0.norm1")
    for i in range(form.layers):
        delta = attend(g, form, c, h, f"layers.{i}.attn")
        x, h = add_norm(g, form.norm, x, delta, f"layers.{i}.norm2")
        delta = feed_forward(g, h, f"layers.{i}.mlp")
        following = f"layers.{i + 1}.norm1" if i + 1 < form.layers else "final_norm"
        x, h = add_norm(g, form.norm, x, delta, following)
    return h


def post_norm(g: Builder, form: Form, c: Context, x: str) -> str:
    """norm(x + attn x), norm(x + mlp x): BERT's order, no final norm."""
    for i in range(form.layers):
        delta = attend(g, form, c, x, f"layers.{i}.attn")
        _, x = add_norm(g, form.norm, x, delta, f"layers.{i}.norm1")
        delta = feed_forward(g, x, f"layers.{i}.mlp")
        _, x = add_norm(g, form.norm, x, delta, f"layers.{i}.norm2")
    return x


def sandwich(g: Builder, form: Form, c: Context, x: str) -> str:
    """x + norm(attn(norm x)), x + norm(mlp(norm x)): Gemma 2's order."""
    for i in range(form.layers):
        stem = f"layers.{i}"
        delta = attend(g, form, c, norm(g, form.norm, x, f"{stem}.norm1"), f"{stem}.attn")
        x = g.op("Add", x, norm(g, form.norm, delta, f"{stem}.norm2"))
        delta = feed_forward(g, norm(g, form.norm, x, f"{stem}.norm3"), f"{stem}.mlp")
        x = g.op("Add", x, norm(g, form.norm, delta, f"{stem}.norm4"))
    return norm(g, form.norm, x, "final_norm")


def parallel(g: Builder, form: Form, c: Context, x: str) -> str:
    """x + attn(h) + mlp(h') with h = h' = norm x (GPT-J), or h' its own norm of x (NeoX)."""
    for i in range(form.layers):
        stem = f"layers.{i}"
        h = other = norm(g, form.norm, x, f"{stem}.norm1")
        if form.block == "parallel_two_norms":
            other = norm(g, form.norm, x, f"{stem}.norm2")
        mixed = attend(g, form, c, h, f"{stem}.attn")
        both = g.op("Add", mixed, feed_forward(g, other, f"{stem}.mlp"))
        x = g.op("Add", both, x)
    return norm(g, form.norm, x, "final_norm")


# block -> (builder, norms in a layer, norms after the layers, streams in a layer, streams once)
BLOCKS = {
    "pre": (pre_norm, 2, 1, 0, 1),
    "post": (post_norm, 2, 0, 2, 0),
    "sandwich": (sandwich, 4, 1, 0, 1),
    "parallel": (parallel, 1, 1, 0, 1),
    "parallel_two_norms": (parallel, 2, 1, 0, 1),
}


def expect(form: Form, **changes: Any) -> dict[str, Any]:
    """What recognition must find, derived from the form alone."""
    _, per_layer, after, streams_layer, streams_once = BLOCKS[form.block]
    norms = per_layer * form.layers + after
    qk_norms = 2 * form.layers if form.qk_norm else 0
    rms = is_rms(form.norm)
    rotates = form.rotary != "none"
    result = expectation(
        hidden=HIDDEN,
        heads=HEADS,
        kv_heads=form.kv_heads,
        head_dim=form.head_dim,
        attention=form.layers,
        causal=form.mask not in ("none", "input"),
        streams=streams_layer * form.layers + streams_once,
        rms_norms=(norms if rms else 0) + qk_norms,
        layer_norms=0 if rms or form.norm in DYT else norms,
        rotary=2 * form.layers * rotates,
    )
    more = {
        "dyts": norms if form.norm in DYT else 0,
        "gates": norms if form.norm.startswith("gated") else 0,
        "sink_logits": form.layers if form.sink.startswith("logit") else 0,
        "sink_kv": form.layers if form.sink == "kv" else 0,
        "windows": form.layers if form.window else 0,
        "attention_gates": form.layers if form.gate != "none" else 0,
    }
    return result | {key: count for key, count in more.items() if count} | changes


def body(g: Builder, form: Form) -> str:
    """Everything from `input_ids` to logits; returns the logits' name."""
    table = g.weight("embed.weight", VOCAB, HIDDEN)
    x = g.op("Gather", table, "input_ids", axis=0)
    length = g.dim("input_ids", 1)
    tables = None
    if form.rotary != "none" and form.attention != "ms_grouped":
        positions = "position_ids"
        if form.tables == "range":
            steps = g.op("Range", g.const(0), length, g.const(1))
            positions = g.unsqueeze(steps, [0])
        tables = rotary.tables(g, form.rotary, form.tables, positions)
    context = Context(length, attention.make_mask(g, form, length), tables)
    h = BLOCKS[form.block][0](g, form, context, x)
    if form.tied:
        head = g.op("Transpose", table, perm=[1, 0])
    else:
        head = g.weight("lm_head.weight", HIDDEN, VOCAB)
    return g.op("MatMul", h, head)


def signature(g: Builder, form: Form) -> tuple[list, dict[str, np.ndarray], list]:
    """Return the graph inputs, fixed arrays for them, and outputs after the logits."""
    rng = np.random.default_rng(5)
    inputs = [value("input_ids", INT64, "batch", "seq")]
    grouped = form.attention == "ms_grouped"
    # With a past and a batch, GroupQueryAttention takes one new token at a time.
    seq = 1 if grouped else SEQ
    arrays: dict[str, np.ndarray] = {"input_ids": rng.integers(0, VOCAB, (BATCH, seq))}
    outputs: list = []
    if form.rotary != "none" and form.tables != "range" and not grouped:
        inputs.append(value("position_ids", INT64, "batch", "seq"))
        arrays["position_ids"] = np.tile(np.arange(SEQ), (BATCH, 1))
    if form.mask == "input":
        inputs.append(value("mask", g.elem(), "batch", 1, "seq", "seq"))
        keep = np.tril(np.ones((SEQ, SEQ), bool))
        mask = np.where(keep, 0.0, np.finfo(g.dtype).min).astype(g.dtype)
        arrays["mask"] = np.tile(mask, (BATCH, 1, 1, 1))
    if form.mask == "padding" or grouped:
        width = "total" if grouped else "seq"
        inputs.append(value("attention_mask", INT64, "batch", width))
        arrays["attention_mask"] = np.ones((BATCH, seq + PAST * grouped), np.int64)
    if form.mask == "padding":
        arrays["attention_mask"][1, SEQ - 1] = 0
    for layer in range(form.layers * grouped):
        for kind in ("key", "value"):
            dims = (form.kv_heads, "past", form.head_dim)
            inputs.append(value(f"past.{layer}.{kind}", g.elem(), "batch", *dims))
            shape = (BATCH, form.kv_heads, PAST, form.head_dim)
            arrays[f"past.{layer}.{kind}"] = rng.standard_normal(shape).astype(g.dtype)
            dims = (form.kv_heads, "total", form.head_dim)
            outputs.append(value(f"present.{layer}.{kind}", g.elem(), "batch", *dims))
    return inputs, arrays, outputs


def build(form: Form) -> Built:
    """Build the model of a form with its inputs."""
    g = Builder(form.opset, form.dtype)
    inputs, arrays, more = signature(g, form)
    logits = body(g, form)
    g.op("Identity", logits, outputs=["logits"])
    outputs = [value("logits", g.elem(), "batch", "seq", VOCAB), *more]
    return Built(g.model(inputs, outputs), arrays)
