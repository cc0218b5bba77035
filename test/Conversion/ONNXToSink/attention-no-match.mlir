// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no attention, from the Softmax up to the product of queries and keys and
// down to the product with the values.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that each of the others changes in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention
onnx.graph @base #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Probabilities over the queries.
// CHECK-LABEL: onnx.graph @softmax_over_queries
// CHECK-NOT: sink.attention
// CHECK: onnx.Softmax({{.*}} sink.miss = "its Softmax is not known to be over the last axis"
onnx.graph @softmax_over_queries #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Softmax is not known to be over the last axis}}
  %p = onnx.Softmax(%s) {axis = 2} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Of an unknown rank no positive axis is known to be the last.
// CHECK-LABEL: onnx.graph @softmax_of_unknown_rank
// CHECK-NOT: sink.attention
onnx.graph @softmax_of_unknown_rank #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<*xf32>, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<*xf32>, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Softmax is not known to be over the last axis}}
  %p = onnx.Softmax(%s) {axis = 3} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scores that become 0 are not hidden.
// CHECK-LABEL: onnx.graph @where_zero
// CHECK-NOT: sink.attention
onnx.graph @where_zero #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %t = onnx.Where(%b, %s, %zero) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Where does not replace scores by a large negative constant}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Low, but not so low that nothing else counts.
// CHECK-LABEL: onnx.graph @where_not_low_enough
// CHECK-NOT: sink.attention
onnx.graph @where_not_low_enough #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -50.0 : f32} : () -> !u
  %t = onnx.Where(%b, %low, %s) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Where does not replace scores by a large negative constant}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// One above the least that hides a score.
// CHECK-LABEL: onnx.graph @where_almost_low_enough
// CHECK-NOT: sink.attention
onnx.graph @where_almost_low_enough #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -9983.0 : f32} : () -> !u
  %t = onnx.Where(%b, %low, %s) : (tensor<5x7xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its Where does not replace scores by a large negative constant}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A value from outside may be any.
// CHECK-LABEL: onnx.graph @where_computed
// CHECK-NOT: sink.attention
onnx.graph @where_computed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b, %low = onnx.node "Source" () {} : () -> (tensor<5x7xi1>, tensor<f32>)
  %t = onnx.Where(%b, %s, %low) : (tensor<5x7xi1>, !u, tensor<f32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its Where does not replace scores by a large negative constant}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Neither summand comes from a product.
// CHECK-LABEL: onnx.graph @add_without_product
// CHECK-NOT: sink.attention
onnx.graph @add_without_product #g {
  %s, %v, %m = onnx.node "Source" () {} : () -> (tensor<2x4x5x7xf32>, !v, !m)
  %t = onnx.Add(%s, %m) : (tensor<2x4x5x7xf32>, !m) -> !u
  // expected-remark@+1 {{attention '' not raised: it adds two values above its Softmax, but neither comes from a product of queries and keys}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A factor that is computed from the scores themselves.
// CHECK-LABEL: onnx.graph @scale_computed
// CHECK-NOT: sink.attention
onnx.graph @scale_computed #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %g = onnx.Sigmoid(%s) : (!u) -> !u
  %t = onnx.Mul(%s, %g) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: one of its own ops computes one of its inputs}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scores that are divided by a tensor.
// CHECK-LABEL: onnx.graph @divided_by_tensor
// CHECK-NOT: sink.attention
onnx.graph @divided_by_tensor #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Div(%s, %m) : (!u, !m) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are divided by a tensor, or multiplied by one that is not known to be broadcast to them}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A constant divided by the scores is no scale of them.
// CHECK-LABEL: onnx.graph @scale_inverse
// CHECK-NOT: sink.attention
onnx.graph @scale_inverse #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %t = onnx.Div(%one, %s) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are divided by a tensor, or multiplied by one that is not known to be broadcast to them}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// What the scores go through must be known.
// CHECK-LABEL: onnx.graph @unknown_op
// CHECK-NOT: sink.attention
onnx.graph @unknown_op #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Relu(%s) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Relu}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The scores are no product but an operator's result.
// CHECK-LABEL: onnx.graph @no_product
// CHECK-NOT: sink.attention
onnx.graph @no_product #g {
  %t, %v = onnx.node "Source" () {} : () -> (tensor<2x4x5x7xf32>, !v)
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Source}}
  %p = onnx.Softmax(%t) {axis = -1} : (tensor<2x4x5x7xf32>) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The scores are the graph's input.
// CHECK-LABEL: onnx.graph @scores_given
// CHECK-NOT: sink.attention
onnx.graph @scores_given #onnx.graph_info<inputs = [#onnx.value<"t", tensor<2x4x5x7xf32>, {}>, #onnx.value<"v", !v, {}>], outputs = [], valueInfo = [], info = {}> {
^bb0(%t: tensor<2x4x5x7xf32>, %v: !v):
  // expected-remark@+1 {{attention '' not raised: no product of queries and keys is above its Softmax}}
  %p = onnx.Softmax(%t) {axis = -1} : (tensor<2x4x5x7xf32>) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A projection by weights is no product with keys.
// CHECK-LABEL: onnx.graph @keys_are_weights
// CHECK-NOT: sink.attention
onnx.graph @keys_are_weights #g {
  %q, %v = onnx.node "Source" () {} : () -> (!q, !v)
  %kt = onnx.Constant() {value = dense<0.5> : tensor<2x4x8x7xf32>} : () -> tensor<2x4x8x7xf32>
  %t = onnx.MatMul(%q, %kt) : (!q, tensor<2x4x8x7xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its keys are weights, as in a projection, and not transposed}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Probabilities that nothing weighs values by.
// CHECK-LABEL: onnx.graph @no_values
// CHECK-NOT: sink.attention
onnx.graph @no_values #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !m) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %z = onnx.Relu(%p) : (!u) -> !u
  onnx.return
}

// Probabilities as the right operand of a product.
// CHECK-LABEL: onnx.graph @values_on_the_left
// CHECK-NOT: sink.attention
onnx.graph @values_on_the_left #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, tensor<2x4x16x5xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %t = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%v, %p) : (tensor<2x4x16x5xf32>, !u) -> !u
  onnx.return
}

// Probabilities kept where some other condition holds.
// CHECK-LABEL: onnx.graph @probabilities_selected
// CHECK-NOT: sink.attention
onnx.graph @probabilities_selected #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %t = onnx.Identity(%s) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities go through a Where that does not replace NaN by 0}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %w = onnx.Where(%b, %zero, %p) : (tensor<5x7xi1>, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  onnx.return
}

// Not a number becomes 1, not 0.
// CHECK-LABEL: onnx.graph @nan_becomes_one
// CHECK-NOT: sink.attention
onnx.graph @nan_becomes_one #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %t = onnx.Identity(%s) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities go through a Where that does not replace NaN by 0}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %n = onnx.IsNaN(%p) : (!u) -> !u
  %w = onnx.Where(%n, %one, %p) : (!u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  onnx.return
}

// Whether the scores are NaN is another question.
// CHECK-LABEL: onnx.graph @nan_of_scores
// CHECK-NOT: sink.attention
onnx.graph @nan_of_scores #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %t = onnx.Identity(%s) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: its probabilities go through a Where that does not replace NaN by 0}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %n = onnx.IsNaN(%t) : (!u) -> !u
  %w = onnx.Where(%n, %zero, %p) : (!u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  onnx.return
}

// A router's scores weigh no values: it is not listed at all.
// CHECK-LABEL: onnx.graph @router
// CHECK: onnx.Softmax({{.*}}) {axis = -1 : i64} :
onnx.graph @router #g {
  %x = onnx.node "Source" () {} : () -> tensor<2x5x8xf32>
  %w = onnx.initializer "w" : tensor<8x4xf32> = dense<0.5> : tensor<8x4xf32>
  %s = onnx.MatMul(%x, %w) : (tensor<2x5x8xf32>, tensor<8x4xf32>) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %y:2 = onnx.TopK(%p, %two) : (!u, !u) -> (!u, !u)
  onnx.return
}

// A router that takes the largest scores of a Gemm first, and whose probabilities scale the experts' outputs, which
// go to further products.
// CHECK-LABEL: onnx.graph @router_of_largest
// CHECK-NOT: sink.attention
onnx.graph @router_of_largest #g {
  %x, %e = onnx.node "Source" () {} : () -> (tensor<6x8xf32>, tensor<6x2x8xf32>)
  %w = onnx.initializer "router_of_largest" : tensor<8x4xf32> = dense<0.5> : tensor<8x4xf32>
  %w2 = onnx.initializer "next" : tensor<8x8xf32> = dense<0.5> : tensor<8x8xf32>
  %k = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %axes = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %s = onnx.Gemm(%x, %w) : (tensor<6x8xf32>, tensor<8x4xf32>) -> !u
  %top, %which = onnx.TopK(%s, %k) : (!u, !u) -> (!u, !u)
  %p = onnx.Softmax(%top) {axis = -1} : (!u) -> !u
  %each = onnx.Unsqueeze(%p, %axes) : (!u, !u) -> !u
  %scaled = onnx.Mul(%e, %each) : (tensor<6x2x8xf32>, !u) -> !u
  %y = onnx.MatMul(%scaled, %w2) : (!u, tensor<8x8xf32>) -> !u
  onnx.return
}
}
