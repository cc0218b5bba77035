// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Near misses of a softmax that is written out.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!kt = tensor<2x4x8x7xf32>
!v = tensor<2x4x7x16xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}, {domain = "com.microsoft", version = 1}]}} {

// The scores are shifted by their maximum, the summand is not: its weight depends on the row.
// CHECK-LABEL: onnx.graph @one_unshifted
// CHECK-NOT: sink.attention
onnx.graph @one_unshifted #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %max = onnx.ReduceMax(%s) {axes = array<i64: -1>} : (!u) -> !u
  %d = onnx.Sub(%s, %max) : (!u, !u) -> !u
  %e = onnx.Exp(%d) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %all = onnx.Add(%sum, %one) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: what is added to the sum of its exponentials is not known to be the exponential of one logit for each head, less what is subtracted from its scores}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The other way about.
// CHECK-LABEL: onnx.graph @one_shifted
// CHECK-NOT: sink.attention
onnx.graph @one_shifted #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %max = onnx.ReduceMax(%s) {axes = array<i64: -1>} : (!u) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %neg = onnx.Neg(%max) : (!u) -> !u
  %sink = onnx.Exp(%neg) : (!u) -> !u
  %all = onnx.Add(%sum, %sink) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: what is added to the sum of its exponentials is not known to be the exponential of one logit for each head, less what is subtracted from its scores}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// What is added is no exponential.
// CHECK-LABEL: onnx.graph @no_exponential
// CHECK-NOT: sink.attention
onnx.graph @no_exponential #g {
  %q, %kt, %v, %l = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<4x1x1xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %all = onnx.Add(%sum, %l) : (!u, tensor<4x1x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: what is added to the sum of its exponentials is not known to be the exponential of one logit for each head, less what is subtracted from its scores}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A negative number is no exponential, either.
// CHECK-LABEL: onnx.graph @negative
// CHECK-NOT: sink.attention
onnx.graph @negative #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %n = onnx.Constant() {value_float = -1.0 : f32} : () -> !u
  %all = onnx.Add(%sum, %n) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: what is added to the sum of its exponentials is not known to be the exponential of one logit for each head, less what is subtracted from its scores}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A logit for each query.
// CHECK-LABEL: onnx.graph @logit_of_queries
// CHECK-NOT: sink.attention
onnx.graph @logit_of_queries #g {
  %q, %kt, %v, %l = onnx.node "Source" () {} : () -> (!q, !kt, !v, tensor<5x1xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %sink = onnx.Exp(%l) : (tensor<5x1xf32>) -> !u
  %all = onnx.Add(%sum, %sink) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: what is added to the sum of its exponentials is not known to be the exponential of one logit for each head, less what is subtracted from its scores}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The sum has a bound.
// CHECK-LABEL: onnx.graph @bounded
// CHECK-NOT: sink.attention
onnx.graph @bounded #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) : (!u, !u) -> !u
  %n = onnx.Constant() {value_float = 1.0e-6 : f32} : () -> !u
  %all = onnx.Max(%sum, %n) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has no Softmax: its exponentials are divided by something other than their sum over the last axis, with or without a sink}}
  %p = onnx.Div(%e, %all) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The sum is over the queries.
// CHECK-LABEL: onnx.graph @other_axis
// CHECK-NOT: sink.attention
onnx.graph @other_axis #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %sum = onnx.ReduceSum(%e, %axis) : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has no Softmax: its exponentials are divided by something other than their sum over the last axis, with or without a sink}}
  %p = onnx.Div(%e, %sum) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The sum has lost its axis and is broadcast along another one.
// CHECK-LABEL: onnx.graph @lost_axis
// CHECK-NOT: sink.attention
onnx.graph @lost_axis #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (tensor<5x5x5x8xf32>, tensor<5x5x8x5xf32>, tensor<5x5x5x8xf32>)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<5x5x5x8xf32>, tensor<5x5x8x5xf32>) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %sum = onnx.ReduceSum(%e, %last) {keepdims = 0 : i64} : (!u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: it has no Softmax: its exponentials are divided by something other than their sum over the last axis, with or without a sink}}
  %p = onnx.Div(%e, %sum) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<5x5x5x8xf32>) -> !u
  onnx.return
}

// Exponentials of other scores.
// CHECK-LABEL: onnx.graph @other_scores
// CHECK-NOT: sink.attention
onnx.graph @other_scores #g {
  %q, %kt, %v = onnx.node "Source" () {} : () -> (!q, !kt, !v)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !kt) -> !u
  %e = onnx.Exp(%s) : (!u) -> !u
  %e2 = onnx.Exp(%e) : (!u) -> !u
  %sum = onnx.ReduceSum(%e2, %last) : (!u, !u) -> !u
  %p = onnx.Div(%e, %sum) : (!u, !u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

}
