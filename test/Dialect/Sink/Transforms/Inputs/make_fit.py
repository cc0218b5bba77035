"""Writes an ONNX file of logits: make_fit.py OUT NAME=1,2,-inf ...

Numbers may be followed by a type of numpy, as in 1,2:float16.
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

tensors = []
for word in sys.argv[2:]:
    name, numbers = word.split("=")
    numbers, _, kind = numbers.partition(":")
    values = np.array([float(number) for number in numbers.split(",")], kind or "float32")
    tensors.append(numpy_helper.from_array(values, name))
graph = helper.make_graph([], "fit", [], [], tensors)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), sys.argv[1])
