// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// A bias beside a mask: two summands, a summand before or after a Where, and a summand that is scaled with the
// scores. What is met first from the Softmax is the mask.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
!s = tensor<f32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// Two summands: T5, BLOOM.
// CHECK-LABEL: onnx.graph @two_summands
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %0#3 bias %1
// CHECK-NOT: bias_scale
// CHECK-NOT: bias_after_mask
// CHECK: mask_kind = #sink.mask_kind<additive>
onnx.graph @two_summands #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %n = onnx.node "Source" () {} : () -> !m
  %t0 = onnx.Add(%s, %n) : (!u, !m) -> !u
  %t = onnx.Add(%m, %t0) : (!m, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask hides what the bias was added to: MPT.
// CHECK-LABEL: onnx.graph @where_after_bias
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %1 bias %0#3
// CHECK-NOT: bias_after_mask
// CHECK: mask_fill = -3.0
onnx.graph @where_after_bias #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t = onnx.Where(%b, %t0, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The bias is added to hidden scores, too: GPT-2 with an attention mask.
// CHECK-LABEL: onnx.graph @bias_after_where
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %1 bias %0#3
// CHECK-SAME: bias_after_mask
// CHECK-SAME: mask_fill = -3.0
onnx.graph @bias_after_where #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t = onnx.Add(%t0, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Relative scores that are added before the scale: XLNet, conformers.
// CHECK-LABEL: onnx.graph @scaled_bias
// CHECK: sink.attention %0#0, %0#1, %0#2 bias %0#3
// CHECK-SAME: bias_scale = 5.000000e-01
// CHECK-SAME: scale = 5.000000e-01
onnx.graph @scaled_bias #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t = onnx.Mul(%t0, %half) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask is behind the scale.
// CHECK-LABEL: onnx.graph @scaled_bias_and_mask
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %{{.*}} bias %0#3
// CHECK-SAME: bias_scale = 5.000000e-01
// CHECK-SAME: mask_fill = -3.0
// CHECK-SAME: scale = 5.000000e-01
onnx.graph @scaled_bias_and_mask #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t1 = onnx.Mul(%t0, %half) : (!u, !u) -> !u
  %t = onnx.Where(%b, %t1, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The score of hidden keys is scaled as well.
// CHECK-LABEL: onnx.graph @scaled_where
// CHECK: sink.attention
// CHECK-SAME: mask_fill = -1.5
// CHECK-SAME: scale = 5.000000e-01
onnx.graph @scaled_where #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t = onnx.Mul(%t0, %half) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The probabilities of hidden keys are made zero: a row that sees no key gives zeros.
// CHECK-LABEL: onnx.graph @hidden_keys_have_no_share
// CHECK: sink.attention
// CHECK-NOT: mask_fill
// CHECK-SAME: zero_hidden_rows
onnx.graph @hidden_keys_have_no_share #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %p0 = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %p = onnx.Where(%b, %p0, %zero) : (tensor<5x7xi1>, !u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Batch and heads are one axis of the products, and two of the mask: BLOOM.
// CHECK-LABEL: onnx.graph @parted_heads
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %0#3
// CHECK-SAME: key_layout = #sink.layout<hds>
// CHECK-SAME: num_heads = 4
// CHECK-SAME: query_layout = #sink.layout<hsd>
onnx.graph @parted_heads #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<8x8x7xf32>, tensor<8x7x16xf32>, tensor<2x1x5x7xf32>)
  %s = onnx.MatMul(%q, %kt) : (tensor<8x5x8xf32>, tensor<8x8x7xf32>) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 7>} : () -> !u
  %three = onnx.Constant() {value_ints = array<i64: 8, 5, 7>} : () -> !u
  %r = onnx.Reshape(%s, %four) : (!u, !u) -> !u
  %t = onnx.Add(%r, %m) : (!u, tensor<2x1x5x7xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %p1 = onnx.Reshape(%p, %three) : (!u, !u) -> !u
  %y = onnx.MatMul(%p1, %v) : (!u, tensor<8x7x16xf32>) -> !u
  onnx.return
}

}
