// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink \
// RUN:   | FileCheck %s

// The product with a vector before a norm is the norm's pre-affine vector.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!d = tensor<32xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}]}} {

// CHECK-LABEL: onnx.graph @vector
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: %[[V:.*]] = onnx.initializer "v"
// CHECK: sink.rms_norm %[[X]] pre_affine %[[V]] weight %[[V]]
// CHECK: onnx.Mul(%[[V]], %{{.*}}) {sink.slot = #sink.slot<pre_affine>}
// CHECK: onnx.RMSNormalization
onnx.graph @vector #g {
  %x = onnx.node "Source" () {} : () -> !x
  %v = onnx.initializer "v" : !d = dense<2.0> : !d
  %u = onnx.Mul(%v, %x) : (!d, !x) -> !u
  %y = onnx.RMSNormalization(%u, %v) {axis = -1 : i64} : (!u, !d) -> !u
  onnx.return
}

// Somebody else reads the product: it is no part of the norm.
// CHECK-LABEL: onnx.graph @product_used_elsewhere
// CHECK: %[[U:.*]] = onnx.Mul
// CHECK: sink.rms_norm %[[U]] weight
onnx.graph @product_used_elsewhere #g {
  %x = onnx.node "Source" () {} : () -> !x
  %v = onnx.initializer "v" : !d = dense<2.0> : !d
  %u = onnx.Mul(%v, %x) : (!d, !x) -> !u
  %y = onnx.RMSNormalization(%u, %v) {axis = -1 : i64} : (!u, !d) -> !u
  %z = onnx.Relu(%u) : (!u) -> !u
  onnx.return
}

// A computed factor is a gate.
// CHECK-LABEL: onnx.graph @computed_factor
// CHECK: %[[U:.*]] = onnx.Mul
// CHECK: sink.rms_norm %[[U]] weight
onnx.graph @computed_factor #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %v = onnx.Sigmoid(%w) : (!d) -> !u
  %u = onnx.Mul(%v, %x) : (!u, !x) -> !u
  %y = onnx.RMSNormalization(%u, %w) {axis = -1 : i64} : (!u, !d) -> !u
  onnx.return
}
}
