"""A node as its function sees it, and the table of functions by operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import onnx
import torch

from basin.torch.host import Host, Value, as_host

__all__ = ["DTYPES", "OPERATORS", "Function", "Node", "Result", "dtype_of", "operator"]

# Numbers of ONNX's element types.
DTYPES: dict[int, torch.dtype] = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.INT16: torch.int16,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
    onnx.TensorProto.BOOL: torch.bool,
    onnx.TensorProto.FLOAT16: torch.float16,
    onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.BFLOAT16: torch.bfloat16,
    onnx.TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn,
    onnx.TensorProto.FLOAT8E5M2: torch.float8_e5m2,
}


def dtype_of(number: int) -> torch.dtype:
    """Torch's type for ONNX's. Raises NotImplementedError for one that torch lacks."""
    try:
        return DTYPES[number]
    except KeyError:
        name = onnx.TensorProto.DataType.Name(number)
        raise NotImplementedError(f"the element type {name} has no counterpart in torch") from None


@dataclass
class Node:
    """A node's attributes, and what the version of its operator says.

    `inputs` and `outputs` are names, empty where one is left out.
    """

    op: str
    name: str
    version: int
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)

    def axes(self, inputs: Sequence[Value | None], at: int = 1) -> list[int] | None:
        """The axes, which older versions have as an attribute and newer ones as an input."""
        if "axes" in self.attributes:
            return list(self.attributes["axes"])
        given = inputs[at] if len(inputs) > at else None
        return None if given is None else list(as_host(given).data)


Result = Value | tuple[Value | None, ...]
Function = Callable[[Node, Sequence[Any], torch.device], Result]
F = TypeVar("F", bound=Function)

# By domain and operator.
OPERATORS: dict[tuple[str, str], Function] = {}


def operator(*names: str, domain: str = "") -> Callable[[F], F]:
    """Registers a function for operators."""

    def register(function: F) -> F:
        for name in names:
            OPERATORS[domain, name] = function
        return function

    return register


def all_host(values: Sequence[Any]) -> bool:
    """Whether no value is a tensor."""
    return all(isinstance(one, Host) for one in values)
