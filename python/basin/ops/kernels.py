"""The kernels that torch operators launch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from basin import runtime

TYPES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}

_objects: list[Any] = []


class MissingKernel(LookupError):
    """No object that was given to `use` has the kernel that a call needs."""


def use(path: str | os.PathLike[str]) -> runtime.Object:
    """Take kernels from the object at `path`, after those of earlier calls."""
    opened = runtime.load(path)
    _objects.append(opened)
    return opened


def not_empty(tensor: torch.Tensor) -> torch.Tensor:
    """Gives memory to a tensor that has none, because kernels take no null pointers."""
    return tensor if tensor.numel() else tensor.new_zeros(16)


def find(family: str, spec: Mapping[str, bool | float | str]) -> Any:
    """The first kernel that was made from this spec, in the words of basin-compile's options."""
    for opened in _objects:
        if (kernel := opened.find(family, spec)) is not None:
            return kernel
    text = ",".join(name if value is True else f"{name}={value}" for name, value in spec.items())
    option = f"--{family} {text}"
    raise MissingKernel(
        f"no kernel {option}: no object given to basin.ops.use has it. Compile it with "
        f"`basin-compile {option}` and pass its object to basin.ops.use"
    )
