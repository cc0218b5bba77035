"""Operators that sum or compare along axes: products, reductions, softmax, norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from basin.torch.host import Value, as_host, as_tensor
from basin.torch.node import Node, operator

__all__: list[str] = []


@operator("MatMul")
def _matmul(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return torch.matmul(*(as_tensor(one, device) for one in inputs))


@operator("Gemm")
def _gemm(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    a, b = (as_tensor(one, device) for one in inputs[:2] if one is not None)
    a = a.transpose(0, 1) if node.get("transA", 0) else a
    b = b.transpose(0, 1) if node.get("transB", 0) else b
    out = torch.matmul(a, b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    out = out if alpha == 1 else out * alpha
    if len(inputs) < 3 or inputs[2] is None:
        return out
    c = as_tensor(inputs[2], device)
    return out + (c if beta == 1 else c * beta)


@operator("Einsum")
def _einsum(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return torch.einsum(node.get("equation"), *(as_tensor(one, device) for one in inputs))


_REDUCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "ReduceSum": torch.sum,
    "ReduceMean": torch.mean,
    "ReduceMax": torch.amax,
    "ReduceMin": torch.amin,
    "ReduceL2": lambda x, dim, keepdim: torch.sqrt(torch.sum(x * x, dim, keepdim)),
    "ReduceL1": lambda x, dim, keepdim: torch.sum(torch.abs(x), dim, keepdim),
    "ReduceSumSquare": lambda x, dim, keepdim: torch.sum(x * x, dim, keepdim),
    "ReduceLogSumExp": torch.logsumexp,
}


@operator(*_REDUCTIONS, "ReduceProd")
def _reduce(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Any:
    assert inputs[0] is not None
    x = as_tensor(inputs[0], device)
    axes = node.axes(inputs)
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(x.dim()))
    keep = bool(node.get("keepdims", 1))
    if node.op == "ReduceProd":
        for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
            x = torch.prod(x, axis, keep)
        return x
    out = _REDUCTIONS[node.op](x, axes, keep)
    return out.to(x.dtype)


@operator("ArgMax", "ArgMin")
def _arg(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device)
    axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
    find = torch.argmax if node.op == "ArgMax" else torch.argmin
    if node.get("select_last_index", 0):
        found: torch.Tensor = x.shape[axis] - 1 - find(x.flip(axis), axis, keep)
        return found
    return find(x, axis, keep)


@operator("TopK")
def _top_k(node: Node, inputs: Sequence[Value], device: torch.device) -> tuple[Value, ...]:
    x, k = as_tensor(inputs[0], device), int(as_host(inputs[1]).one())
    largest, ordered = bool(node.get("largest", 1)), bool(node.get("sorted", 1))
    return tuple(torch.topk(x, k, node.get("axis", -1), largest, ordered))


@operator("CumSum")
def _cumsum(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x, axis = as_tensor(inputs[0], device), int(as_host(inputs[1]).one())
    backwards = bool(node.get("reverse", 0))
    x = x.flip(axis) if backwards else x
    out = torch.cumsum(x, axis).to(x.dtype)
    out = out - x if node.get("exclusive", 0) else out
    return out.flip(axis) if backwards else out


def _softmax_like(
    function: Callable[..., torch.Tensor],
) -> Callable[[Node, Sequence[Value], torch.device], Value]:
    def run(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
        x = as_tensor(inputs[0], device)
        if node.version >= 13:
            return function(x, dim=node.get("axis", -1))
        # Before version 13, all axes from this one on are one.
        axis = node.get("axis", 1) % max(x.dim(), 1)
        return function(x.flatten(axis), dim=-1).reshape(x.shape)

    return run


operator("Softmax")(_softmax_like(F.softmax))
operator("LogSoftmax")(_softmax_like(F.log_softmax))


@operator("LayerNormalization")
def _layer_norm(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Any:
    x, weight = (as_tensor(one, device) for one in inputs[:2] if one is not None)
    bias = inputs[2] if len(inputs) > 2 else None
    axis = node.get("axis", -1) % x.dim()
    axes = list(range(axis, x.dim()))
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    mean = wide.mean(axes, keepdim=True)
    centered = wide - mean
    inverse = torch.rsqrt(
        (centered * centered).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)
    )
    out = (centered * inverse).to(x.dtype) * weight
    if bias is not None:
        out = out + as_tensor(bias, device)
    return (out, mean, inverse)[: max(len(node.outputs), 1)]


@operator("RMSNormalization", "SimplifiedLayerNormalization")
def _rms_norm(node: Node, inputs: Sequence[Value], device: torch.device) -> Any:
    x, weight = (as_tensor(one, device) for one in inputs[:2])
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    inverse = torch.rsqrt((wide * wide).mean(axes, keepdim=True) + node.get("epsilon", 1e-5))
    out = (wide * inverse).to(x.dtype) * weight
    return (out, inverse)[: max(len(node.outputs), 1)]


@operator("LpNormalization")
def _lp_norm(node: Node, inputs: Sequence[Value], device: torch.device) -> Any:
    x = as_tensor(inputs[0], device)
    return x / torch.linalg.vector_norm(x, node.get("p", 2), node.get("axis", -1), keepdim=True)
