// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Scores that are cut apart, but are no known ones of learned rows. The first is the base; each of the others changes it in
// one place.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x?xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// The form in which they are rows.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_kv
onnx.graph @base #g {
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

// The first two keys are keys.
// CHECK-LABEL: onnx.graph @no_rows
// CHECK-NOT: sink.attention
onnx.graph @no_rows #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !m, !l)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
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
  // expected-remark@+1 {{attention '' not raised: its first scores are joined to the masked other ones, but are not known to be those of learned rows before its keys}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The first key is cut apart with the rows.
// CHECK-LABEL: onnx.graph @one_row_too_many
// CHECK-NOT: sink.attention
onnx.graph @one_row_too_many #g {
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
  %i1 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its first scores are joined to the masked other ones, but are not known to be those of learned rows before its keys}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The second row is in both parts, and the last key in none.
// CHECK-LABEL: onnx.graph @cut_elsewhere
// CHECK-NOT: sink.attention
onnx.graph @cut_elsewhere #g {
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
  %i2 = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 6>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds two values above its Softmax, but neither comes from a product of queries and keys}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The first row is in neither part, and the first key in both.
// CHECK-LABEL: onnx.graph @rows_from_the_second
// CHECK-NOT: sink.attention
onnx.graph @rows_from_the_second #g {
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
  %i0 = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The parts change places, so that the values of rows meet the shares of keys.
// CHECK-LABEL: onnx.graph @keys_first
// CHECK-NOT: sink.attention
onnx.graph @keys_first #g {
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
  %j = onnx.Concat(%t, %r) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is not known to be one logit for each head}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A scale behind the cut is one of the keys alone.
// CHECK-LABEL: onnx.graph @keys_scaled
// CHECK-NOT: sink.attention
onnx.graph @keys_scaled #g {
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
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %s2 = onnx.Mul(%s1, %two) : (!u, !u) -> !u
  %t = onnx.Add(%s2, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Slice}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A second mask has columns for the rows.
// CHECK-LABEL: onnx.graph @all_masked
// CHECK-NOT: sink.attention
onnx.graph @all_masked #g {
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
  %m7 = onnx.node "Source" () {} : () -> tensor<5x7xf32>
  %n = onnx.Add(%j, %m7) : (!u, tensor<5x7xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds two values above its Softmax, but neither comes from a product of queries and keys}}
  %p = onnx.Softmax(%n) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The largest score of the keys is subtracted from these alone.
// CHECK-LABEL: onnx.graph @largest_of_the_keys
// CHECK-NOT: sink.attention
onnx.graph @largest_of_the_keys #g {
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
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %max = onnx.ReduceMax(%s1, %last) {keepdims = 1 : i64} : (!u, !u) -> !u
  %s2 = onnx.Sub(%s1, %max) : (!u, !u) -> !u
  %j = onnx.Concat(%r, %s2) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the maximum of each row is subtracted from its scores before another step changes them}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The first scores are those of another product.
// CHECK-LABEL: onnx.graph @other_scores
// CHECK-NOT: sink.attention
onnx.graph @other_scores #g {
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
  %s0 = onnx.MatMul(%k, %kt) : (!q, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %r = onnx.Slice(%s0, %i0, %i1, %axis) : (!u, !u, !u, !u) -> !u
  %s1 = onnx.Slice(%s, %i2, %end, %axis) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s1, %m) : (!u, !m) -> !u
  %j = onnx.Concat(%r, %t) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds two values above its Softmax, but neither comes from a product of queries and keys}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A column of logits stands beside the keys alone.
// CHECK-LABEL: onnx.graph @logit_inside
// CHECK-NOT: sink.attention
onnx.graph @logit_inside #g {
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
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %lr = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%lr, %wide) : (!u, !u) -> !u
  %t2 = onnx.Concat(%t, %c) {axis = -1 : i64} : (!u, !u) -> !u
  %j = onnx.Concat(%r, %t2) {axis = -1 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the column beside its scores is scaled, masked or capped with them}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %z0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %z1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %z0, %z1, %axis) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
