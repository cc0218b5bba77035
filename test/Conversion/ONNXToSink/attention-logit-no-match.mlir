// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Columns beside the scores that are no logits, or stay. The first is raised; each of
// the others changes it in one place.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that is raised.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %{{.*}} sink_logit
onnx.graph @base #g {
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

// A value for each query is none for each head.
// CHECK-LABEL: onnx.graph @logit_a_query
// CHECK-NOT: sink.attention
// CHECK: onnx.Softmax({{.*}}sink.miss = "the column beside its scores is not known to be one logit for each head"
onnx.graph @logit_a_query #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %o = onnx.node "Source" () {} : () -> tensor<1x1x5x1xf32>
  %c = onnx.Expand(%o, %wide) : (tensor<1x1x5x1xf32>, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Four elements of a batch of four are no heads.
// CHECK-LABEL: onnx.graph @logit_a_batch
// CHECK-NOT: sink.attention
onnx.graph @logit_a_batch #g {
  %q, %k, %v, %l = onnx.node "Source" () {} : () -> (tensor<4x4x5x8xf32>, tensor<4x4x5x8xf32>, tensor<4x4x5x8xf32>, tensor<4x1x1x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<4x4x5x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<4x4x5x8xf32>, !u) -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 4, 4, 5, 1>} : () -> !u
  %c = onnx.Expand(%l, %wide) : (tensor<4x1x1x1xf32>, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  onnx.return
}

// A column that is given as it is may hold anything.
// CHECK-LABEL: onnx.graph @computed_column
// CHECK-NOT: sink.attention
onnx.graph @computed_column #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.node "Source" () {} : () -> tensor<2x4x5x1xf32>
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, tensor<2x4x5x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Two logits a head.
// CHECK-LABEL: onnx.graph @two_columns
// CHECK-NOT: sink.attention
onnx.graph @two_columns #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 2>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x6x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x6x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Rows of scores are no column.
// CHECK-LABEL: onnx.graph @rows_beside
// CHECK-NOT: sink.attention
onnx.graph @rows_beside #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 5>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = 2 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are concatenated with more than one value, or not on the last axis}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x4x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x4x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// More than one column.
// CHECK-LABEL: onnx.graph @three_parts
// CHECK-NOT: sink.attention
onnx.graph @three_parts #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c, %c) {axis = -1 : i64} : (!u, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are concatenated with more than one value, or not on the last axis}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x6x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x6x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A column beside a column.
// CHECK-LABEL: onnx.graph @column_twice
// CHECK-NOT: sink.attention
onnx.graph @column_twice #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %jj = onnx.Concat(%j, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it concatenates its scores with a column twice}}
  %p = onnx.Softmax(%jj) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x6x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x6x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Scaled with the scores, the logit is another.
// CHECK-LABEL: onnx.graph @column_scaled
// CHECK-NOT: sink.attention
onnx.graph @column_scaled #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %jj = onnx.Mul(%j, %half) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is scaled, masked or capped with them}}
  %p = onnx.Softmax(%jj) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask as wide as both.
// CHECK-LABEL: onnx.graph @column_masked
// CHECK-NOT: sink.attention
onnx.graph @column_masked #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%s, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %m6 = onnx.node "Source" () {} : () -> tensor<5x6xf32>
  %jj = onnx.Add(%j, %m6) : (!u, tensor<5x6xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds two values above its Softmax, but neither comes from a product of queries and keys}}
  %p = onnx.Softmax(%jj) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// What the scores lose and the column does not changes their weights.
// CHECK-LABEL: onnx.graph @largest_of_the_scores
// CHECK-NOT: sink.attention
onnx.graph @largest_of_the_scores #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %ax2 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %max = onnx.ReduceMax(%t, %ax2) {keepdims = 1 : i64} : (!u, !u) -> !u
  %d = onnx.Sub(%t, %max) : (!u, !u) -> !u
  %j = onnx.Concat(%d, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the maximum of each row is subtracted from its scores before another step changes them}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Another value than the largest of the row.
// CHECK-LABEL: onnx.graph @something_subtracted
// CHECK-NOT: sink.attention
onnx.graph @something_subtracted #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %o = onnx.node "Source" () {} : () -> tensor<6xf32>
  %d = onnx.Sub(%j, %o) : (!u, tensor<6xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: something other than the maximum of each row is subtracted from its scores}}
  %p = onnx.Softmax(%d) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The largest over the queries.
// CHECK-LABEL: onnx.graph @largest_of_a_column
// CHECK-NOT: sink.attention
onnx.graph @largest_of_a_column #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %ax2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %max = onnx.ReduceMax(%j, %ax2) {keepdims = 1 : i64} : (!u, !u) -> !u
  %d = onnx.Sub(%j, %max) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: something other than the maximum of each row is subtracted from its scores}}
  %p = onnx.Softmax(%d) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Probabilities of the column have a value to go with.
// CHECK-LABEL: onnx.graph @column_stays
// CHECK-NOT: sink.attention
onnx.graph @column_stays #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities keep the column of logits up to the product with values}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %v6 = onnx.node "Source" () {} : () -> tensor<2x4x6x8xf32>
  %y = onnx.MatMul(%p, %v6) : (!u, tensor<2x4x6x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The first key is cut off, and the column stays.
// CHECK-LABEL: onnx.graph @wrong_end_cut
// CHECK-NOT: sink.attention
onnx.graph @wrong_end_cut #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %ax) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A key is cut off with the column.
// CHECK-LABEL: onnx.graph @too_much_cut
// CHECK-NOT: sink.attention
onnx.graph @too_much_cut #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: -2>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i2, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x4x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x4x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A step leaves keys out.
// CHECK-LABEL: onnx.graph @every_other_cut
// CHECK-NOT: sink.attention
onnx.graph @every_other_cut #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1, %i2) : (!u, !u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x3x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x3x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A query is cut off.
// CHECK-LABEL: onnx.graph @queries_cut
// CHECK-NOT: sink.attention
onnx.graph @queries_cut #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i2) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x6x8xf32>
  %y = onnx.MatMul(%w, %vn) : (!u, tensor<2x4x6x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A Split that hands out the first key.
// CHECK-LABEL: onnx.graph @split_of_keys
// CHECK-NOT: sink.attention
onnx.graph @split_of_keys #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %sizes = onnx.Constant() {value_ints = array<i64: 1, 5>} : () -> !u
  %rest, %w = onnx.Split(%p, %sizes) {axis = -1 : i64} : (!u, !u) -> (!u, !u)
  %y = onnx.MatMul(%w, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A second Slice takes a key.
// CHECK-LABEL: onnx.graph @cut_twice
// CHECK-NOT: sink.attention
onnx.graph @cut_twice #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities are cut, but not known to lose exactly the column of logits}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %vn = onnx.node "Source" () {} : () -> tensor<2x4x4x8xf32>
  %w1 = onnx.Slice(%w, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w1, %vn) : (!u, tensor<2x4x4x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One query head for four key heads, which repeat one: the logits are those of four.
// CHECK-LABEL: onnx.graph @logits_of_more_heads
// CHECK-NOT: sink.attention
onnx.graph @logits_of_more_heads #g {
  %q, %l = onnx.node "Source" () {} : () -> (tensor<2x1x5x8xf32>, !l)
  %one = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %five = onnx.Constant() {value_ints = array<i64: 2, 1, 4, 5, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %k0 = onnx.Unsqueeze(%q, %one) : (tensor<2x1x5x8xf32>, !u) -> !u
  %k1 = onnx.Expand(%k0, %five) : (!u, !u) -> !u
  %k = onnx.Reshape(%k1, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x1x5x8xf32>, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %j = onnx.Concat(%s, %c) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its column has logits for 4 heads, but its query has 1}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %k) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
