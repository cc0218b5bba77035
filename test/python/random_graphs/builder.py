"""A graph under construction: nodes, constants (now and then shared or wrapped), inputs, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

F32, F16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
I32, I64, BOOL = TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
F8 = TensorProto.FLOAT8E4M3FN
BF16 = TensorProto.BFLOAT16
MS = "com.microsoft"
NUMPY = {F32: np.float32, F16: np.float16, F64: np.float64, I32: np.int32, I64: np.int64}
Dim = int | str


class Builder:
    """Draws from `rng`; `opset` is ai.onnx's version."""

    def __init__(self, rng: np.random.Generator, opset: int = 17) -> None:
        self.rng = rng
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[str] = []
        self.functions: list[onnx.FunctionProto] = []
        self.element = F32
        # How often equal constants share an initializer, and how often one is a Constant node.
        self.share = self.chance(0.5)
        self.constant_nodes = 0.3 if self.chance(0.4) else 0.0
        self._known: dict[tuple, str] = {}
        self._count = 0

    def chance(self, p: float) -> bool:
        """True in a share p of all cases."""
        return bool(self.rng.random() < p)

    def pick(self, options: Sequence[Any]) -> Any:
        """One of `options`."""
        return options[int(self.rng.integers(len(options)))]

    def name(self, stem: str) -> str:
        """A fresh name."""
        self._count += 1
        return f"{stem}_{self._count}"

    def input(self, name: str, element: int, shape: Sequence[Dim]) -> str:
        """A graph input; integers and strings are its sizes. A taken name gets a number."""
        if any(info.name == name for info in self.inputs):
            name = self.name(name)
        self.inputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def output(self, value: str) -> None:
        """Make `value` a graph output, once."""
        if value not in self.outputs:
            self.outputs.append(value)

    def const(self, array: np.ndarray, stem: str = "c") -> str:
        """A constant: an initializer, or now and then a Constant node."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if self.share and key in self._known:
            return self._known[key]
        name = self.name(stem)
        tensor = numpy_helper.from_array(array, name)
        if self.chance(self.constant_nodes):
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        self._known[key] = name
        return name

    def floats(self, values: Any, stem: str = "c") -> str:
        """A constant of the graph's own element type."""
        return self.const(np.asarray(values, dtype=NUMPY[self.element]), stem)

    def ints(self, values: Any) -> str:
        """An i64 constant."""
        return self.const(np.asarray(values, dtype=np.int64), "i")

    def weight(self, *shape: int, spread: float = 1.0, stem: str = "w") -> str:
        """A random weight. Sometimes its elements are equal, and then it may be shared."""
        if self.chance(0.15):
            return self.floats(np.full(shape, self.pick([1.0, 2.0, 0.5])), stem)
        return self.floats(self.rng.standard_normal(shape) * spread, stem)

    def node(
        self, op: str, inputs: Sequence[str], outputs: int = 1, domain: str = "", **attrs: Any
    ) -> Any:
        """Add a node. Returns the name of its output, or a list of names."""
        names = [self.name(op.lower()) for _ in range(outputs)]
        attrs = {k: v for k, v in attrs.items() if v is not None}
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attrs))
        return names[0] if outputs == 1 else names

    def commuted(self, op: str, a: str, b: str) -> str:
        """A node of two operands in either order."""
        return self.node(op, [a, b] if self.chance(0.5) else [b, a])

    def cast(self, value: str, element: int) -> str:
        """A Cast."""
        return self.node("Cast", [value], to=element)

    def maybe_cast(self, value: str, p: float = 0.08, ints: bool = True) -> str:
        """Sometimes a detour through another type: wider, narrower, an integer, float8."""
        if not self.chance(p):
            return value
        kinds = [F64, F16, F32] + ([I32, I64, F8, BF16] if ints else [])
        through = self.cast(value, self.pick(kinds))
        return self.cast(through, self.element)

    def axes_node(self, op: str, value: str, axes: Sequence[int], since: int = 13) -> str:
        """A node whose axes are an operand from opset `since` on."""
        if self.opset >= since:
            return self.node(op, [value, self.ints(list(axes))])
        return self.node(op, [value], axes=list(axes))

    def unsqueeze(self, value: str, *axes: int) -> str:
        return self.axes_node("Unsqueeze", value, axes)

    def reduce(self, op: str, value: str, axes: Sequence[int], keepdims: int = 1) -> str:
        """A reduction, in the form of the opset."""
        if self.opset >= 18 or (op == "ReduceSum" and self.opset >= 13):
            return self.node(op, [value, self.ints(list(axes))], keepdims=keepdims)
        return self.node(op, [value], axes=list(axes), keepdims=keepdims)

    def slice(self, value: str, axis: int, start: int, end: int, step: int | None = None) -> str:
        """A Slice of one axis."""
        parts = [value, self.ints([start]), self.ints([end]), self.ints([axis])]
        return self.node("Slice", parts + ([self.ints([step])] if step is not None else []))

    def model(self) -> onnx.ModelProto:
        """The model. Its outputs have no type, so the runtime infers them."""
        outputs = [onnx.ValueInfoProto(name=name) for name in self.outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MS, 1)]
        if self.functions:
            opsets.append(helper.make_opsetid("local", 1))
        # Version 10 is the newest that all supported runtimes read; 8 has functions.
        version = 10 if self.opset >= 21 else 9
        model = helper.make_model(graph, opset_imports=opsets, ir_version=version)
        model.functions.extend(self.functions)
        return model
