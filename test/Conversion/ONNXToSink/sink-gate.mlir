// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// A sink that is written as a gate: softmax(s) sigmoid(logsumexp(s) - sink) has exp(sink) in its denominator.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// The gate of the probabilities.
// CHECK-LABEL: onnx.graph @probabilities
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
// CHECK: onnx.node "ReduceLogSumExp"
// CHECK: onnx.Mul
// CHECK: sink.yield
onnx.graph @probabilities #g {
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

// The gate of their product with values, in the other order.
// CHECK-LABEL: onnx.graph @values
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
// CHECK: onnx.node "ReduceLogSumExp"
// CHECK: onnx.Mul
// CHECK: sink.yield
onnx.graph @values #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %y = onnx.Mul(%g, %w) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that hides by finite scores. A row that sees no key is uniform, and its gate is zero, as its share beside a sink is.
// CHECK-LABEL: onnx.graph @finite_mask
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %{{.*}} sink_logit %[[S]]#3 {
onnx.graph @finite_mask #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %low = onnx.initializer "low" : tensor<5x7xf32> = dense<-3.4e38> : tensor<5x7xf32>
  %up = onnx.Trilu(%low) {upper = 1 : i64} : (tensor<5x7xf32>) -> !u
  %s = onnx.Add(%s0, %up) : (!u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The same for a condition with a finite score.
// CHECK-LABEL: onnx.graph @filled
// CHECK: sink.attention %{{.*}} mask %{{.*}} sink_logit %{{.*}}#3 {{{.*}}mask_fill = -3.3999999521443642E+38
onnx.graph @filled #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %c = onnx.node "Source" () {} : () -> tensor<5x7xi1>
  %low = onnx.Constant() {value_float = -3.4e38 : f32} : () -> !u
  %s = onnx.Where(%c, %s0, %low) : (tensor<5x7xi1>, !u, !u) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %r) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One number for all heads.
// CHECK-LABEL: onnx.graph @one_number
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}} {
// CHECK: onnx.node "ReduceLogSumExp"
onnx.graph @one_number #g {
  %q, %kt, %v, %l, %in = onnx.node "Source" () {} : () -> (!q, !kt, !v, !l, tensor<5x7xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %r = onnx.Reshape(%l, %shape) : (!l, !u) -> !u
  %n = onnx.Constant() {value_float = 1.5 : f32} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %lse = onnx.node "ReduceLogSumExp" (%s, %last) {} : (!u, !u) -> !u
  %d = onnx.Sub(%lse, %n) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%d) : (!u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %w = onnx.Mul(%p, %g) : (!u, !u) -> !u
  %y = onnx.MatMul(%w, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
