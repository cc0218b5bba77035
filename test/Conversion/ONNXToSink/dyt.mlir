// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// gamma tanh(alpha x) + beta in its forms.

!u = !onnx.unknown
!x = tensor<2x5x8xf32>
!v = tensor<8xf32>
!a = tensor<1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The exporter's ops stand in the form, x as its argument.
// CHECK-LABEL: onnx.graph @base
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK-NEXT: %[[Y:.*]] = sink.dyt %[[S]]#0 alpha %[[S]]#1 gamma %[[S]]#2 beta %[[S]]#3 : (tensor<2x5x8xf32>, tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32> {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x5x8xf32>):
// CHECK-NEXT: %[[M:.*]] = onnx.Mul(%[[S]]#1, %[[X]])
// CHECK-NEXT: %[[T:.*]] = onnx.Tanh(%[[M]])
// CHECK-NEXT: %[[W:.*]] = onnx.Mul(%[[S]]#2, %[[T]])
// CHECK-NEXT: %[[B:.*]] = onnx.Add(%[[W]], %[[S]]#3)
// CHECK-NEXT: sink.yield %[[B]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @base #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Without a bias; the factors stand on the other sides.
// CHECK-LABEL: onnx.graph @no_beta
// CHECK: sink.dyt %{{.*}}#0 alpha %{{.*}}#1 gamma %{{.*}}#2 : 
onnx.graph @no_beta #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%x, %a) : (!x, !a) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%t, %w) : (!u, !v) -> !u
  %z = onnx.Relu(%m) : (!u) -> !u
  onnx.return
}

// What is added after it is no bias if it is no vector.
// CHECK-LABEL: onnx.graph @residual
// CHECK: %[[Y:.*]] = sink.dyt %[[X:.*]]#0 alpha %{{.*}}#1 gamma %{{.*}}#2 : 
// CHECK: onnx.Add(%[[Y]], %[[X]]#0)
onnx.graph @residual #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// alpha may be a constant of rank 0.
// CHECK-LABEL: onnx.graph @scalar_constant
// CHECK: %[[A:.*]] = onnx.Constant
// CHECK: sink.dyt %{{.*}}#0 alpha %[[A]] gamma
onnx.graph @scalar_constant #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %c = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %s = onnx.Mul(%x, %c) : (!x, !u) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// tanh in f32 between casts; alpha and gamma in f16, as x.
// CHECK-LABEL: onnx.graph @casts
// CHECK: sink.dyt %{{.*}} alpha %{{.*}} gamma %{{.*}} : (tensor<2x5x8xf16>, tensor<1xf16>, tensor<8xf16>) -> tensor<2x5x8xf16> {
// CHECK: onnx.Cast
// CHECK-NEXT: onnx.Tanh
// CHECK-NEXT: onnx.Cast
// CHECK-NEXT: onnx.Mul
// CHECK-NEXT: sink.yield
onnx.graph @casts #g {
  %x, %a, %w = onnx.node "Source" () {} : () -> (tensor<2x5x8xf16>, tensor<1xf16>, tensor<8xf16>)
  %s = onnx.Mul(%x, %a) : (tensor<2x5x8xf16>, tensor<1xf16>) -> !u
  %s32 = onnx.Cast(%s) {to = 1 : i64} : (!u) -> !u
  %t32 = onnx.Tanh(%s32) : (!u) -> !u
  %t = onnx.Cast(%t32) {to = 10 : i64} : (!u) -> !u
  %y = onnx.Mul(%t, %w) : (!u, tensor<8xf16>) -> !u
  onnx.return
}

// gamma in f32: the cast back to x's type belongs to it.
// CHECK-LABEL: onnx.graph @cast_back
// CHECK: sink.dyt %{{.*}} alpha %{{.*}} gamma %{{.*}} : (tensor<2x5x8xf16>, tensor<1xf16>, tensor<8xf32>) -> tensor<2x5x8xf16> {
// CHECK: %[[Y:.*]] = onnx.Cast({{.*}}) {to = 10 : i64}
// CHECK-NEXT: sink.yield %[[Y]]
onnx.graph @cast_back #g {
  %x, %a, %w = onnx.node "Source" () {} : () -> (tensor<2x5x8xf16>, tensor<1xf16>, !v)
  %s = onnx.Mul(%x, %a) : (tensor<2x5x8xf16>, tensor<1xf16>) -> !u
  %s32 = onnx.Cast(%s) {to = 1 : i64} : (!u) -> !u
  %t = onnx.Tanh(%s32) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Cast(%m) {to = 10 : i64} : (!u) -> !u
  onnx.return
}
// Derf: erf with a shift, on either side of the sum.
// CHECK-LABEL: onnx.graph @derf
// CHECK: sink.dyt %{{.*}}#0 alpha %{{.*}}#1 gamma %{{.*}}#2 beta %{{.*}}#3 shift %{{.*}}#1 {squash = #sink.squash<erf>} : {{.*}} {
// CHECK: onnx.Add
// CHECK-NEXT: onnx.Erf
// CHECK: sink.yield
onnx.graph @derf #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %m = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %s = onnx.Add(%a, %m) : (!a, !u) -> !u
  %t = onnx.Erf(%s) : (!u) -> !u
  %g = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%g, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A shift before tanh, and erf without one. A cast may stand before the sum.
// CHECK-LABEL: onnx.graph @shifted
// CHECK: sink.dyt %{{.*}}#0 alpha %{{.*}}#1 gamma %{{.*}}#2 shift %{{.*}}#1 : {{.*}} {
// CHECK: onnx.Tanh
// CHECK: sink.dyt %{{.*}} alpha %{{.*}}#1 gamma %{{.*}}#2 {squash = #sink.squash<erf>} : {{.*}} {
// CHECK: onnx.Erf
onnx.graph @shifted #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %m = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %c = onnx.Identity(%m) : (!u) -> !u
  %s = onnx.Add(%c, %a) : (!u, !a) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %y = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %n = onnx.Mul(%a, %y) : (!a, !u) -> !u
  %e = onnx.Erf(%n) : (!u) -> !u
  %z = onnx.Mul(%w, %e) : (!v, !u) -> !u
  onnx.return
}
}
