"""Makes a model of each branch of a model's Ifs, with the branch in place of its If.

A branch sees the outer graph's values, and its own names differ from theirs, so its nodes can be
put among theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import onnx


def flatten_branches(path: str | os.PathLike[str]) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield each branch of each If of the main graph with its label, weights included."""
    model = onnx.load(os.fspath(path))
    for index, node in enumerate(model.graph.node):
        if node.op_type != "If" or node.domain:
            continue
        for attribute in node.attribute:
            label = f"{node.name or node.output[0]}.{attribute.name}"
            yield label, _flatten(model, index, attribute.g)


def _flatten(model: onnx.ModelProto, index: int, branch: onnx.GraphProto) -> onnx.ModelProto:
    """The model with the branch's nodes in place of node `index`."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    nodes = list(model.graph.node)
    renamed = [
        onnx.helper.make_node("Identity", [inner.name], [outer])
        for inner, outer in zip(branch.output, nodes[index].output)
        if outer and inner.name != outer
    ]
    del out.graph.node[:]
    out.graph.node.extend([*nodes[:index], *branch.node, *renamed, *nodes[index + 1 :]])
    out.graph.initializer.extend(branch.initializer)
    out.graph.value_info.extend(branch.value_info)
    return out
