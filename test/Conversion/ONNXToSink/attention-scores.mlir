// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What else stands between the product of queries and keys and the Softmax: factors of the scores, a least
// score, a product with zeros and ones, and masks that are computed from the shapes of inner values.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// Swin v2 scales the scores of each head by a parameter.
// CHECK-LABEL: onnx.graph @head_scale
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %0#3 score_factor %1
onnx.graph @head_scale #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %h = onnx.node "Source" () {} : () -> tensor<4x1x1xf32>
  %t0 = onnx.Mul(%s, %h) : (!u, tensor<4x1x1xf32>) -> !u
  %t = onnx.Add(%t0, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask is scaled for each head as well.
// CHECK-LABEL: onnx.graph @head_scale_after_mask
// CHECK-NOT: sink.attention
onnx.graph @head_scale_after_mask #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %h = onnx.node "Source" () {} : () -> tensor<4x1x1xf32>
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t = onnx.Mul(%t0, %h) : (!u, tensor<4x1x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its hidden scores are scaled to numbers that do not hide}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A factor for each query, as the first operand of the product.
// CHECK-LABEL: onnx.graph @factor_by_row
// CHECK: sink.attention %0#0, %0#1, %0#2 score_factor %1
onnx.graph @factor_by_row #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %h = onnx.node "Source" () {} : () -> tensor<5x1xf32>
  %t = onnx.Mul(%h, %s) : (tensor<5x1xf32>, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Megatron's mask by product and difference. Without a proof of zeros and ones, it is a factor and a mask.
// CHECK-LABEL: onnx.graph @factor_of_any_numbers
// CHECK: %[[HIDDEN:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) : (tensor<5x7xf32>, tensor<f32>)
// CHECK: sink.attention %0#0, %0#1, %0#2 bias %[[HIDDEN]] score_factor %0#3 {bias_scale = -1.000000e+00
// CHECK-SAME: scale = 5.000000e-01
onnx.graph @factor_of_any_numbers #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %half = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %low = onnx.Constant() {value = dense<1.0e4> : tensor<f32>} : () -> tensor<f32>
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %t0 = onnx.Mul(%s, %half) : (!u, tensor<f32>) -> !u
  %t1 = onnx.Mul(%t0, %m) : (!u, !m) -> !u
  %h0 = onnx.Sub(%one, %m) : (tensor<f32>, !m) -> !u
  %h1 = onnx.Mul(%h0, %low) : (!u, tensor<f32>) -> !u
  %t = onnx.Sub(%t1, %h1) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scores that are broadcast to the factor have more rows than the query.
// CHECK-LABEL: onnx.graph @factor_larger_than_scores
// CHECK-NOT: sink.attention
onnx.graph @factor_larger_than_scores #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %h = onnx.node "Source" () {} : () -> tensor<3x2x4x5x1xf32>
  %t = onnx.Mul(%s, %h) : (!u, tensor<3x2x4x5x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are divided by a tensor, or multiplied by one that is not known to be broadcast to them}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  onnx.return
}

// A second tensor of factors.
// CHECK-LABEL: onnx.graph @two_factors
// CHECK-NOT: sink.attention
onnx.graph @two_factors #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %h = onnx.node "Source" () {} : () -> tensor<5x1xf32>
  %t0 = onnx.Mul(%s, %h) : (!u, tensor<5x1xf32>) -> !u
  %t = onnx.Mul(%t0, %m) : (!u, !m) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are divided by a tensor, or multiplied by one that is not known to be broadcast to them}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// No score is below the lowest number: OPT, XGLM.
// CHECK-LABEL: onnx.graph @floor
// CHECK: sink.attention
// CHECK-SAME: floor = -3.0
onnx.graph @floor #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t = onnx.Max(%t0, %low) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A maximum with zero changes scores that are not hidden.
// CHECK-LABEL: onnx.graph @floor_within_scores
// CHECK-NOT: sink.attention
onnx.graph @floor_within_scores #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %t0 = onnx.Add(%s, %m) : (!u, !m) -> !u
  %t = onnx.Max(%t0, %zero) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: the maximum of its scores and something other than one constant that hides them is taken, or it is taken before another step changes them}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A mask that is subtracted: XLNet.
// CHECK-LABEL: onnx.graph @subtracted_bias
// CHECK: sink.attention %0#0, %0#1, %0#2 bias %0#3
// CHECK-SAME: bias_scale = -1.0
onnx.graph @subtracted_bias #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %t = onnx.Sub(%s, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// GPT-1 and Megatron multiply by zeros and ones, and add a number where there are zeros.
// CHECK-LABEL: onnx.graph @product_of_ones_and_zeros
// CHECK: %[[FLAGS:.*]] = onnx.Cast
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %[[FLAGS]]
// CHECK-SAME: mask_fill = -1.000000e+04
// CHECK-SAME: mask_kind = #sink.mask_kind<keep>
onnx.graph @product_of_ones_and_zeros #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %f = onnx.Cast(%b) {to = 1} : (tensor<5x7xi1>) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = -1.0e4 : f32} : () -> !u
  %kept = onnx.Mul(%s, %f) : (!u, !u) -> !u
  %c = onnx.Sub(%one, %f) : (!u, !u) -> !u
  %hidden = onnx.Mul(%c, %low) : (!u, !u) -> !u
  %t = onnx.Add(%kept, %hidden) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The same with numbers that may be others: a factor and a bias.
// CHECK-LABEL: onnx.graph @product_of_any_numbers
// CHECK: %[[HIDDEN:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) : (tensor<5x7xf32>, tensor<f32>)
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %[[HIDDEN]] score_factor %0#3 {
onnx.graph @product_of_any_numbers #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = -1.0e4 : f32} : () -> !u
  %kept = onnx.Mul(%s, %m) : (!u, !m) -> !u
  %c = onnx.Sub(%one, %m) : (!u, !m) -> !u
  %hidden = onnx.Mul(%c, %low) : (!u, !u) -> !u
  %t = onnx.Add(%kept, %hidden) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A mask that is expanded to the shape of the scores: XLM.
// CHECK-LABEL: onnx.graph @expanded_to_scores
// CHECK: %[[KEEP:.*]] = onnx.node "Source"() {} : () -> tensor<7xi1>
// CHECK: sink.attention %0#0, %0#1, %0#2 mask %[[KEEP]]
onnx.graph @expanded_to_scores #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (!q, !kt, !v, !m)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %b = onnx.node "Source" () {} : () -> tensor<7xi1>
  %shape = onnx.Shape(%s) : (!u) -> !u
  %wide = onnx.Expand(%b, %shape) : (tensor<7xi1>, !u) -> !u
  %t = onnx.Where(%wide, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The mask is computed from the shape of cast keys. The Cast stays outside: GPT-Neo.
// CHECK-LABEL: onnx.graph @mask_of_an_inner_shape
// CHECK: %[[KEYS:.*]] = onnx.Cast
// CHECK: %[[MASK:.*]] = onnx.node "Mask"
// CHECK: sink.attention %0#0, %[[KEYS]], %0#2 mask %[[MASK]]
onnx.graph @mask_of_an_inner_shape #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kc = onnx.Cast(%k) {to = 1} : (!k) -> !u
  %t1 = onnx.Transpose(%kc) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %t1) : (!q, !u) -> !u
  %shape = onnx.Shape(%kc) {start = 2 : i64, end = 3 : i64} : (!u) -> !u
  %b = onnx.node "Mask" (%shape) {} : (!u) -> tensor<5x7xf32>
  %t = onnx.Add(%s, %b) : (!u, tensor<5x7xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Multiplied by 30 after a division by 20: the scores are scaled by 1.5, and capped at 30.
// CHECK-LABEL: onnx.graph @softcap_unequal
// CHECK: sink.attention
// CHECK-SAME: scale = 1.500000e+00
// CHECK-SAME: softcap = 3.000000e+01
onnx.graph @softcap_unequal #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c1 = onnx.Constant() {value_float = 20.0 : f32} : () -> !u
  %c2 = onnx.Constant() {value_float = 30.0 : f32} : () -> !u
  %a = onnx.Div(%s, %c1) : (!u, !u) -> !u
  %b = onnx.Tanh(%a) : (!u) -> !u
  %t = onnx.Mul(%b, %c2) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The product has no factor of its own here: it is that of the cap.
// CHECK-LABEL: onnx.graph @softcap_factor_in_product
// CHECK: sink.attention
// CHECK-SAME: scale = 3.000000e+01
// CHECK-SAME: softcap = 3.000000e+01
onnx.graph @softcap_factor_in_product #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c2 = onnx.Constant() {value_float = 30.0 : f32} : () -> !u
  %b = onnx.Tanh(%s) : (!u) -> !u
  %t = onnx.Mul(%b, %c2) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A negative factor turns the scores around after the Tanh.
// CHECK-LABEL: onnx.graph @negative_cap
// CHECK-NOT: sink.attention
onnx.graph @negative_cap #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %c2 = onnx.Constant() {value_float = -30.0 : f32} : () -> !u
  %b = onnx.Tanh(%s) : (!u) -> !u
  %t = onnx.Mul(%b, %c2) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Tanh}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The product of ones minus the flags is folded into a constant: GPT-2 by tf2onnx after an optimizer.
// CHECK-LABEL: onnx.graph @folded_complement
// CHECK: sink.attention %0#0, %0#1, %0#2 mask
// CHECK-SAME: causal
// CHECK-SAME: mask_fill = -1.000000e+10
// CHECK-SAME: mask_kind = #sink.mask_kind<keep>
onnx.graph @folded_complement #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>, tensor<2x4x2x8xf32>)
  %seen = onnx.Constant() {value = dense<[[1.0, 0.0], [1.0, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %low = onnx.Constant() {value = dense<[[0.0, 1.0e10], [0.0, 0.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>) -> !u
  %kept = onnx.Mul(%s, %seen) : (!u, tensor<2x2xf32>) -> !u
  %t = onnx.Sub(%kept, %low) : (!u, tensor<2x2xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x2x8xf32>) -> !u
  onnx.return
}

// An optimizer put the scale into the flags, too. Two different factors are no scale.
// They stay a tensor of factors.
// CHECK-LABEL: onnx.graph @folded_scale
// CHECK: sink.attention %0#0, %0#1, %0#2 mask
// CHECK-SAME: mask_fill = -1.000000e+10
// CHECK-SAME: scale = 2.500000e-01
// CHECK: sink.attention {{.*}} bias %{{.*}} score_factor
// CHECK-SAME: bias_scale = -1.000000e+00
onnx.graph @folded_scale #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>, tensor<2x4x2x8xf32>)
  %seen = onnx.Constant() {value = dense<[[0.25, 0.0], [0.25, 0.25]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %two = onnx.Constant() {value = dense<[[0.25, 0.0], [0.5, 0.25]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %low = onnx.Constant() {value = dense<[[0.0, 1.0e10], [0.0, 0.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>) -> !u
  %kept = onnx.Mul(%s, %seen) : (!u, tensor<2x2xf32>) -> !u
  %t = onnx.Sub(%kept, %low) : (!u, tensor<2x2xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x2x8xf32>) -> !u
  %s2 = onnx.MatMul(%q, %kt) : (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>) -> !u
  %kept2 = onnx.Mul(%s2, %two) : (!u, tensor<2x2xf32>) -> !u
  %t2 = onnx.Sub(%kept2, %low) : (!u, tensor<2x2xf32>) -> !u
  %p2 = onnx.Softmax(%t2) {axis = -1} : (!u) -> !u
  %y2 = onnx.MatMul(%p2, %v) : (!u, tensor<2x4x2x8xf32>) -> !u
  %z = onnx.Add(%y, %y2) : (!u, !u) -> !u
  onnx.return
}

// The constant is not zero where a key is seen.
// CHECK-LABEL: onnx.graph @folded_otherwise
// CHECK: sink.attention {{.*}} bias %{{.*}} score_factor
// CHECK-SAME: bias_scale = -1.000000e+00
onnx.graph @folded_otherwise #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>, tensor<2x4x2x8xf32>)
  %seen = onnx.Constant() {value = dense<[[1.0, 0.0], [1.0, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %low = onnx.Constant() {value = dense<[[0.0, 1.0e10], [1.0, 0.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x2x8xf32>, tensor<2x4x8x2xf32>) -> !u
  %kept = onnx.Mul(%s, %seen) : (!u, tensor<2x2xf32>) -> !u
  %t = onnx.Sub(%kept, %low) : (!u, tensor<2x2xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x2x8xf32>) -> !u
  onnx.return
}
}
