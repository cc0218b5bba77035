"""Writes an ONNX file of logits and values: make_fit.py OUT NAME=1,2,-inf NAME=1:2,3:4 ...

Rows of a matrix have colons. Numbers may be followed by a type of numpy, as in 1,2/float16.
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

tensors = []
for word in sys.argv[2:]:
    name, numbers = word.split("=")
    numbers, _, kind = numbers.partition("/")
    rows = [[float(number) for number in row.split(":")] for row in numbers.split(",")]
    values = np.array(rows if ":" in numbers else sum(rows, []), kind or "float32")
    tensors.append(numpy_helper.from_array(values, name))
graph = helper.make_graph([], "fit", [], [], tensors)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), sys.argv[1])
