// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Windows that a mask makes, to the left and to the right of the query, and near misses of each condition.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
!k = tensor<2x4x?x8xf32, #onnx.dims<"", "", "M", "">>
!s = tensor<i64>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// As Mistral writes it.
// CHECK-LABEL: onnx.graph @causal_window
// CHECK: sink.attention
// CHECK-SAME: causal
// CHECK-SAME: causal_in_mask
// CHECK-SAME: window = 4 : i64
// CHECK-SAME: window_in_mask
onnx.graph @causal_window #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %first = onnx.Sub(%query, %four) : (!u, !u) -> !u
  %w = onnx.Greater(%key, %first) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %m = onnx.And(%w, %c) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Nothing hides later keys.
// CHECK-LABEL: onnx.graph @window_alone
// CHECK: sink.attention
// CHECK-NOT: causal
// CHECK-SAME: window = 4 : i64
// CHECK-SAME: window_in_mask
onnx.graph @window_alone #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %first = onnx.Sub(%query, %four) : (!u, !u) -> !u
  %m = onnx.Greater(%key, %first) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A difference of positions is compared with two numbers.
// CHECK-LABEL: onnx.graph @difference
// CHECK: sink.attention
// CHECK-SAME: causal
// CHECK-SAME: window = 4 : i64
onnx.graph @difference #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %d = onnx.Sub(%query, %key) : (!u, !u) -> !u
  %c = onnx.GreaterOrEqual(%d, %zero) : (!u, !u) -> !u
  %w = onnx.Less(%d, %four) : (!u, !u) -> !u
  %m = onnx.And(%c, %w) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// As ModernBERT: at most four tokens away.
// CHECK-LABEL: onnx.graph @both_sides
// CHECK: sink.attention
// CHECK-SAME: right_window = 4 : i64
// CHECK-SAME: window = 5 : i64
// CHECK-SAME: window_in_mask
onnx.graph @both_sides #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %d = onnx.Sub(%query, %key) : (!u, !u) -> !u
  %abs = onnx.Abs(%d) : (!u) -> !u
  %m = onnx.LessOrEqual(%abs, %four) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The same in flags of what is hidden.
// CHECK-LABEL: onnx.graph @hidden_outside
// CHECK: sink.attention
// CHECK-SAME: right_window = 4 : i64
// CHECK-SAME: window = 5 : i64
onnx.graph @hidden_outside #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %d = onnx.Sub(%query, %key) : (!u, !u) -> !u
  %abs = onnx.Abs(%d) : (!u) -> !u
  %m = onnx.Greater(%abs, %four) : (!u, !u) -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// An additive mask that is cast to flags: MPT.
// CHECK-LABEL: onnx.graph @flags_of_a_where
// CHECK: sink.attention
// CHECK-SAME: causal
onnx.graph @flags_of_a_where #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %z = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %a = onnx.Where(%c, %z, %low) : (!u, !u, !u) -> !u
  %m = onnx.Cast(%a) {to = 9} : (!u) -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// SDPA's own causal mask.
// CHECK-LABEL: onnx.graph @equal_to_zero
// CHECK: sink.attention
// CHECK-SAME: causal
onnx.graph @equal_to_zero #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %nn = onnx.Concat(%shape, %shape) {axis = 0} : (!u, !u) -> !u
  %e = onnx.Expand(%ones, %nn) : (!u, !u) -> !u
  %l = onnx.Trilu(%e) {upper = 0} : (!u) -> !u
  %m = onnx.Equal(%l, %zero) : (!u, !u) -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Two triangles: three keys before the query, and none after it.
// CHECK-LABEL: onnx.graph @band_of_triangles
// CHECK: sink.attention
// CHECK-SAME: causal
// CHECK-SAME: window = 4 : i64
onnx.graph @band_of_triangles #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %nn = onnx.Concat(%shape, %shape) {axis = 0} : (!u, !u) -> !u
  %e = onnx.Expand(%ones, %nn) : (!u, !u) -> !u
  %back = onnx.Constant() {value_int = -3} : () -> !u
  %l = onnx.Trilu(%e) {upper = 0} : (!u) -> !u
  %b = onnx.Trilu(%l, %back) {upper = 1} : (!u, !u) -> !u
  %m = onnx.Cast(%b) {to = 9} : (!u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A Reshape puts axes of one element before the last two.
// CHECK-LABEL: onnx.graph @reshaped
// CHECK: sink.attention
// CHECK-SAME: causal
onnx.graph @reshaped #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %four_axes = onnx.Concat(%ax, %ax, %shape, %shape) {axis = 0} : (!u, !u, !u, !u) -> !u
  %m = onnx.Reshape(%c, %four_axes) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// What one of them shows is visible: the window bounds nothing.
// CHECK-LABEL: onnx.graph @either
// CHECK: sink.attention
// CHECK-NOT: window
// CHECK-NOT: causal
// CHECK: onnx.return
onnx.graph @either #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %first = onnx.Sub(%query, %four) : (!u, !u) -> !u
  %w = onnx.Greater(%key, %first) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %m = onnx.Or(%w, %c) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Equal to another number than zero says nothing here.
// CHECK-LABEL: onnx.graph @equal_to_one
// CHECK: sink.attention
// CHECK-NOT: causal
// CHECK: onnx.return
onnx.graph @equal_to_one #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %c = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %i = onnx.Cast(%c) {to = 7} : (!u) -> !u
  %m = onnx.Equal(%i, %one) : (!u, !u) -> !u
  %t = onnx.Where(%m, %low, %s) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The window is a value that is not constant.
// CHECK-LABEL: onnx.graph @moving_window
// CHECK: sink.attention
// CHECK-NOT: window
// CHECK: onnx.return
onnx.graph @moving_window #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %width = onnx.node "Source" () {} : () -> !s
  %first = onnx.Sub(%query, %width) : (!u, !s) -> !u
  %m = onnx.Greater(%key, %first) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The scores are not square, and the mask counts from the first key.
// CHECK-LABEL: onnx.graph @other_lengths
// CHECK: sink.attention
// CHECK-NOT: window
// CHECK: onnx.return
onnx.graph @other_lengths #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %four = onnx.Constant() {value_int = 4} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %shape = onnx.Shape(%q) {start = 2 : i64, end = 3 : i64} : (!q) -> !u
  %n = onnx.Squeeze(%shape) : (!u) -> !u
  %kshape = onnx.Shape(%k) {start = 2 : i64, end = 3 : i64} : (!k) -> !u
  %kn = onnx.Squeeze(%kshape) : (!u) -> !u
  %key = onnx.Range(%zero, %kn, %one) : (!u, !u, !u) -> !u
  %row = onnx.Range(%zero, %n, %one) : (!u, !u, !u) -> !u
  %query = onnx.Unsqueeze(%row, %ax) : (!u, !u) -> !u
  %first = onnx.Sub(%query, %four) : (!u, !u) -> !u
  %m = onnx.Greater(%key, %first) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !k) -> !u
  onnx.return
}

}
