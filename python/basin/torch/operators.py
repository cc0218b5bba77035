"""The operators of `basin.ops` in place of the nodes that compute the same.

`basin inspect` names them: a norm or an attention, the values that it reads, and its result. The
operators have no backward pass, so a module uses them only where torch records no gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from basin import ops
from basin.torch.graph import Call, Graph, find_last_uses, read_by
from basin.torch.node import Node

__all__ = ["MissingKernel", "find_operators", "with_operators"]

MissingKernel = ops.MissingKernel

# How the axes of a layout become [batch, heads, rows, d], and a result's axes become the layout.
_ORDERS = {"bhsd": (0, 1, 2, 3), "bshd": (0, 2, 1, 3), "bhds": (0, 1, 3, 2)}


def find_operators(inspected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The operators that `basin inspect` names."""
    return list(inspected["operators"])


def with_operators(graph: Graph, operators: Sequence[Mapping[str, Any]]) -> Graph:
    """The graph in which operators make their results, without the nodes that nothing needs then.

    An operator is left out if its result, or a value that it reads, is not one of the graph's.
    """
    makers = {name: call for call in graph.calls for name in call.node.outputs}
    chosen: dict[int, Call] = {}
    for one in operators:
        maker = makers.get(one["result"])
        if maker is not None and len(maker.node.outputs) == 1:
            chosen[id(maker)] = _call_of(one)
    calls = [chosen.get(id(call), call) for call in graph.calls]
    needed, kept = set(graph.outputs), []
    for call in reversed(calls):
        if not needed.isdisjoint(call.node.outputs):
            kept.append(call)
            needed |= read_by(call)
    copies = [Call(one.node, one.function, branches=one.branches) for one in reversed(kept)]
    out = Graph(copies, graph.constants, graph.outputs)
    find_last_uses(out)
    return out


def _call_of(one: Mapping[str, Any]) -> Call:
    names = list(one["operands"])
    inputs = [one["operands"][name] for name in names]
    node = Node(f"basin.ops.{one['name']}", one["result"], 0, inputs, [one["result"]], {})
    compute = _attention if one["name"] == "attention" else _norm

    def function(node: Node, values: Any, device: torch.device) -> torch.Tensor:
        return compute(one, dict(zip(names, values)))

    return Call(node, function)


def _norm(one: Mapping[str, Any], given: dict[str, Any]) -> torch.Tensor:
    options = one["options"]
    if one["name"] == "rms_norm":
        return ops.rms_norm(**given, **options)
    down, up = given.pop("gate_down"), given.pop("gate_up")
    x = given.pop("x")
    return ops.gated_rms_norm(x, down.mT.contiguous(), up.mT.contiguous(), **given, **options)


def _attention(one: Mapping[str, Any], given: dict[str, Any]) -> torch.Tensor:
    layouts = one["layouts"]
    for name in ("query", "key", "value"):
        given[name] = given[name].permute(_ORDERS[layouts[name]])
    order = _ORDERS[layouts["result"]]
    if "gate" in given:
        gate = given["gate"]
        given["gate"] = gate.reshape((1,) * (4 - gate.dim()) + gate.shape).permute(order)
    return ops.attention(**given, **one["options"]).permute(order)
