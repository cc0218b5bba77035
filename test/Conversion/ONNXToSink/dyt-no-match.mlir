// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no dynamic tanh. The first is one; each of the others changes it in one place.

!u = !onnx.unknown
!x = tensor<2x5x8xf32>
!v = tensor<8xf32>
!a = tensor<1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that is raised.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.dyt
onnx.graph @base #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A factor for each dimension.
// CHECK-LABEL: onnx.graph @alpha_of_each_dimension
// CHECK-NOT: sink.dyt
// CHECK: onnx.Tanh({{.*}}sink.miss = "neither factor of the product in its Tanh is one number, as alpha must be"
onnx.graph @alpha_of_each_dimension #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%b, %x) : (!v, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: neither factor of the product in its Tanh is one number, as alpha must be}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Broadcasting x to alpha's rank gives the result another shape.
// CHECK-LABEL: onnx.graph @alpha_of_higher_rank
// CHECK-NOT: sink.dyt
onnx.graph @alpha_of_higher_rank #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, tensor<1x1x1x1xf32>, !v, !v)
  %s = onnx.Mul(%a, %x) : (tensor<1x1x1x1xf32>, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: neither factor of the product in its Tanh is one number, as alpha must be}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One number in gamma's place: a softcap.
// CHECK-LABEL: onnx.graph @softcap
// CHECK-NOT: sink.dyt
onnx.graph @softcap #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%a, %t) : (!a, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A product with a computed value, as of a gate.
// CHECK-LABEL: onnx.graph @gated
// CHECK-NOT: sink.dyt
onnx.graph @gated #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%x, %t) : (!x, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Whether gamma runs along the last axis is not known.
// CHECK-LABEL: onnx.graph @unknown_width
// CHECK-NOT: sink.dyt
onnx.graph @unknown_width #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (tensor<2x5x?xf32>, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, tensor<2x5x?xf32>) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: the size of the last axis of its input is unknown}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// gamma runs along another axis.
// CHECK-LABEL: onnx.graph @weight_of_another_axis
// CHECK-NOT: sink.dyt
onnx.graph @weight_of_another_axis #g {
  %x, %a = onnx.node "Source" () {} : () -> (!x, !a)
  %w = onnx.initializer "w.5" : tensor<5x1xf32> = dense<2.0> : tensor<5x1xf32>
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: its weight is not a vector as long as the last axis of its input}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (tensor<5x1xf32>, !u) -> !u
  onnx.return
}

// Broadcasting x to gamma's rank gives the result another shape.
// CHECK-LABEL: onnx.graph @weight_of_higher_rank
// CHECK-NOT: sink.dyt
onnx.graph @weight_of_higher_rank #g {
  %x, %a = onnx.node "Source" () {} : () -> (!x, !a)
  %w = onnx.initializer "w.4" : tensor<1x1x1x8xf32> = dense<2.0> : tensor<1x1x1x8xf32>
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: its weight is not a vector as long as the last axis of its input}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (tensor<1x1x1x8xf32>, !u) -> !u
  onnx.return
}

// The squashed value is read elsewhere too.
// CHECK-LABEL: onnx.graph @inner_value_used
// CHECK-NOT: sink.dyt
onnx.graph @inner_value_used #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: an op outside it uses one of its inner values}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  %r = onnx.Relu(%t) : (!u) -> !u
  onnx.return
}

// gamma is computed from the squashed value.
// CHECK-LABEL: onnx.graph @weight_of_an_inner_value
// CHECK-NOT: sink.dyt
onnx.graph @weight_of_an_inner_value #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, tensor<2xi64>, !v)
  %s = onnx.Mul(%a, %x) : (!a, !x) -> !u
  // expected-remark@+1 {{dynamic tanh '' not raised: one of its own ops computes one of its inputs}}
  %t = onnx.Tanh(%s) : (!u) -> !u
  %o = onnx.Constant() {value_ints = array<i64: 0, 1>} : () -> !u
  %g = onnx.ReduceMean(%t, %o) {keepdims = 0 : i64} : (!u, !u) -> !u
  %m = onnx.Mul(%g, %t) : (!u, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// tanh(x) has no alpha.
// CHECK-LABEL: onnx.graph @not_scaled
// CHECK-NOT: sink.dyt
onnx.graph @not_scaled #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %t = onnx.Tanh(%x) : (!x) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %y = onnx.Add(%m, %b) : (!u, !v) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
// GELU: the erf's product with x is that of a sum, and no vector stands beside it.
// CHECK-LABEL: onnx.graph @gelu
// CHECK-NOT: sink.dyt
onnx.graph @gelu #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %s = onnx.Mul(%x, %a) : (!x, !a) -> !u
  %t = onnx.Erf(%s) : (!u) -> !u
  %o = onnx.Add(%t, %a) : (!u, !a) -> !u
  %y = onnx.Mul(%x, %o) : (!x, !u) -> !u
  onnx.return
}

// What is added to the product is a vector, so it is no shift.
// CHECK-LABEL: onnx.graph @shift_of_each_dimension
// CHECK-NOT: sink.dyt
onnx.graph @shift_of_each_dimension #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %p = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %s = onnx.Add(%p, %b) : (!u, !v) -> !u
  %t = onnx.Erf(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  onnx.return
}

// Of an erf, too, alpha is one number.
// CHECK-LABEL: onnx.graph @alpha_of_an_erf
// CHECK-NOT: sink.dyt
onnx.graph @alpha_of_an_erf #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %p = onnx.Mul(%b, %x) : (!v, !x) -> !u
  %s = onnx.Add(%p, %a) : (!u, !a) -> !u
  // expected-remark@+1 {{dynamic erf '' not raised: neither factor of the product in its Erf is one number, as alpha must be}}
  %t = onnx.Erf(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  onnx.return
}

// The shifted product is read elsewhere, too.
// CHECK-LABEL: onnx.graph @shifted_product_used
// CHECK-NOT: sink.dyt
onnx.graph @shifted_product_used #g {
  %x, %a, %w, %b = onnx.node "Source" () {} : () -> (!x, !a, !v, !v)
  %p = onnx.Mul(%a, %x) : (!a, !x) -> !u
  %s = onnx.Add(%p, %a) : (!u, !a) -> !u
  // expected-remark@+1 {{dynamic erf '' not raised: an op outside it uses one of its inner values}}
  %t = onnx.Erf(%s) : (!u) -> !u
  %m = onnx.Mul(%w, %t) : (!v, !u) -> !u
  %r = onnx.Relu(%p) : (!u) -> !u
  onnx.return
}
}
