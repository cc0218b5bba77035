// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// A softmax that is written out: exponentials over their sum, with or without a sink in it.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}, {domain = "com.microsoft", version = 1}]}} {

// CHECK-LABEL: onnx.graph @plain
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {
// CHECK: onnx.Exp
// CHECK: onnx.Div
// CHECK: sink.yield
onnx.graph @plain #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %p = onnx.Div(%e, %sum) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The maximum of each row is subtracted first, and the product is one with the reciprocal.
// CHECK-LABEL: onnx.graph @reciprocal
// CHECK: sink.attention
// CHECK: onnx.Reciprocal
// CHECK: sink.yield
onnx.graph @reciprocal #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %max = onnx.ReduceMax(%s) {axes = array<i64: -1>} : (!u) -> !u
  %d = onnx.Sub(%s, %max) : (!u, !u) -> !u
  %e = onnx.Exp(%d) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %r = onnx.Reciprocal(%sum) : (!u) -> !u
  %p = onnx.Mul(%e, %r) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// JAX drops the last axis of what it reduces, adds it again, and repeats along it.
// CHECK-LABEL: onnx.graph @reshaped_rows
// CHECK: sink.attention
// CHECK: sink.yield
onnx.graph @reshaped_rows #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %one = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 1>} : () -> !u
  %all = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 7>} : () -> !u
  %m0 = onnx.ReduceMax(%s) {axes = array<i64: 3>, keepdims = 0 : i64} : (!u) -> !u
  %m1 = onnx.Reshape(%m0, %one) : (!u, !u) -> !u
  %m2 = onnx.Expand(%m1, %all) : (!u, !u) -> !u
  %d = onnx.Sub(%s, %m2) : (!u, !u) -> !u
  %e = onnx.Exp(%d) : (!u) -> !u
  %s0 = onnx.ReduceSum(%e, %last) {keepdims = 0 : i64} : (!u, !u) -> !u
  %s1 = onnx.Unsqueeze(%s0, %last) : (!u, !u) -> !u
  %p = onnx.Div(%e, %s1) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A summand of one is a sink of logit 0, and one of two a sink of logit log(2).
// CHECK-LABEL: onnx.graph @one_more
// CHECK: onnx.Constant() {sink.made, value = dense<0.000000e+00>
// CHECK: sink.attention %{{.*}} sink_logit
onnx.graph @one_more #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %all = onnx.Add(%sum, %one) : (!u, !u) -> !u
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @two_more
// CHECK: onnx.Constant() {sink.made, value = dense<0.693147{{.*}}>
// CHECK: sink.attention %{{.*}} sink_logit
onnx.graph @two_more #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %all = onnx.Add(%two, %sum) : (!u, !u) -> !u
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The same with the maximum subtracted.
// CHECK-LABEL: onnx.graph @one_more_shifted
// CHECK: onnx.Constant() {sink.made, value = dense<0.000000e+00>
// CHECK: sink.attention %{{.*}} sink_logit
onnx.graph @one_more_shifted #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %max = onnx.ReduceMax(%s) {axes = array<i64: -1>} : (!u) -> !u
  %d = onnx.Sub(%s, %max) : (!u, !u) -> !u
  %e = onnx.Exp(%d) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %neg = onnx.Neg(%max) : (!u) -> !u
  %sink = onnx.Exp(%neg) : (!u) -> !u
  %all = onnx.Add(%sum, %sink) : (!u, !u) -> !u
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A logit of each head.
// CHECK-LABEL: onnx.graph @logits
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
onnx.graph @logits #g {
  %q, %kt, %v, %l = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<4x1x1xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %sink = onnx.Exp(%l) : (tensor<4x1x1xf32>) -> !u
  %all = onnx.Add(%sum, %sink) : (!u, !u) -> !u
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The maximum includes the logit.
// CHECK-LABEL: onnx.graph @logits_shifted
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
onnx.graph @logits_shifted #g {
  %q, %kt, %v, %l = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<4x1x1xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %m0 = onnx.ReduceMax(%s) {axes = array<i64: -1>} : (!u) -> !u
  %max = onnx.Max(%m0, %l) : (!u, tensor<4x1x1xf32>) -> !u
  %d = onnx.Sub(%s, %max) : (!u, !u) -> !u
  %e = onnx.Exp(%d) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %ld = onnx.Sub(%l, %max) : (tensor<4x1x1xf32>, !u) -> !u
  %sink = onnx.Exp(%ld) : (!u) -> !u
  %all = onnx.Add(%sum, %sink) : (!u, !u) -> !u
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

}
