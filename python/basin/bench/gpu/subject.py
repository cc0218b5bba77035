"""A case made ready: its contenders by name, and how wrong what they return is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Call = Callable[[], tuple[Tensor, ...]]
Launch = Callable[[Mapping[str, Any]], None]
Error = Callable[[tuple[Tensor, ...]], float]


@dataclass
class Setup:
    """Where and how a case is made.

    `launcher` gives a kernel's launch by name of arguments; `compile_mode` is torch.compile's, and
    None leaves peers that need it uncompiled where that means anything, else out.
    """

    launcher: Callable[[Any], Launch]
    device: str = "cuda"
    compile_mode: str | None = "max-autotune-no-cudagraphs"
    triton: bool = True

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` by torch.compile for its shapes alone."""
        if self.compile_mode is None:
            return function
        # A recompilation too many, and torch runs the function as it is, without a word.
        torch._dynamo.reset()
        return torch.compile(function, fullgraph=True, dynamic=False, mode=self.compile_mode)


@dataclass
class Subject:
    """`makers` make a contender when its turn comes, which may fail; `error` is what to compare
    with `tolerance`, NaN where anything is. Results of our kernels are poisoned by `poison` before
    a run. Who computes something else on purpose has an error of its own in `others`, or is
    `unchecked`."""

    makers: dict[str, Callable[[], Call]]
    error: Error
    tolerance: Callable[[str], float]
    poison: Callable[[], None] = lambda: None
    others: dict[str, Error] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()


def draw(shape: tuple[int, ...], device: str, seed: int, scale: float = 1, shift: float = 0):
    """Normal numbers in bf16."""
    generator = torch.Generator(device).manual_seed(seed)
    # Not in f32 first: the largest tensors are gigabytes.
    out = torch.empty(shape, dtype=torch.bfloat16, device=device)
    return out.normal_(shift, scale, generator=generator)


def row_error(actual: Tensor, expected: Tensor) -> float:
    """The largest |actual - expected| / |expected| of a row: one bad row must show. NaN stays."""
    difference = (actual.to(expected.dtype) - expected).norm(dim=-1)
    floor = torch.finfo(expected.dtype).tiny
    return (difference / expected.norm(dim=-1).clamp_min(floor)).max().item()


def worse(a: float, b: float) -> float:
    """The larger; NaN above all."""
    return a if a != a or a > b else b
