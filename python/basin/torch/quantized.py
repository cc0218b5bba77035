"""QuantizeLinear and its inverse, for numbers that torch has types for. They have no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from basin.torch.host import Value, as_tensor
from basin.torch.node import Node, dtype_of, operator

__all__: list[str] = []


def _spread(scale: torch.Tensor, x: torch.Tensor, node: Node) -> torch.Tensor:
    """Scales or zero points in a shape that is broadcast to `x`."""
    if scale.dim() == 0 or scale.numel() == 1:
        return scale.reshape(())
    axis = node.get("axis", 1) % x.dim()
    size = node.get("block_size", 0)
    if size:
        wide = scale.repeat_interleave(size, dim=axis)
        return wide.narrow(axis, 0, x.shape[axis])
    sizes = [1] * x.dim()
    sizes[axis] = -1
    return scale.reshape(sizes)


def _limits(dtype: torch.dtype) -> tuple[float, float]:
    if dtype.is_floating_point:
        most = torch.finfo(dtype).max
        return -most, most
    info = torch.iinfo(dtype)
    return info.min, info.max


@operator("QuantizeLinear")
def _quantize(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    x, scale = (as_tensor(one, device) for one in inputs[:2] if one is not None)
    given = inputs[2] if len(inputs) > 2 else None
    zero = None if given is None else as_tensor(given, device)
    named = node.get("output_dtype", 0)
    dtype = dtype_of(named) if named else (torch.uint8 if zero is None else zero.dtype)
    made = x / _spread(scale, x, node)
    low, high = _limits(dtype)
    if dtype.is_floating_point:
        return made.clamp(low, high).to(dtype)
    made = torch.round(made)
    if zero is not None:
        made = made + _spread(zero, x, node).to(made.dtype)
    return made.clamp(low, high).to(dtype)


@operator("DequantizeLinear")
def _dequantize(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    codes, scale = (as_tensor(one, device) for one in inputs[:2] if one is not None)
    given = inputs[2] if len(inputs) > 2 else None
    wide = codes.to(scale.dtype)
    if given is not None:
        wide = wide - _spread(as_tensor(given, device), codes, node).to(scale.dtype)
    return wide * _spread(scale, codes, node)


@operator("DynamicQuantizeLinear")
def _quantize_dynamically(node: Node, inputs: Sequence[Value], device: torch.device) -> Any:
    x = as_tensor(inputs[0], device)
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.round((-low / scale).clamp(0, 255))
    codes = (torch.round(x / scale) + zero).clamp(0, 255)
    return codes.to(torch.uint8), scale, zero.to(torch.uint8)
