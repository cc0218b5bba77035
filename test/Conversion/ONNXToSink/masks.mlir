// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Masks of index comparisons that hide each key after the query.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// A key is visible where its index is at most the query's.
// CHECK-LABEL: onnx.graph @less_or_equal
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @less_or_equal #g {
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

// The same, the query first.
// CHECK-LABEL: onnx.graph @greater_or_equal
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @greater_or_equal #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %m = onnx.GreaterOrEqual(%query, %key) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Hidden where its index is greater.
// CHECK-LABEL: onnx.graph @drop_greater
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @drop_greater #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %m = onnx.Greater(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The same, the query first.
// CHECK-LABEL: onnx.graph @drop_less
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @drop_less #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %m = onnx.Less(%query, %key) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// What is visible is in addition no padding.
// CHECK-LABEL: onnx.graph @and_padding
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @and_padding #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x?xi1>
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %m = onnx.And(%pad, %c) : (tensor<2x1x1x?xi1>, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// What is padding is hidden in addition.
// CHECK-LABEL: onnx.graph @or_padding
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @or_padding #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x?xi1>
  %c = onnx.Greater(%key, %query) : (!u, !u) -> !u
  %m = onnx.Or(%c, %pad) : (!u, tensor<2x1x1x?xi1>) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Not visible is hidden.
// CHECK-LABEL: onnx.graph @drop_not
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @drop_not #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %m = onnx.Not(%c) : (!u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Batch and head axes before the two, and a copy for each.
// CHECK-LABEL: onnx.graph @views
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @views #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %lead = onnx.Constant() {value_ints = array<i64: 0, 1>} : () -> !u
  %u = onnx.Unsqueeze(%c, %lead) : (!u, !u) -> !u
  %b = onnx.Constant() {value_ints = array<i64: 2, 1, 1, 1>} : () -> !u
  %e = onnx.Expand(%u, %b) : (!u, !u) -> !u
  %m = onnx.Cast(%e) {to = 9} : (!u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// 0 where visible, else low.
// CHECK-LABEL: onnx.graph @additive_keep
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @additive_keep #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %high = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low0 = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %m = onnx.Where(%c, %high, %low0) : (!u, !u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Low where hidden, else 0.
// CHECK-LABEL: onnx.graph @additive_drop
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @additive_drop #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %high = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low0 = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %c = onnx.Greater(%key, %query) : (!u, !u) -> !u
  %m = onnx.Where(%c, %low0, %high) : (!u, !u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Padding may be added,
// CHECK-LABEL: onnx.graph @added_padding
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @added_padding #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x?xf32>
  %high = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low0 = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %w = onnx.Where(%c, %high, %low0) : (!u, !u, !u) -> !u
  %m = onnx.Add(%pad, %w) : (tensor<2x1x1x?xf32>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// or written over it.
// CHECK-LABEL: onnx.graph @padding_over
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @padding_over #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x?xi1>
  %high = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low0 = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %w = onnx.Where(%c, %high, %low0) : (!u, !u, !u) -> !u
  %m = onnx.Where(%pad, %low0, %w) : (tensor<2x1x1x?xi1>, !u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// (1 - visible) low.
// CHECK-LABEL: onnx.graph @product_of_keep
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @product_of_keep #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %unit = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %low0 = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %f = onnx.Cast(%c) {to = 1} : (!u) -> !u
  %h = onnx.Sub(%unit, %f) : (!u, !u) -> !u
  %m = onnx.Mul(%h, %low0) : (!u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}
}
