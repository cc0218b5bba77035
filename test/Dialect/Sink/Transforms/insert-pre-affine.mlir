// RUN: basin-opt %s --sink-insert-pre-affine --split-input-file | FileCheck %s

// Each norm gets a vector of its own, of ones, named after its weight or its result.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @inserted
// CHECK-DAG: %[[A:.*]] = sink.parameter "first.pre_affine" : tensor<4xf32> = dense<1.000000e+00>
// CHECK-DAG: %[[B:.*]] = sink.parameter "b.pre_affine" : tensor<4xf32> = dense<1.000000e+00>
// CHECK: sink.rms_norm %{{.*}} pre_affine %[[A]] weight
// CHECK: sink.layer_norm %{{.*}} residual %{{.*}} pre_affine %[[B]]
onnx.graph @inserted #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "first.weight" : !d = dense<2.0> : !d
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  %b = sink.layer_norm %a residual %x {epsilon = 1.0, onnx.outs = ["b"]} : (!x, !x) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A norm that has one, and what is no norm, stay as they are.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @kept
// CHECK-COUNT-1: sink.parameter
// CHECK-NOT: sink.parameter
onnx.graph @kept #g {
  %x = onnx.node "Source" () {} : () -> !x
  %p = sink.parameter "own" : !d = dense<3.0> : !d
  %a = sink.rms_norm %x pre_affine %p {epsilon = 1.0} : (!x, !d) -> !x
  %s = onnx.initializer "s" : tensor<1xf32> = dense<0.5> : tensor<1xf32>
  %b = sink.dyt %a alpha %s gamma %p : (!x, tensor<1xf32>, !d) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}
