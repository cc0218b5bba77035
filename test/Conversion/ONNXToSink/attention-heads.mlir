// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Where attention's heads are: layouts of the keys, and heads that many queries share.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!g = tensor<2x2x7x8xf32>
!h = tensor<2x2x7x16xf32>
!s = tensor<2x4x5x7xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// Keys by sequence and head: both transpositions in one.
// CHECK-LABEL: onnx.graph @key_bshd
// CHECK: sink.attention {{.*}} key_layout = #sink.layout<bshd>, kv_num_heads = 4 : i64, {{.*}}query_layout = #sink.layout<bhsd>, {{.*}}value_layout = #sink.layout<bhsd>
// CHECK: sink.yield
onnx.graph @key_bshd #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x7x4x8xf32>, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x7x4x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// By way of three axes: the key is the tensor of four.
// CHECK-LABEL: onnx.graph @key_flat
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, {{.*}} key_layout = #sink.layout<bhsd>, kv_num_heads = 4 : i64
// CHECK: onnx.Reshape
// CHECK: onnx.Transpose
// CHECK: onnx.Reshape
// CHECK: sink.yield
onnx.graph @key_flat #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %three = onnx.Constant() {value_ints = array<i64: 8, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 8, 7>} : () -> !u
  %f = onnx.Reshape(%k, %three) : (!k, !u) -> !u
  %ft = onnx.Transpose(%f) {perm = array<i64: 0, 2, 1>} : (!u) -> !u
  %kt = onnx.Reshape(%ft, %four) : (!u, !u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Batch and heads on one axis.
// CHECK-LABEL: onnx.graph @rank_three
// CHECK: sink.attention {{.*}}head_dim = 8 : i64, key_layout = #sink.layout<hsd>, {{.*}}query_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>, {{.*}}value_layout = #sink.layout<hsd>
onnx.graph @rank_three #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<8x7x8xf32>, tensor<8x7x16xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 2, 1>} : (tensor<8x7x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<8x5x8xf32>, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<8x7x16xf32>) -> !u
  onnx.return
}

// Each key head stands twice in a row: the op has the two that there are.
// CHECK-LABEL: onnx.graph @repeat_expand
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {head_dim = 8 : i64, {{.*}}kv_num_heads = 2 : i64, num_heads = 4 : i64
// CHECK-NEXT: ^bb0(%{{.*}}, %[[K:.*]]: tensor<2x2x7x8xf32>, %[[V:.*]]: tensor<2x2x7x16xf32>):
// CHECK-DAG: onnx.Unsqueeze(%[[K]],
// CHECK-DAG: onnx.Unsqueeze(%[[V]],
onnx.graph @repeat_expand #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !g, !h)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!g, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!h, !u) -> !u
  %kx = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %vx = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 16>} : () -> !u
  %kw = onnx.Expand(%k5, %kx) : (!u, !u) -> !u
  %vw = onnx.Expand(%v5, %vx) : (!u, !u) -> !u
  %ksh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %vsh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 16>} : () -> !u
  %kr = onnx.Reshape(%kw, %ksh) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %vsh) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kr) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %vr) : (!u, !u) -> !u
  onnx.return
}

// The same by Tile.
// CHECK-LABEL: onnx.graph @repeat_tile
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {head_dim = 8 : i64, {{.*}}kv_num_heads = 2 : i64, num_heads = 4 : i64
onnx.graph @repeat_tile #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !g, !h)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!g, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!h, !u) -> !u
  %times = onnx.Constant() {value_ints = array<i64: 1, 1, 2, 1, 1>} : () -> !u
  %kw = onnx.Tile(%k5, %times) : (!u, !u) -> !u
  %vw = onnx.Tile(%v5, %times) : (!u, !u) -> !u
  %ksh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %vsh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 16>} : () -> !u
  %kr = onnx.Reshape(%kw, %ksh) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %vsh) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kr) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %vr) : (!u, !u) -> !u
  onnx.return
}

// The same by Concat of one value, its axis from either end.
// CHECK-LABEL: onnx.graph @repeat_concat
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {head_dim = 8 : i64, {{.*}}kv_num_heads = 2 : i64, num_heads = 4 : i64
onnx.graph @repeat_concat #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !g, !h)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!g, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!h, !u) -> !u
  %kw = onnx.Concat(%k5, %k5) {axis = 2} : (!u, !u) -> !u
  %vw = onnx.Concat(%v5, %v5) {axis = -3} : (!u, !u) -> !u
  %ksh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %vsh = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 16>} : () -> !u
  %kr = onnx.Reshape(%kw, %ksh) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %vsh) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kr) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %vr) : (!u, !u) -> !u
  onnx.return
}

// One key head for all queries, by broadcast.
// CHECK-LABEL: onnx.graph @one_key_head
// CHECK: sink.attention {{.*}}kv_num_heads = 1 : i64, num_heads = 4 : i64
onnx.graph @one_key_head #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x1x7x8xf32>, tensor<2x1x7x16xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x1x7x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x1x7x16xf32>) -> !u
  onnx.return
}

// A cache is put before the keys outside: the key is the longer tensor.
// CHECK-LABEL: onnx.graph @cache
// CHECK: %[[K:.*]] = onnx.Concat
// CHECK: sink.attention %{{.*}}, %[[K]], %
// CHECK-NOT: onnx.Concat
// CHECK: sink.yield
onnx.graph @cache #g {
  %q, %past, %new, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x4x4x8xf32>, tensor<2x4x3x8xf32>, !v)
  %k = onnx.Concat(%past, %new) {axis = 2} : (tensor<2x4x4x8xf32>, tensor<2x4x3x8xf32>) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A query whose head count is not known shows it in the scores.
// CHECK-LABEL: onnx.graph @heads_from_scores
// CHECK: sink.attention {{.*}}num_heads = 4 : i64, query
onnx.graph @heads_from_scores #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x?x5x8xf32>, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<2x?x5x8xf32>, !u) -> !s
  %p = onnx.Softmax(%t) {axis = -1} : (!s) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}
}
