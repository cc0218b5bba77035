// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What stands between scores and Softmax, in another order than sink.attention's
// (scale, softcap, mask), and operands that only look like attention's.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
!m = tensor<5x7xf32>
!s = tensor<f32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention
// CHECK-SAME: scale = 5.000000e-01
// CHECK-SAME: softcap = 2.000000e+01
onnx.graph @base #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %half = onnx.Constant() {value = dense<0.5> : !s} : () -> !s
  %cap = onnx.Constant() {value = dense<20.0> : !s} : () -> !s
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %x = onnx.Mul(%s, %half) : (!u, !s) -> !u
  %d = onnx.Div(%x, %cap) : (!u, !s) -> !u
  %h = onnx.Tanh(%d) : (!u) -> !u
  %c = onnx.Mul(%h, %cap) : (!u, !s) -> !u
  %t = onnx.Add(%c, %m) : (!u, !m) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// The softcap bounds the mask too.
// CHECK-LABEL: onnx.graph @mask_in_cap
// CHECK-NOT: sink.attention
onnx.graph @mask_in_cap #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %cap = onnx.Constant() {value = dense<20.0> : !s} : () -> !s
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %a = onnx.Add(%s, %m) : (!u, !m) -> !u
  %d = onnx.Div(%a, %cap) : (!u, !s) -> !u
  %h = onnx.Tanh(%d) : (!u) -> !u
  %t = onnx.Mul(%h, %cap) : (!u, !s) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask is applied before its softcap}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scaled outside the cap.
// CHECK-LABEL: onnx.graph @scaled_after_cap
// CHECK-NOT: sink.attention
onnx.graph @scaled_after_cap #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %half = onnx.Constant() {value = dense<0.5> : !s} : () -> !s
  %cap = onnx.Constant() {value = dense<20.0> : !s} : () -> !s
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %d = onnx.Div(%s, %cap) : (!u, !s) -> !u
  %h = onnx.Tanh(%d) : (!u) -> !u
  %c = onnx.Mul(%h, %cap) : (!u, !s) -> !u
  %t = onnx.Mul(%c, %half) : (!u, !s) -> !u
  // expected-remark@+1 {{attention '' not raised: its scores are scaled after its softcap}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A cap of what is capped.
// CHECK-LABEL: onnx.graph @two_caps
// CHECK-NOT: sink.attention
onnx.graph @two_caps #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %cap = onnx.Constant() {value = dense<20.0> : !s} : () -> !s
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %d0 = onnx.Div(%s, %cap) : (!u, !s) -> !u
  %h0 = onnx.Tanh(%d0) : (!u) -> !u
  %c0 = onnx.Mul(%h0, %cap) : (!u, !s) -> !u
  %d1 = onnx.Div(%c0, %cap) : (!u, !s) -> !u
  %h1 = onnx.Tanh(%d1) : (!u) -> !u
  %c1 = onnx.Mul(%h1, %cap) : (!u, !s) -> !u
  // expected-remark@+1 {{attention '' not raised: it has two softcaps}}
  %p = onnx.Softmax(%c1) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Scores rounded to whole numbers.
// CHECK-LABEL: onnx.graph @cast_to_integer
// CHECK-NOT: sink.attention
onnx.graph @cast_to_integer #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %i = onnx.Cast(%s) {to = 7 : i64} : (!u) -> !u
  %t = onnx.Cast(%i) {to = 1 : i64} : (!u) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got Cast}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Probabilities that are dropped at random.
// CHECK-LABEL: onnx.graph @training_dropout
// CHECK-NOT: sink.attention
onnx.graph @training_dropout #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %ratio = onnx.Constant() {value = dense<0.5> : !s} : () -> !s
  %training = onnx.Constant() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %d = onnx.Dropout(%p, %ratio, %training) : (!u, !s, tensor<i1>) -> !u
  %y = onnx.MatMul(%d, %v) : (!u, !v) -> !u
  onnx.return
}

// Ops that read an inner value before the last op, and what depends on them there, are moved
// behind the attention, in their order. Others stay where they are.
// CHECK-LABEL: onnx.graph @readers_are_moved
// CHECK: onnx.node "Source"
// CHECK-NEXT: %[[STAYS:.*]] = onnx.Relu
// CHECK-NEXT: %[[ATT:.*]], %[[MORE:.*]] = sink.attention
// CHECK: sink.yield
// CHECK: %[[SHAPE:.*]] = onnx.Shape(%[[MORE]])
// CHECK-NEXT: %[[ROW:.*]] = onnx.Relu(%[[MORE]])
// CHECK-NEXT: %[[SUM:.*]] = onnx.Add(%[[ROW]], %[[STAYS]])
// CHECK-NEXT: onnx.node "Sink"(%[[SHAPE]], %[[SUM]], %[[ATT]])
onnx.graph @readers_are_moved #g {
  %q, %k, %v, %b = onnx.node "Source" () {} : () -> (!q, !k, !v, !m)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %shape = onnx.Shape(%s) : (!u) -> !u
  %row = onnx.Relu(%s) : (!u) -> !u
  %stays = onnx.Relu(%b) : (!m) -> !u
  %sum = onnx.Add(%row, %stays) : (!u, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.node "Sink" (%shape, %sum, %y) {} : (!u, !u, !u) -> ()
  onnx.return
}

// A table of values without heads.
// CHECK-LABEL: onnx.graph @value_of_rank_2
// CHECK-NOT: sink.attention
onnx.graph @value_of_rank_2 #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, tensor<7x4xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  // expected-remark@+1 {{its query has rank 4, but its value has rank 2}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<7x4xf32>) -> !u
  onnx.return
}

// One key expanded to seven: not only the heads are repeated.
// CHECK-LABEL: onnx.graph @repeats_keys_too
// CHECK: sink.attention {{.*}} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x16xf32>)
onnx.graph @repeats_keys_too #g {
  %q, %one, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x2x1x8xf32>, !v)
  %axes = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %wide = onnx.Constant() {value = dense<[2, 2, 2, 7, 8]> : tensor<5xi64>} : () -> tensor<5xi64>
  %flat = onnx.Constant() {value = dense<[2, 4, 7, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %x = onnx.Unsqueeze(%one, %axes) : (tensor<2x2x1x8xf32>, tensor<1xi64>) -> !u
  %e = onnx.Expand(%x, %wide) : (!u, tensor<5xi64>) -> !u
  %k = onnx.Reshape(%e, %flat) : (!u, tensor<4xi64>) -> !u
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}
}
