// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Keys of the past before the queries' own: which masks are causal, which are not.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
!k = tensor<2x4x?x8xf32, #onnx.dims<"", "", "T", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// Keys 0 .. past + n; queries are the last n, by a sum,
// CHECK-LABEL: onnx.graph @past_added
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @past_added #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r, %past) : (!u, tensor<i64>) -> !u
  %query = onnx.Unsqueeze(%q1, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// or by the start of their range.
// CHECK-LABEL: onnx.graph @past_started
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @past_started #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%past, %total, %one) : (tensor<i64>, !u, !u) -> !u
  %query = onnx.Unsqueeze(%r, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// One size read off two shapes is one size.
// CHECK-LABEL: onnx.graph @limits_by_shape
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @limits_by_shape #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %ids = onnx.node "Source" () {} : () -> tensor<2x?xi64, #onnx.dims<"", "N">>
  %two = onnx.Constant() {value_int = 2} : () -> !u
  %sh = onnx.Shape(%q) : (!q) -> !u
  %sz = onnx.Shape(%ids) : (tensor<2x?xi64, #onnx.dims<"", "N">>) -> !u
  %n1 = onnx.Gather(%sh, %two) : (!u, !u) -> !u
  %n2 = onnx.Gather(%sz, %one) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %n1, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n2, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%r, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Positions looked up by (row, position) in a table of indices.
// CHECK-LABEL: onnx.graph @lookup
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @lookup #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %row = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %r0 = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %b2 = onnx.Constant() {value_ints = array<i64: 2, 1>} : () -> !u
  %table = onnx.Expand(%r0, %b2) : (!u, !u) -> !u
  %r1 = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r1, %past) : (!u, tensor<i64>) -> !u
  %x1 = onnx.Constant() {value_ints = array<i64: 1, 2>} : () -> !u
  %pos = onnx.Unsqueeze(%q1, %x1) : (!u, !u) -> !u
  %sh = onnx.Constant() {value_ints = array<i64: 1, 1, 1>} : () -> !u
  %row3 = onnx.Reshape(%row, %sh) : (!u, !u) -> !u
  %psh = onnx.Shape(%pos) : (!u) -> !u
  %rows = onnx.Expand(%row3, %psh) : (!u, !u) -> !u
  %pair = onnx.Concat(%rows, %pos) {axis = -1} : (!u, !u) -> !u
  %query = onnx.GatherND(%table, %pair) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%r0, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Both from 0, of two sizes, and the scores of two as well.
// CHECK-LABEL: onnx.graph @two_limits
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @two_limits #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%r, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Shifted by another number than the keys are more.
// CHECK-LABEL: onnx.graph @other_shift
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @other_shift #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %shift = onnx.node "Source" () {} : () -> tensor<i64>
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r, %shift) : (!u, tensor<i64>) -> !u
  %query = onnx.Unsqueeze(%q1, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// The same in the start of the range.
// CHECK-LABEL: onnx.graph @other_start
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @other_start #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %shift, %end = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%shift, %end, %one) : (tensor<i64>, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%r, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Shifted by a number for each query.
// CHECK-LABEL: onnx.graph @shift_by_vector
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @shift_by_vector #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %shift = onnx.node "Source" () {} : () -> tensor<?xi64>
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r, %shift) : (!u, tensor<?xi64>) -> !u
  %query = onnx.Unsqueeze(%q1, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Shifted twice.
// CHECK-LABEL: onnx.graph @shifted_twice
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @shifted_twice #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %r = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r, %past) : (!u, tensor<i64>) -> !u
  %q2 = onnx.Add(%q1, %past) : (!u, tensor<i64>) -> !u
  %query = onnx.Unsqueeze(%q2, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Looked up by (position, row): the table's row is what it finds.
// CHECK-LABEL: onnx.graph @lookup_exchanged
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @lookup_exchanged #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n, %past = onnx.node "Source" () {} : () -> (tensor<i64>, tensor<i64>)
  %total = onnx.Add(%past, %n) : (tensor<i64>, tensor<i64>) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %row = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %r0 = onnx.Range(%zero, %total, %one) : (!u, !u, !u) -> !u
  %b2 = onnx.Constant() {value_ints = array<i64: 2, 1>} : () -> !u
  %table = onnx.Expand(%r0, %b2) : (!u, !u) -> !u
  %r1 = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %q1 = onnx.Add(%r1, %past) : (!u, tensor<i64>) -> !u
  %x1 = onnx.Constant() {value_ints = array<i64: 1, 2>} : () -> !u
  %pos = onnx.Unsqueeze(%q1, %x1) : (!u, !u) -> !u
  %sh = onnx.Constant() {value_ints = array<i64: 1, 1, 1>} : () -> !u
  %row3 = onnx.Reshape(%row, %sh) : (!u, !u) -> !u
  %psh = onnx.Shape(%pos) : (!u) -> !u
  %rows = onnx.Expand(%row3, %psh) : (!u, !u) -> !u
  %pair = onnx.Concat(%pos, %rows) {axis = -1} : (!u, !u) -> !u
  %query = onnx.GatherND(%table, %pair) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%r0, %query) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}
}
