"""Norms, dynamic tanh and attention in f64 by their formulas, with the error kernels may have.

Formulas: include/basin/Dialect/Sink/IR/SinkOps.td. If a kernel rounds in between (the sum with a
residual), so does the reference. All other results are compared within a bound, and the reason for
each bound stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

Tensors = Mapping[str, torch.Tensor]

# Half a unit in the last place of the result, and a tenth more for f32 computations before it. For
# f32 it is the error of the approximate reciprocal root (22 bits) and of sums.
RESULT = {torch.float32: 4e-6, torch.float16: 1 / 1800, torch.bfloat16: 1 / 220}
# For a gate, relative to the terms of its scores. Operands of the products are rounded to the type
# (f32 to tf32), which gives some units of it, and the approximate tanh has 11 bits.
GATE = {torch.float32: 2e-3, torch.float16: 2e-3, torch.bfloat16: 1.2e-2}
# The error of tanh: 11 bits if the result has no more, and that of f32 near 1 otherwise.
CURVE = {torch.float32: 4e-7, torch.float16: 1 / 1800, torch.bfloat16: 1 / 1800}
# For attention, relative to the sum of |p v|. The probabilities are rounded to the type once, and
# so is the result, half a unit each. 15 % are for f32 sums, an exponential of 22 bits and the gate.
# No kernel has type f32, but torch does.
ATTENTION = {
    torch.float32: 1e-5, torch.float16: 1.15 * 2**-10, torch.bfloat16: 1.15 * 2**-7
}  # fmt: skip
ATTENTION_ABSOLUTE = 1e-5  # for probabilities below f16's normal numbers and values near 0
LOG_RELATIVE, LOG_ABSOLUTE = 2e-6, 4e-5  # for an f32 sum of products and a logarithm of 22 bits

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
    "identity": lambda x: x,
}


def norm_sum(t: Tensors) -> torch.Tensor:
    """h, rounded after each addition to the type of x."""
    h = t["x"]
    for name in ("residual", "residual_bias"):
        if name in t:
            h = (h.double() + t[name].double()).to(t["x"].dtype)
    return h


def norm(parts: Mapping[str, Any], t: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
    """y in f64, and the error that a kernel's y may have."""
    u = norm_sum(t).double()
    if "pre_affine" in t:
        u = u * t["pre_affine"].double()
    if "layer" in parts:
        u = u - u.mean(-1, keepdim=True)
    y = u / torch.sqrt((u * u).mean(-1, keepdim=True) + parts.get("eps", 1e-5))
    if "weight" in t:
        y = y * t["weight"].double()
    if "bias" in t:
        y = y + t["bias"].double()
    # Values near 0 by cancellation have the same absolute error as the largest ones.
    bound = 2e-7 * y.abs().nan_to_num(0, 0).amax(-1, keepdim=True)
    if "gate_down" in t:
        plain = y
        hidden = torch.nn.functional.silu(y @ t["gate_down"].double().T)
        up = t["gate_up"].double().T
        y = ACTIVATIONS[parts.get("activation", "sigmoid")](hidden @ up) * plain
        sizes = (hidden.abs() @ up.abs()).clamp(min=1)
        bound = bound + GATE[t["x"].dtype] * sizes * plain.abs()
    return y, bound + RESULT[t["y"].dtype] * y.abs()


def dynamic_tanh(t: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
    gamma = t["gamma"].double()
    y = gamma * torch.tanh(t["alpha"].double() * t["x"].double())
    if "beta" in t:
        y = y + t["beta"].double()
    dtype = t["y"].dtype
    unit = 4e-7 if dtype == torch.float32 else RESULT[dtype]
    return y, unit * y.abs() + CURVE[dtype] * gamma.abs() + 1e-7


def visible(parts: Mapping[str, Any], t: Tensors, window: int) -> torch.Tensor:
    """The keys that each query sees, as [batch, heads or 1, queries, keys]."""
    queries, keys = t["query"].shape[2], t["key"].shape[2]
    device = t["query"].device
    place = torch.arange(queries, device=device)[:, None]
    if "top_left" not in parts:
        place = place + keys - queries
    key = torch.arange(keys, device=device)[None, :]
    seen = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=device)
    if "causal" in parts:
        seen = seen & (key <= place)
    if "window" in parts:
        seen = seen & (place - key < window)
    if "key_lengths" in parts:
        seen = seen & (key < t["key_lengths"][:, None, None, None])
    if parts.get("mask") == "keep" and "mask_fill" not in parts:
        seen = seen & (t["mask"] != 0)
    return seen


def _scores(parts: Mapping[str, Any], query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    scores = (query @ key.mT) * parts.get("scale", 1 / math.sqrt(query.shape[-1]))
    cap = parts.get("softcap")
    return cap * torch.tanh(scores / cap) if cap else scores


def _weighted(weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """weights @ values, where a weight of 0 times NaN is 0."""
    used = (weights != 0).any(-2)[..., None]
    values = torch.where(used, values, 0.0)
    if values.isfinite().all():
        return weights @ values
    weights, values = weights[..., None], values[:, :, None]
    return torch.where(weights == 0, 0.0, weights * values).sum(-2)


def attention(
    parts: Mapping[str, Any], t: Tensors, window: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The result, its bound and the log-sum-exp, of tensors [batch, heads, rows, columns]."""
    query, key, value = (t[name].double() for name in ("query", "key", "value"))
    batch, heads = query.shape[:2]
    group = heads // key.shape[1]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = _scores(parts, query, key)
    if parts.get("mask") == "bias":
        scores = scores + t["mask"].double()
    if "mask_fill" in parts:
        scores = torch.where(t["mask"] != 0, scores, parts["mask_fill"])
    scores = torch.where(visible(parts, t, window), scores, -math.inf)
    if "sink_kv" in parts:
        first = t["sink_key"].double().repeat_interleave(group, 0)
        scores = torch.cat([_scores(parts, query, first), scores], -1)
        first = t["sink_value"].double().repeat_interleave(group, 0)
        value = torch.cat([first.expand(batch, *first.shape), value], 2)
    sink = torch.full((heads,), -math.inf, dtype=torch.float64, device=query.device)
    if "sink_logit" in parts:
        sink = t["sink_logit"].double()
    sink = sink[None, :, None, None].expand(*scores.shape[:3], 1)
    highest = torch.cat([scores, sink], -1).amax(-1, keepdim=True)  # NaN if one of them is
    # The result of a row that sees nothing is 0 or NaN.
    empty = highest == -math.inf
    nothing = math.nan if "nan_hidden_rows" in parts else 0.0
    base = torch.where(empty, 0.0, highest)
    weights, extra = torch.exp(scores - base), torch.exp(sink - base)
    total = weights.sum(-1, keepdim=True) + extra
    factor = torch.where(empty, nothing, 1 / total)
    if "gate" in parts:
        gate = t["gate"].double()
        factor = factor * (torch.sigmoid(gate) if parts["gate"] == "sigmoid" else gate)
    size = _weighted(weights, value.abs()) * factor.abs()
    bound = ATTENTION[t["query"].dtype] * size + ATTENTION_ABSOLUTE
    return _weighted(weights, value) * factor, bound, (base + torch.log(total))[..., 0]
