"""The ways in which graphs write attention: decomposed with every choice, and as one op.

Values: h [batch, seq, hidden]; q [batch, heads, seq, dim]; k, v [batch, kv heads, seq, dim];
scores [batch, heads, seq, keys]. Result [batch, seq, heads * dim], before the output projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rotary
from builder import Builder
from norms import HIDDEN, norm

HEADS = 4
HEAD_DIM = 8
SCALE = HEAD_DIM**-0.5
POSITIONS = rotary.POSITIONS


@dataclass(frozen=True)
class Form:
    """The choices by which the forms of one model differ. The defaults are the plain decoder."""

    norm: str = "pow_sqrt_div"
    qk_norm: bool = False
    attention: str = "decomposed"
    kv_heads: int = 2
    rotary: str = "halves"
    tables: str = "gathered"
    mask: str = "add_graph"
    scale: str = "scores_mul"
    repeat: str = "expand"
    softcap: bool = False
    sink: str = "none"
    gate: str = "none"
    window: int = 0
    block: str = "pre"
    tied: bool = False
    layers: int = 1
    opset: int = 17
    dtype: str = "float32"

    @property
    def head_dim(self) -> int:
        """ONNX Runtime's GroupQueryAttention rotates heads of a multiple of 16 only."""
        return 16 if self.attention == "ms_grouped" else HEAD_DIM


@dataclass(frozen=True)
class Context:
    """Values every layer shares: sequence length (scalar), mask and rotary tables, by name."""

    length: str
    mask: str | None
    tables: rotary.Tables | None


def causal_keep(g: Builder, length: str) -> str:
    """Bool [seq, seq], true where key <= query, computed from the length by Range."""
    steps = g.op("Range", g.const(0), length, g.const(1))
    return g.op("LessOrEqual", g.unsqueeze(steps, [0]), g.unsqueeze(steps, [1]))


def _lowest(g: Builder) -> str:
    return g.const(np.finfo(g.dtype).min)


def make_mask(g: Builder, form: Form, length: str) -> str | None:
    """Make the mask in the form's way. Returns its name, or None if the form needs no mask."""
    if form.mask in ("none", "op_causal"):
        return None
    if form.mask == "input":
        return "mask"
    if form.mask == "add_table":
        keep = np.tril(np.ones((POSITIONS, POSITIONS), bool))
        table = g.const(np.where(keep, 0.0, np.finfo(g.dtype).min)[None, None], name="causal_table")
        end = g.unsqueeze(length, [0])
        for axis in (2, 3):
            table = g.op("Slice", table, g.const([0]), end, g.const([axis]), g.const([1]))
        return table
    if form.mask == "trilu":
        side = g.unsqueeze(length, [0])
        full = g.op("Expand", _lowest(g), g.op("Concat", side, side, axis=0))
        return g.op("Trilu", full, g.const(1), upper=1)
    keep = g.unsqueeze(causal_keep(g, length), [0, 1])
    if form.mask == "padding":
        given = g.unsqueeze(g.op("Cast", "attention_mask", to=9), [1, 2])
        keep = g.op("And", keep, given)
    if form.mask in ("where_graph", "bool"):
        return keep
    mask = g.op("Where", keep, g.const(0.0), _lowest(g))
    if form.mask == "alibi":
        steps = g.op("Range", g.const(0), length, g.const(1))
        distance = g.op("Sub", g.unsqueeze(steps, [0]), g.unsqueeze(steps, [1]))
        distance = g.op("Cast", g.unsqueeze(distance, [0, 1]), to=g.elem())
        slopes = 2.0 ** -np.arange(1, HEADS + 1).reshape(1, HEADS, 1, 1)
        mask = g.op("Add", mask, g.op("Mul", g.const(slopes), distance))
    return mask


def project(g: Builder, h: str, stem: str, heads: int) -> str:
    """h -> [batch, heads, seq, dim]."""
    flat = g.op("MatMul", h, g.weight(f"{stem}.weight", HIDDEN, heads * HEAD_DIM))
    split = g.reshape(flat, [0, -1, heads, HEAD_DIM])
    return g.op("Transpose", split, perm=[0, 2, 1, 3])


def merge(g: Builder, x: str) -> str:
    """[batch, heads, seq, dim] -> [batch, seq, heads * dim]."""
    return g.reshape(g.op("Transpose", x, perm=[0, 2, 1, 3]), [0, -1, HEADS * HEAD_DIM])


def gated_merge(g: Builder, form: Form, h: str, x: str, stem: str) -> str:
    """`merge`, multiplied by sigmoid(h W) if the form has a gate.

    heads_first: one score for each head, before the transposition; head: one for each head, after
    it; element: one for each element of the merged result.
    """
    if form.gate == "none":
        return merge(g, x)
    width = HIDDEN if form.gate == "element" else HEADS
    score = g.op("Sigmoid", g.op("MatMul", h, g.weight(f"{stem}.gate.weight", HIDDEN, width)))
    if form.gate == "element":
        return g.op("Mul", merge(g, x), score)
    if form.gate == "heads_first":
        score = g.unsqueeze(g.op("Transpose", score, perm=[0, 2, 1]), [3])
        return merge(g, g.op("Mul", score, x))
    x = g.op("Transpose", x, perm=[0, 2, 1, 3])
    x = g.op("Mul", x, g.unsqueeze(score, [3]))
    return g.reshape(x, [0, -1, HEADS * HEAD_DIM])


def sink_softmax(g: Builder, form: Form, scores: str, stem: str) -> str:
    """Softmax with a learned logit of each head in its sum: a column that is cut off afterwards."""
    if form.sink not in ("logit_last", "logit_first"):
        return g.op("Softmax", scores, axis=-1)
    logit = g.vector(f"{stem}.sinks", HEADS, 0.5)
    rows = g.op("Slice", g.op("Shape", scores), g.const([0]), g.const([3]))
    shape = g.op("Concat", rows, g.const([1]), axis=0)
    if form.sink == "logit_last":
        column = g.op("Expand", g.reshape(logit, [1, -1, 1, 1]), shape)
        joined = g.op("Concat", scores, column, axis=-1)
        return g.slice(g.op("Softmax", joined, axis=-1), 0, -1, 3)
    column = g.op("Expand", g.unsqueeze(logit, [0, 2, 3]), shape)
    joined = g.op("Concat", column, scores, axis=3)
    largest = g.axes_op("ReduceMax", joined, [-1], 18, keepdims=1)
    weights = g.op("Softmax", g.op("Sub", joined, largest), axis=-1)
    keys = g.unsqueeze(g.dim(scores, 3), [0])
    sizes = g.op("Concat", g.const([1]), keys, axis=0)
    return g.op("Split", weights, sizes, axis=-1, outputs=2)[1]


def prepend_rows(g: Builder, form: Form, x: str, name: str) -> str:
    """Two learned rows [kv heads, 2, dim] before those of x, for each element of the batch."""
    shape = (form.kv_heads, 2, HEAD_DIM)
    rows = g.vector(name, shape, 0.0)
    batch = g.unsqueeze(g.dim(x, 0), [0])
    each = g.op("Expand", rows, g.op("Concat", batch, g.const(list(shape)), axis=0))
    return g.op("Concat", each, x, axis=2)


def repeat_heads(g: Builder, form: Form, x: str, length: str) -> str:
    """[batch, kv heads, seq, dim] -> [batch, heads, seq, dim] (or left to broadcasting)."""
    groups = HEADS // form.kv_heads
    if groups == 1 or form.repeat == "broadcast":
        return x
    wide = g.unsqueeze(x, [2])
    if form.repeat == "tile":
        wide = g.op("Tile", wide, g.const([1, 1, groups, 1, 1]))
    elif form.repeat == "concat":
        wide = g.op("Concat", *([wide] * groups), axis=2)
    else:
        batch = g.unsqueeze(g.dim(x, 0), [0])
        parts = [batch, g.const([form.kv_heads, groups]), g.unsqueeze(length, [0])]
        shape = g.op("Concat", *parts, g.const([HEAD_DIM]), axis=0)
        wide = g.op("Expand", wide, shape)
    return g.reshape(wide, [0, HEADS, -1, HEAD_DIM])


def _qkv(g: Builder, form: Form, c: Context, h: str, stem: str) -> tuple[str, str, str]:
    q = project(g, h, f"{stem}.q", HEADS)
    k = project(g, h, f"{stem}.k", form.kv_heads)
    v = project(g, h, f"{stem}.v", form.kv_heads)
    if form.qk_norm:
        q = norm(g, form.norm, q, f"{stem}.qk_norm_q")
        k = norm(g, form.norm, k, f"{stem}.qk_norm_k")
    if c.tables is not None:
        q = rotary.apply(g, form.rotary, q, HEADS, c.tables)
        k = rotary.apply(g, form.rotary, k, form.kv_heads, c.tables)
    return q, k, v


def decomposed(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """softmax(scale * q k^T + mask) v in primitive ops, with each choice of the form."""
    q, k, v = _qkv(g, form, c, h, stem)
    if form.scale == "q":
        q = g.op("Mul", q, g.const(SCALE))
    elif form.scale == "k":
        k = g.op("Mul", k, g.const(SCALE))
    elif form.scale == "both":
        q, k = (g.op("Mul", x, g.const(SCALE**0.5)) for x in (q, k))
    mask = c.mask
    lengths = (c.length, c.length)
    if form.sink == "kv":
        k = prepend_rows(g, form, k, f"{stem}.sink_key")
        v = prepend_rows(g, form, v, f"{stem}.sink_value")
        lengths = (g.dim(k, 2), g.dim(v, 2))
        side = g.unsqueeze(c.length, [0])
        seen = g.op("ConstantOfShape", g.op("Concat", g.const([1, 1]), side, g.const([2]), axis=0))
        mask = g.op("Concat", seen, mask, axis=3)
    keys = repeat_heads(g, form, k, lengths[0])
    values = repeat_heads(g, form, v, lengths[1])
    scores = g.op("MatMul", q, g.op("Transpose", keys, perm=[0, 1, 3, 2]))
    if form.scale == "scores_mul":
        scores = g.op("Mul", scores, g.const(SCALE))
    elif form.scale == "scores_div":
        scores = g.op("Div", scores, g.const(1 / SCALE))
    if form.softcap:
        capped = g.op("Tanh", g.op("Div", scores, g.const(20.0)))
        scores = g.op("Mul", capped, g.const(20.0))
    if form.mask in ("where_graph", "bool"):
        scores = g.op("Where", mask, scores, _lowest(g))
    elif mask is not None:
        scores = g.op("Add", scores, mask)
    weights = sink_softmax(g, form, scores, stem)
    return gated_merge(g, form, h, g.op("MatMul", weights, values), stem)


def standard_op(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """The standard's Attention (opset 23 and later) on four-dimensional q, k, v."""
    q, k, v = _qkv(g, form, c, h, stem)
    inputs = [q, k, v] + ([c.mask] if c.mask else [])
    causal = int(form.mask == "op_causal")
    # The operator counts the keys before the query, and the form counts the query as well.
    window = dict(left_window_size=form.window - 1) if form.window else {}
    mixed = g.op("Attention", *inputs, is_causal=causal, scale=SCALE, **window)
    return gated_merge(g, form, h, mixed, stem)


def standard_op_flat(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """The standard's Attention on three-dimensional q, k, v; the heads are attributes."""
    q = g.op("MatMul", h, g.weight(f"{stem}.q.weight", HIDDEN, HIDDEN))
    width = form.kv_heads * HEAD_DIM
    k, v = (
        g.op("MatMul", h, g.weight(f"{stem}.{part}.weight", HIDDEN, width)) for part in ("k", "v")
    )
    inputs = [q, k, v] + ([c.mask] if c.mask else [])
    causal = int(form.mask == "op_causal")
    heads = dict(q_num_heads=HEADS, kv_num_heads=form.kv_heads)
    return g.op("Attention", *inputs, is_causal=causal, **heads)


def ms_attention(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """com.microsoft Attention: one packed projection inside the op, causal by an attribute."""
    weight = g.weight(f"{stem}.qkv.weight", HIDDEN, 3 * HIDDEN)
    bias = g.vector(f"{stem}.qkv.bias", 3 * HIDDEN, 0.0)
    causal = int(form.mask == "op_causal")
    return g.op(
        "Attention",
        *(h, weight, bias),
        outputs=[g.name("attention"), ""],
        domain="com.microsoft",
        num_heads=HEADS,
        unidirectional=causal,
    )


def ms_multi_head(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """com.microsoft MultiHeadAttention on separate q, k, v; the mask is its attention bias."""
    parts = [
        g.op("MatMul", h, g.weight(f"{stem}.{part}.weight", HIDDEN, HIDDEN))
        for part in ("q", "k", "v")
    ]
    inputs = [*parts, "", "", c.mask] if c.mask else parts
    causal = int(form.mask == "op_causal")
    return g.op(
        "MultiHeadAttention",
        *inputs,
        domain="com.microsoft",
        num_heads=HEADS,
        unidirectional=causal,
        scale=SCALE,
    )


def ms_grouped(g: Builder, form: Form, c: Context, h: str, stem: str) -> str:
    """com.microsoft GroupQueryAttention with past, present and the rotation inside the op."""
    heads = {"q": HEADS, "k": form.kv_heads, "v": form.kv_heads}
    q, k, v = (
        g.op("MatMul", h, g.weight(f"{stem}.{part}.weight", HIDDEN, count * form.head_dim))
        for part, count in heads.items()
    )
    table = rotary.angles(form.head_dim)
    cos, sin = g.const(np.cos(table), name="cos"), g.const(np.sin(table), name="sin")
    layer = stem.split(".")[1]
    past = [f"past.{layer}.key", f"past.{layer}.value"]
    present = [f"present.{layer}.key", f"present.{layer}.value"]
    total = g.dim("attention_mask", 1)
    counted = g.axes_op("ReduceSum", "attention_mask", [1], 13, keepdims=0)
    last = g.op("Cast", g.op("Sub", counted, g.const(1)), to=6)
    return g.op(
        "GroupQueryAttention",
        *(q, k, v, *past, last, g.op("Cast", total, to=6), cos, sin),
        outputs=[g.name("gqa"), *present],
        domain="com.microsoft",
        num_heads=HEADS,
        kv_num_heads=form.kv_heads,
        do_rotary=int(form.rotary != "none"),
    )[0]


FORMS = {
    f.__name__: f
    for f in (decomposed, standard_op, standard_op_flat, ms_attention, ms_multi_head, ms_grouped)
}
