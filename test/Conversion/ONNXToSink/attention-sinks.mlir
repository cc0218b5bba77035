// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What attention learns in the place of its sinks: a logit a head beside the scores,
// rows before keys and values.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The vector is the operand, and an argument of the form; the column is made inside.
// CHECK-LABEL: onnx.graph @logit_last
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: %[[Y:.*]] = sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[S]]#4 {
// CHECK-NEXT: ^bb0(%{{.*}}, %{{.*}}, %{{.*}}, %[[M:.*]]: tensor<5x5xf32>, %[[L:.*]]: tensor<4xf32>):
// CHECK: %[[T:.*]] = onnx.Add(%{{.*}}, %[[M]])
// CHECK: %[[R:.*]] = onnx.Reshape(%[[L]],
// CHECK: %[[C:.*]] = onnx.Expand(%[[R]],
// CHECK: %[[J:.*]] = onnx.Concat(%[[T]], %[[C]])
// CHECK: %[[P:.*]] = onnx.Softmax(%[[J]])
// CHECK: onnx.Slice(%[[P]],
// CHECK: sink.yield
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @logit_last #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The column before the scores.
// CHECK-LABEL: onnx.graph @logit_first
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4
onnx.graph @logit_first #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%c, %t) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %ax) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// As gpt-oss writes it: the largest of a row is subtracted first.
// CHECK-LABEL: onnx.graph @largest_subtracted
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4
// CHECK: onnx.ReduceMax
// CHECK: onnx.Sub
// CHECK: sink.yield
onnx.graph @largest_subtracted #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %ax2 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %max = onnx.ReduceMax(%j, %ax2) {keepdims = 1 : i64} : (!u, !u) -> !u
  %d = onnx.Sub(%j, %max) : (!u, !u) -> !u
  %p = onnx.Softmax(%d) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Where nothing stands beside the scores too.
// CHECK-LABEL: onnx.graph @largest_subtracted_without_a_column
// CHECK: sink.attention
// CHECK: onnx.ReduceMax
// CHECK: onnx.Sub
// CHECK: sink.yield
onnx.graph @largest_subtracted_without_a_column #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %j = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %ax2 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %max = onnx.ReduceMax(%j, %ax2) {keepdims = 1 : i64} : (!u, !u) -> !u
  %d = onnx.Sub(%j, %max) : (!u, !u) -> !u
  %p = onnx.Softmax(%d) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A Split that hands out the column is as good as a Slice.
// CHECK-LABEL: onnx.graph @split
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4
onnx.graph @split #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %sizes = onnx.Constant() {value_ints = array<i64: 5, 1>} : () -> !u
  %w, %rest = onnx.Split(%p, %sizes) {axis = -1 : i64} : (!u, !u) -> (!u, !u)
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The same for a column before the scores.
// CHECK-LABEL: onnx.graph @split_first
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4
onnx.graph @split_first #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%c, %t) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %sizes = onnx.Constant() {value_ints = array<i64: 1, 5>} : () -> !u
  %rest, %w = onnx.Split(%p, %sizes) {axis = -1 : i64} : (!u, !u) -> (!u, !u)
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// An end that is the number of keys.
// CHECK-LABEL: onnx.graph @slice_by_length
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4
onnx.graph @slice_by_length #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %i5 = onnx.Constant() {value_ints = array<i64: 5>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i5, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// What two attentions share of the column stays outside: the operand is the last of it.
// CHECK-LABEL: onnx.graph @shared_column
// CHECK: %[[R:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}} sink_logit %[[R]] {
onnx.graph @shared_column #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// Logits in another type, probabilities cast after the column is gone.
// CHECK-LABEL: onnx.graph @casts
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#4 {{.*}}tensor<4xf16>
onnx.graph @casts #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, tensor<4xf16>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %l32 = onnx.Cast(%l) {to = 1 : i64} : (tensor<4xf16>) -> !u
  %r = onnx.Reshape(%l32, %shape) : (!u, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %w1 = onnx.Cast(%w) {to = 1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%w1, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Keys, values and the mask without the rows are the operands; all the rest is in the form.
// CHECK-LABEL: onnx.graph @rows
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %[[K:.*]] = onnx.initializer "rk"
// CHECK: %[[V:.*]] = onnx.initializer "rv"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_kv %[[K]], %[[V]] {
// CHECK-NEXT: ^bb0(%{{.*}}, %[[FK:.*]]: tensor<2x4x5x8xf32>, %[[FV:.*]]: tensor<2x4x5x8xf32>, %[[FM:.*]]: tensor<5x5xf32>, %[[RK:.*]]: tensor<4x2x8xf32>, %[[RV:.*]]: tensor<4x2x8xf32>):
// CHECK: %[[EK:.*]] = onnx.Expand(%[[RK]],
// CHECK: %[[EV:.*]] = onnx.Expand(%[[RV]],
// CHECK: onnx.Concat(%[[EK]], %[[FK]])
// CHECK: onnx.Concat(%[[EV]], %[[FV]])
// CHECK: onnx.Concat(%{{.*}}, %[[FM]])
onnx.graph @rows #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Where nothing is hidden the rows are not.
// CHECK-LABEL: onnx.graph @rows_without_a_mask
// CHECK: sink.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 sink_kv
onnx.graph @rows_without_a_mask #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A new axis for the batch by an op of its own.
// CHECK-LABEL: onnx.graph @rows_unsqueezed
// CHECK: %[[K:.*]] = onnx.initializer "rk"
// CHECK: sink.attention %{{.*}} sink_kv %[[K]],
onnx.graph @rows_unsqueezed #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %new = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %uk = onnx.Unsqueeze(%rk, %new) : (tensor<4x2x8xf32>, !u) -> !u
  %ek = onnx.Expand(%uk, %shape) : (!u, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Columns of true, where true is visible.
// CHECK-LABEL: onnx.graph @rows_of_a_boolean_mask
// CHECK: sink.attention %{{.*}} mask %{{.*}}#3 sink_kv %{{.*}} mask_kind = #sink.mask_kind<keep>
onnx.graph @rows_of_a_boolean_mask #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<5x5xi1>)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<true> : tensor<1xi1>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, tensor<5x5xi1>) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%cm, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that others read is captured, and so is all but query, key and value.
// CHECK-LABEL: onnx.graph @rows_of_a_shared_mask
// CHECK: %[[CM:.*]] = onnx.Concat(%{{.*}}, %[[S:.*]]#3)
// CHECK: sink.attention %{{.*}} mask %[[S]]#3 sink_kv
// CHECK-NEXT: ^bb0(%{{[^,]*}}: tensor<2x4x5x8xf32>, %{{[^,]*}}: tensor<2x4x5x8xf32>, %{{[^,]*}}: tensor<2x4x5x8xf32>):
// CHECK: onnx.Add(%{{.*}}, %[[CM]])
onnx.graph @rows_of_a_shared_mask #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%cm) : (!u) -> !u
  onnx.return
}
// The rows after the keys: the order of keys does not matter.
// CHECK-LABEL: onnx.graph @rows_last
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_kv %{{.*}}, %{{.*}} {
onnx.graph @rows_last #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "last_rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "last_rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = -2 : i64} : (!q, !u) -> !u
  %cv = onnx.Concat(%v, %ev) {axis = 2 : i64} : (!q, !u) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 2>} : () -> !u
  %cm = onnx.Pad(%m, %pads) : (!m, !u) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A row of zeros adds nothing but its share: a sink of logit 0, or of the logits that the mask adds to it.
// CHECK-LABEL: onnx.graph @rows_of_zeros
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %[[LOGITS:.*]] = onnx.Expand({{.*}}) {sink.made}
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[LOGITS]] {
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
onnx.graph @rows_of_zeros #g {
  %q, %k, %v, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<1x4x1x1xf32>)
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %zeros = onnx.ConstantOfShape(%shape) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %ck = onnx.Concat(%k, %zeros) {axis = 2 : i64} : (!q, !u) -> !u
  %cv = onnx.Concat(%v, %zeros) {axis = 2 : i64} : (!q, !u) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 5, 0, 0, 0, 0>} : () -> !u
  %m = onnx.Pad(%l, %pads) : (tensor<1x4x1x1xf32>, !u) -> !u
  %ck2 = onnx.Concat(%k, %zeros) {axis = 2 : i64} : (!q, !u) -> !u
  %cv2 = onnx.Concat(%v, %zeros) {axis = 2 : i64} : (!q, !u) -> !u
  %kt2 = onnx.Transpose(%ck2) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s2 = onnx.MatMul(%q, %kt2) : (!q, !u) -> !u
  %t2 = onnx.Add(%s2, %m) : (!u, !u) -> !u
  %p2 = onnx.Softmax(%t2) {axis = -1 : i64} : (!u) -> !u
  %y2 = onnx.MatMul(%p2, %cv2) : (!u, !u) -> !u
  %z = onnx.Add(%y, %y2) : (!u, !u) -> !u
  onnx.return
}

// torch's add_zero_attn: batch and heads are one axis there, and parted after it.
// CHECK-LABEL: onnx.graph @zeros_of_joined_heads
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_logit %{{.*}} {{{.*}}key_layout = #sink.layout<hsd>, kv_num_heads = 4 : i64
onnx.graph @zeros_of_joined_heads #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<8x5x8xf32>, tensor<8x5x8xf32>)
  %zeros = onnx.initializer "joined_zeros" : tensor<8x1x8xf32> = dense<0.0> : tensor<8x1x8xf32>
  %ck = onnx.Concat(%k, %zeros) {axis = 1 : i64} : (tensor<8x5x8xf32>, tensor<8x1x8xf32>) -> !u
  %cv = onnx.Concat(%v, %zeros) {axis = 1 : i64} : (tensor<8x5x8xf32>, tensor<8x1x8xf32>) -> !u
  %parts = onnx.Constant() {value_ints = array<i64: 2, 4, 6, 8>} : () -> !u
  %pk = onnx.Reshape(%ck, %parts) : (!u, !u) -> !u
  %pv = onnx.Reshape(%cv, %parts) : (!u, !u) -> !u
  %kt = onnx.Transpose(%pk) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %pv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Keys of zeros beside values of ones: rows of zeros are no sink of their own there, nor are keys first and values last.
// CHECK-LABEL: onnx.graph @keys_of_zeros_alone
// CHECK-NOT: sink_logit
// CHECK: sink.attention
// CHECK-NOT: sink_logit
// CHECK: sink.attention
// CHECK-NOT: sink_logit
onnx.graph @keys_of_zeros_alone #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %zeros = onnx.initializer "key_zeros" : tensor<2x4x1x8xf32> = dense<0.0> : tensor<2x4x1x8xf32>
  %ones = onnx.initializer "value_ones" : tensor<2x4x1x8xf32> = dense<1.0> : tensor<2x4x1x8xf32>
  %ck = onnx.Concat(%k, %zeros) {axis = 2 : i64} : (!q, tensor<2x4x1x8xf32>) -> !u
  %cv = onnx.Concat(%v, %ones) {axis = 2 : i64} : (!q, tensor<2x4x1x8xf32>) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %first = onnx.Concat(%zeros, %v) {axis = 2 : i64} : (tensor<2x4x1x8xf32>, !q) -> !u
  %s2 = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p2 = onnx.Softmax(%s2) {axis = -1 : i64} : (!u) -> !u
  %y2 = onnx.MatMul(%p2, %first) : (!u, !u) -> !u
  %z = onnx.Add(%y, %y2) : (!u, !u) -> !u
  onnx.return
}

}
