"""Attention cases: operands, the reference in f32, and other implementations of the same.

Tensors are [batch, heads, rows, head_dim], contiguous. FlexAttention has no sinks. A logit is
applied to its result as out * sigmoid(lse - sink), inside the compiled function. Sink rows are put
in front of keys and values beforehand, which is not timed. torch's own attention takes part if it
has the mask: no window, no sink logit, and sink rows only without a causal mask. If there is a sink
logit, our kernel without it takes part, too, so that both times of the logit's price are from one
case.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention import flex_attention as flex

from basin.bench.gpu.plan import NO_SINK, OURS, OWN, SINK_ROWS, WINDOW, AttentionCase
from basin.bench.gpu.subject import Call, Setup, Subject, draw, row_error, worse

# Relative to a row's length. Weights are rounded to bf16 before the product, the result after it.
TOLERANCE = 1e-2
PEER_TOLERANCE = 2e-2
CHUNK = 1 << 28  # scores of a chunk of the reference
MATH_LENGTH = 2048  # MATH writes all scores: at twice this it takes tens of milliseconds
BACKENDS = {
    "FLASH": SDPBackend.FLASH_ATTENTION,
    "CUDNN": SDPBackend.CUDNN_ATTENTION,
    "EFFICIENT": SDPBackend.EFFICIENT_ATTENTION,
    "MATH": SDPBackend.MATH,
}

Operands = dict[str, Tensor]


def operands(case: AttentionCase, device: str) -> Operands:
    """Inputs by the names of the kernel's arguments."""
    dim, keys = case.head_dim, (case.batch, case.kv_heads, case.length, case.head_dim)
    queries = (case.batch, case.heads, case.length, dim)
    out = {"query": draw(queries, device, 0), "key": draw(keys, device, 1)}
    out["value"] = draw(keys, device, 2)
    if "sink_logit" in case.parts:
        # As large as a row's log-sum-exp, because a smaller sink would not matter.
        out["sink_logit"] = draw((case.heads,), device, 3).float() + math.log(case.length)
    if "sink_kv" in case.parts:
        rows = (case.kv_heads, SINK_ROWS, dim)
        out |= {"sink_key": draw(rows, device, 4), "sink_value": draw(rows, device, 5)}
    if "gate" in case.parts:
        out["gate"] = draw(queries, device, 6)
    return out


def arguments(case: AttentionCase, t: Operands, result: Tensor) -> dict[str, Tensor | int]:
    """The arguments of the kernel's launch."""
    out: dict[str, Tensor | int] = {**t, "result": result}
    for name in ("query", "key", "value", "gate", "result"):
        if name in out:
            strides = zip(("batch", "head", "row"), out[name].stride())
            out |= {f"{name}_{axis}_stride": stride for axis, stride in strides}
    out |= {"heads": case.heads, "kv_heads": case.kv_heads, "batch": case.batch}
    out |= {"queries": case.length, "keys": case.length}
    if "sink_kv" in case.parts:
        out["sink_rows"] = case.sink_rows
    if "window" in case.parts:
        out["window"] = WINDOW
    return out


def with_sink_rows(t: Operands) -> tuple[Tensor, Tensor]:
    """Keys and values behind their sink rows."""
    pairs = ((t["key"], t.get("sink_key")), (t["value"], t.get("sink_value")))
    return tuple(
        x if sink is None else torch.cat([sink.expand(x.shape[0], *sink.shape), x], 2).contiguous()
        for x, sink in pairs
    )


def visibility(case: AttentionCase, window: int = WINDOW) -> Callable[..., Tensor]:
    """Whether a query sees a key, as FlexAttention asks it; the sink rows are the first keys."""
    sinks, causal, windowed = case.sink_rows, case.causal, "window" in case.parts

    def sees(batch, head, query, key):
        seen = key >= 0
        if causal:
            seen = seen & (key - sinks <= query)
        if windowed:
            seen = seen & (query - (key - sinks) < window)
        return seen | (key < sinks)

    return sees


def _reference_rows(
    case: AttentionCase, t: Operands, key: Tensor, value: Tensor, batch: int, rows: slice,
    window: int,
) -> Tensor:  # fmt: skip
    """Queries `rows` of all heads of a batch: [heads, rows, dim]."""
    kind, groups = key.dtype, case.heads // case.kv_heads
    query = t["query"][batch, :, rows].to(kind)
    count, dim = query.shape[1:]
    query = query.reshape(case.kv_heads, groups * count, dim)
    scores = query @ key[batch].transpose(-1, -2) * dim**-0.5
    scores = scores.view(case.heads, count, -1)
    at = torch.arange(rows.start, rows.start + count, device=scores.device)
    keys = torch.arange(key.shape[2], device=scores.device)
    seen = visibility(case, window)(None, None, at[:, None], keys)
    scores.masked_fill_(~seen, float("-inf"))
    largest = scores.amax(-1, keepdim=True)
    sink = t["sink_logit"].to(kind)[:, None, None] if "sink_logit" in t else None
    if sink is not None:
        largest = torch.maximum(largest, sink)
    weights = scores.sub_(largest).exp_()
    total = weights.sum(-1, keepdim=True)
    if sink is not None:
        total = total + torch.exp(sink - largest)
    out = weights.view(case.kv_heads, groups * count, -1) @ value[batch]
    out = out.view(case.heads, count, -1) / total
    if "gate" in t:
        out = out * torch.sigmoid(t["gate"][batch, :, rows].to(kind))
    return out


def reference(
    case: AttentionCase, t: Operands, kind: torch.dtype = torch.float32, window: int = WINDOW,
    chunk: int = CHUNK,
) -> Tensor:  # fmt: skip
    """The definition, a chunk of queries at a time."""
    key, value = (x.to(kind) for x in with_sink_rows(t))
    out = torch.empty(t["query"].shape, dtype=kind, device=key.device)
    step = max(1, chunk // (case.heads * key.shape[2]))
    for batch in range(case.batch):
        for first in range(0, case.length, step):
            rows = slice(first, min(first + step, case.length))
            out[batch, :, rows] = _reference_rows(case, t, key, value, batch, rows, window)
    return out


def _own(case: AttentionCase, t: Operands, result: Tensor, setup: Setup) -> Call:
    launch, given = setup.launcher(case.kernel), arguments(case, t, result)

    def call() -> tuple[Tensor, ...]:
        launch(given)
        return (result,)

    return call


def has_sdpa(case: AttentionCase) -> bool:
    """Whether torch's attention computes the case."""
    if "window" in case.parts or "sink_logit" in case.parts:
        return False
    return not ("sink_kv" in case.parts and case.causal)


def sdpa(case: AttentionCase, t: Operands, backend: str) -> Call:
    """torch's attention by one backend, and the gate after it."""
    query, (key, value) = t["query"], with_sink_rows(t)
    gate, grouped = t.get("gate"), case.heads != case.kv_heads

    def call() -> tuple[Tensor, ...]:
        with warnings.catch_warnings(), sdpa_kernel(BACKENDS[backend]):
            warnings.simplefilter("ignore")
            out = F.scaled_dot_product_attention(
                query, key, value, is_causal=case.causal, enable_gqa=grouped
            )
        return (out if gate is None else out * torch.sigmoid(gate),)

    return call


def flex_call(case: AttentionCase, t: Operands, setup: Setup, window: int = WINDOW) -> Call:
    """FlexAttention, and around it the parts that it lacks."""
    query, (key, value) = t["query"], with_sink_rows(t)
    gate, sink, grouped = t.get("gate"), t.get("sink_logit"), case.heads != case.kv_heads
    mask, aux = None, None if sink is None else flex.AuxRequest(lse=True)
    if case.causal or "window" in case.parts:
        mask = flex.create_block_mask(
            visibility(case, window), None, None, query.shape[2], key.shape[2],
            device=query.device,
        )  # fmt: skip

    def attend(query, key, value, sink, gate, mask):
        out = flex.flex_attention(
            query, key, value, block_mask=mask, enable_gqa=grouped, return_aux=aux
        )
        if sink is not None:
            out, extra = out
            out = out * torch.sigmoid(extra.lse - sink[:, None])[..., None]
        if gate is not None:
            out = out * torch.sigmoid(gate)
        return (out.to(query.dtype),)

    function = setup.compiled(attend)
    return lambda: function(query, key, value, sink, gate, mask)


def _peers(case: AttentionCase, t: Operands, setup: Setup) -> dict[str, Callable[[], Call]]:
    makers: dict[str, Callable[[], Call]] = {}
    if has_sdpa(case):
        for backend in BACKENDS:
            if backend != "MATH" or case.length <= MATH_LENGTH:
                makers[f"SDPA {backend}"] = partial(sdpa, case, t, backend)
    if case.compiled:
        makers["FlexAttention"] = partial(flex_call, case, t, setup)
    return makers


def _error(expected: Tensor, results: tuple[Tensor, ...]) -> float:
    # One batch at a time, because the difference is f32 and takes memory.
    largest = 0.0
    for actual, wanted in zip(results[0], expected):
        largest = worse(row_error(actual, wanted), largest)
    return largest


def subject(case: AttentionCase, setup: Setup) -> Subject:
    """The case, ready."""
    t = operands(case, setup.device)
    ours = {OWN: (case, t)}
    if case.base is not None:
        ours[NO_SINK] = (case.base, {k: x for k, x in t.items() if k != "sink_logit"})
    results = {name: torch.empty_like(t["query"]) for name in ours}
    own = {name: partial(_own, *ours[name], results[name], setup) for name in ours}
    errors = {name: partial(_error, reference(*given)) for name, given in ours.items()}

    def poison() -> None:
        for result in results.values():
            result.fill_(float("nan"))

    return Subject(
        own | _peers(case, t, setup),
        errors.pop(OWN),
        lambda name: TOLERANCE if name in OURS else PEER_TOLERANCE,
        poison,
        errors,
    )
