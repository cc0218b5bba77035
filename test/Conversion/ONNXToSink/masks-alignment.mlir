// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Comparisons of indices that do not count keys against queries.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that the others change.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @base #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A query sees the key after it: its index is one more, of as many.
// CHECK-LABEL: onnx.graph @query_one_ahead
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @query_one_ahead #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %ahead = onnx.Add(%key, %one) : (!u, !u) -> !u
  %query = onnx.Unsqueeze(%ahead, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// One column, broadcast over all keys.
// CHECK-LABEL: onnx.graph @one_column
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @one_column #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %c = onnx.Range(%zero, %one, %one) : (!u, !u, !u) -> tensor<1xi64>
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%c, %query) : (tensor<1xi64>, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// An index that starts again in the middle.
// CHECK-LABEL: onnx.graph @repeated_index
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @repeated_index #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x6x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x6x8xf32>, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %three = onnx.Constant() {value_int = 3} : () -> !u
  %six = onnx.Constant() {value_int = 6} : () -> !u
  %rows = onnx.Constant() {value_ints = array<i64: 2, 3>} : () -> !u
  %flat = onnx.Constant() {value_ints = array<i64: 1, 6>} : () -> !u
  %r = onnx.Range(%zero, %three, %one) : (!u, !u, !u) -> !u
  %e = onnx.Expand(%r, %rows) : (!u, !u) -> !u
  %key = onnx.Reshape(%e, %flat) : (!u, !u) -> !u
  %r6 = onnx.Range(%zero, %six, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%r6, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x6x8xf32>) -> !u
  onnx.return
}
}
