"""Statistics documents for tests of the report, by docs/statistics.md, section 2, from a seed.

The figures are drawn, not measured. What matters is that every key is there and that the figures
are consistent: a sink head has a drained value, `order` sorts by Havg, and the norms' small weights
are at the residual sinks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

KEYS, POSITIONS = 64, 8
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"quote' onmouseover='alert(3)",
    "bell\a escape\x1b[31m red\x00 nul",
    "направо \u202e rtl \u2028 line",
    "日本語 🦙 {{ 7 * 7 }} {% raw %}",
    "lone \ud800 surrogate",
]


@dataclass
class Plan:
    """The model and data that a document describes."""

    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    dim: int = 128
    sinks: bool = True
    map_size: int = 32
    text: bool = True
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))


def plain(values: Any, digits: int = 6) -> Any:
    """An array as nested lists of short floats."""
    return np.asarray(values, float).round(digits).tolist()


def token(plan: Plan, position: int) -> dict[str, Any]:
    """A token; the first is BOS."""
    if not plan.text:
        return {"position": position, "id": None, "text": None}
    words = ["<s>", "the", " of", ".", "\n", " model"]
    return {"position": position, "id": position + 1, "text": words[position % len(words)]}


def attention_map(plan: Plan, alpha: float) -> list[list[float]]:
    """A causal map whose first column has about `alpha`."""
    size = plan.map_size
    weights = np.tril(plan.random.random((size, size)) + 1e-3)
    weights /= weights.sum(axis=1, keepdims=True)
    weights *= 1 - alpha
    weights[:, 0] += alpha
    return plain(weights, 5)


def attention_tap(plan: Plan, layer: int) -> dict[str, Any]:
    """The tap of one attention. With sinks, heads of middle layers look at the first token."""
    random, heads = plan.random, plan.heads
    deep = plan.sinks and layer > 1
    first = random.uniform(0.25, 0.9, heads) if deep else random.uniform(0.05, 0.1, heads)
    alpha = random.dirichlet(np.ones(KEYS - 1), heads) * (1 - first[:, None]) * 0.5
    drain = random.uniform(0.02, 0.1 if deep else 1.2, plan.kv_heads) + (0 if deep else 0.6)
    strongest = [
        {"alpha": float(round(first[h], 4)), "token": token(plan, 0)}
        if first[h] >= alpha[h].max()
        else {"alpha": float(round(alpha[h].max(), 4)), "token": token(plan, 3)}
        for h in range(heads)
    ]
    return {
        "layer": layer,
        "name": f"/layers.{layer - 1}/attn/Softmax_output_0",
        "heads": heads,
        "kv_heads": plan.kv_heads,
        "causal": True,
        "sinks": 0,
        "alpha_first": plain(first, 4),
        "first_token_mass": plain(first * 0.97, 4),
        "max_logit": plain(random.uniform(4, 20, heads), 3),
        "entropy": plain(random.uniform(0.5, 3.5, heads), 4),
        "learned": None,
        "heaviest": strongest,
        "value_ratio": plain(drain, 4),
        "key_ratio": plain(random.uniform(0.8, 1.5, plan.kv_heads), 4),
        "alpha": plain(np.concatenate([first[:, None], alpha], axis=1), 5),
        "sink_rate": rates(first),
        "map": attention_map(plan, float(first.mean())),
    }


def rates(alpha: np.ndarray) -> dict[str, float]:
    """Sink rates in percent."""
    return {f"{eps}": float(np.round(100 * (alpha > eps).mean(), 3)) for eps in (0.1, 0.2, 0.3)}


def residual_tap(plan: Plan, layer: int, place: str, sink_dims: list[int]) -> dict[str, Any]:
    """One tap of the stream, whose sink dimensions grow with depth."""
    random, grown = plan.random, 1 + layer + (0.5 if place == "mlp" else 0)
    havg = random.lognormal(0, 0.3, plan.dim) * 0.1 * grown
    if plan.sinks:
        havg[sink_dims] *= np.array([25.0, 14.0, 8.0])[: len(sink_dims)] * min(grown / 2, 1)
    massive = plan.sinks and layer >= 2
    peak, median = (400.0 * layer if massive else float(havg.max() * 6)), float(np.median(havg))
    top = np.argsort(-havg)[:5]
    counts = np.histogram(np.log2(havg), bins=np.arange(-12, 14))[0] * 1000
    return {
        "layer": layer,
        "place": place,
        "name": f"/layers.{layer - 1}/{place}/Add_output_0",
        "stream": 0,
        "max_abs": peak,
        "token": token(plan, 0),
        "dim": int(top[0]),
        "median": median,
        "ratio": peak / median,
        "massive": bool(peak > 100 and peak / median >= 1000),
        "top": [
            {"dim": int(d), "max_abs": float(peak / (i + 1)), "token": token(plan, 0)}
            for i, d in enumerate(top)
        ],
        "peak": float(random.uniform(3, 8) if massive else random.uniform(0.7, 1.5)),
        "kurtosis": float(random.uniform(50, 300) if plan.sinks else random.uniform(3, 6)),
        "max_kurtosis": 320.0 if plan.sinks else 6.5,
        "infinity_norm": peak * 0.9,
        "havg": plain(havg, 5),
        "neuron_kurtosis": 40.0 if plan.sinks else 1.3,
        "histogram": {"first": -12, "counts": counts.tolist()},
        "first_positions": plain([peak] + [peak * 0.1] * (POSITIONS - 1), 3),
        "other_positions": peak * 0.12,
    }


def projection_tap(plan: Plan, layer: int, role: str) -> dict[str, Any]:
    """The input of the matrices of one role."""
    random = plan.random
    width = 4 * plan.dim if role == "down" else plan.dim
    channels = random.lognormal(0, 0.5, width) * (3 if plan.sinks else 1)
    ratio = 4.0
    if role == "down" and plan.sinks and layer == 2:
        channels[7], ratio = 900.0, 310.0
    return {
        "layer": layer,
        "roles": [role],
        "name": f"/layers.{layer - 1}/{role}/input",
        "weights": [f"layers.{layer - 1}.{role}.weight"],
        "max_abs": float(channels.max()),
        "channel": int(channels.argmax()),
        "kurtosis": float(random.uniform(3, 30)),
        "max_kurtosis": 40.0,
        "infinity_norm": float(channels.max() * 0.9),
        "token_ratio": ratio,
        "outlier_tokens": 1.0 if ratio > 64 else 0.0,
        "top": [{"dim": int(c), "max_abs": float(channels[c])} for c in np.argsort(-channels)[:5]],
        "channel_max": plain(channels, 4),
    }


def norm_tap(plan: Plan, layer: int, place: str, top: list[int], sink_dims: list[int]) -> dict:
    """The tap of a norm. In a model with sinks its weights are small at the sinks' dimensions."""
    suppressed = []
    for dim in top:
        small = plan.sinks and dim in sink_dims
        weight = float(plan.random.uniform(0.004, 0.06) if small else plan.random.uniform(0.7, 1.2))
        suppressed.append({"dim": dim, "weight": weight, "to_median": weight / 0.98})
    share = 0.7 if plan.sinks else 0.25
    return {
        "layer": layer,
        "place": place,
        "norm": "rms_norm",
        "name": f"/layers.{layer - 1}/{place}_norm/Mul_output_0",
        "pre_affine": False,
        "dim": plan.dim,
        "weight_median": 0.98,
        "suppressed": suppressed,
        "share": share,
        "bound": float(1.2 * np.sqrt(1 - share**2)),
        "output_rms": float(np.sqrt(1 - share**2) * plan.random.uniform(0.6, 0.95)),
        "tightness": 0.96,
    }


def stream_entry(plan: Plan, taps: list[dict[str, Any]], sink_dims: list[int]) -> dict[str, Any]:
    """The entry of a stream, from all its taps."""
    havg = np.mean([tap["havg"] for tap in taps], axis=0)
    order = np.argsort(-havg)
    peak = max(tap["max_abs"] for tap in taps)
    found = [
        {
            "dim": dim,
            "havg": float(havg[dim]),
            "to_median": float(havg[dim] / np.median(havg)),
            "max_abs": peak / (i + 1),
            "presence": 0.97,
            "weights": [
                {"layer": layer, "place": "mlp", "weight": 0.01 * layer, "to_median": 0.011 * layer}
                for layer in range(1, plan.layers + 1)
            ],
        }
        for i, dim in enumerate(sink_dims)
    ]
    return {
        "stream": 0,
        "dim": plan.dim,
        "havg": plain(havg, 5),
        "order": order.tolist(),
        "norms": [],
        "residual_sinks": found if plan.sinks else [],
        "absorb": [{"dim": dim, "exponent": 4 - i} for i, dim in enumerate(sink_dims)],
        "max_abs": peak,
        "max_abs_after": peak / 8 if plan.sinks else peak,
        "factor": 8.0 if plan.sinks else 1.0,
        "f16_headroom": 65504 / peak,
        "rescale": 0,
    }


def build(plan: Plan) -> dict[str, Any]:
    """A document of the contract."""
    sink_dims = [5, 77 % plan.dim, 19] if plan.sinks else []
    layers = range(1, plan.layers + 1)
    residual = [residual_tap(plan, 0, "embedding", sink_dims)] + [
        residual_tap(plan, layer, place, sink_dims)
        for layer in layers
        for place in ("attention", "mlp")
    ]
    stream = stream_entry(plan, residual, sink_dims)
    attention = [attention_tap(plan, layer) for layer in layers]
    alpha = np.array([tap["alpha_first"] for tap in attention])
    top = [int(dim) for dim in stream["order"][:16]]
    peak = max(residual, key=lambda tap: tap["max_abs"])
    norms = [
        norm_tap(plan, layer, place, top, sink_dims)
        for layer in layers
        for place in ("attention", "mlp")
    ]
    metrics = {
        "attention": attention,
        "sinks": {
            "sink_length": KEYS,
            "sink_rate": rates(alpha),
            "heaviest_rate": rates(alpha),
            "first_token_mass": float(alpha.mean() * 0.97),
            "tokens": [{"token": token(plan, 0), "count": 60, "share": 0.95},
                       {"token": token(plan, 3), "count": 3, "share": 0.05}]
            if plan.sinks else [],
        },
        "residual": residual,
        "streams": [stream],
        "massive": {key: peak[key] for key in ("max_abs", "layer", "place", "token", "dim",
                                               "median", "ratio")}
        | {"is_massive": any(tap["massive"] for tap in residual)},
        "projections": [
            projection_tap(plan, layer, role)
            for layer in layers
            for role in ("qkv", "o", "up", "down")
        ],
        "outlier_features": [{"dim": 5, "layers": 0.83, "positions": 0.4}] if plan.sinks else [],
        "norms": norms + [norm_tap(plan, plan.layers, "final", top, sink_dims)],
    }  # fmt: skip
    return document(plan, metrics)


def document(plan: Plan, metrics: dict[str, Any]) -> dict[str, Any]:
    """The document around `metrics`."""
    return {
        "version": 1,
        "model": {"name": "drawn.onnx", "sha256": "0" * 60 + "beef", "parameters": 1154944},
        "data": {
            "source": "drawn text",
            "kind": "text" if plan.text else "random",
            "tokenizer": "tokenizer.json" if plan.text else None,
            "sequences": 64,
            "tokens": 64 * 128,
            "length": 128,
            "bos": {"id": 1, "starts": 64} if plan.text else {"id": None, "starts": 0},
            "short": 0,
            "texts": {},
        },
        "instrumentation": {"version": 1, "taps": []},
        "accumulators": [],
        "residual_streams": [{"max_abs": [1.0] * one["dim"]} for one in metrics["streams"] or []],
        "metrics": metrics,
        "notes": [] if plan.text else ["random tokens: no text is like them"],
    }


def with_sinks(seed: int = 0) -> dict[str, Any]:
    """A document in which every phenomenon appears."""
    return build(Plan(random=np.random.default_rng(seed)))


def without_sinks(seed: int = 0) -> dict[str, Any]:
    """A document without any phenomenon, of random tokens."""
    return build(Plan(sinks=False, text=False, random=np.random.default_rng(seed)))


def large(seed: int = 0) -> dict[str, Any]:
    """80 layers of 64 heads at width 8192."""
    return build(Plan(80, 64, 8, 8192, map_size=64, random=np.random.default_rng(seed)))


def minimal(seed: int = 0) -> dict[str, Any]:
    """A document without a recognized attention, and with a stream about which little is known."""
    plan = Plan(sinks=False, random=np.random.default_rng(seed))
    tap = residual_tap(plan, 0, "embedding", [])
    tap |= dict.fromkeys(("token", "median", "ratio", "peak", "histogram", "first_positions"))
    stream = dict.fromkeys(
        ("residual_sinks", "absorb", "max_abs", "max_abs_after", "factor", "f16_headroom")
    ) | {"stream": 0, "dim": plan.dim, "havg": tap["havg"], "order": None, "rescale": None}
    metrics: dict[str, Any] = dict.fromkeys(("sinks", "massive", "outlier_features"))
    metrics |= {"attention": [], "residual": [tap], "streams": [stream]}
    metrics |= {"projections": [], "norms": []}
    result = document(plan, metrics)
    result["notes"] = ["no attention was recognized"]
    return result


def hostile(seed: int = 0) -> dict[str, Any]:
    """`with_sinks`, in which every string that comes from the model or the data is hostile."""
    result = with_sinks(seed)
    count = 0

    def replaced(value: Any, key: str = "") -> Any:
        nonlocal count
        if isinstance(value, dict):
            return {name: replaced(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [replaced(one, key) for one in value]
        if isinstance(value, str) and key in ("name", "text", "source", "tokenizer", "weights",
                                              "sha256", "place", "notes"):  # fmt: skip
            count += 1
            return HOSTILE[count % len(HOSTILE)] + ("x" * 500 if count % 11 == 0 else "")
        return value

    result["notes"] = ["a note"] * len(HOSTILE)
    return replaced(result)
