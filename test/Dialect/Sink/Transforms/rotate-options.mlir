// RUN: not basin-opt %s --sink-rotate-residual=kind=random 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: basin-opt %s --sink-rotate-residual 2>&1 | FileCheck %s --check-prefix=NONE

// KIND: error: option 'kind': expected 'hadamard' or 'orthogonal', but got 'random'
// NONE: warning: there is no residual stream: nothing was rotated
// NONE: onnx.graph @no_stream
#i = #onnx.graph_info<inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"x", tensor<4xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @no_stream #i {
^bb0(%x: tensor<4xf32>):
  onnx.return %x : tensor<4xf32>
}
}
