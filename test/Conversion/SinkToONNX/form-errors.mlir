// An export form that does not exist is refused with the names of those that do.
// RUN: not basin-opt %s --convert-sink-to-onnx="form=graph" 2>&1 | FileCheck %s

// CHECK: error: unknown export form 'graph'; forms: original (inline, in the exporter's own operators), nodes (operators of attention, norms and rotary embedding as nodes of what they compute), functions (calls of ai.basin functions), operators:opset23 (operators of ai.onnx 23), operators:opset25 (operators of ai.onnx 25), operators:ort (operators of ONNX Runtime)
module {}
