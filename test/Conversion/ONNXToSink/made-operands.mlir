// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s
// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink --convert-sink-to-onnx \
// RUN:   | FileCheck %s --check-prefix=BACK

// Operands that no value before the attention holds are made by ops of their own. They vanish if the form comes back.

// BACK-NOT: sink.
// BACK-LABEL: onnx.graph @own_shape
// BACK: onnx.MatMul
// BACK-NEXT: onnx.Shape
// BACK-NOT: onnx.Shape
// BACK-LABEL: onnx.graph @part_of_own_shape
// BACK-COUNT-1: onnx.Shape
// BACK-NOT: onnx.Shape
// BACK-LABEL: onnx.graph @three_biases
// BACK-COUNT-3: onnx.Add
// BACK-NOT: onnx.Add
// BACK-LABEL: onnx.graph @two_conditions
// BACK-NOT: onnx.And
// BACK-LABEL: onnx.graph @zero_column
// BACK-NOT: onnx.Expand

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// GPT-1 cuts its mask to the shape of the scores that it masks. Those sizes are the query's and the key's.
// CHECK-LABEL: onnx.graph @own_shape
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %[[ROWS:.*]] = onnx.Slice(%[[S]]#3, {{.*}}) {sink.made}
// CHECK: %[[M:.*]] = onnx.Slice(%[[ROWS]], {{.*}}) {sink.made}
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[M]] {
// CHECK: onnx.MatMul
// CHECK: onnx.Shape
// CHECK: onnx.Slice
// CHECK: sink.yield
onnx.graph @own_shape #g {
  %q, %kt, %v, %m = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "k">>, tensor<2x4x?x16xf32, #onnx.dims<"", "", "k", "">>, tensor<1x1x64x64xf32>)
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "k">>) -> !u
  %shape = onnx.Shape(%s) : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i3 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %rows = onnx.Gather(%shape, %i2) : (!u, !u) -> !u
  %columns = onnx.Gather(%shape, %i3) : (!u, !u) -> !u
  %m2 = onnx.Slice(%m, %i0, %rows, %i2) : (tensor<1x1x64x64xf32>, !u, !u, !u) -> !u
  %m3 = onnx.Slice(%m2, %i0, %columns, %i3) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s, %m3) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x16xf32, #onnx.dims<"", "", "k", "">>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A part of that shape, as torch's dynamo exporter asks for it.
// CHECK-LABEL: onnx.graph @part_of_own_shape
// CHECK: %[[Q:.*]]:3 = onnx.node "Source"
// CHECK: onnx.Shape(%[[Q]]#0) {sink.made}
// CHECK: %[[SIZES:.*]] = onnx.Concat({{.*}}) {axis = 0 : i64, sink.made} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
// CHECK: onnx.Expand(%{{.*}}, %[[SIZES]]) {sink.made}
// CHECK: sink.attention %{{.*}} mask %{{.*}} {causal, causal_in_mask
onnx.graph @part_of_own_shape #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "s">>, tensor<2x4x?x16xf32, #onnx.dims<"", "", "s", "">>)
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "s">>) -> !u
  %one = onnx.Constant() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %shape = onnx.Shape(%s) {start = -2 : i64} : (!u) -> !u
  %ones = onnx.Expand(%one, %shape) : (tensor<1x1xf32>, !u) -> !u
  %tri = onnx.Trilu(%ones) {upper = 0 : i64} : (!u) -> !u
  %seen = onnx.Cast(%tri) {to = 9 : i64} : (!u) -> !u
  %t = onnx.Where(%seen, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x16xf32, #onnx.dims<"", "", "s", "">>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The first summand above the Softmax is the mask, the sum of the others the bias.
// CHECK-LABEL: onnx.graph @three_biases
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: %[[HALF:.*]] = onnx.Constant
// CHECK: %[[SCALED:.*]] = onnx.Mul(%[[S]]#3, %{{.*}}) {sink.made}
// CHECK: %[[SUM:.*]] = onnx.Add(%[[S]]#4, %[[SCALED]]) {sink.made}
// CHECK: sink.attention %{{.*}} mask %[[S]]#3 bias %[[SUM]] {
onnx.graph @three_biases #g {
  %q, %kt, %v, %a, %b = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<5x7xf32>, tensor<4x5x7xf32>)
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %t0 = onnx.Add(%s, %a) : (!u, tensor<5x7xf32>) -> !u
  %t1 = onnx.Mul(%t0, %half) : (!u, !u) -> !u
  %t2 = onnx.Add(%t1, %b) : (!u, tensor<4x5x7xf32>) -> !u
  %t = onnx.Add(%t2, %a) : (!u, tensor<5x7xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A key is visible if it is by both.
// CHECK-LABEL: onnx.graph @two_conditions
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: %[[NOT:.*]] = onnx.Not(%[[S]]#4) {sink.made}
// CHECK: %[[BOTH:.*]] = onnx.And(%[[NOT]], %[[S]]#3) {sink.made}
// CHECK: sink.attention %{{.*}} mask %[[BOTH]] {{{.*}}mask_kind = #sink.mask_kind<keep>
onnx.graph @two_conditions #g {
  %q, %kt, %v, %keep, %drop = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<5x7xi1>, tensor<2x1x1x7xi1>)
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %t0 = onnx.Where(%keep, %s, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %t = onnx.Where(%drop, %low, %t0) : (tensor<2x1x1x7xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A column of zeros is a sink of logit 0 in each head. One of twos has logit 2.
// CHECK-LABEL: onnx.graph @zero_column
// CHECK: %[[ZERO:.*]] = onnx.Constant() {sink.made, value = dense<0.000000e+00>
// CHECK: %[[ONE:.*]] = onnx.Reshape(%[[ZERO]],
// CHECK: %[[LOGITS:.*]] = onnx.Expand(%[[ONE]], %{{.*}}) {sink.made} : {{.*}} -> tensor<4xf32>
// CHECK: sink.attention %{{.*}} sink_logit %[[LOGITS]] {
// CHECK: onnx.Constant() {sink.made, value = dense<2.000000e+00>
// CHECK: sink.attention %{{.*}} sink_logit %
onnx.graph @zero_column #g {
  %q, %kt, %v, %c = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<4xf32>)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %zeros = onnx.ConstantOfShape(%wide) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %j = onnx.Concat(%s, %zeros) {axis = -1 : i64} : (!u, !u) -> !u
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 0, 0, 0, 0, 1>} : () -> !u
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %s2 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %j2 = onnx.Pad(%s2, %pads, %two) : (!u, !u, !u) -> !u
  %p2 = onnx.Softmax(%j2) {axis = -1 : i64} : (!u) -> !u
  %w2 = onnx.Slice(%p2, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y2 = onnx.MatMul(%w2, %v) : (!u, !v) -> !u
  %z = onnx.Add(%y, %y2) : (!u, !u) -> !u
  onnx.return
}

// The runtime's operator with a sink of logit 0.
// CHECK-LABEL: onnx.graph @smooth_softmax
// CHECK: sink.attention %{{.*}} sink_logit %
// CHECK: onnx.ms.GroupQueryAttention
onnx.graph @smooth_softmax #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (tensor<2x5x32xf32>, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  %y:3 = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64, smooth_softmax = 1 : i64} : (tensor<2x5x32xf32>, tensor<2x5x32xf32>, tensor<2x5x32xf32>, none, none, tensor<2xi32>, tensor<i32>) -> (!u, !u, !u)
  onnx.return
}

// Two columns of zeros, and one on another axis: no sink.
// CHECK-LABEL: onnx.graph @wide_pad
// CHECK-NOT: sink.attention
onnx.graph @wide_pad #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 0, 0, 0, 0, 2>} : () -> !u
  %j = onnx.Pad(%s, %pads) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are padded by something other than one column on the last axis}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -2>} : () -> !u
  %i3 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i3) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  onnx.return
}

// Batch and heads are one axis: how many logits there are is not known.
// CHECK-LABEL: onnx.graph @column_of_joined_heads
// CHECK-NOT: sink.attention
onnx.graph @column_of_joined_heads #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<8x8x7xf32>, tensor<8x7x16xf32>)
  %s = onnx.MatMul(%q, %kt) : (tensor<8x5x8xf32>, tensor<8x8x7xf32>) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 0, 0, 1>} : () -> !u
  %j = onnx.Pad(%s, %pads) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its sink has one number for all heads, but the number of heads is unknown}}
  %p = onnx.Softmax(%j) {axis = -1 : i64} : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %w = onnx.Slice(%p, %i0, %i1, %i1) : (!u, !u, !u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, tensor<8x7x16xf32>) -> !u
  onnx.return
}

// A mask from the scores' values, not from their shape, comes after them.
// CHECK-LABEL: onnx.graph @mask_of_scores
// CHECK-NOT: sink.attention
onnx.graph @mask_of_scores #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %positive = onnx.Greater(%s, %zero) : (!u, !u) -> !u
  %t = onnx.Where(%positive, %s, %low) : (!u, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: one of its own ops computes one of its inputs}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

}
