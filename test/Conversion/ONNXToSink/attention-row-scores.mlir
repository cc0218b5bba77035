// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Scores of learned rows that are cut apart, so that the mask has columns for the keys alone. Decompositions are written so.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// The mask is that of the keys.
// CHECK-LABEL: onnx.graph @rows_apart
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_kv %{{.*}}, %{{.*}} {
// CHECK-COUNT-2: onnx.Slice
// CHECK: onnx.Concat
// CHECK: onnx.Softmax
// CHECK: sink.yield
onnx.graph @rows_apart #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Everything between the cut and the Concat is one of the keys: two summands and a least number.
// CHECK-LABEL: onnx.graph @bias_and_mask
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 bias %[[S]]#3 sink_kv %{{.*}}, %{{.*}} {{{.*}}floor = -3.3999999521443642E+38
onnx.graph @bias_and_mask #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %s2 = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %t = onnx.Add(%s2, %m) : (!u, !m) -> !u
  %low = onnx.Constant() {value_float = -3.4e38 : f32} : () -> !u
  %t2 = onnx.Max(%t, %low) : (!u, !u) -> !u
  %j = onnx.Concat(%r, %t2) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A scale and a cap before the cut are those of all scores.
// CHECK-LABEL: onnx.graph @scaled_and_capped
// CHECK: sink.attention %{{.*}} sink_kv %{{.*}} {{{.*}}scale = 5.000000e-01{{.*}}softcap = 2.000000e+00
onnx.graph @scaled_and_capped #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %sp = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %f = onnx.Constant() {value_float = 0.25 : f32} : () -> !u
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %h = onnx.Mul(%sp, %f) : (!u, !u) -> !u
  %th = onnx.Tanh(%h) : (!u) -> !u
  %s = onnx.Mul(%th, %two) : (!u, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A column of logits may stand beside both.
// CHECK-LABEL: onnx.graph @logit_beside
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[S]]#4 sink_kv
onnx.graph @logit_beside #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %lr = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%lr, %wide) : (!u, !u) -> !u
  %n = onnx.Concat(%j, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%n) {axis = -1 : i64} : (!u) -> !u
  %z0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %z1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %z0, %z1, %axis) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
