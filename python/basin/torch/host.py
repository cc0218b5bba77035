"""Small integers and flags that a model computes from sizes: kept on the host.

Sizes of tensors feed Reshape, Expand and Slice. As tensors they would have to come back from the
device, and a compiler could not see through them. So the results of Shape, and constants of a few
integers, are lists here, and operators on them compute on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

__all__ = ["MOST", "Host", "Value", "as_host", "as_tensor", "elementwise", "multiply"]

# Constants of at most this many elements may be sizes.
MOST = 64


def multiply(sizes: Iterable[Any]) -> Any:
    """The product of sizes, which may be symbols of a compiler: it does not look into math.prod."""
    out: Any = 1
    for size in sizes:
        out = out * size
    return out


@dataclass(frozen=True)
class Host:
    """Elements in row-major order, and the dtype that they have as a tensor."""

    data: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype

    def one(self) -> Any:
        """The only element."""
        if len(self.data) != 1:
            raise ValueError(f"expected one element, but got {len(self.data)}")
        return self.data[0]

    def reshaped(self, shape: Sequence[int]) -> Host:
        """The same elements in another shape, with at most one size -1."""
        sizes = list(shape)
        if -1 in sizes:
            at = sizes.index(-1)
            rest = multiply([size for i, size in enumerate(sizes) if i != at])
            sizes[at] = len(self.data) // rest if rest else 0
        if multiply(sizes) != len(self.data):
            raise ValueError(f"expected {len(self.data)} elements, but got the shape {sizes}")
        return Host(self.data, tuple(sizes), self.dtype)

    def at(self, index: Sequence[int]) -> Any:
        """The element at an index for each axis."""
        offset = 0
        for size, i in zip(self.shape, index):
            offset = offset * size + i
        return self.data[offset]

    def gathered(self, shape: Sequence[int], index: Callable[..., Sequence[int]]) -> Host:
        """The elements at `index` of each place of `shape`."""
        places = product(*(range(size) for size in shape))
        return Host(tuple(self.at(index(*place)) for place in places), tuple(shape), self.dtype)


Value = torch.Tensor | Host


def as_tensor(value: Value, device: torch.device) -> torch.Tensor:
    """The value as a tensor."""
    if isinstance(value, torch.Tensor):
        return value
    return torch.tensor(value.data, dtype=value.dtype, device=device).reshape(value.shape)


def as_host(value: Value) -> Host:
    """The value on the host. A tensor is copied from its device, which waits for it."""
    if isinstance(value, Host):
        return value
    return Host(tuple(value.reshape(-1).tolist()), tuple(value.shape), value.dtype)


def _broadcast(shapes: Iterable[Sequence[int]]) -> tuple[int, ...]:
    out: list[int] = []
    for shape in shapes:
        out = [1] * (len(shape) - len(out)) + out
        for i, size in enumerate(reversed(shape), start=1):
            if size != 1:
                out[-i] = size
    return tuple(out)


def elementwise(
    function: Callable[..., Any], values: Sequence[Host], dtype: torch.dtype | None = None
) -> Host:
    """The function of elements that are broadcast to each other."""
    shape = _broadcast(value.shape for value in values)
    wide = [
        value.gathered(
            shape,
            lambda *place, value=value: [
                0 if size == 1 else i
                for size, i in zip(value.shape, place[len(place) - len(value.shape) :])
            ],
        )
        for value in values
    ]
    data = tuple(function(*elements) for elements in zip(*(one.data for one in wide)))
    return Host(data, shape, dtype or values[-1].dtype)
