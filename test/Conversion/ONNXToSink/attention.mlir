// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Forms of attention that are raised, and without a remark.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// A factor of the scores is the scale. The exporter's ops stand in the form, with
// the operands as its arguments.
// CHECK-LABEL: onnx.graph @scale_mul
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: %[[C:.*]] = onnx.Constant
// CHECK: %[[Y:.*]] = sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {head_dim = 8 : i64, key_layout = #sink.layout<bhsd>, kv_num_heads = 4 : i64, num_heads = 4 : i64, query_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, scale = 5.000000e-01 : f64, value_layout = #sink.layout<bhsd>}
// CHECK-NEXT: ^bb0(%[[Q:.*]]: tensor<2x4x5x8xf32>, %[[K:.*]]: tensor<2x4x7x8xf32>, %[[V:.*]]: tensor<2x4x7x16xf32>):
// CHECK-NEXT: %[[KT:.*]] = onnx.Transpose(%[[K]])
// CHECK-NEXT: %[[QK:.*]] = onnx.MatMul(%[[Q]], %[[KT]])
// CHECK-NEXT: %[[T:.*]] = onnx.Mul(%[[QK]], %[[C]])
// CHECK-NEXT: %[[P:.*]] = onnx.Softmax(%[[T]])
// CHECK-NEXT: %[[O:.*]] = onnx.MatMul(%[[P]], %[[V]])
// CHECK-NEXT: sink.yield %[[O]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @scale_mul #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %t = onnx.Mul(%s, %c) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The factor first.
// CHECK-LABEL: onnx.graph @scale_commuted
// CHECK: sink.attention {{.*}} scale = 5.000000e-01 : f64
onnx.graph @scale_commuted #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %t = onnx.Mul(%c, %s) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A divisor is the inverse of a scale.
// CHECK-LABEL: onnx.graph @scale_div
// CHECK: sink.attention {{.*}} scale = 2.500000e-01 : f64
// CHECK: onnx.Div
// CHECK: sink.yield
onnx.graph @scale_div #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c = onnx.Constant() {value_float = 4.0 : f32} : () -> !u
  %t = onnx.Div(%s, %c) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Of the query: the op's query is what stands before it.
// CHECK-LABEL: onnx.graph @scale_on_query
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, {{.*}} scale = 5.000000e-01 : f64
// CHECK-NEXT: ^bb0(%[[Q:[^:]*]]:
// CHECK: onnx.Mul(%[[Q]],
onnx.graph @scale_on_query #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %qs = onnx.Mul(%q, %c) : (!q, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%qs, %kt) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Of the key, before and after its transposition: the product of both.
// CHECK-LABEL: onnx.graph @scale_on_key
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, {{.*}} scale = 1.250000e-01 : f64
onnx.graph @scale_on_key #g {
  %q, %k0, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %four = onnx.Constant() {value_float = 4.0 : f32} : () -> !u
  %k = onnx.Mul(%k0, %c) : (!k, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %ks = onnx.Div(%kt, %four) : (!u, !u) -> !u
  %t = onnx.MatMul(%q, %ks) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Of the query, the key and the scores.
// CHECK-LABEL: onnx.graph @scale_everywhere
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, {{.*}} scale = 1.250000e-01 : f64
onnx.graph @scale_everywhere #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %qs = onnx.Mul(%q, %c) : (!q, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %ks = onnx.Mul(%kt, %c) : (!u, !u) -> !u
  %s = onnx.MatMul(%qs, %ks) : (!u, !u) -> !u
  %t = onnx.Mul(%s, %c) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Without one it is 1, not the op's default.
// CHECK-LABEL: onnx.graph @no_scale
// CHECK: sink.attention {{.*}} scale = 1.000000e+00 : f64
onnx.graph @no_scale #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// 1 / sqrt(head dim), computed from the query's shape; what it is computed by
// may stay outside.
// CHECK-LABEL: onnx.graph @scale_from_shape
// CHECK: sink.attention {{.*}} scale = 0.3535{{.*}} : f64
onnx.graph @scale_from_shape #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %shape = onnx.Shape(%q) : (!q) -> !u
  %m1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %d = onnx.Slice(%shape, %m1, %end) : (!u, !u, !u) -> !u
  %df = onnx.Cast(%d) {to = 1} : (!u) -> !u
  %root = onnx.Sqrt(%df) : (!u) -> !u
  %t = onnx.Div(%s, %root) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A summand of the scores, of any shape that broadcasts.
// CHECK-LABEL: onnx.graph @mask_add
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 {head_dim {{.*}} mask_kind = #sink.mask_kind<additive>
// CHECK-NEXT: ^bb0({{.*}}, %[[M:[^:]*]]: tensor<5x7xf32>):
// CHECK: onnx.Add({{.*}}, %[[M]])
onnx.graph @mask_add #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask first, the scale between it and the product.
// CHECK-LABEL: onnx.graph @mask_commuted
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention {{.*}} mask %[[S]]#3 {head_dim {{.*}} mask_kind = #sink.mask_kind<additive>{{.*}} scale = 5.000000e-01
onnx.graph @mask_commuted #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %sc = onnx.Mul(%s, %c) : (!u, !u) -> !u
  %t = onnx.Add(%m, %sc) : (!m, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// True where a score stays.
// CHECK-LABEL: onnx.graph @where_keep
// CHECK: %[[B:.*]] = onnx.node "Source"{{.*}} -> tensor<5x7xi1>
// CHECK: sink.attention {{.*}} mask %[[B]] {head_dim {{.*}} mask_kind = #sink.mask_kind<keep>
onnx.graph @where_keep #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// -1e4 as bf16 has it: the least that hides a score.
// CHECK-LABEL: onnx.graph @where_bf16
// CHECK: sink.attention {{.*}} mask_fill = -9.984000e+03
onnx.graph @where_bf16 #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x5x8xbf16>, tensor<2x4x7x8xbf16>, tensor<2x4x7x16xbf16>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x7x8xbf16>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x5x8xbf16>, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.initializer "low" : tensor<bf16> = dense<-1.0e4> : tensor<bf16>
  %t = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, tensor<bf16>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x7x16xbf16>) -> !u
  onnx.return
}

// True where a score goes.
// CHECK-LABEL: onnx.graph @where_drop
// CHECK: %[[B:.*]] = onnx.node "Source"{{.*}} -> tensor<5x7xi1>
// CHECK: sink.attention {{.*}} mask %[[B]] {head_dim {{.*}} mask_kind = #sink.mask_kind<drop>
onnx.graph @where_drop #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %t = onnx.Where(%b, %low, %s) : (tensor<5x7xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// cap tanh(s / cap), the mask after it, the scale before.
// CHECK-LABEL: onnx.graph @softcap
// CHECK: sink.attention {{.*}} mask_kind = #sink.mask_kind<additive>{{.*}} scale = 5.000000e-01 : f64, softcap = 2.000000e+01 : f64
onnx.graph @softcap #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %cap = onnx.Constant() {value_float = 20.0 : f32} : () -> !u
  %sc = onnx.Mul(%s, %c) : (!u, !u) -> !u
  %low = onnx.Div(%sc, %cap) : (!u, !u) -> !u
  %th = onnx.Tanh(%low) : (!u) -> !u
  %high = onnx.Mul(%th, %cap) : (!u, !u) -> !u
  %t = onnx.Add(%high, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Softmax in f32 of scores in f16.
// CHECK-LABEL: onnx.graph @cast_sandwich
// CHECK: sink.attention {{.*}} -> tensor<2x4x5x16xf16>
// CHECK: onnx.Cast
// CHECK: onnx.Softmax
// CHECK: onnx.Cast
// CHECK: sink.yield
onnx.graph @cast_sandwich #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x5x8xf16>, tensor<2x4x7x8xf16>, tensor<2x4x7x16xf16>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x7x8xf16>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x5x8xf16>, !u) -> !u
  %t = onnx.Cast(%s) {to = 1} : (!u) -> !u
  %p32 = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %p = onnx.Cast(%p32) {to = 10} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x7x16xf16>) -> !u
  onnx.return
}

// Rows without a visible key are made zero.
// CHECK-LABEL: onnx.graph @nan_guard
// CHECK: sink.attention
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: %[[N:.*]] = onnx.IsNaN(%[[P]])
// CHECK: %[[W:.*]] = onnx.Where(%[[N]], %{{.*}}, %[[P]])
// CHECK: onnx.MatMul(%[[W]],
// CHECK: sink.yield
onnx.graph @nan_guard #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %n = onnx.IsNaN(%p) : (!u) -> !u
  %w = onnx.Where(%n, %zero, %p) : (!u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  onnx.return
}

// Probabilities that the graph returns are one more result.
// CHECK-LABEL: onnx.graph @probabilities_used
// CHECK: %{{.*}}, %[[PROBS:.*]] = sink.attention
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: %[[O:.*]] = onnx.MatMul(%[[P]],
// CHECK: sink.yield %[[O]], %[[P]]
// CHECK: onnx.Relu(%[[PROBS]])
onnx.graph @probabilities_used #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Identity(%s) : (!u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%p) : (!u) -> !u
  onnx.return
}

// The last axis by its number.
// CHECK-LABEL: onnx.graph @softmax_axis_three
// CHECK: sink.attention
onnx.graph @softmax_axis_three #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = 3} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Dropout between the probabilities and the values is none at inference.
// CHECK-LABEL: onnx.graph @dropout
// CHECK: sink.attention
// CHECK: onnx.Dropout
// CHECK: sink.yield
onnx.graph @dropout #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %d = onnx.Dropout(%p) : (!u) -> !u
  %y = onnx.MatMul(%d, %v) : (!u, !v) -> !u
  onnx.return
}
}

module attributes {onnx.model = {opset_import = [{domain = "", version = 11}]}} {

// Before opset 13 the last axis has to be said.
// CHECK-LABEL: onnx.graph @softmax_opset_eleven
// CHECK: sink.attention
onnx.graph @softmax_opset_eleven #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = 3} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}
}
