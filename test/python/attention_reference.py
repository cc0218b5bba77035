"""The f64 reference of attention kernels, by the options of `basin.ops.attention`."""

from __future__ import annotations

import kernel_references
import torch


def attention(query, key, value, **options):
    """The result and log-sum-exps of tensors [batch, heads, rows, columns], in f64."""
    given = {name: option for name, option in options.items() if option is not None}
    parts = {name: given[name] for name in ("scale", "softcap") if name in given}
    tensors = {"query": query, "key": key, "value": value} | {
        name: option for name, option in given.items() if isinstance(option, torch.Tensor)
    }
    if given.get("causal"):
        parts["causal"] = True
    if given.get("window"):
        parts["window"] = True
    if "mask" in given:
        parts["mask"] = "keep" if given["mask"].dtype == torch.bool else "bias"
    if "gate" in given:
        parts["gate"] = given.get("gate_kind", "plain")
    if "sink_key" in given:
        parts["sink_kv"] = True
    parts |= {name: True for name in ("sink_logit", "key_lengths") if name in given}
    result, _, lse = kernel_references.attention(parts, tensors, given.get("window", 0))
    return result, lse
