"""Norms, dynamic tanh, attention and softmax in f64 by their formulas, and the errors allowed.

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
# For a softmax in f32, relative to the probability: of an exponential of 22 bits, a reciprocal of
# 23 bits and the sum; for each unit of the distance from the maximum, which is rounded; and of a
# score's rounding, by itself with a bias, and by a softcap's exponential and reciprocal.
SOFTMAX, SOFTMAX_DISTANCE, SOFTMAX_BIAS, SOFTMAX_CAP = 5e-7, 2e-7, 2**-24, 3e-7
# Half a unit in the last place, relative, and below the normal numbers.
ROUNDING = {
    torch.float32: (2**-24, 1e-37), torch.float16: (2**-11, 2**-25), torch.bfloat16: (2**-8, 1e-37)
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


def visible(
    parts: Mapping[str, Any], t: Tensors, queries: int, keys: int, window: int
) -> torch.Tensor:
    """The keys that each query sees, as [batch or 1, heads or 1, queries, keys]."""
    device = next(iter(t.values())).device
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


def _masked(
    parts: Mapping[str, Any], t: Tensors, scores: torch.Tensor, window: int
) -> torch.Tensor:
    """Scores with the mask, and -inf where a query does not see the key."""
    if parts.get("mask") == "bias":
        scores = scores + t["mask"].double()
    if "mask_fill" in parts:
        scores = torch.where(t["mask"] != 0, scores, parts["mask_fill"])
    return torch.where(visible(parts, t, *scores.shape[2:], window), scores, -math.inf)


def _exponentials(
    parts: Mapping[str, Any], t: Tensors, scores: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """exp(score - base), its factor, the base of each row and the log-sum-exp."""
    sink = torch.full(scores.shape[1:2], -math.inf, dtype=torch.float64, device=scores.device)
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
    return weights, factor, base, (base + torch.log(total))[..., 0]


def softmax(
    parts: Mapping[str, Any], t: Tensors, prefix: int = 0, window: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The probabilities, their bound, the log-sum-exp and its bound."""
    scores = t["before"].double() * parts.get("scale", 1)
    size = scores.abs()
    cap = parts.get("softcap")
    scores = cap * torch.tanh(scores / cap) if cap else scores
    behind = _masked(parts, t, scores[..., prefix:], window)
    scores = torch.cat([scores[..., :prefix], behind], -1)
    weights, factor, base, log = _exponentials(parts, t, scores)
    result = weights * factor
    rounding = torch.zeros_like(base)
    if cap:
        rounding = rounding + SOFTMAX_CAP * cap
    if parts.get("mask") == "bias":
        sizes = size + torch.where(scores.isfinite(), scores.abs(), 0.0)
        rounding = rounding + SOFTMAX_BIAS * sizes.nan_to_num(0, 0).amax(-1, keepdim=True)
    relative = SOFTMAX + SOFTMAX_DISTANCE * (base - scores) + 2 * rounding
    unit, least = ROUNDING[t["probabilities"].dtype]
    bound = (relative.nan_to_num(0, 0, 0) + unit) * result.nan_to_num(0) + least
    log_bound = 1e-6 + 2e-7 * log.abs().nan_to_num(0, 0) + rounding[..., 0]
    return result, bound, log, log_bound


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
    scores = _masked(parts, t, scores, window)
    if "sink_kv" in parts:
        first = t["sink_key"].double().repeat_interleave(group, 0)
        scores = torch.cat([_scores(parts, query, first), scores], -1)
        first = t["sink_value"].double().repeat_interleave(group, 0)
        value = torch.cat([first.expand(batch, *first.shape), value], 2)
    weights, factor, _, log = _exponentials(parts, t, scores)
    if "gate" in parts:
        gate = t["gate"].double()
        factor = factor * (torch.sigmoid(gate) if parts["gate"] == "sigmoid" else gate)
    size = _weighted(weights, value.abs()) * factor.abs()
    bound = ATTENTION[t["query"].dtype] * size + ATTENTION_ABSOLUTE
    return _weighted(weights, value) * factor, bound, log
