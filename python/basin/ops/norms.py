"""RMSNorm with the operations around it, as torch operators.

For x [.., dim], with h = x, or round(x + residual) if there is a residual:
    u = pre_affine * h
    y = weight * u / sqrt(mean(u^2) + eps)
    y = act(swish(y gate_down^T) gate_up^T) * y          (gated; arXiv 2601.22966)
Everything is in f32, except h and the operands of the gate's products, which are rounded to the
type of x.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import torch
from torch import Tensor

from basin.ops.kernels import TYPES, find

_ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
    "identity": lambda x: x,
}


def kernel_spec(
    dim: int,
    dtype: torch.dtype,
    parts: Mapping[str, bool | int | str],
    parameters: torch.dtype | None,
    eps: float,
) -> dict[str, bool | float | str]:
    """The spec of the kernel for a row of `dim` elements; `parts` that are False are left out."""
    (rounded,) = struct.unpack("f", struct.pack("f", eps))  # as kernels have it
    spec = {"dim": dim, "type": TYPES[dtype]} | {key: v for key, v in parts.items() if v}
    if parameters not in (None, dtype):
        spec["parameters"] = TYPES[parameters]
    return spec | {"eps": rounded}


def _check(x: Tensor, **operands: tuple[Tensor | None, tuple[int, ...]]) -> None:
    """Types, devices and shapes; a kernel reads as far as its own sizes say."""
    if x.dim() == 0 or x.dtype not in TYPES:
        given = f"{x.dtype} {list(x.shape)}"
        raise ValueError(f"x: expected [.., dim] of f32, f16 or bf16, but got {given}")
    for name, (tensor, shape) in operands.items():
        if tensor is None:
            continue
        if tuple(tensor.shape) != shape:
            given = list(tensor.shape)
            raise ValueError(f"{name}: expected the shape {list(shape)}, but got {given}")
        if tensor.device != x.device:
            raise ValueError(f"{name}: expected a tensor on {x.device}, but got {tensor.device}")
        if tensor.dtype not in (TYPES if name in ("weight", "pre_affine") else (x.dtype,)):
            raise ValueError(f"{name}: expected {x.dtype}, but got {tensor.dtype}")


def _parameter_type(*tensors: Tensor | None) -> torch.dtype | None:
    types = {tensor.dtype for tensor in tensors if tensor is not None}
    if len(types) > 1:
        raise ValueError("weight and pre_affine: expected the same dtype")
    return types.pop() if types else None


def _reference(h: Tensor, weight: Tensor | None, pre_affine: Tensor | None, eps: float) -> Tensor:
    """The norm in f32, not yet rounded."""
    u = h.float() if pre_affine is None else h.float() * pre_affine.float()
    y = u * torch.rsqrt(u.square().mean(-1, keepdim=True) + eps)
    return y if weight is None else y * weight.float()


def _reference_gate(y: Tensor, down: Tensor, up: Tensor, activation: str) -> Tensor:
    def product(a: Tensor, b: Tensor) -> Tensor:
        return a.to(b.dtype).float() @ b.float().T

    inner = torch.nn.functional.silu(product(y, down))
    return _ACTIVATIONS[activation](product(inner, up)) * y


def _launch(
    x: Tensor,
    eps: float,
    parts: Mapping[str, bool | int | str],
    parameters: torch.dtype | None,
    operands: dict[str, Tensor | None],
    with_sum: bool = False,
) -> tuple[Tensor, Tensor | None]:
    kernel = find("norm", kernel_spec(x.shape[-1], x.dtype, parts, parameters, eps))
    y, total = torch.empty_like(x, memory_format=torch.contiguous_format), None
    given = {"x": x.contiguous(), "y": y}
    given |= {name: t.contiguous() for name, t in operands.items() if t is not None}
    if with_sum:
        given["sum"] = total = torch.empty_like(y)
    kernel.launch(given | {"rows": x.numel() // x.shape[-1] if x.shape[-1] else 0})
    return y, total


def _parts(
    weight: Tensor | None, residual: Tensor | None, pre_affine: Tensor | None
) -> dict[str, bool]:
    given = {"residual": residual, "pre_affine": pre_affine, "weight": weight}
    return {name: tensor is not None for name, tensor in given.items()}


@torch.library.custom_op("basin::rms_norm", mutates_args=())
def _rms_norm(
    x: Tensor, weight: Tensor | None, residual: Tensor | None, pre_affine: Tensor | None, eps: float
) -> Tensor:
    if x.is_cuda:
        parts = _parts(weight, residual, pre_affine)
        operands = {"residual": residual, "pre_affine": pre_affine, "weight": weight}
        return _launch(x, eps, parts, _parameter_type(weight, pre_affine), operands)[0]
    h = x if residual is None else x + residual
    return _reference(h, weight, pre_affine, eps).to(x.dtype).contiguous()


@_rms_norm.register_fake
def _(x, weight, residual, pre_affine, eps):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.custom_op("basin::add_rms_norm", mutates_args=())
def _add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, pre_affine: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    if x.is_cuda:
        parts = _parts(weight, residual, pre_affine) | {"sum": True}
        operands = {"residual": residual, "pre_affine": pre_affine, "weight": weight}
        parameters = _parameter_type(weight, pre_affine)
        return _launch(x, eps, parts, parameters, operands, with_sum=True)
    h = (x + residual).contiguous()
    return _reference(h, weight, pre_affine, eps).to(x.dtype).contiguous(), h


@_add_rms_norm.register_fake
def _(x, residual, weight, pre_affine, eps):
    like = torch.empty_like(x, memory_format=torch.contiguous_format)
    return like, torch.empty_like(like)


@torch.library.custom_op("basin::gated_rms_norm", mutates_args=())
def _gated_rms_norm(
    x: Tensor,
    gate_down: Tensor,
    gate_up: Tensor,
    weight: Tensor | None,
    residual: Tensor | None,
    pre_affine: Tensor | None,
    eps: float,
    activation: str,
) -> Tensor:
    if x.is_cuda:
        gate = {"gate": gate_down.shape[0], "activation": activation}
        gate["tensorwise"] = gate_up.shape[0] == 1 and x.shape[-1] != 1
        parts = _parts(weight, residual, pre_affine) | gate
        operands = {
            "residual": residual, "pre_affine": pre_affine, "weight": weight,
            "gate_down": gate_down, "gate_up": gate_up,
        }  # fmt: skip
        return _launch(x, eps, parts, _parameter_type(weight, pre_affine), operands)[0]
    h = x if residual is None else x + residual
    y = _reference(h, weight, pre_affine, eps)
    return _reference_gate(y, gate_down, gate_up, activation).to(x.dtype).contiguous()


@_gated_rms_norm.register_fake
def _(x, gate_down, gate_up, weight, residual, pre_affine, eps, activation):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _check_norm(
    x: Tensor, weight: Tensor | None, residual: Tensor | None, pre_affine: Tensor | None
) -> None:
    vector = tuple(x.shape[-1:])
    _check(
        x, weight=(weight, vector), pre_affine=(pre_affine, vector),
        residual=(residual, tuple(x.shape)),
    )  # fmt: skip
    _parameter_type(weight, pre_affine)


def rms_norm(
    x: Tensor,
    weight: Tensor | None = None,
    residual: Tensor | None = None,
    pre_affine: Tensor | None = None,
    eps: float = 1e-6,
) -> Tensor:
    """RMSNorm over the last axis of x, or of x + residual."""
    _check_norm(x, weight, residual, pre_affine)
    return _rms_norm(x, weight, residual, pre_affine, eps)


def add_rms_norm(
    x: Tensor,
    residual: Tensor,
    weight: Tensor | None = None,
    pre_affine: Tensor | None = None,
    eps: float = 1e-6,
) -> tuple[Tensor, Tensor]:
    """RMSNorm of x + residual, and that sum in the type of x: the stream that goes on."""
    _check_norm(x, weight, residual, pre_affine)
    return _add_rms_norm(x, residual, weight, pre_affine, eps)


def gated_rms_norm(
    x: Tensor,
    gate_down: Tensor,
    gate_up: Tensor,
    weight: Tensor | None = None,
    residual: Tensor | None = None,
    pre_affine: Tensor | None = None,
    eps: float = 1e-6,
    activation: str = "sigmoid",
) -> Tensor:
    """RMSNorm with its gate; gate_down [r, dim], gate_up [dim, r], or [1, r] for one gate a row."""
    _check_norm(x, weight, residual, pre_affine)
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise ValueError(f"activation: expected one of {known}, but got {activation!r}")
    rank = gate_down.shape[0] if gate_down.dim() else 0
    rows = 1 if gate_up.dim() and gate_up.shape[0] == 1 else x.shape[-1]
    _check(x, gate_down=(gate_down, (rank, x.shape[-1])), gate_up=(gate_up, (rows, rank)))
    return _gated_rms_norm(x, gate_down, gate_up, weight, residual, pre_affine, eps, activation)
