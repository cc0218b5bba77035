// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// The output of attention times a sigmoid: the op's result is the product.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!h = tensor<2x5x4x1xf32>
!e = tensor<2x5x32xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// One score a head after the transposition, whose layout is the result's. The product in
// the form captures the gate, which is the operand.
// CHECK-LABEL: onnx.graph @head
// CHECK: %[[G:.*]] = onnx.Sigmoid
// CHECK: %[[Y:.*]] = sink.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 gate %[[G]] {{{.*}}result_layout = #sink.layout<bshd>
// CHECK-SAME: -> tensor<2x5x4x8xf32> {
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: %[[M:.*]] = onnx.MatMul(%[[P]],
// CHECK-NEXT: %[[T:.*]] = onnx.Transpose(%[[M]])
// CHECK-NEXT: %[[R:.*]] = onnx.Mul(%[[T]], %[[G]]) {sink.slot = #sink.slot<gate>}
// CHECK-NEXT: sink.yield %[[R]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @head #g {
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

// Twice a sigmoid, which is 1 before training. The factor stays in the gate.
// CHECK-LABEL: onnx.graph @doubled
// CHECK: %[[S:.*]] = onnx.Sigmoid
// CHECK: %[[G:.*]] = onnx.Mul(%{{.*}}, %[[S]])
// CHECK: sink.attention %{{.*}} gate %[[G]] {{{.*}}result_layout = #sink.layout<bshd>
onnx.graph @doubled #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  %d = onnx.Mul(%two, %g) : (!u, !u) -> !u
  %r = onnx.Mul(%t, %d) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// Before the transposition, and commuted.
// CHECK-LABEL: onnx.graph @heads_first
// CHECK: sink.attention %{{.*}} gate %{{.*}} {{{.*}}result_layout = #sink.layout<bhsd>
onnx.graph @heads_first #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<2x4x5x1xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %g = onnx.Sigmoid(%h) : (tensor<2x4x5x1xf32>) -> !u
  %r = onnx.Mul(%g, %y) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// One score an element of the merged heads.
// CHECK-LABEL: onnx.graph @element
// CHECK: sink.attention %{{.*}} gate %{{.*}} {{{.*}}result_layout = #sink.layout<bsd>
// CHECK-SAME: -> tensor<2x5x32xf32> {
// CHECK: onnx.Reshape
// CHECK-NEXT: onnx.Mul
// CHECK-NEXT: sink.yield
onnx.graph @element #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !e)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 0, 0, -1>} : () -> !u
  %f = onnx.Reshape(%t, %shape) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%h) : (!e) -> !u
  %r = onnx.Mul(%f, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A sigmoid that is reshaped and cast before the product.
// CHECK-LABEL: onnx.graph @shaped_sigmoid
// CHECK: %[[G:.*]] = onnx.Cast
// CHECK: sink.attention %{{.*}} gate %[[G]]
onnx.graph @shaped_sigmoid #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<2x5x4xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g0 = onnx.Sigmoid(%h) : (tensor<2x5x4xf32>) -> !u
  %last = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %g1 = onnx.Unsqueeze(%g0, %last) : (!u, !u) -> !u
  %g = onnx.Cast(%g1) {to = 1 : i64} : (!u) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// A Reshape that keeps the shape, computed from that of the result: all of it belongs to
// the steps to the product.
// CHECK-LABEL: onnx.graph @shape_of_the_result
// CHECK: sink.attention %{{.*}} gate %{{.*}} {{{.*}}result_layout = #sink.layout<bshd>
// CHECK: %[[P:.*]] = onnx.Softmax(
// CHECK-NEXT: %[[M:.*]] = onnx.MatMul(%[[P]],
// CHECK-NEXT: %[[S:.*]] = onnx.Shape(%[[M]])
// CHECK-NEXT: onnx.Reshape(%[[M]], %[[S]])
// CHECK-NEXT: onnx.Transpose
// CHECK-NEXT: onnx.Mul
// CHECK-NEXT: sink.yield
onnx.graph @shape_of_the_result #g {
  %q, %k, %v, %h = onnx.node "Source" () {} : () -> (!q, !q, !q, !h)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  %shape = onnx.Shape(%y) : (!u) -> !u
  %k4 = onnx.Reshape(%y, %shape) : (!u, !u) -> !u
  %t = onnx.Transpose(%k4) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %g = onnx.Sigmoid(%h) : (!h) -> !u
  %r = onnx.Mul(%t, %g) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// The same after an operator, flat.
// CHECK-LABEL: onnx.graph @operator
// CHECK: sink.attention %{{.*}} gate %{{.*}} {{{.*}}result_layout = #sink.layout<bsd>
// CHECK: onnx.Attention
// CHECK-NEXT: onnx.Mul
onnx.graph @operator #g {
  %q, %h = onnx.node "Source" () {} : () -> (!e, !e)
  %y = onnx.Attention(%q, %q, %q) {q_num_heads = 4 : i64, kv_num_heads = 4 : i64} : (!e, !e, !e) -> !u
  %g = onnx.Sigmoid(%h) : (!e) -> !u
  %r = onnx.Mul(%y, %g) : (!u, !u) -> !u
  onnx.return
}
}
