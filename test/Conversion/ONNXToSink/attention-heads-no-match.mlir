// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no attention for its operands, and repeated heads that are not taken back.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!g = tensor<2x2x7x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that each of the others changes in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention
onnx.graph @base #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Identity(%s) : (!u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask is computed from the transposed keys, and another op reads it, too: it would have to
// stand before and behind the attention.
// CHECK-LABEL: onnx.graph @mask_from_inner_value
// CHECK-NOT: sink.attention
onnx.graph @mask_from_inner_value #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.ReduceMax(%kt) {axes = array<i64: -2>} : (!u) -> !u
  %z = onnx.Relu(%m) : (!u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: an op outside it uses one of its inner values before its last op}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// One query head, broadcast to the heads of the keys: the keys are no groups of it.
// CHECK-LABEL: onnx.graph @one_query_head
// CHECK-NOT: = sink.attention
onnx.graph @one_query_head #g {
  %q, %one, %v = onnx.node "Source" () {} : () -> (tensor<2x1x5x8xf32>, tensor<2x1x7x8xf32>, tensor<2x1x7x16xf32>)
  %axes = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %wide = onnx.Constant() {value = dense<[2, 1, 4, 7, 8]> : tensor<5xi64>} : () -> tensor<5xi64>
  %flat = onnx.Constant() {value = dense<[2, 4, 7, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %x = onnx.Unsqueeze(%one, %axes) : (tensor<2x1x7x8xf32>, tensor<1xi64>) -> !u
  %e = onnx.Expand(%x, %wide) : (!u, tensor<5xi64>) -> !u
  %k = onnx.Reshape(%e, %flat) : (!u, tensor<4xi64>) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x1x5x8xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has one head, but the product with its keys is not known to have one}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x1x7x16xf32>) -> !u
  onnx.return
}

// The same of the values.
// CHECK-LABEL: onnx.graph @one_head_of_probabilities
// CHECK-NOT: = sink.attention
onnx.graph @one_head_of_probabilities #g {
  %q, %k, %one = onnx.node "Source" () {} : () -> (tensor<2x1x5x8xf32>, tensor<2x1x7x8xf32>, tensor<2x1x7x16xf32>)
  %axes = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %wide = onnx.Constant() {value = dense<[2, 1, 4, 7, 16]> : tensor<5xi64>} : () -> tensor<5xi64>
  %flat = onnx.Constant() {value = dense<[2, 4, 7, 16]> : tensor<4xi64>} : () -> tensor<4xi64>
  %x = onnx.Unsqueeze(%one, %axes) : (tensor<2x1x7x16xf32>, tensor<1xi64>) -> !u
  %e = onnx.Expand(%x, %wide) : (!u, tensor<5xi64>) -> !u
  %v = onnx.Reshape(%e, %flat) : (!u, tensor<4xi64>) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x1x7x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x1x5x8xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has one head, but the product with its values is not known to have one}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !u) -> !u
  onnx.return
}

// Values that all elements of the batch share.
// CHECK-LABEL: onnx.graph @values_without_batch
// CHECK-NOT: sink.attention
onnx.graph @values_without_batch #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, tensor<4x7x16xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has rank 4, but its value has rank 3}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<4x7x16xf32>) -> !u
  onnx.return
}

// The value is made of the scores.
// CHECK-LABEL: onnx.graph @value_inside
// CHECK-NOT: sink.attention
onnx.graph @value_inside #g {
  %q, %k = onnx.node "Source" () {} : () -> (!k, !k)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (!k, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: one of its own ops computes one of its inputs}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %t) : (!u, !u) -> !u
  onnx.return
}

// The product with the values stands in a subgraph.
// CHECK-LABEL: onnx.graph @two_graphs
// CHECK-NOT: sink.attention
onnx.graph @two_graphs #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<i1>
  %t = onnx.Identity(%s) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: its ops stand in more than one graph}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %r = onnx.If(%b) {
    %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
    onnx.return %y : !u
  }, {
    %z = onnx.Relu(%v) : (!v) -> !u
    onnx.return %z : !u
  } : (tensor<i1>) -> !u
  onnx.return
}

// Keys of two heads do not serve one query head.
// CHECK-LABEL: onnx.graph @heads_no_multiple
// CHECK-NOT: sink.attention
onnx.graph @heads_no_multiple #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x1x5x8xf32>, !g, tensor<2x2x7x16xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!g) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<2x1x5x8xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its 1 query heads are not a multiple of its 2 key heads}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x2x7x16xf32>) -> !u
  onnx.return
}

// Keys are shared, values are not.
// CHECK-LABEL: onnx.graph @value_heads
// CHECK-NOT: sink.attention
onnx.graph @value_heads #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x1x7x8xf32>, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x1x7x8xf32>) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has 1 key heads, but 4 value heads}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Which axis counts heads is not known.
// CHECK-LABEL: onnx.graph @query_of_unknown_rank
// CHECK-NOT: sink.attention
onnx.graph @query_of_unknown_rank #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<*xf32>, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<*xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has an unknown rank; expected rank 4 [batch, heads, sequence, head dim] or rank 3 [heads, sequence, head dim]}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// An axis more: heads may be the second or the third.
// CHECK-LABEL: onnx.graph @query_of_rank_five
// CHECK-NOT: sink.attention
onnx.graph @query_of_rank_five #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<3x2x4x5x8xf32>, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<3x2x4x5x8xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has rank 5; expected rank 4 [batch, heads, sequence, head dim] or rank 3 [heads, sequence, head dim]}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// One sequence without batch and heads.
// CHECK-LABEL: onnx.graph @query_of_rank_two
// CHECK-NOT: sink.attention
onnx.graph @query_of_rank_two #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (tensor<5x8xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its query has rank 2; expected rank 4 [batch, heads, sequence, head dim] or rank 3 [heads, sequence, head dim]}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Each head twice in a row, as `attention-heads.mlir` has it; below, one
// thing differs. Keys and values are then what the Reshape gives.
// CHECK-LABEL: onnx.graph @repeated
// CHECK: sink.attention {{.*}} kv_num_heads = 2 : i64
onnx.graph @repeated #g {
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %q, %g = onnx.node "Source" () {} : () -> (!q, !g)
  %k5 = onnx.Unsqueeze(%g, %ax) : (!g, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}

// All heads, then all heads again: head 1 of the four is head 1 of the two.
// CHECK-LABEL: onnx.graph @repeated_in_blocks
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], %[[K]] {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_in_blocks #g {
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %q, %g = onnx.node "Source" () {} : () -> (!q, !g)
  %k5 = onnx.Unsqueeze(%g, %ax) : (!g, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}

// The heads' own axis grows, not the new one.
// CHECK-LABEL: onnx.graph @repeated_heads_grow
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], %[[K]] {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_heads_grow #g {
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %times = onnx.Constant() {value_ints = array<i64: 1, 2, 1, 1, 1>} : () -> !u
  %q, %g = onnx.node "Source" () {} : () -> (!q, !g)
  %k5 = onnx.Unsqueeze(%g, %ax) : (!g, !u) -> !u
  %kw = onnx.Tile(%k5, %times) : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}

// The head dimension grows as well.
// CHECK-LABEL: onnx.graph @repeated_head_dim_grows
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], %[[K]] {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_head_dim_grows #g {
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %q, %g = onnx.node "Source" () {} : () -> (!q, tensor<2x2x7x1xf32>)
  %k5 = onnx.Unsqueeze(%g, %ax) : (tensor<2x2x7x1xf32>, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}

// Two tensors side by side are no repetition.
// CHECK-LABEL: onnx.graph @repeated_others
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], %[[K]] {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_others #g {
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %q, %g, %h = onnx.node "Source" () {} : () -> (!q, !g, !g)
  %k5 = onnx.Unsqueeze(%g, %ax) : (!g, !u) -> !u
  %h5 = onnx.Unsqueeze(%h, %ax) : (!g, !u) -> !u
  %kw = onnx.Concat(%k5, %h5) {axis = 2} : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}

// The same tensor twice, but along the heads' own axis.
// CHECK-LABEL: onnx.graph @repeated_on_heads
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], %[[K]] {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_on_heads #g {
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %q, %g = onnx.node "Source" () {} : () -> (!q, !g)
  %k5 = onnx.Unsqueeze(%g, %ax) : (!g, !u) -> !u
  %kw = onnx.Concat(%k5, %k5) {axis = 1} : (!u, !u) -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %k) : (!u, !u) -> !u
  onnx.return
}
}

module attributes {onnx.model = {opset_import = [{domain = "", version = 11}]}} {

// Before opset 13 the default axis of a Softmax was 1.
// CHECK-LABEL: onnx.graph @softmax_default_axis
// CHECK-NOT: sink.attention
onnx.graph @softmax_default_axis #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Softmax is not known to be over the last axis}}
  %p = onnx.Softmax(%s) : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}
}

module attributes {onnx.model = {opset_import = [{domain = "", version = 13}]}} {

// From opset 13 on it is the last.
// CHECK-LABEL: onnx.graph @softmax_default_axis_thirteen
// CHECK: sink.attention
onnx.graph @softmax_default_axis_thirteen #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}
}
