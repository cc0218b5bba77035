"""Attention as one operator: com.microsoft's and the standard's, with uneven lengths."""

from __future__ import annotations

from onnx import helper

from .builder import BOOL, I32, MS, Builder, Dim


def _outputs(b: Builder, count: int) -> list[str]:
    return [b.name("att") for _ in range(count)]


def _add(b: Builder, op: str, inputs: list[str], outputs: list[str], domain: str, **attrs) -> None:
    while inputs and not inputs[-1]:
        inputs.pop()
    attrs = {k: v for k, v in attrs.items() if v is not None}
    b.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attrs))


def _past(b: Builder, heads: int, d: int) -> list[str]:
    return [b.input(f"past_{n}", b.element, ["batch", heads, "past", d]) for n in ("key", "value")]


def multi_head(b: Builder) -> None:
    """MultiHeadAttention: separate or packed operands, bias, masks, unidirectional, a past."""
    heads, d = int(b.pick([1, 2, 4])), int(b.pick([2, 4]))
    hidden = heads * d
    keys: Dim = b.pick(["seq", "seq", "other"])
    q = b.input("q", b.element, ["batch", "seq", hidden])
    k, v = (b.input(n, b.element, ["batch", keys, hidden]) for n in ("k", "v"))
    bias = b.weight(3 * hidden, stem="bias") if b.chance(0.15) else ""
    padding = attention_bias = ""
    kind = b.rng.random()
    if kind < 0.2:
        padding = b.input("attention_mask", I32, ["batch", keys])
    elif kind < 0.5:
        shape: list[Dim] = [b.pick(["batch", 1]), b.pick([heads, 1]), "seq", keys]
        attention_bias = b.input("mask", b.element, shape)
    past = _past(b, heads, d) if not attention_bias and b.chance(0.25) else []
    outputs = _outputs(b, 3 if past or b.chance(0.1) else 1)
    _add(
        b, "MultiHeadAttention", [q, k, v, bias, padding, attention_bias, *past], outputs, MS,
        num_heads=heads, unidirectional=1 if b.chance(0.4) else None,
        scale=0.3 if b.chance(0.2) else None,
    )  # fmt: skip
    for name in outputs:
        b.output(name)


def grouped(b: Builder) -> None:
    """GroupQueryAttention with lengths that differ in the batch."""
    kv, d = int(b.pick([1, 2])), 8
    heads = kv * int(b.pick([1, 2]))
    q = b.input("q", b.element, ["batch", "seq", heads * d])
    k, v = (b.input(n, b.element, ["batch", "seq", kv * d]) for n in ("k", "v"))
    past = _past(b, kv, d) if b.chance(0.6) else ["", ""]
    lengths = b.input("seqlens_k", I32, ["batch"])
    total = b.input("total_sequence_length", I32, [])
    rotary: list[str] = ["", ""]
    if b.chance(0.15):
        rotary = [b.floats(b.rng.standard_normal((32, d // 2)), n) for n in ("cos", "sin")]
    outputs = _outputs(b, 3)
    _add(
        b, "GroupQueryAttention", [q, k, v, *past, lengths, total, *rotary], outputs, MS,
        num_heads=heads, kv_num_heads=kv, do_rotary=1 if rotary[0] else None,
        local_window_size=int(b.pick([2, 3])) if b.chance(0.2) else None,
        softcap=5.0 if b.chance(0.15) else None, scale=0.3 if b.chance(0.2) else None,
    )  # fmt: skip
    for name in outputs:
        b.output(name)


def packed(b: Builder) -> None:
    """com.microsoft's Attention: projections inside, masks of lengths."""
    heads, d = int(b.pick([1, 2])), 4
    hidden = heads * d
    x = b.input("x", b.element, ["batch", "seq", hidden])
    parts = [x, b.weight(hidden, 3 * hidden), b.weight(3 * hidden)]
    if b.chance(0.5):
        parts.append(b.input("attention_mask", I32, ["batch", b.pick(["seq", "seq"])]))
    outputs = _outputs(b, 1)
    _add(
        b, "Attention", parts, outputs, MS, num_heads=heads,
        unidirectional=1 if b.chance(0.4) else None,
    )  # fmt: skip
    b.output(outputs[0])


def standard(b: Builder) -> None:
    """The standard's Attention (opset 23 and 24): rank 3 or 4, causal, masks, a past, softcap."""
    b.opset = max(b.opset, 23)
    kv, d = int(b.pick([1, 2])), int(b.pick([2, 4]))
    heads = kv * int(b.pick([1, 2]))
    keys: Dim = b.pick(["seq", "seq", "other"])
    flat = b.chance(0.4)
    if flat:
        q = b.input("q", b.element, ["batch", "seq", heads * d])
        k, v = (b.input(n, b.element, ["batch", keys, kv * d]) for n in ("k", "v"))
    else:
        q = b.input("q", b.element, ["batch", heads, "seq", d])
        k, v = (b.input(n, b.element, ["batch", kv, keys, d]) for n in ("k", "v"))
    past = _past(b, kv, d) if b.chance(0.3) else []
    total = f"past + {keys}" if past else keys
    mask = ""
    if b.chance(0.6):
        element = BOOL if b.chance(0.5) else b.element
        shapes: list[list[Dim]] = [
            ["seq", total],
            [1, "seq", total],
            ["batch", 1, "seq", total],
            ["batch", heads, "seq", total],
            ["batch", 1, 1, total],
        ]
        mask = b.input("mask", element, b.pick(shapes))
    outputs = _outputs(b, 3 if past else 1)
    _add(
        b, "Attention", [q, k, v, mask, *past], outputs, "",
        is_causal=1 if b.chance(0.4) else None, scale=0.3 if b.chance(0.2) else None,
        softcap=5.0 if b.chance(0.15) else None,
        q_num_heads=heads if flat else None, kv_num_heads=kv if flat else None,
    )  # fmt: skip
    for name in outputs:
        b.output(name)


def graph(b: Builder) -> None:
    """A graph of one fused attention."""
    b.pick([multi_head, multi_head, grouped, packed, standard, standard])(b)
