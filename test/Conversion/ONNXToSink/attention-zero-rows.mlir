// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Weights that are zeros, as at the start of training, are learned rows. Where their column of the mask holds logits, they are not.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!w = tensor<4x1x8xf32>
!l = tensor<1x4x1x1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}]}} {

// CHECK-LABEL: onnx.graph @weights
// CHECK: sink.attention %{{.*}} sink_kv %{{.*}}, %{{.*}} {
onnx.graph @weights #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %rk = onnx.initializer "rk" : !w = dense<0.0> : !w
  %rv = onnx.initializer "rv" : !w = dense<0.0> : !w
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (!w, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (!w, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @logits
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 sink_logit %[[S]]#3 {
onnx.graph @logits #g {
  %q, %k, %v, %l = onnx.node "Source" () {} : () -> (!q, !q, !q, !l)
  %rk = onnx.initializer "rk" : !w = dense<0.0> : !w
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (!w, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %cv = onnx.Concat(%v, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %pads = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 5, 0, 0, 0, 0>} : () -> !u
  %m = onnx.Pad(%l, %pads) : (!l, !u) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @logits_of_an_operator
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#4 sink_logit %[[S]]#3 {
onnx.graph @logits_of_an_operator #g {
  %q, %k, %v, %l, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !l, tensor<1x4x5x5xf32>)
  %rk = onnx.initializer "rk" : !w = dense<0.0> : !w
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (!w, !u) -> !u
  %c = onnx.Expand(%l, %wide) : (!l, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %cv = onnx.Concat(%v, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %mc = onnx.Concat(%m, %c) {axis = 3 : i64} : (tensor<1x4x5x5xf32>, !u) -> !u
  %y = onnx.Attention(%q, %ck, %cv, %mc) : (!q, !u, !u, !u) -> !u
  onnx.return
}
}
