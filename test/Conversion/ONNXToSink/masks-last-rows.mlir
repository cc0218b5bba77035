// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// Masks of fewer queries than keys: the last rows of a mask with a row for each key, and indices of queries that are
// moved by the difference. The first keys are those of a prefix, for example.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
!k = tensor<2x4x?x8xf32, #onnx.dims<"", "", "?(N + 2)", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The rows after the second one.
// CHECK-LABEL: onnx.graph @last_rows
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @last_rows #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// As many rows as queries, from a row that is computed.
// CHECK-LABEL: onnx.graph @last_rows_from_a_computed_row
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @last_rows_from_a_computed_row #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %n1 = onnx.Unsqueeze(%n, %z) : (!u, !u) -> !u
  %begin = onnx.Neg(%n1) : (!u) -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Each row shows later keys alone.
// CHECK-LABEL: onnx.graph @last_rows_of_later_keys
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @last_rows_of_later_keys #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.GreaterOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// The rows end before the last one.
// CHECK-LABEL: onnx.graph @not_to_the_end
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @not_to_the_end #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// The last columns: the keys of a row are others.
// CHECK-LABEL: onnx.graph @last_columns
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @last_columns #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Every other row.
// CHECK-LABEL: onnx.graph @every_other_row
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @every_other_row #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// The last row, broadcast to all queries.
// CHECK-LABEL: onnx.graph @one_row
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @one_row #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %row = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %square = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %begin = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %along = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %step = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%square, %begin, %end, %along, %step) : (!u, !u, !u, !u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Query i has the position i + 2.
// CHECK-LABEL: onnx.graph @moved
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @moved #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %range = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %d = onnx.Constant() {value_int = 2} : () -> !u
  %moved = onnx.Add(%range, %d) : (!u, !u) -> !u
  %row = onnx.Unsqueeze(%moved, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// Query i has the position i + 2, and sees what is before i + 3.
// CHECK-LABEL: onnx.graph @moved_strict
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @moved_strict #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %range = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %d = onnx.Constant() {value_int = 3} : () -> !u
  %moved = onnx.Add(%range, %d) : (!u, !u) -> !u
  %row = onnx.Unsqueeze(%moved, %ax) : (!u, !u) -> !u
  %m = onnx.Less(%key, %row) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

// A query sees the key after its own.
// CHECK-LABEL: onnx.graph @moved_too_far
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @moved_too_far #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i2 = onnx.Constant() {value_int = 2} : () -> !u
  %sq = onnx.Shape(%q) : (!q) -> !u
  %sk = onnx.Shape(%k) : (!k) -> !u
  %n = onnx.Gather(%sq, %i2) : (!u, !u) -> !u
  %l = onnx.Gather(%sk, %i2) : (!u, !u) -> !u
  %key = onnx.Range(%zero, %l, %one) : (!u, !u, !u) -> !u
  %range = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %d = onnx.Constant() {value_int = 3} : () -> !u
  %moved = onnx.Add(%range, %d) : (!u, !u) -> !u
  %row = onnx.Unsqueeze(%moved, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %row) : (!u, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

}
