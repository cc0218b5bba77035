// Each option's limits, and patterns of names.

// RUN: not basin-opt %s --sink-replace-norm-with-dyt=alpha=0 2>&1 | FileCheck %s --check-prefix=ALPHA
// RUN: not basin-opt %s --sink-replace-norm-with-dyt=alpha=inf 2>&1 | FileCheck %s --check-prefix=ALPHA
// RUN: not basin-opt %s --sink-replace-norm-with-dyt=function=sigmoid 2>&1 | FileCheck %s --check-prefix=FUNCTION
// RUN: not basin-opt %s --sink-replace-norm-with-dyt=norms=z* 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-replace-norm-with-dyt=norms=[ 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: basin-opt %s --sink-replace-norm-with-dyt 2>&1 | FileCheck %s --check-prefix=STREAM
// RUN: basin-opt %s --sink-replace-norm-with-dyt=norms=layers.?.first | FileCheck %s --check-prefix=WEIGHT

// ALPHA: error: option 'alpha': expected a positive number, but got {{0.0|INF|inf}}
// FUNCTION: error: option 'function': expected 'tanh' or 'erf', but got 'sigmoid'
// NONE: error: option 'norms': no norm has a name like 'z*'
// PATTERN: error: option 'norms': expected residual, all or a pattern of names, but got '['
// STREAM: warning: no norm reads a residual stream: none was replaced
// STREAM-NOT: sink.dyt
// WEIGHT: sink.dyt
// WEIGHT-NOT: sink.dyt
// WEIGHT: sink.layer_norm

!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @main #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "layers.0.first.weight" : !d = dense<2.0> : !d
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  %b = sink.layer_norm %a {epsilon = 1.0, onnx.outs = ["b"]} : (!x) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}
