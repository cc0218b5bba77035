"""Operators on elements: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import math
import operator as python
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from basin.torch.host import Host, Value, as_host, as_tensor, elementwise
from basin.torch.node import Node, all_host, dtype_of, operator

__all__: list[str] = []

_OFF = Host((False,), (), torch.bool)


def _divide(a: Any, b: Any) -> Any:
    """Integers divide towards zero, as in C."""
    return a // b if (a >= 0) == (b >= 0) else -(-a // b)


_BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Add": (torch.add, python.add),
    "Sub": (torch.sub, python.sub),
    "Mul": (torch.mul, python.mul),
}
_COMPARISONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Equal": (torch.eq, python.eq),
    "Greater": (torch.gt, python.gt),
    "GreaterOrEqual": (torch.ge, python.ge),
    "Less": (torch.lt, python.lt),
    "LessOrEqual": (torch.le, python.le),
    "And": (torch.logical_and, lambda a, b: a and b),
    "Or": (torch.logical_or, lambda a, b: a or b),
    "Xor": (torch.logical_xor, lambda a, b: a != b),
}
_UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Softplus": F.softplus,
    "Sqrt": torch.sqrt,
    "Tanh": torch.tanh,
}


def _both(
    on_tensors: Callable[..., Any], on_host: Callable[..., Any], dtype: torch.dtype | None
) -> Callable[..., Value]:
    def run(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
        if all_host(inputs):
            return elementwise(on_host, [one for one in inputs if isinstance(one, Host)], dtype)
        tensors: torch.Tensor = on_tensors(*(as_tensor(one, device) for one in inputs))
        return tensors

    return run


def _unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Value]:
    def run(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
        return function(as_tensor(inputs[0], device))

    return run


for _name, (_tensors, _host) in _BINARY.items():
    operator(_name)(_both(_tensors, _host, None))
for _name, (_tensors, _host) in _COMPARISONS.items():
    operator(_name)(_both(_tensors, _host, torch.bool))
for _name, _function in _UNARY.items():
    operator(_name)(_unary(_function))
operator("Not")(_both(torch.logical_not, python.not_, torch.bool))
operator("Neg")(_both(torch.neg, python.neg, None))


@operator("Div")
def _div(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    if all_host(inputs):
        return elementwise(_divide, [one for one in inputs if isinstance(one, Host)])
    a, b = (as_tensor(one, device) for one in inputs)
    if a.dtype.is_floating_point:
        return torch.div(a, b)
    return torch.div(a, b, rounding_mode="trunc")


@operator("Mod")
def _mod(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    if all_host(inputs) and not node.get("fmod", 0):
        return elementwise(python.mod, [one for one in inputs if isinstance(one, Host)])
    a, b = (as_tensor(one, device) for one in inputs)
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


@operator("Pow")
def _pow(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    base, exponent = (as_tensor(one, device) for one in inputs)
    # The result has the type of the base, also if the exponent is no integer.
    return torch.pow(base, exponent).to(base.dtype)


@operator("Max", "Min", "Sum", "Mean")
def _variadic(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    choices = {"Max": torch.maximum, "Min": torch.minimum}
    if all_host(inputs) and node.op in choices:
        chosen = max if node.op == "Max" else min
        hosts = [one for one in inputs if isinstance(one, Host)]
        return elementwise(lambda *elements: chosen(elements), hosts)
    tensors = [as_tensor(one, device) for one in inputs]
    out = reduce(choices.get(node.op, torch.add), tensors)
    return out / len(tensors) if node.op == "Mean" else out


@operator("Clip")
def _clip(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    assert inputs[0] is not None
    x = as_tensor(inputs[0], device)
    bounds = list(inputs[1:]) + [None] * (3 - len(inputs))
    low, high = (None if one is None else as_tensor(one, device) for one in bounds)
    if "min" in node.attributes or "max" in node.attributes:
        return torch.clamp(x, node.get("min"), node.get("max"))
    if low is None and high is None:
        return x
    return torch.clamp(x, low, high)


@operator("Where")
def _where(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    if all_host(inputs):
        hosts = [one for one in inputs if isinstance(one, Host)]
        return elementwise(lambda flag, a, b: a if flag else b, hosts)
    flag, a, b = (as_tensor(one, device) for one in inputs)
    return torch.where(flag, a, b)


@operator("Cast")
def _cast(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    dtype = dtype_of(node.get("to"))
    x = inputs[0]
    if isinstance(x, Host) and dtype == torch.bool:
        return Host(tuple(bool(one) for one in x.data), x.shape, dtype)
    if isinstance(x, Host) and dtype in (torch.int32, torch.int64):
        # A symbol is a size, which is small enough.
        fits = all(not isinstance(one, int) or -(2**31) <= one < 2**31 for one in x.data)
        if fits or dtype == torch.int64:
            numbers = tuple(int(one) if isinstance(one, bool) else one for one in x.data)
            return Host(numbers, x.shape, dtype)
    if isinstance(x, Host):
        # What does not fit is cut off, and not refused.
        x = Host(x.data, x.shape, torch.int64)
    return _to(as_tensor(x, device), dtype, node)


def _to(x: torch.Tensor, dtype: torch.dtype, node: Node) -> torch.Tensor:
    """The tensor in another type. Numbers that are too large for 8 bits saturate."""
    if dtype.is_floating_point and dtype.itemsize == 1:
        if not node.get("saturate", 1):
            raise NotImplementedError("a Cast without saturation")
        most = torch.finfo(dtype).max
        x = x.clamp(-most, most)
    return x.to(dtype)


@operator("CastLike")
def _cast_like(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return _to(as_tensor(inputs[0], device), inputs[1].dtype, node)


@operator("Identity")
def _identity(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return inputs[0]


@operator("Dropout")
def _dropout(node: Node, inputs: Sequence[Value | None], device: torch.device) -> Value:
    assert inputs[0] is not None
    if len(node.outputs) > 1 or (len(inputs) > 2 and as_host(inputs[2] or _OFF).one()):
        raise NotImplementedError("Dropout of a training, or its mask")
    return inputs[0]


@operator("Gelu")
def _gelu(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return F.gelu(as_tensor(inputs[0], device), approximate=node.get("approximate", "none"))


@operator("LeakyRelu")
def _leaky_relu(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return F.leaky_relu(as_tensor(inputs[0], device), node.get("alpha", 0.01))


@operator("Elu")
def _elu(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    return F.elu(as_tensor(inputs[0], device), node.get("alpha", 1.0))


@operator("HardSigmoid")
def _hard_sigmoid(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device) * node.get("alpha", 0.2) + node.get("beta", 0.5)
    return torch.clamp(x, 0, 1)


@operator("Swish")
def _swish(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device)
    return x * torch.sigmoid(node.get("alpha", 1.0) * x)


@operator("IsInf")
def _is_inf(node: Node, inputs: Sequence[Value], device: torch.device) -> Value:
    x = as_tensor(inputs[0], device)
    found = torch.zeros_like(x, dtype=torch.bool)
    if node.get("detect_positive", 1):
        found = found | (x == math.inf)
    if node.get("detect_negative", 1):
        found = found | (x == -math.inf)
    return found
