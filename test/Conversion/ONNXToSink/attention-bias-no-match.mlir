// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Near misses of a bias beside a mask.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
!s = tensor<f32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// Biases of two types: which one the sum has is not said.
// CHECK-LABEL: onnx.graph @biases_of_two_types
// CHECK-NOT: sink.attention
onnx.graph @biases_of_two_types #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %h = onnx.node "Source" () {} : () -> tensor<5x7xf16>
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %s16 = onnx.Cast(%s) {to = 10 : i64} : (!u) -> !u
  %t0 = onnx.Add(%s16, %h) : (!u, tensor<5x7xf16>) -> !u
  %t32 = onnx.Cast(%t0) {to = 1 : i64} : (!u) -> !u
  %t1 = onnx.Add(%t32, %m) : (!u, !m) -> !u
  %t = onnx.Add(%t1, %m) : (!u, !m) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds several biases whose types or numbers of axes differ}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Two conditions that hide with different scores are two masks.
// CHECK-LABEL: onnx.graph @two_wheres
// CHECK-NOT: sink.attention
onnx.graph @two_wheres #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %other = onnx.Constant() {value_float = -1.0e38 : f32} : () -> !u
  %t0 = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t = onnx.Where(%b, %t0, %other) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has two conditions with different scores for hidden keys, a bias between two, or a bias before and one after its condition}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The same score, but a bias between the two: it comes after one and before the other.
// CHECK-LABEL: onnx.graph @bias_between_wheres
// CHECK-NOT: sink.attention
onnx.graph @bias_between_wheres #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t1 = onnx.Add(%t0, %m) : (!u, !m) -> !u
  %t = onnx.Where(%b, %t1, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has two conditions with different scores for hidden keys, a bias between two, or a bias before and one after its condition}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scores of -3e38 become -300.
// CHECK-LABEL: onnx.graph @scaled_to_nothing
// CHECK-NOT: sink.attention
onnx.graph @scaled_to_nothing #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %tiny = onnx.Constant() {value_float = 1.0e-36 : f32} : () -> !u
  %t0 = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t = onnx.Mul(%t0, %tiny) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its hidden scores are scaled to numbers that do not hide}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Rows become others.
// CHECK-LABEL: onnx.graph @reshaped_rows
// CHECK-NOT: sink.attention
onnx.graph @reshaped_rows #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, tensor<2x4x5x16xf32>, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %other = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 5>} : () -> !u
  %t = onnx.Reshape(%s, %other) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are reshaped in another way than to join or part batch and heads}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x5x16xf32>) -> !u
  onnx.return
}

// A mask of rank 3 has one row for each head, but the products have batch and heads in one axis.
// CHECK-LABEL: onnx.graph @mask_by_heads
// CHECK-NOT: sink.attention
onnx.graph @mask_by_heads #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<8x8x7xf32>, tensor<8x7x16xf32>, tensor<4x5x7xf32>)
  %s = onnx.MatMul(%q, %kt) : (tensor<8x5x8xf32>, tensor<8x8x7xf32>) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 7>} : () -> !u
  %three = onnx.Constant() {value_ints = array<i64: 8, 5, 7>} : () -> !u
  %r = onnx.Reshape(%s, %four) : (!u, !u) -> !u
  %t = onnx.Add(%r, %m) : (!u, tensor<4x5x7xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: the first axis of its mask of rank 3 may be its heads, but its scores have batch and heads in one axis, or the other way around}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %p1 = onnx.Reshape(%p, %three) : (!u, !u) -> !u
  %y = onnx.MatMul(%p1, %v) : (!u, tensor<8x7x16xf32>) -> !u
  onnx.return
}

// Another condition than that of the mask.
// CHECK-LABEL: onnx.graph @other_keys_zeroed
// CHECK-NOT: sink.attention
onnx.graph @other_keys_zeroed #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %c = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %t = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities go through a Where that does not replace NaN by 0}}
  %p0 = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %p = onnx.Where(%c, %p0, %zero) : (tensor<5x7xi1>, !u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

}
