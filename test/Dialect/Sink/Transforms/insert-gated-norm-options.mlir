// Each option's limits, and patterns of names.

// RUN: not basin-opt %s --sink-insert-gated-norm=rank=0 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not basin-opt %s --sink-insert-gated-norm=rank=65537 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not basin-opt %s --sink-insert-gated-norm="rank=65536 norms=huge" 2>&1 | FileCheck %s --check-prefix=HUGE
// RUN: not basin-opt %s --sink-insert-gated-norm=granularity=head 2>&1 | FileCheck %s --check-prefix=GRANULARITY
// RUN: not basin-opt %s --sink-insert-gated-norm=activation=tanh 2>&1 | FileCheck %s --check-prefix=ACTIVATION
// RUN: not basin-opt %s --sink-insert-gated-norm=norms=z* 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-insert-gated-norm=norms=[ 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: basin-opt %s --sink-insert-gated-norm 2>&1 | FileCheck %s --check-prefix=STREAM
// RUN: basin-opt %s --sink-insert-gated-norm="norms=layers.?.first rank=3" | FileCheck %s --check-prefix=WEIGHT
// RUN: basin-opt %s --sink-insert-gated-norm=norms=b | FileCheck %s --check-prefix=RESULT
// RUN: basin-opt %s --sink-insert-gated-norm=norms=b > %t.once
// RUN: basin-opt %s --sink-insert-gated-norm="norms=b seed=0" | diff %t.once -
// RUN: basin-opt %s --sink-insert-gated-norm="norms=b seed=1" | not diff %t.once -

// RANK: error: option 'rank': expected an integer from 1 to 65536, but got {{0|65537}}
// HUGE: error: norm 'huge': a gate_down of 257 times 65536 elements would have more than 16777216
// GRANULARITY: error: option 'granularity': expected 'element' or 'tensor', but got 'head'
// ACTIVATION: error: option 'activation': expected 'sigmoid' or 'identity', whose gates start exactly, but got 'tanh'
// NONE: error: option 'norms': no norm has a name like 'z*'
// PATTERN: error: option 'norms': expected residual, all or a pattern of names, but got '['
// STREAM: warning: no norm reads a residual stream: no gate was inserted
// STREAM-NOT: sink.gate
// WEIGHT: sink.parameter "layers.0.first.gate_down" : tensor<4x3xf32>
// WEIGHT: sink.gate
// WEIGHT-NOT: sink.gate
// RESULT: sink.parameter "b.gate_down"
// RESULT: sink.layer_norm
// RESULT-NEXT: onnx.Constant
// RESULT-NEXT: onnx.Mul
// RESULT-NEXT: sink.gate

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
  %y = onnx.node "Source" () {} : () -> tensor<2x257xf32>
  %huge = sink.rms_norm %y {epsilon = 1.0, onnx.outs = ["huge"]} : (tensor<2x257xf32>) -> tensor<2x257xf32>
  onnx.node "Sink" (%huge) {} : (tensor<2x257xf32>) -> ()
  onnx.return
}
}
