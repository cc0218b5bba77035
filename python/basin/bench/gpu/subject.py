"""A case that is ready to run: its contenders by name, and the error of their results."""

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

    `launcher` returns a function that launches a kernel with arguments by name. `compile_mode` is
    torch.compile's. If it is None, peers that need it run uncompiled, or not at all if that makes
    no sense.
    """

    launcher: Callable[[Any], Launch]
    device: str = "cuda"
    compile_mode: str | None = "max-autotune-no-cudagraphs"
    triton: bool = True

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` by torch.compile for its shapes alone."""
        if self.compile_mode is None:
            return function
        # After too many recompilations torch silently runs the function uncompiled.
        torch._dynamo.reset()
        return torch.compile(function, fullgraph=True, dynamic=False, mode=self.compile_mode)


@dataclass
class Subject:
    """A case with its contenders. `makers` make a contender when its turn comes, which may fail.
    `error` gives a result's error, which is compared with `tolerance`; it is NaN if anything is.
    `poison` overwrites the results of our kernels before a run. A contender that computes something
    else on purpose has a function of its own in `others`, or is `unchecked`."""

    makers: dict[str, Callable[[], Call]]
    error: Error
    tolerance: Callable[[str], float]
    poison: Callable[[], None] = lambda: None
    others: dict[str, Error] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()


def draw(shape: tuple[int, ...], device: str, seed: int, scale: float = 1, shift: float = 0):
    """Normal numbers in bf16."""
    generator = torch.Generator(device).manual_seed(seed)
    # Numbers are not drawn in f32 first, because the largest tensors have gigabytes.
    out = torch.empty(shape, dtype=torch.bfloat16, device=device)
    return out.normal_(shift, scale, generator=generator)


def row_error(actual: Tensor, expected: Tensor) -> float:
    """The largest |actual - expected| / |expected| of all rows, so one bad row shows. NaN stays."""
    difference = (actual.to(expected.dtype) - expected).norm(dim=-1)
    floor = torch.finfo(expected.dtype).tiny
    return (difference / expected.norm(dim=-1).clamp_min(floor)).max().item()


def worse(a: float, b: float) -> float:
    """The larger of two errors. NaN counts as the largest."""
    return a if a != a or a > b else b
