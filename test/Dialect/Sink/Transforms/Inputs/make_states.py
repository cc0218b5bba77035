"""Writes an ONNX file of tensors: make_states.py OUT NAME=2x3x4 ...; element i of each is i.

A size may be followed by a type of numpy, as in 2x3:float16.
"""

import math
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

tensors = []
for word in sys.argv[2:]:
    name, shape = word.split("=")
    shape, _, kind = shape.partition(":")
    sizes = [int(size) for size in shape.split("x")]
    values = np.arange(math.prod(sizes), dtype=kind or "float32").reshape(sizes)
    tensors.append(numpy_helper.from_array(values, name))
outputs = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
graph = helper.make_graph([], "states", [], outputs, tensors)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), sys.argv[1])
