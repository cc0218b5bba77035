"""The quantizer's schemes on torch tensors, bit for bit, with straight-through gradients.

A weight is quantized anew in each run, as it changes. Activations need nothing here: the graph that
`sink-instrument-quantization` writes has their quantization as nodes, and only the gradient goes
past them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["fake_quantize", "straight_through"]

_LARGEST = {"int4": 7, "int8": 127, "int16": 32767, "float4e2m1": 6, "float8e4m3": 448}
_EXPONENT = {"int4": 2, "int8": 6, "int16": 14, "float4e2m1": 2, "float8e4m3": 8}
_E4M3 = torch.float8_e4m3fn


class _StraightThrough(torch.autograd.Function):
    """The second tensor, with the gradient of the first one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantized: Tensor) -> Tensor:
        return quantized.view_as(quantized)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(x: Tensor, quantized: Tensor) -> Tensor:
    """`quantized`, whose gradient goes to `x` as it is."""
    made: Tensor = _StraightThrough.apply(x, quantized.detach())  # type: ignore[no-untyped-call]
    return made


def _round(x: Tensor, format: str) -> Tensor:
    """The nearest numbers of a format, ties to even, saturating."""
    most = _LARGEST[format]
    if format == "float8e4m3":
        return x.clamp(-most, most).to(_E4M3).to(torch.float32)
    if format != "float4e2m1":
        return torch.round(x).clamp(-most - 1, most)
    size = x.abs()
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    return (torch.round(x / step) * step).clamp(-most, most)


def _scales(cut: Tensor, amax: Tensor, part: dict[str, Any]) -> Tensor:
    """Scales [rows, 1, groups, 1] of weights [rows, tall, groups, size]."""
    most = float(_LARGEST[part["format"]])
    kind = part.get("scale", "float32")
    if part.get("full-range"):
        flat = cut.swapaxes(1, 2).flatten(2)
        first = flat.abs().argmax(dim=2, keepdim=True)
        scale = torch.gather(flat, 2, first)[:, None] / -(most + 1)
        return torch.where(scale.abs() < 2.0**-126, 2.0**-126, scale)
    if kind == "float32":
        return torch.clamp(amax / most, min=2.0**-126)
    if kind == "power-of-two":
        _, exponent = torch.frexp(torch.clamp(amax, min=2.0**-100))
        return torch.ldexp(torch.ones_like(amax), exponent - 1 - _EXPONENT[part["format"]])
    second = torch.clamp(amax.max() / (most * 448), min=2.0**-100)
    first = (amax / most / second).clamp(-448, 448).to(_E4M3).to(torch.float32)
    return torch.clamp(first, min=2.0**-9) * second


def fake_quantize(x: Tensor, part: dict[str, Any]) -> Tensor:
    """What the weights [channels, K] of a scheme's part `weights` become, in f32 arithmetic."""
    wide = x.detach().to(torch.float32)
    rows, depth = wide.shape
    size, tall = depth, 1
    if part["granularity"] == "block":
        size, *more = part["block"]
        tall = more[0] if more else 1
    if part["granularity"] == "tensor":
        tall = rows
    padded = torch.nn.functional.pad(wide, (0, -depth % size, 0, -rows % tall))
    cut = padded.reshape(padded.shape[0] // tall, tall, padded.shape[1] // size, size)
    scale = _scales(cut, cut.abs().amax(dim=(1, 3), keepdim=True), part)
    made = _round(cut / scale, part["format"]) * scale
    return made.reshape(padded.shape)[:rows, :depth].to(x.dtype)
