"""Attention by its formulas, one row at a time in f64: what kernels and operators are held to."""

from __future__ import annotations

import math

import torch


def visible(options, queries, keys, batch, head, row):
    """The keys that a row sees."""
    place, mask = row + keys - queries, options.get("mask")
    end = keys if options.get("key_lengths") is None else int(options["key_lengths"][batch])
    found = []
    for key in range(min(max(end, 0), keys)):
        if options.get("causal") and key > place:
            continue
        if options.get("window") and place - key >= options["window"]:
            continue
        if mask is not None and mask.dtype == torch.bool and not mask[batch, head, row, key]:
            continue
        found.append(key)
    return found


def row_of(query, key, value, options, batch, head, row):
    """The result of one row, before the gate, and its log-sum-exp."""
    keys, group = key.shape[2], query.shape[1] // key.shape[1]
    scale = options.get("scale") or 1 / math.sqrt(query.shape[3])
    cap, mask = options.get("softcap") or 0, options.get("mask")
    q = query[batch, head, row].double()

    def score(k):
        s = scale * torch.dot(q, k.double())
        return cap * torch.tanh(s / cap) if cap else s

    scores, rows = [], []
    if options.get("sink_key") is not None:
        for k, v in zip(options["sink_key"][head // group], options["sink_value"][head // group]):
            scores.append(score(k))
            rows.append(v.double())
    for j in visible(options, query.shape[2], keys, batch, head, row):
        s = score(key[batch, head // group, j])
        if mask is not None and mask.dtype != torch.bool:
            s = s + mask[batch, head, row, j].double()
        scores.append(s)
        rows.append(value[batch, head // group, j].double())
    if options.get("sink_logit") is not None:
        scores.append(options["sink_logit"][head].double())
        rows.append(torch.zeros(value.shape[3], dtype=torch.float64))
    if not scores or max(scores) == -math.inf:
        return torch.zeros(value.shape[3], dtype=torch.float64), -math.inf
    stacked = torch.stack(scores)
    return torch.softmax(stacked, 0) @ torch.stack(rows), torch.logsumexp(stacked, 0).item()


def attention(query, key, value, **options):
    """[batch, heads, queries, d] in f64, and log-sum-exps. Masks and gates may be broadcast."""
    batch, heads, queries, _ = query.shape
    options = dict(options)
    if options.get("mask") is not None:
        options["mask"] = options["mask"].expand(batch, heads, queries, key.shape[2])
    result = torch.empty(batch, heads, queries, value.shape[3], dtype=torch.float64)
    lse = torch.empty(batch, heads, queries, dtype=torch.float64)
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                result[b, h, i], lse[b, h, i] = row_of(query, key, value, options, b, h, i)
    if (gate := options.get("gate")) is not None:
        factor = gate.double()
        result *= torch.sigmoid(factor) if options.get("gate_kind") == "sigmoid" else factor
    return result, lse
