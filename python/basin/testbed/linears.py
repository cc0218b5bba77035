"""Linear layers and norm weights of an ONNX graph, read from its initializers.

A linear is `MatMul(x, W)` with W an initializer or a Transpose of one, or `Gemm(x, W)` without
alpha. A norm weight is an initializer [d] (or [1, ..., d]) that multiplies a computed value, or the
scale of RMSNormalization, SimplifiedLayerNormalization or (with no bias) LayerNormalization.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

NORM_OPS = ("RMSNormalization", "SimplifiedLayerNormalization", "LayerNormalization")


@dataclass(frozen=True)
class Linear:
    """A matrix product with a constant: `initializer` is stored [K, out], or [out, K]."""

    node: int
    source: str
    initializer: str
    rows_are_outputs: bool


class Graph:
    """Look-ups in a model; change initializers through `weight` and `set_weight`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self._initializers = {t.name: t for t in model.graph.initializer}
        self.outputs = {o.name for o in model.graph.output}
        self.readers: dict[str, list[int]] = defaultdict(list)
        self.producer: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            for name in node.input:
                self.readers[name].append(index)
            for name in node.output:
                self.producer[name] = index

    def is_weight(self, name: str) -> bool:
        """Whether `name` is an initializer of float type."""
        tensor = self._initializers.get(name)
        return tensor is not None and tensor.data_type == onnx.TensorProto.FLOAT

    def weight(self, name: str) -> np.ndarray:
        """A copy of an initializer."""
        return numpy_helper.to_array(self._initializers[name]).copy()

    def set_weight(self, name: str, value: np.ndarray) -> None:
        """Replace an initializer by a value of its shape and type."""
        tensor = self._initializers[name]
        assert list(tensor.dims) == list(value.shape) and value.dtype == np.float32
        tensor.CopyFrom(numpy_helper.from_array(value, name))

    def linear(self, index: int) -> Linear | None:
        """Node `index` as a linear, or None."""
        node = self.nodes[index]
        flags = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type not in ("MatMul", "Gemm") or self.is_weight(node.input[0]):
            return None
        if flags.get("transA") or flags.get("alpha", 1.0) != 1.0:
            return None
        transposed, name = bool(flags.get("transB")), node.input[1]
        made_by = self.producer.get(name)
        if made_by is not None and self.nodes[made_by].op_type == "Transpose":
            transposed, name = not transposed, self.nodes[made_by].input[0]
        if not self.is_weight(name) or len(self._initializers[name].dims) != 2:
            return None
        return Linear(index, node.input[0], name, transposed)

    def linears(self) -> list[Linear]:
        """All linears in the order of the graph."""
        return [one for i in range(len(self.nodes)) if (one := self.linear(i)) is not None]

    def norm_weights(self) -> list[tuple[str, str]]:
        """Pairs of an initializer that looks like a norm's weight, and the norm's result."""
        found = []
        for node in self.nodes:
            if node.op_type == "Mul":
                names = [n for n in node.input if self.is_weight(n)]
            elif node.op_type in NORM_OPS and len(node.input) == 2:
                names = [n for n in node.input[1:] if self.is_weight(n)]
            else:
                continue
            if len(names) == 1 and self.weight(names[0]).size > 1:
                found.append((names[0], node.output[0]))
        return found
