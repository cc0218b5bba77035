// Only one form has an operator that updates a buffer.
// RUN: not basin-opt %s --convert-sink-to-onnx="form=operators:opset23 cache=in-place" 2>&1 | FileCheck %s
// CHECK: error: expected form operators:ort with cache=in-place, but got 'operators:opset23'
