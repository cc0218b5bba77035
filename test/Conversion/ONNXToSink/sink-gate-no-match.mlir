// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Gates that are no sink, or not known to be one. The first is the base; each of the others changes it in one place.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// The form in which it is a sink.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention {{.*}} sink_logit
onnx.graph @base #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A number for each query.
// CHECK-LABEL: onnx.graph @logit_of_each_query
// CHECK-NOT: sink.attention
onnx.graph @logit_of_each_query #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %each = onnx.node "Source" () {} : () -> tensor<1x1x5x1xf32>
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %each) : (!u, tensor<1x1x5x1xf32>) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that may hide all keys of a row by -inf: the gate is NaN there.
// CHECK-LABEL: onnx.graph @input_mask
// CHECK-NOT: sink.attention
onnx.graph @input_mask #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %s = onnx.Add(%s0, %in) : (!u, tensor<5x7xf32>) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask of -inf.
// CHECK-LABEL: onnx.graph @infinite_mask
// CHECK-NOT: sink.attention
onnx.graph @infinite_mask #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %low = onnx.initializer "inf" : tensor<5x7xf32> = dense<0xFF800000> : tensor<5x7xf32>
  %up = onnx.Trilu(%low) {upper = 1 : i64} : (tensor<5x7xf32>) -> !u
  %s = onnx.Add(%s0, %up) : (!u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Two summands of the lowest number are -inf.
// CHECK-LABEL: onnx.graph @two_masks
// CHECK-NOT: sink.attention
onnx.graph @two_masks #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %low = onnx.initializer "low2" : tensor<5x7xf32> = dense<-3.4e38> : tensor<5x7xf32>
  %up = onnx.Trilu(%low) {upper = 1 : i64} : (tensor<5x7xf32>) -> !u
  %s1 = onnx.Add(%s0, %up) : (!u, !u) -> !u
  %s = onnx.Add(%s1, %up) : (!u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A condition that hides by -inf.
// CHECK-LABEL: onnx.graph @infinite_fill
// CHECK-NOT: sink.attention
onnx.graph @infinite_fill #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %c = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %s = onnx.Where(%c, %s0, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The largest score is subtracted before the logarithm, too.
// CHECK-LABEL: onnx.graph @largest_subtracted
// CHECK-NOT: sink.attention
onnx.graph @largest_subtracted #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %max = onnx.ReduceMax(%s0, %last) {keepdims = 1 : i64} : (!u, !u) -> !u
  %s = onnx.Sub(%s0, %max) : (!u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A second gate.
// CHECK-LABEL: onnx.graph @gated_twice
// CHECK-NOT: sink.attention
onnx.graph @gated_twice #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: the sigmoid that gates its probabilities by the logarithm of their sum is not known to be a sink: less one logit for each head, of the scores themselves, in rows that see a key}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %p2 = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %w = onnx.Mul(%p2, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The logarithm of the sum of other scores.
// CHECK-LABEL: onnx.graph @other_scores
// CHECK-NOT: sink.attention
onnx.graph @other_scores #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %o = onnx.node "Source" () {} : () -> tensor<2x4x5x7xf32>
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%o, %last) {} : (tensor<2x4x5x7xf32>, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A sum over the queries.
// CHECK-LABEL: onnx.graph @sum_over_queries
// CHECK-NOT: sink.attention
onnx.graph @sum_over_queries #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -2>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %kq = onnx.node "Source" () {} : () -> tensor<1x1x1x1xf32>
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The logarithm is subtracted.
// CHECK-LABEL: onnx.graph @reversed
// CHECK-NOT: sink.attention
onnx.graph @reversed #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%r, %lse) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The largest score in place of the logarithm.
// CHECK-LABEL: onnx.graph @other_function
// CHECK-NOT: sink.attention
onnx.graph @other_function #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceMax2" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A gate of the values that subtracts the logarithm is a gate that the scores make, so it is no operand.
// CHECK-LABEL: onnx.graph @reversed_values
// CHECK-NOT: sink_logit
// CHECK: sink.attention %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} {
// CHECK-NOT: sink_logit
// CHECK: onnx.Sigmoid
onnx.graph @reversed_values #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%r, %lse) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: an op before the product with the gate uses another result of attention}}
  %y = onnx.Mul(%g, %w) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
