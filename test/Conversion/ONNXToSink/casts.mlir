// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Casts that are more than a rounding: to integers, booleans and float8.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
!q = tensor<2x4x5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// The form that the norms below change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rms_norm
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

// A Cast between reals rounds, or less.
// CHECK-LABEL: onnx.graph @mean_to_double
// CHECK: sink.rms_norm
onnx.graph @mean_to_double #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %d = onnx.Cast(%m) {to = 11} : (!u) -> !u
  %m1 = onnx.Cast(%d) {to = 1} : (!u) -> !u
  %a = onnx.Add(%m1, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean ends at 65504.
// CHECK-LABEL: onnx.graph @mean_to_half
// CHECK-NOT: = sink.
onnx.graph @mean_to_half #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+1 {{norm '' not raised: it is computed in a narrower type than its input has}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %d = onnx.Cast(%m) {to = 10} : (!u) -> !u
  %m1 = onnx.Cast(%d) {to = 1} : (!u) -> !u
  %a = onnx.Add(%m1, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean loses its fraction.
// CHECK-LABEL: onnx.graph @mean_to_int
// CHECK-NOT: = sink.
onnx.graph @mean_to_int #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Cast}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %i = onnx.Cast(%m) {to = 6} : (!u) -> !u
  %m1 = onnx.Cast(%i) {to = 1} : (!u) -> !u
  %a = onnx.Add(%m1, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean keeps three bits of it.
// CHECK-LABEL: onnx.graph @mean_to_float8
// CHECK-NOT: = sink.
onnx.graph @mean_to_float8 #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Cast}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %i = onnx.Cast(%m) {to = 17} : (!u) -> !u
  %m1 = onnx.Cast(%i) {to = 1} : (!u) -> !u
  %a = onnx.Add(%m1, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The epsilon of 6.6^0.5 is 2.0 after its Cast.
// CHECK-LABEL: onnx.graph @eps_to_int
// CHECK: sink.rms_norm {{.*}} {epsilon = 2.000000e+00 : f64}
onnx.graph @eps_to_int #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %e0 = onnx.Constant() {value_float = 6.6 : f32} : () -> !u
  %e1 = onnx.Sqrt(%e0) : (!u) -> !u
  %e2 = onnx.Cast(%e1) {to = 7} : (!u) -> !u
  %e3 = onnx.Cast(%e2) {to = 1} : (!u) -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %e3) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The weight scales whole numbers: it is none of the norm.
// CHECK-LABEL: onnx.graph @result_to_int
// CHECK: sink.rms_norm %{{.*}} {epsilon
onnx.graph @result_to_int #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xi32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %ni = onnx.Cast(%n) {to = 6} : (!u) -> !u
  %yi = onnx.Mul(%ni, %w) : (!u, tensor<8xi32>) -> !u
  %y = onnx.Cast(%yi) {to = 1} : (!u) -> !u
  onnx.return
}

// The form that the attentions below change in one place.
// CHECK-LABEL: onnx.graph @attention
// CHECK: sink.attention
onnx.graph @attention #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Scores in f16, which end at 65504.
// CHECK-LABEL: onnx.graph @scores_to_half
// CHECK-NOT: = sink.
onnx.graph @scores_to_half #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %h = onnx.Cast(%s) {to = 10} : (!u) -> !u
  %t = onnx.Cast(%h) {to = 1} : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: it is computed in a narrower type than its query has}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Scores in f64.
// CHECK-LABEL: onnx.graph @scores_to_double
// CHECK: sink.attention
onnx.graph @scores_to_double #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %h = onnx.Cast(%s) {to = 11} : (!u) -> !u
  %t = onnx.Cast(%h) {to = 1} : (!u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Scores in float8.
// CHECK-LABEL: onnx.graph @scores_to_float8
// CHECK-NOT: = sink.
onnx.graph @scores_to_float8 #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %h = onnx.Cast(%s) {to = 17} : (!u) -> !u
  %t = onnx.Cast(%h) {to = 1} : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Cast}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The divisor 8^0.5 is 2.0 after its Cast.
// CHECK-LABEL: onnx.graph @scale_to_int
// CHECK: sink.attention {{.*}} scale = 5.000000e-01 : f64
onnx.graph @scale_to_int #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %e = onnx.Constant() {value_float = 8.0 : f32} : () -> !u
  %d0 = onnx.Sqrt(%e) : (!u) -> !u
  %d1 = onnx.Cast(%d0) {to = 7} : (!u) -> !u
  %d2 = onnx.Cast(%d1) {to = 1} : (!u) -> !u
  %t = onnx.Div(%s, %d2) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Integers are divided toward zero: 7 / 2 is 3.
// CHECK-LABEL: onnx.graph @scale_of_ints
// CHECK: sink.attention {{.*}} scale = 3.000000e+00 : f64
onnx.graph @scale_of_ints #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %e = onnx.Constant() {value_int = 7} : () -> !u
  %two = onnx.Constant() {value_int = 2} : () -> !u
  %d0 = onnx.Div(%e, %two) : (!u, !u) -> !u
  %d1 = onnx.Cast(%d0) {to = 1} : (!u) -> !u
  %t = onnx.Mul(%s, %d1) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Positions through other integers count as they did.
// CHECK-LABEL: onnx.graph @positions_to_int32
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @positions_to_int32 #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %five = onnx.Constant() {value_int = 5} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %i = onnx.Range(%zero, %five, %one) : (!u, !u, !u) -> !u
  %j = onnx.Cast(%i) {to = 6} : (!u) -> !u
  %key = onnx.Cast(%j) {to = 7} : (!u) -> !u
  %query = onnx.Unsqueeze(%i, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Through booleans all but the first are one.
// CHECK-LABEL: onnx.graph @positions_to_bool
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @positions_to_bool #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %five = onnx.Constant() {value_int = 5} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %i = onnx.Range(%zero, %five, %one) : (!u, !u, !u) -> !u
  %j = onnx.Cast(%i) {to = 9} : (!u) -> !u
  %key = onnx.Cast(%j) {to = 7} : (!u) -> !u
  %query = onnx.Unsqueeze(%i, %ax) : (!u, !u) -> !u
  %m = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}
}
