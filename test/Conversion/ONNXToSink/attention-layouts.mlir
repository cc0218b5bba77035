// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Layouts of the operands: keys that come as the product takes them, and Einsums in all letters.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
!s = tensor<f32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// Keys that are already [.., head dim, keys].
// CHECK-LABEL: onnx.graph @keys_not_transposed
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<bhds>
onnx.graph @keys_not_transposed #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v)
  %t = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The right axes at the end, but batch and heads exchanged too.
// CHECK-LABEL: onnx.graph @keys_other_perm
// CHECK: %[[KEYS:.*]] = onnx.Transpose
// CHECK: sink.attention %0#0, %[[KEYS]], %0#2
// CHECK-SAME: key_layout = #sink.layout<bhds>
onnx.graph @keys_other_perm #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<4x2x7x8xf32>, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 1, 0, 3, 2>} : (tensor<4x2x7x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// By three axes, but heads do not come back as they were.
// CHECK-LABEL: onnx.graph @flat_other_heads
// CHECK: onnx.Transpose
// CHECK: %[[KEYS:.*]] = onnx.Reshape
// CHECK: sink.attention %0#0, %[[KEYS]], %0#2
// CHECK-SAME: key_layout = #sink.layout<bhds>
onnx.graph @flat_other_heads #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<4x2x7x8xf32>, !v)
  %three = onnx.Constant() {value_ints = array<i64: 8, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 8, 7>} : () -> !u
  %f = onnx.Reshape(%k, %three) : (tensor<4x2x7x8xf32>, !u) -> !u
  %ft = onnx.Transpose(%f) {perm = array<i64: 0, 2, 1>} : (!u) -> !u
  %kt = onnx.Reshape(%ft, %four) : (!u, !u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// By three axes of which the last is not the head dimension.
// CHECK-LABEL: onnx.graph @flat_other_last_axis
// CHECK: onnx.Transpose
// CHECK: %[[KEYS:.*]] = onnx.Reshape
// CHECK: sink.attention %0#0, %[[KEYS]], %0#2
// CHECK-SAME: key_layout = #sink.layout<bhds>
onnx.graph @flat_other_last_axis #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v)
  %three = onnx.Constant() {value_ints = array<i64: 8, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 8, 7>} : () -> !u
  %f = onnx.Reshape(%k, %three) : (tensor<2x4x8x7xf32>, !u) -> !u
  %ft = onnx.Transpose(%f) {perm = array<i64: 0, 2, 1>} : (!u) -> !u
  %kt = onnx.Reshape(%ft, %four) : (!u, !u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Heads stand after the sequence everywhere.
// CHECK-LABEL: onnx.graph @einsum
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<bshd>
// CHECK-SAME: num_heads = 4
// CHECK-SAME: query_layout = #sink.layout<bshd>
// CHECK-SAME: result_layout = #sink.layout<bshd>
// CHECK-SAME: value_layout = #sink.layout<bshd>
onnx.graph @einsum #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x5x4x8xf32>, tensor<2x7x4x8xf32>, tensor<2x7x4x16xf32>)
  %t = onnx.Einsum(%q, %k) {equation = "bqhd,bkhd->bhqk"} : (tensor<2x5x4x8xf32>, tensor<2x7x4x8xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.Einsum(%p, %v) {equation = "bhqk,bkhd->bqhd"} : (!u, tensor<2x7x4x16xf32>) -> !u
  onnx.return
}

// Operands in the other order, and an ellipsis for batch and heads.
// CHECK-LABEL: onnx.graph @einsum_reversed
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<bhsd>
// CHECK-SAME: query_layout = #sink.layout<bhsd>
// CHECK-SAME: value_layout = #sink.layout<bhsd>
onnx.graph @einsum_reversed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %t = onnx.Einsum(%k, %q) {equation = "zhkd,zhqd->zhqk"} : (!k, !q) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.Einsum(%v, %p) {equation = "...kd, ...qk -> ...qd"} : (!v, !u) -> !u
  onnx.return
}

// Batch and heads in one letter.
// CHECK-LABEL: onnx.graph @einsum_joined
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<hds>
// CHECK-SAME: query_layout = #sink.layout<hsd>
onnx.graph @einsum_joined #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<8x8x7xf32>, tensor<8x7x16xf32>)
  %t = onnx.Einsum(%q, %k) {equation = "xqd,xdk->xqk"} : (tensor<8x5x8xf32>, tensor<8x8x7xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.Einsum(%p, %v) {equation = "xqk,xkd->xqd"} : (!u, tensor<8x7x16xf32>) -> !u
  onnx.return
}

// Heads are summed over.
// CHECK-LABEL: onnx.graph @einsum_sums_heads
// CHECK-NOT: sink.attention
onnx.graph @einsum_sums_heads #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x5x5xf32>, tensor<2x4x7x5xf32>, tensor<2x7x16xf32>)
  %t = onnx.Einsum(%q, %k) {equation = "bhqd,bhkd->bqk"} : (tensor<2x4x5x5xf32>, tensor<2x4x7x5xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Einsum}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x7x16xf32>) -> !u
  onnx.return
}

// A letter twice in a term is a diagonal.
// CHECK-LABEL: onnx.graph @einsum_diagonal
// CHECK-NOT: sink.attention
onnx.graph @einsum_diagonal #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x5x5xf32>, tensor<2x4x7x5xf32>, !v)
  %t = onnx.Einsum(%q, %k) {equation = "bhqq,bhkq->bhqk"} : (tensor<2x4x5x5xf32>, tensor<2x4x7x5xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Einsum}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The sequence is the first axis: XLNet.
// CHECK-LABEL: onnx.graph @einsum_sequence_first
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<sbhd>
// CHECK-SAME: num_heads = 4
// CHECK-SAME: query_layout = #sink.layout<sbhd>
// CHECK-SAME: result_layout = #sink.layout<sbhd>
onnx.graph @einsum_sequence_first #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<5x2x4x8xf32>, tensor<7x2x4x8xf32>, tensor<7x2x4x16xf32>)
  %t = onnx.Einsum(%q, %k) {equation = "ibnd,jbnd->bnij"} : (tensor<5x2x4x8xf32>, tensor<7x2x4x8xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.Einsum(%p, %v) {equation = "bnij,jbnd->ibnd"} : (!u, tensor<7x2x4x16xf32>) -> !u
  onnx.return
}
}
