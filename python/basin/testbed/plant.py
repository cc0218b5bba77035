"""Plant an outlier in the inputs of linears without changing the model's function by a bit.

    gamma_j *= 2^k  and  W[j, :] /= 2^k  in every linear that reads the norm

Both are powers of two, so every product and every sum of the linear keeps its bits, in any
order of summation, as long as nothing leaves the range of normal numbers (which is checked for the
weights). The norm's output has an outlier of 2^k times in dimension j: quantizers of activations
suffer, and a rewrite that undoes the scaling must give back their clean results exactly.

Norms are taken only where every reader is a linear with a weight that nothing else uses; the others
are left alone and named: for example the last norm before a head that shares the embedding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from basin.testbed import TestbedError
from basin.testbed.linears import Graph, Linear


def readers_of(graph: Graph, value: str) -> list[Linear] | str:
    """The linears that read `value`, or the reason why it cannot be scaled."""
    if value in graph.outputs:
        return "it is an output"
    found = []
    for index in graph.readers[value]:
        linear = graph.linear(index)
        if linear is None or linear.source != value:
            return f"{graph.nodes[index].op_type} reads it"
        shared = graph.readers[linear.initializer]
        if len(shared) != 1:
            return f"'{linear.initializer}' is used {len(shared)} times"
        found.append(linear)
    return found or "nothing reads it"


def scaled(value: np.ndarray, index: tuple, power: int, name: str) -> np.ndarray:
    """`value` with `value[index]` times 2^power; raises TestbedError where that is not exact."""
    part = value[index]
    with np.errstate(over="ignore"):
        moved = np.ldexp(part, power).astype(value.dtype)
    small = (part != 0) & (np.abs(moved) < np.finfo(value.dtype).tiny)
    if small.any() or not np.isfinite(moved).all():
        raise TestbedError(f"'{name}' times 2^{power} leaves the range of normal numbers")
    value[index] = moved
    return value


def plant(model: onnx.ModelProto, dim: int, power: int) -> list[str]:
    """Plant 2^power in dimension `dim` of every norm that allows it; says what was done.

    Changes `model` in place. Raises TestbedError where no norm can be planted in.
    """
    graph, lines, planted = Graph(model), [], 0
    for gamma, output in graph.norm_weights():
        readers = readers_of(graph, output)
        if len(graph.readers[gamma]) != 1:
            readers = f"its weight is used {len(graph.readers[gamma])} times"
        if isinstance(readers, str):
            lines.append(f"{gamma}: left as it is: {readers}")
            continue
        weight = graph.weight(gamma)
        if not 0 <= dim < weight.shape[-1]:
            raise TestbedError(f"expected a dimension below {weight.shape[-1]}, but got {dim}")
        graph.set_weight(gamma, scaled(weight, (..., dim), power, gamma))
        for linear in readers:
            name = linear.initializer
            index = (slice(None), dim) if linear.rows_are_outputs else (dim, slice(None))
            graph.set_weight(name, scaled(graph.weight(name), index, -power, name))
        planted += 1
        lines.append(f"{gamma}: times 2^{power} at {dim}, {len(readers)} linears")
    if not planted:
        raise TestbedError("; ".join(["no norm can take the outlier", *lines]))
    return lines


def plant_file(source: Path, target: Path, dim: int, power: int) -> list[str]:
    """`plant` from file to file."""
    model = onnx.load(source)
    lines = plant(model, dim, power)
    onnx.save(model, target)
    return lines
