// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Norms whose parts have shapes or types that a norm does not take.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// The form that the others change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rms_norm {{.*}} weight
onnx.graph @base #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The weight would raise the rank of the result: it stays outside.
// CHECK-LABEL: onnx.graph @high_rank_weight
// CHECK: sink.rms_norm %{{[^ ]*}} {epsilon
onnx.graph @high_rank_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<1x1x1x8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<1x1x1x8xf32>) -> !u
  onnx.return
}

// Ones before the vector, no more of them than x has axes.
// CHECK-LABEL: onnx.graph @ones_before
// CHECK: sink.rms_norm {{.*}} weight
onnx.graph @ones_before #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<1x1x8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<1x1x8xf32>) -> !u
  onnx.return
}

// The epsilon would raise the rank.
// CHECK-LABEL: onnx.graph @high_rank_epsilon
// CHECK-NOT: = sink.
onnx.graph @high_rank_epsilon #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %e = onnx.initializer "e" : tensor<1x1x1x1xf32> = dense<1.0e-5> : tensor<1x1x1x1xf32>
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+1 {{norm '' not raised: the epsilon that it adds to its mean of squares is not one constant number}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %e) : (!u, tensor<1x1x1x1xf32>) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// A vector is its own weight: what a rewrite makes of the input would reach it, too.
// CHECK-LABEL: onnx.graph @own_weight
// CHECK-NOT: = sink.
onnx.graph @own_weight #g {
  %x = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (tensor<8xf32>, tensor<8xf32>) -> !u
  // expected-remark@+1 {{norm '' not raised: one of its parameters is also its input}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (tensor<8xf32>, !u) -> !u
  %y = onnx.Mul(%n, %x) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Integers have no root.
// CHECK-LABEL: onnx.graph @integers
// CHECK-NOT: = sink.
onnx.graph @integers #g {
  %x = onnx.node "Source" () {} : () -> tensor<2x3x8xi32>
  %w = onnx.node "Source" () {} : () -> tensor<8xi32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %e = onnx.initializer "e" : tensor<i32> = dense<1> : tensor<i32>
  %sq = onnx.Mul(%x, %x) : (tensor<2x3x8xi32>, tensor<2x3x8xi32>) -> !u
  // expected-remark@+1 {{norm '' not raised: its input has elements of i32; expected f16, bf16, f32 or f64}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %e) : (!u, tensor<i32>) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (tensor<2x3x8xi32>, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xi32>) -> !u
  onnx.return
}

// The squares are rounded to 8 bits: listed, not passed over.
// CHECK-LABEL: onnx.graph @quantized_square
// CHECK-NOT: = sink.
onnx.graph @quantized_square #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s, %z = onnx.node "Source" () {} : () -> (tensor<f32>, tensor<ui8>)
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %d = onnx.DequantizeLinear(%c, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}
}
