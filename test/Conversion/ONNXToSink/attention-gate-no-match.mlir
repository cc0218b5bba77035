// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Products that are no gates of attention. The first is one; each of the others changes it in
// one place. The attention is raised all the same.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!h = tensor<2x5x4x1xf32>
!e = tensor<2x5x32xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form with a gate.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %{{.*}} gate
onnx.graph @base #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A product with something else.
// CHECK-LABEL: onnx.graph @no_sigmoid
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @no_sigmoid #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Tanh(%h) : (!h) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A factor of more than one number.
// CHECK-LABEL: onnx.graph @vector_factor
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @vector_factor #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %c = onnx.Constant() {value_floats = array<f32: 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0>} : () -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  %d = onnx.Mul(%g, %c) : (!u, !u) -> !u
  %r = onnx.Mul(%t, %d) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A swish is no sigmoid.
// CHECK-LABEL: onnx.graph @swish
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @swish #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  %gg = onnx.Mul(%g, %h) : (!u, !h) -> !u
  %r = onnx.Mul(%t, %gg) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// The result without its gate is read too.
// CHECK-LABEL: onnx.graph @result_used
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
// CHECK: onnx.Mul({{.*}}sink.miss = "another op than the product with the gate uses the result of attention"
onnx.graph @result_used #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: another op than the product with the gate uses the result of attention}}
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  %o = onnx.Relu(%t) : (!u) -> !u
  onnx.return
}

// The result is broadcast to the gate.
// CHECK-LABEL: onnx.graph @broadcast
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @broadcast #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<3x2x5x4x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<3x2x5x4x1xf32>) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: the gate may be larger than the result of attention: their shapes are not known to agree}}
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// Whether it is is not known.
// CHECK-LABEL: onnx.graph @unknown_shape
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @unknown_shape #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<?x5x4x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<?x5x4x1xf32>) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: the gate may be larger than the result of attention: their shapes are not known to agree}}
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// The shape of the result without its gate is read elsewhere too.
// CHECK-LABEL: onnx.graph @shape_used
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @shape_used #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %shape = onnx.Shape(%y) : (!u) -> !u
  %o = onnx.node "Sink" (%shape) {} : (!u) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: another op than the product with the gate uses the result of attention}}
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A Reshape to other axes, though of the same rank.
// CHECK-LABEL: onnx.graph @other_shape
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @other_shape #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<2x4x5x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 5, 4, 8>} : () -> !u
  %k4 = onnx.Reshape(%y, %shape) : (!u, !u) -> !u
  %t = onnx.Transpose(%k4) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<2x4x5x1xf32>) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// Axes in another order.
// CHECK-LABEL: onnx.graph @other_transposition
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @other_transposition #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<5x2x4x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 2, 0, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<5x2x4x1xf32>) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A Reshape that joins other axes.
// CHECK-LABEL: onnx.graph @heads_not_merged
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @heads_not_merged #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<2x20x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 0, 20, -1>} : () -> !u
  %f = onnx.Reshape(%t, %shape) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<2x20x8xf32>) -> !u
  %r = onnx.Mul(%f, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// Another result of the operator is read before the gate.
// CHECK-LABEL: onnx.graph @other_result_before
// CHECK-NOT: gate %
// CHECK: sink.attention
// CHECK-NOT: gate %
onnx.graph @other_result_before #g {
  %q, %h = onnx.node "Source" () {} : () -> (!e, !e)
  %y, %pk, %pv = onnx.Attention(%q, %q, %q) {q_num_heads = 4 : i64, kv_num_heads = 4 : i64, onnx.outs = ["y", "pk", "pv"]} : (!e, !e, !e) -> (!u, !u, !u)
  %o = onnx.Relu(%pk) : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!e) -> !u
  // expected-remark@+1 {{gate of attention '' not raised: an op before the product with the gate uses another result of attention}}
  %r = onnx.Mul(%y, %g) : (!u, !u) -> !u
  onnx.return
}
}
