"""Makes a failing model small: drops outputs and nodes while the kind of failure stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx
from onnx import helper

Fails = Callable[[onnx.ModelProto], bool]


def _prune(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the nodes, initializers and inputs that no output needs."""
    graph = model.graph
    needed = {o.name for o in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output if name):
            kept.append(node)
            needed.update(node.input)
            for attribute in node.attribute:
                for inner in attribute.g.node:
                    needed.update(inner.input)
    kept.reverse()
    out = onnx.ModelProto()
    out.CopyFrom(model)
    del out.graph.node[:]
    out.graph.node.extend(kept)
    for field in (out.graph.initializer, out.graph.input):
        wanted = [item for item in field if item.name in needed]
        del field[:]
        field.extend(wanted)
    return out


def _types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """Inferred types of inner values."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:
        return {}
    return {info.name: info for info in inferred.graph.value_info}


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    out = onnx.ModelProto()
    out.CopyFrom(model)
    return out


def _candidates(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    """Smaller models, the boldest first."""
    graph = model.graph
    for i in range(len(graph.output) - 1, -1, -1):
        if len(graph.output) > 1:
            out = _copy(model)
            del out.graph.output[i]
            yield out
    produced = {name for node in graph.node for name in node.output}
    for i in range(len(graph.node) - 1, -1, -1):
        # Here an inner value becomes the only output.
        name = graph.node[i].output[0]
        if [o.name for o in graph.output] != [name]:
            out = _copy(model)
            del out.graph.output[:]
            out.graph.output.append(onnx.ValueInfoProto(name=name))
            yield out
    types = _types(model)
    for i, node in enumerate(graph.node):
        for source in dict.fromkeys(n for n in node.input if n):
            yield _bypassed(model, i, source)
        if node.output[0] in types and types[node.output[0]].type.tensor_type.HasField("shape"):
            out = _copy(model)
            del out.graph.node[i]
            out.graph.input.append(types[node.output[0]])
            yield out
        if len(node.input) > 1 and node.input[-1] and node.input[-1] not in produced:
            out = _copy(model)
            del out.graph.node[i].input[-1]
            yield out


def _bypassed(model: onnx.ModelProto, index: int, source: str) -> onnx.ModelProto:
    """The model without one node, whose users read one of its operands instead."""
    out = _copy(model)
    gone = out.graph.node[index].output[0]
    del out.graph.node[index]
    for node in out.graph.node:
        for i, name in enumerate(node.input):
            if name == gone:
                node.input[i] = source
    for output in out.graph.output:
        if output.name == gone:
            node = helper.make_node("Identity", [source], [gone])
            out.graph.node.append(node)
    return out


def _size(model: onnx.ModelProto) -> tuple[int, int]:
    return len(model.graph.node), sum(len(n.input) for n in model.graph.node) + len(
        model.graph.output
    )


def shrink(model: onnx.ModelProto, fails: Fails, budget: int = 250) -> onnx.ModelProto:
    """The smallest model found with at most `budget` trials of `fails`."""
    best = _prune(model)
    if not fails(best):
        best = model
    while True:
        for candidate in _candidates(best):
            candidate = _prune(candidate)
            if _size(candidate) >= _size(best):
                continue
            budget -= 1
            if budget < 0:
                return best
            if fails(candidate):
                best = candidate
                break
        else:
            return best
