"""Norm cases: operands, the reference in f64, and other implementations of the same.

Operands are drawn so that nothing is small: x has deviation 1, weights are about 1, the gate's
scores of order 1. Results are compared with f64 in chunks of rows. The reference rounds only
h = x + residual, to bf16, because h is stored and used in that type. If there is a gate, our kernel
without it takes part, too, so that both times of the gate's price are from one case.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from basin.bench.gpu.plan import NO_GATE, OWN, RANK, NormCase
from basin.bench.gpu.subject import Call, Setup, Subject, draw, row_error, worse

EPSILON = 1e-6
CHUNK = 1 << 26  # elements of a chunk of the reference
# Relative to a row's length. Rounding each element to bf16 makes an error of 2^-9 at most; tanh in
# 11 bits adds little; products of the gate take bf16 operands. Peers may round in between, too.
TOLERANCE = 2.0**-8
GATED_TOLERANCE = 1e-2
PEER_TOLERANCE = 2e-2

Operands = dict[str, Tensor]


def operands(case: NormCase, device: str) -> Operands:
    """Inputs by the names of the kernel's arguments."""
    rows, dim = (case.rows, case.dim), (case.dim,)
    out = {"x": draw(rows, device, 0)}
    if "residual" in case.parts:
        out["residual"] = draw(rows, device, 1)
    for seed, name in enumerate(("weight", "pre_affine"), 2):
        if name in case.parts:
            out[name] = draw(dim, device, seed, 0.2, 1)
    if case.kind == "dyt":
        out["alpha"] = draw((1,), device, 5, 0.1, 0.7)
        out["gamma"] = draw(dim, device, 6, 0.2, 1)
        out["beta"] = draw(dim, device, 7, 0.2)
    elif "bias" in case.parts:
        out["bias"] = draw(dim, device, 4, 0.2)
    if case.gated:
        out["gate_down"] = draw((RANK, case.dim), device, 8, case.dim**-0.5)
        out["gate_up"] = draw((case.dim, RANK), device, 9, RANK**-0.5)
    return out


def reference(t: Operands, layer: bool, rows: slice) -> tuple[Tensor, ...]:
    """y, and also h if there is a residual, in f64."""
    wide = {name: tensor.double() for name, tensor in t.items() if name not in ("x", "residual")}
    x = t["x"][rows]
    if "gamma" in wide:
        return (wide["gamma"] * torch.tanh(wide["alpha"] * x.double()) + wide["beta"],)
    h = x.double()
    if "residual" in t:
        h = (h + t["residual"][rows].double()).to(x.dtype).double()
    u = h * wide["pre_affine"] if "pre_affine" in wide else h
    if layer:
        u = u - u.mean(-1, keepdim=True)
    y = u / (u.square().mean(-1, keepdim=True) + EPSILON).sqrt()
    y = y * wide["weight"] + wide.get("bias", 0)
    if "gate_down" in wide:
        y = torch.sigmoid(F.silu(y @ wide["gate_down"].T) @ wide["gate_up"].T) * y
    return (y, h) if "residual" in t else (y,)


def error(t: Operands, layer: bool, results: tuple[Tensor, ...], chunk: int = CHUNK) -> float:
    """The largest error of all rows and results."""
    count, dim = t["x"].shape
    step, largest = max(1, chunk // dim), 0.0
    for first in range(0, count, step):
        rows = slice(first, first + step)
        expected = reference(t, layer, rows)
        if len(expected) != len(results):
            raise ValueError(f"expected {len(expected)} results, but got {len(results)}")
        for actual, wanted in zip(results, expected):
            largest = worse(row_error(actual[rows], wanted), largest)
    return largest


def eager(t: Operands, layer: bool) -> tuple[Tensor, ...]:
    """The norm by torch's own operators."""
    x = t["x"]
    if "gamma" in t:
        return (t["gamma"] * torch.tanh(t["alpha"] * x) + t["beta"],)
    h = x + t["residual"] if "residual" in t else x
    u = h * t["pre_affine"] if "pre_affine" in t else h
    if layer:
        y = F.layer_norm(u, u.shape[-1:], t["weight"], t["bias"], EPSILON)
    else:
        y = F.rms_norm(u, u.shape[-1:], t["weight"], EPSILON)
    if "gate_down" in t:
        y = torch.sigmoid(F.linear(F.silu(F.linear(y, t["gate_down"])), t["gate_up"])) * y
    return (y, h) if "residual" in t else (y,)


def composed(t: Operands) -> tuple[Tensor, ...]:
    """RMSNorm as models spell it out."""
    wide = t["x"].float()
    y = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)
    return (t["weight"] * y.to(t["x"].dtype),)


def _own(case: NormCase, t: Operands, results: Operands, setup: Setup) -> Call:
    launch = setup.launcher(case.kernel)
    arguments = {**t, **results, "rows": case.rows}

    def call() -> tuple[Tensor, ...]:
        launch(arguments)
        return tuple(results.values())

    return call


def _compiled(t: Operands, layer: bool, setup: Setup) -> Call:
    def function(t: Operands) -> tuple[Tensor, ...]:
        return eager(t, layer)

    compiled = setup.compiled(function)
    return lambda: compiled(t)


def _triton(t: Operands) -> Call:
    from basin.bench.gpu import triton_norm

    return triton_norm.prepare(t, EPSILON)


def _copy(case: NormCase, t: Operands) -> Call:
    """A copy of as many bytes as the case must move."""
    count = case.bytes // (2 * t["x"].element_size())
    source = torch.ones(count, dtype=t["x"].dtype, device=t["x"].device)
    target = torch.empty_like(source)
    return lambda: (target.copy_(source),)


def _peers(case: NormCase, t: Operands, setup: Setup) -> dict[str, Callable[[], Call]]:
    layer = case.kind == "layer"
    makers: dict[str, Callable[[], Call]] = {"torch": lambda: partial(eager, t, layer)}
    if case.kind == "rms":
        makers["torch composed"] = lambda: partial(composed, t)
    if case.compiled:
        makers["torch.compile"] = lambda: _compiled(t, layer, setup)
    if setup.triton and case.kind.endswith("rms"):
        makers["Triton"] = lambda: _triton(t)
    makers["copy"] = lambda: _copy(case, t)
    return makers


def subject(case: NormCase, setup: Setup) -> Subject:
    """The case, ready."""
    t = operands(case, setup.device)
    ours = {OWN: (case, t)}
    if case.base is not None:
        ours[NO_GATE] = (case.base, {k: x for k, x in t.items() if not k.startswith("gate_")})
    names = ("y", "sum") if "sum" in case.parts else ("y",)
    results = {name: {k: torch.empty_like(t["x"]) for k in names} for name in ours}
    own = {name: partial(_own, *ours[name], results[name], setup) for name in ours}
    layer = case.kind == "layer"
    errors = {name: partial(error, given, layer) for name, (_, given) in ours.items()}
    limits = {OWN: GATED_TOLERANCE if case.gated else TOLERANCE, NO_GATE: TOLERANCE}

    def poison() -> None:
        for tensors in results.values():
            for tensor in tensors.values():
                tensor.fill_(float("nan"))

    return Subject(
        own | _peers(case, t, setup),
        errors.pop(OWN),
        lambda name: limits.get(name, PEER_TOLERANCE),
        poison,
        errors,
        unchecked=("copy",),
    )
