"""An ONNX graph as a list of calls, which run in order on named values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from basin._basin import BasinError
from basin.torch import arithmetic, layout, quantized, sums  # noqa: F401  They fill the table.
from basin.torch.host import MOST, Host, Value, as_host, as_tensor
from basin.torch.node import OPERATORS, Function, Node

__all__ = [
    "Call",
    "Graph",
    "constant_of",
    "find_last_uses",
    "list_missing",
    "read_by",
    "read_graph",
    "run_graph",
    "to_torch",
]


@dataclass
class Call:
    """A node and its function. `frees` are the names that nothing reads after it."""

    node: Node
    function: Function
    frees: tuple[str, ...] = ()
    branches: dict[str, Graph] = field(default_factory=dict)


@dataclass
class Graph:
    """Calls, the constants among the nodes and the initializers, and the graph's results."""

    calls: list[Call]
    constants: dict[str, Value]
    outputs: list[str]


def to_torch(tensor: onnx.TensorProto) -> torch.Tensor:
    """The tensor with storage of its own. Raises BasinError for a type that torch lacks."""
    array = numpy_helper.to_array(tensor)
    if tensor.data_type == onnx.TensorProto.BFLOAT16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    try:
        return torch.from_numpy(np.array(array, order="C"))
    except TypeError:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        raise BasinError(f"tensor '{tensor.name}': torch has no type {kind}") from None


def constant_of(tensor: onnx.TensorProto) -> Value:
    """A constant: on the host if it may be a list of sizes."""
    value = to_torch(tensor)
    if not value.dtype.is_floating_point and value.numel() <= MOST and value.dim() <= 1:
        return as_host(value)
    return value


def _read_constant(node: onnx.NodeProto) -> Value:
    (attribute,) = node.attribute
    if attribute.name == "value":
        return constant_of(attribute.t)
    given = onnx.helper.get_attribute_value(attribute)
    if attribute.name not in ("value_int", "value_ints", "value_float", "value_floats"):
        raise BasinError(f"node '{node.name}': a Constant with '{attribute.name}' is not known")
    is_float = "float" in attribute.name
    tensor = torch.tensor(given, dtype=torch.float32 if is_float else torch.int64)
    return tensor if is_float else as_host(tensor)


def _read_attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.TENSOR:
        return to_torch(value)
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _graphs_of(node: onnx.NodeProto) -> dict[str, onnx.GraphProto]:
    return {one.name: one.g for one in node.attribute if one.type == onnx.AttributeProto.GRAPH}


def list_missing(graph: onnx.GraphProto) -> list[str]:
    """The operators that have no function, each with the first node that needs it."""
    found: dict[str, str] = {}
    for node in graph.node:
        if (node.domain, node.op_type) not in OPERATORS and node.op_type != "Constant":
            known = node.op_type == "If" and not node.domain
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            if not known:
                found.setdefault(name, f"{name} (node '{node.name}')")
        for branch in _graphs_of(node).values():
            for one in list_missing(branch):
                found.setdefault(one.split(" ")[0], one)
    return list(found.values())


def read_graph(graph: onnx.GraphProto, versions: Mapping[str, int], *, main: bool = True) -> Graph:
    """The calls of a graph whose operators all have functions.

    Initializers of the `main` graph are parameters and stand elsewhere.
    """
    constants: dict[str, Value] = {}
    if not main:
        constants = {one.name: constant_of(one) for one in graph.initializer}
    calls = []
    for proto in graph.node:
        if proto.op_type == "Constant" and not proto.domain:
            constants[proto.output[0]] = _read_constant(proto)
            continue
        graphs = _graphs_of(proto)
        node = Node(
            proto.op_type,
            proto.name,
            versions.get(proto.domain, 1),
            list(proto.input),
            list(proto.output),
            {one.name: _read_attribute(one) for one in proto.attribute if one.name not in graphs},
        )
        if node.op == "ConstantOfShape" and "value" in node.attributes:
            fill = node.attributes["value"]
            node.attributes["value"] = (fill.reshape(-1)[0].item(), fill.dtype)
        branches = {name: read_graph(one, versions, main=False) for name, one in graphs.items()}
        function = _refuse if branches else OPERATORS[proto.domain, proto.op_type]
        calls.append(Call(node, function, branches=branches))
    out = Graph(calls, constants, [one.name for one in graph.output])
    if main:
        find_last_uses(out)
    return out


def _refuse(node: Node, inputs: Any, device: torch.device) -> Any:
    raise AssertionError("a branch is not called as an operator")


def read_by(call: Call) -> set[str]:
    """The names that a call reads, those of its branches among them."""
    names = set(call.node.inputs)
    for branch in call.branches.values():
        names |= set(branch.outputs)
        for inner in branch.calls:
            names |= read_by(inner)
    return names


def find_last_uses(graph: Graph) -> None:
    """Set what each call frees: what it made or read, and what nothing reads later."""
    needed = set(graph.outputs)
    made = {name for call in graph.calls for name in call.node.outputs}
    for call in reversed(graph.calls):
        own = {*read_by(call), *call.node.outputs} & made
        call.frees = tuple(sorted(own - needed))
        needed |= own


def run_graph(
    graph: Graph,
    values: dict[str, Value],
    device: torch.device,
    explain: Callable[[Call, Exception], Exception],
) -> list[Value]:
    """Run the calls on `values`, which get the results. Returns the graph's outputs."""
    for name, constant in graph.constants.items():
        values[name] = constant if isinstance(constant, Host) else constant.to(device)
    for call in graph.calls:
        node = call.node
        if call.branches:
            flag = as_host(values[node.inputs[0]]).one()
            branch = call.branches["then_branch" if flag else "else_branch"]
            results: Any = tuple(run_graph(branch, dict(values), device, explain))
        else:
            inputs = [values[name] if name else None for name in node.inputs]
            try:
                results = call.function(node, inputs, device)
            except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
                raise explain(call, error) from error
        if isinstance(results, torch.Tensor | Host):
            values[node.outputs[0]] = results
        else:
            for name, result in zip(node.outputs, results):
                if name:
                    values[name] = result
        for name in call.frees:
            values.pop(name, None)
    return [as_tensor(values[name], device) for name in graph.outputs]
