"""A small builder of ONNX graphs: nodes by call, named initializers, subgraphs, function bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and initializers of one graph; values are handled by their names.

    A builder made by `branch()` writes its own nodes but shares names and initializers with its
    root, so that a subgraph reads weights from the outer scope. In `function` mode constants become
    Constant nodes, because a function body cannot capture initializers.
    """

    def __init__(self, opset: int, dtype: Any = np.float32, function: bool = False) -> None:
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.function = function
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.domains: set[str] = set()
        self.root = self
        self._counts: dict[str, int] = {}
        self._random = np.random.default_rng(11)

    def branch(self) -> Builder:
        """Return a builder for a subgraph of this one."""
        child = Builder(self.opset, self.dtype)
        child.root = self.root
        return child

    def name(self, stem: str) -> str:
        """Return a fresh value name with this stem."""
        counts = self.root._counts
        counts[stem] = counts.get(stem, 0) + 1
        return f"{stem}_{counts[stem]}"

    def op(self, kind: str, *inputs: str, outputs: int | list[str] = 1, domain: str = "", **attrs):
        """Append a node. `outputs` is a count or the names ("" omits one).

        Returns the output's name, or the list of names where more than one is not omitted.
        """
        if isinstance(outputs, int):
            outputs = [self.name(kind.lower()) for _ in range(outputs)]
        self.root.domains.add(domain)
        node = helper.make_node(
            kind, list(inputs), outputs, name=self.name(f"/{kind}"), domain=domain, **attrs
        )
        self.nodes.append(node)
        present = [output for output in outputs if output]
        return present[0] if len(present) == 1 else present

    def const(self, value: Any, dtype: Any = None, name: str | None = None) -> str:
        """Return the name of a constant; floats take the model's type unless `dtype` is given."""
        array = np.asarray(value)
        if dtype is None:
            dtype = np.int64 if array.dtype.kind == "i" else self.dtype
        if array.dtype.kind == "b":
            dtype = np.bool_
        array = array.astype(dtype)
        name = name or self.name("const")
        tensor = numpy_helper.from_array(array, name)
        if self.function:
            return self.op("Constant", value=tensor)
        self.root.initializers.setdefault(name, tensor)
        return name

    def weight(self, name: str, *shape: int, dtype: Any = None) -> str:
        """Return the name of a random matrix, variance 1/rows; the same name is the same weight."""
        if name not in self.root.initializers:
            value = self.root._random.standard_normal(shape) / np.sqrt(shape[0])
            self.const(value, dtype or self.dtype, name)
        return name

    def vector(self, name: str, size: int | tuple[int, ...], around: float, dtype: Any = None) -> str:
        """Return the name of random numbers around a value (norm weights: 1; biases: 0)."""
        if name not in self.root.initializers:
            value = around + 0.2 * self.root._random.standard_normal(size)
            self.const(value, dtype or self.dtype, name)
        return name

    def axes_op(self, kind: str, x: str, axes: list[int], since: int, **attrs) -> str:
        """Append an op whose axes were an attribute before opset `since` and are an input after."""
        if self.opset >= since:
            return self.op(kind, x, self.const(axes), **attrs)
        return self.op(kind, x, axes=axes, **attrs)

    def mean(self, x: str) -> str:
        """Mean over the last axis, kept."""
        return self.axes_op("ReduceMean", x, [-1], 18, keepdims=1)

    def unsqueeze(self, x: str, axes: list[int]) -> str:
        """Insert axes of size one."""
        return self.axes_op("Unsqueeze", x, axes, 13)

    def dim(self, x: str, axis: int) -> str:
        """Size of one axis as an int64 scalar, in the way exporters write it."""
        return self.op("Gather", self.op("Shape", x), self.const(axis), axis=0)

    def slice(self, x: str, start: int, end: int, axis: int, step: int = 1) -> str:
        """Slice with constant bounds."""
        bounds = (self.const([value]) for value in (start, end, axis, step))
        return self.op("Slice", x, *bounds)

    def reshape(self, x: str, shape: list[int]) -> str:
        """Reshape to a constant shape (0 keeps, -1 infers)."""
        return self.op("Reshape", x, self.const(shape))

    def elem(self) -> int:
        """The model's floating type as an ONNX element type."""
        return helper.np_dtype_to_tensor_dtype(self.dtype)

    def graph(self, name: str, inputs: list, outputs: list) -> onnx.GraphProto:
        """Return the graph; initializers go with the root only."""
        own = list(self.initializers.values()) if self.root is self else []
        return helper.make_graph(self.nodes, name, inputs, outputs, own)

    def model(
        self, inputs: list, outputs: list, functions: list[onnx.FunctionProto] | None = None
    ) -> onnx.ModelProto:
        """Return the model with an opset import for every domain in use."""
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(d, 1) for d in sorted(self.domains - {""})]
        return helper.make_model(
            self.graph("main", inputs, outputs),
            opset_imports=imports,
            functions=functions or [],
            producer_name="handwritten",
            ir_version=11 if self.opset >= 23 else 8,
        )


def value(name: str, elem: int, *shape: int | str) -> onnx.ValueInfoProto:
    """Return a typed value; strings are symbolic dimensions."""
    return helper.make_tensor_value_info(name, elem, list(shape))


INT64 = TensorProto.INT64
BOOL = TensorProto.BOOL
