"""Softmax attention with sinks, as a torch operator.

For query [batch, heads, queries, d] and key, value [batch, kv_heads, keys, d]; query head h reads
key head h * kv_heads / heads, and query i stands at key i + keys - queries:
    s_ij = scale * q_i . k_j, then softcap * tanh(s_ij / softcap), then + mask_ij
    o_i = sum_j exp(s_ij) v_j / (exp(sink_logit) + sum_j exp(s_ij)) * gate_i
The sums are over the keys that causal, window, mask and key_lengths leave, and over the sink rows,
which all queries see. Rows that see nothing are 0. Everything is in f32, except that kernels round
exp(s_ij) to the type of v.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from basin.ops.kernels import TYPES, find, not_empty

_GATES = ("plain", "sigmoid")


def attention(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
    """Attention, [batch, heads, queries, d of the values].

    causal: hides keys after the query. window: hides keys that are `window` or more before it.
    mask: broadcast to [batch, heads, queries, keys]; booleans keep, numbers are added.
    key_lengths [batch], i32: keys of each batch. sink_logit [heads]: a summand of the denominator.
    sink_key, sink_value [kv_heads, rows, d]: rows in front of the keys that all queries see.
    gate: broadcast to [batch, heads, queries, d], of its width or one column, the factor of the
    result, or by gate_kind="sigmoid" its sigmoid. scale: 1 / sqrt(d) by default. softcap.
    """
    return _call(query, key, value, options, with_lse=False)[0]


def attention_with_lse(
    query: Tensor, key: Tensor, value: Tensor, **options: Any
) -> tuple[Tensor, Tensor]:
    """Attention, and log(sum of exp) of each row, [batch, heads, queries] in f32.

    The sum contains the sink logit's share. A row that sees nothing has -inf.
    """
    return _call(query, key, value, options, with_lse=True)


_OPTIONS = {
    "causal": False, "window": 0, "mask": None, "key_lengths": None, "sink_logit": None,
    "sink_key": None, "sink_value": None, "gate": None, "gate_kind": "plain", "scale": None,
    "softcap": 0.0,
}  # fmt: skip


def _call(
    query: Tensor, key: Tensor, value: Tensor, options: dict[str, Any], with_lse: bool
) -> tuple[Tensor, Tensor]:
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(
                f"attention: unknown option {name!r}; expected one of {', '.join(_OPTIONS)}"
            )
    given = _OPTIONS | options
    _check(query, key, value, given)
    return _attention(query, key, value, *given.values(), with_lse)


# ------------------------------------------------------------------------------------------------
# What is refused
# ------------------------------------------------------------------------------------------------


def _check(query: Tensor, key: Tensor, value: Tensor, given: dict[str, Any]) -> None:
    """Types, devices and shapes; a kernel reads as far as its own sizes say."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() != 4 or tensor.dtype not in TYPES:
            got = f"{tensor.dtype} {list(tensor.shape)}"
            raise ValueError(f"{name}: expected [batch, heads, rows, d] of floats, but got {got}")
    batch, heads, queries, dim = query.shape
    kv_heads, keys, width = key.shape[1], key.shape[2], value.shape[3]
    if kv_heads == 0 or heads % kv_heads:
        wanted = f"query: expected heads in multiples of the keys' {kv_heads}"
        raise ValueError(f"{wanted}, but got {heads}")
    scores, result = (batch, heads, queries, keys), (batch, heads, queries, width)
    _expect("key", key, (batch, kv_heads, keys, dim), query, query.dtype)
    _expect("value", value, (batch, kv_heads, keys, width), query, query.dtype)
    if (given["sink_key"] is None) != (given["sink_value"] is None):
        raise ValueError("sink_key, sink_value: expected both or neither")
    if given["sink_key"] is not None:
        rows = given["sink_key"].shape[1] if given["sink_key"].dim() > 1 else 0
        _expect("sink_key", given["sink_key"], (kv_heads, rows, dim), query, query.dtype)
        _expect("sink_value", given["sink_value"], (kv_heads, rows, width), query, query.dtype)
    if given["sink_logit"] is not None:
        _expect("sink_logit", given["sink_logit"], (heads,), query, torch.float32, query.dtype)
    if given["key_lengths"] is not None:
        _expect("key_lengths", given["key_lengths"], (batch,), query, torch.int32)
    if given["mask"] is not None:
        _expect_broadcast("mask", given["mask"], scores, query)
    if given["gate"] is not None:
        _expect_broadcast("gate", given["gate"], result, query)
    if given["gate_kind"] not in _GATES:
        raise ValueError(f"gate_kind: expected plain or sigmoid, but got {given['gate_kind']!r}")
    if given["window"] < 0:
        raise ValueError(f"window: expected a number of keys, but got {given['window']}")


def _expect(
    name: str, tensor: Tensor, shape: tuple[int, ...], like: Tensor, *types: torch.dtype
) -> None:
    if tuple(tensor.shape) != shape:
        given = list(tensor.shape)
        raise ValueError(f"{name}: expected the shape {list(shape)}, but got {given}")
    if tensor.device != like.device:
        raise ValueError(f"{name}: expected a tensor on {like.device}, but got {tensor.device}")
    if tensor.dtype not in types:
        wanted = " or ".join(map(str, types))
        raise ValueError(f"{name}: expected {wanted}, but got {tensor.dtype}")


def _expect_broadcast(name: str, tensor: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    fits = tensor.dim() <= len(shape) and all(
        size in (1, want) for size, want in zip(reversed(tensor.shape), reversed(shape))
    )
    if not fits:
        given = list(tensor.shape)
        raise ValueError(f"{name}: expected to broadcast to {list(shape)}, but got {given}")
    types = (*TYPES, torch.bool) if name == "mask" else (like.dtype,)
    _expect(name, tensor, tuple(tensor.shape), like, *types)


# ------------------------------------------------------------------------------------------------
# The operator
# ------------------------------------------------------------------------------------------------


@torch.library.custom_op("basin::attention", mutates_args=())
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    causal: bool,
    window: int,
    mask: Tensor | None,
    key_lengths: Tensor | None,
    sink_logit: Tensor | None,
    sink_key: Tensor | None,
    sink_value: Tensor | None,
    gate: Tensor | None,
    gate_kind: str,
    scale: float | None,
    softcap: float,
    with_lse: bool,
) -> tuple[Tensor, Tensor]:
    compute = _launch if query.is_cuda else _reference
    return compute(
        query, key, value, causal=causal, window=window, mask=mask, key_lengths=key_lengths,
        sink_logit=sink_logit, sink_key=sink_key, sink_value=sink_value, gate=gate,
        gate_kind=gate_kind, scale=scale, softcap=softcap, with_lse=with_lse,
    )  # fmt: skip


def _empty_results(query: Tensor, value: Tensor, with_lse: bool) -> tuple[Tensor, Tensor]:
    """Results with the rows of all heads side by side, which a projection reads without a copy."""
    batch, heads, queries, _ = query.shape
    result = query.new_empty(batch, queries, heads, value.shape[3]).transpose(1, 2)
    shape = (batch, heads, queries) if with_lse else (0,)
    return result, query.new_empty(shape, dtype=torch.float32)


@_attention.register_fake
def _(query, key, value, *options):
    return _empty_results(query, value, options[-1])


def _hidden(query: Tensor, key: Tensor, given: dict[str, Any]) -> Tensor:
    """True where a query does not see a key, [batch or 1, 1, queries, keys]."""
    queries, keys = query.shape[2], key.shape[2]
    column = torch.arange(keys, device=query.device)
    place = torch.arange(queries, device=query.device)[:, None] + (keys - queries)
    hidden = torch.zeros(1, 1, queries, keys, dtype=torch.bool, device=query.device)
    if given["causal"]:
        hidden = hidden | (column > place)
    if given["window"]:
        hidden = hidden | (place - column >= given["window"])
    if given["key_lengths"] is not None:
        hidden = hidden | (column >= given["key_lengths"][:, None, None, None])
    return hidden


def _reference(query: Tensor, key: Tensor, value: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
    """Computes the formulas in f32."""
    groups = query.shape[1] // key.shape[1]
    nothing, mask = -math.inf, given["mask"]
    scale = given["scale"] or 1 / math.sqrt(query.shape[3])

    def score(rows: Tensor) -> Tensor:
        scores = scale * (query.float() @ rows.float().repeat_interleave(groups, -3).mT)
        cap = given["softcap"]
        return cap * torch.tanh(scores / cap) if cap else scores

    hidden = _hidden(query, key, given)
    scores = score(key)
    if mask is not None and mask.dtype == torch.bool:
        hidden = hidden | ~mask
    elif mask is not None:
        scores = scores + mask.float()
    scores = scores.masked_fill(hidden, nothing)
    # Values that no query sees may be NaN, and 0 * NaN is NaN, so they become 0.
    values = value.float().repeat_interleave(groups, 1)
    values = values.masked_fill(hidden.all(-2)[..., None], 0)
    if given["sink_key"] is not None:
        scores = torch.cat((score(given["sink_key"]).expand(*scores.shape[:3], -1), scores), -1)
        rows = given["sink_value"].float().repeat_interleave(groups, 0)
        values = torch.cat((rows.expand(len(values), -1, -1, -1), values), -2)
    if given["sink_logit"] is not None:
        logit = given["sink_logit"].float()[:, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat((scores, logit), -1)
        values = torch.cat((values, torch.zeros_like(values[:, :, :1])), -2)
    lse = torch.logsumexp(scores, -1)
    against = lse.masked_fill(lse == nothing, 0)
    output = torch.exp(scores - against[..., None]) @ values
    if (gate := given["gate"]) is not None:
        factor = gate.float()
        output = output * (torch.sigmoid(factor) if given["gate_kind"] == "sigmoid" else factor)
    result, empty = _empty_results(query, value, given["with_lse"])
    return result.copy_(output), lse if given["with_lse"] else empty


# ------------------------------------------------------------------------------------------------
# Kernels
# ------------------------------------------------------------------------------------------------


def kernel_spec(
    query: Tensor, value: Tensor, given: dict[str, Any]
) -> dict[str, bool | float | str]:
    """The spec of the kernel of a call."""
    width, mask, gate, logit = value.shape[3], given["mask"], given["gate"], given["sink_logit"]
    keeps = mask is not None and mask.dtype == torch.bool
    parts = {
        "head_dim": query.shape[3],
        "type": TYPES[query.dtype],
        "value_dim": width if width != query.shape[3] else None,
        "causal": given["causal"],
        "window": given["window"] > 0,
        "mask": None if mask is None else "keep" if keeps else "bias",
        "mask_type": None if mask is None or keeps else _unless(query.dtype, mask.dtype),
        "scale": given["scale"],
        "softcap": given["softcap"] or None,
        "key_lengths": given["key_lengths"] is not None,
        "sink_logit": logit is not None,
        "sink_type": None if logit is None else _unless(torch.float32, logit.dtype),
        "sink_kv": given["sink_key"] is not None,
        "gate": None if gate is None else given["gate_kind"],
        "gate_per_head": gate is not None and gate.shape[-1] == 1 != width,
        "log_sum_exp": given["with_lse"],
    }
    return {name: part for name, part in parts.items() if part is not None and part is not False}


def _unless(default: torch.dtype, dtype: torch.dtype) -> str | None:
    return None if dtype == default else TYPES[dtype]


def _with_rows(tensor: Tensor) -> Tensor:
    """The tensor, copied if its rows do not begin at multiples of 16 bytes."""
    per = 16 // tensor.element_size()
    pairs = list(zip(tensor.shape, tensor.stride()))
    fits = all(size == 1 or stride % per == 0 for size, stride in pairs[:-1])
    good = fits and pairs[-1][1] == 1 and tensor.data_ptr() % 16 == 0
    return tensor if good else tensor.contiguous()


def _broadcast(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor broadcast to the shape by strides of 0, except for its columns."""
    last = tensor.shape[-1] if tensor.dim() else 1
    out = tensor.expand(*shape[:-1], last)
    return (
        out if out.stride(-1) == 1 or last == 1 else tensor.contiguous().expand(*shape[:-1], last)
    )


def _launch(query: Tensor, key: Tensor, value: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
    result, lse = _empty_results(query, value, given["with_lse"])
    batch, heads, queries, _ = query.shape
    strided = {"query": _with_rows(query), "key": _with_rows(key), "value": _with_rows(value)}
    if (mask := given["mask"]) is not None:
        mask = mask.view(torch.int8) if mask.dtype == torch.bool else mask
        if mask.shape[-1] != key.shape[2]:
            mask = mask.expand(*mask.shape[:-1], key.shape[2]).contiguous()
        strided["mask"] = _broadcast(mask, (batch, heads, queries, 0))
    if (gate := given["gate"]) is not None:
        gate = gate if gate.shape[-1] == 1 else _with_rows(gate)
        strided["gate"] = _broadcast(gate, tuple(result.shape))
    strided["result"] = result
    arguments: dict[str, Any] = {}
    for name, tensor in strided.items():
        for axis, what in enumerate(("batch", "head", "row")):
            stride = tensor.stride(axis) if tensor.shape[axis] > 1 else 0
            arguments[f"{name}_{what}_stride"] = stride
    for name in ("key_lengths", "sink_logit", "sink_key", "sink_value"):
        if given[name] is not None:
            strided[name] = given[name].contiguous()
    if given["sink_key"] is not None:
        arguments["sink_rows"] = given["sink_key"].shape[1]
    if given["window"]:
        arguments["window"] = given["window"]
    if given["with_lse"]:
        strided["log_sum_exp"] = lse
    sizes = {"batch": batch, "heads": heads, "queries": queries}
    sizes |= {"kv_heads": key.shape[1], "keys": key.shape[2]}
    tensors = {name: not_empty(tensor) for name, tensor in strided.items()}
    find("attention", kernel_spec(query, value, given)).launch(tensors | arguments | sizes)
    return result, lse
