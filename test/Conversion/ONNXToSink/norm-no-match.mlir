// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no norm. See norm.mlir for some more.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
!h = tensor<2x3x8xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that the others change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rms_norm
onnx.graph @base #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean loses its axis: it is broadcast along another.
// CHECK-LABEL: onnx.graph @no_keepdims
// CHECK-NOT: sink.rms_norm
onnx.graph @no_keepdims #g {
  %x, %w = onnx.node "Source" () {} : () -> (tensor<8x8x8xf32>, tensor<8xf32>)
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (tensor<8x8x8xf32>, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares drops the axis that it is over (keepdims = 0)}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>, keepdims = 0} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (tensor<8x8x8xf32>, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Over two axes.
// CHECK-LABEL: onnx.graph @two_axes
// CHECK-NOT: sink.rms_norm
onnx.graph @two_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: rms_norm over axes [1, 2]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 2>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Over all of them.
// CHECK-LABEL: onnx.graph @all_axes
// CHECK-NOT: sink.rms_norm
onnx.graph @all_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  %m = onnx.ReduceMean(%sq) : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Over an axis that is not known.
// CHECK-LABEL: onnx.graph @axes_computed
// CHECK-NOT: sink.rms_norm
onnx.graph @axes_computed #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %ax = onnx.node "Source" () {} : () -> tensor<1xi64>
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  %m = onnx.ReduceMean(%sq, %ax) : (!u, tensor<1xi64>) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean of cubes is no norm's, and no remark tells of it.
// CHECK-LABEL: onnx.graph @cube
// CHECK-NOT: sink.rms_norm
onnx.graph @cube #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %three = onnx.Constant() {value_float = 3.0 : f32} : () -> !u
  %sq = onnx.Pow(%x, %three) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The same of a product of two values.
// CHECK-LABEL: onnx.graph @product
// CHECK-NOT: sink.rms_norm
onnx.graph @product #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x2 = onnx.node "Source" () {} : () -> !x
  %sq = onnx.Mul(%x, %x2) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The mean is read by another too.
// CHECK-LABEL: onnx.graph @mean_used
// CHECK-NOT: sink.rms_norm
onnx.graph @mean_used #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: the result of its ReduceMean is used 2 times instead of once}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  %z = onnx.Relu(%m) : (!u) -> !u
  onnx.return
}

// Two summands: the op has one epsilon.
// CHECK-LABEL: onnx.graph @two_epsilons
// CHECK-NOT: sink.rms_norm
onnx.graph @two_epsilons #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Add}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a0 = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %a = onnx.Add(%a0, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// At least epsilon is not epsilon more.
// CHECK-LABEL: onnx.graph @epsilon_by_max
// CHECK-NOT: sink.rms_norm
onnx.graph @epsilon_by_max #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Max}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Max(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Epsilon is added to the root.
// CHECK-LABEL: onnx.graph @epsilon_after_root
// CHECK-NOT: sink.rms_norm
onnx.graph @epsilon_after_root #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Add}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Sqrt(%m) : (!u) -> !u
  %r = onnx.Add(%a, %eps) : (!u, !u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Another root.
// CHECK-LABEL: onnx.graph @other_power
// CHECK-NOT: sink.rms_norm
onnx.graph @other_power #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %third = onnx.Constant() {value_float = 0.3333 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is raised to another power than 0.5 or -0.5}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Pow(%a, %third) : (!u, !u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// No root at all.
// CHECK-LABEL: onnx.graph @no_root
// CHECK-NOT: sink.rms_norm
onnx.graph @no_root #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Div}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %r = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Multiplied by the root.
// CHECK-LABEL: onnx.graph @times_root
// CHECK-NOT: sink.rms_norm
onnx.graph @times_root #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Mul}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Mul(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The root divided by the value.
// CHECK-LABEL: onnx.graph @root_by_value
// CHECK-NOT: sink.rms_norm
onnx.graph @root_by_value #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Div}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%r, %x) : (!u, !x) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Divided by the inverse root.
// CHECK-LABEL: onnx.graph @by_inverse
// CHECK-NOT: sink.rms_norm
onnx.graph @by_inverse #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: expected a reciprocal square root of its mean of squares, but got Div}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r0 = onnx.Sqrt(%a) : (!u) -> !u
  %r = onnx.Reciprocal(%r0) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The value is centred before it is squared, but not where it is scaled.
// CHECK-LABEL: onnx.graph @squared_centred
// CHECK-NOT: sink.rms_norm
// CHECK-NOT: sink.layer_norm
onnx.graph @squared_centred #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Pow(%c, %two) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: it scales another value than it squares}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The squares are read by another too.
// CHECK-LABEL: onnx.graph @squares_used
// CHECK-NOT: sink.rms_norm
onnx.graph @squares_used #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: an op outside it uses one of its inner values}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  %z = onnx.Relu(%sq) : (!u) -> !u
  onnx.return
}

// The same before the norm ends.
// CHECK-LABEL: onnx.graph @squares_used_early
// CHECK-NOT: sink.rms_norm
onnx.graph @squares_used_early #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %z = onnx.Relu(%sq) : (!u) -> !u
  // expected-remark@+1 {{norm '' not raised: an op outside it uses one of its inner values}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Squared in f32, scaled in f16, and another reads the value in f32.
// CHECK-LABEL: onnx.graph @two_types
// CHECK-NOT: sink.rms_norm
onnx.graph @two_types #g {
  %x = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "w" : tensor<8xf16> = dense<0.5> : tensor<8xf16>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x32 = onnx.Cast(%x) {to = 1} : (!h) -> !u
  %sq = onnx.Pow(%x32, %two) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: it squares and scales its input in two element types, and an op outside it uses one of the casts}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r32 = onnx.Sqrt(%a) : (!u) -> !u
  %r = onnx.Cast(%r32) {to = 10} : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!h, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf16>) -> !u
  %z = onnx.Relu(%x32) : (!u) -> !u
  onnx.return
}

// The product is with another value than the squares are of.
// CHECK-LABEL: onnx.graph @moments_of_another
// CHECK-NOT: sink.layer_norm
onnx.graph @moments_of_another #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %b = onnx.initializer "b" : tensor<8xf32> = dense<0.25> : tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mean) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  // expected-remark@+1 {{it scales another value than it squares}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %s = onnx.Sqrt(%a) : (!u) -> !u
  %r = onnx.Reciprocal(%s) : (!u) -> !u
  %f = onnx.Mul(%r, %w) : (!u, tensor<8xf32>) -> !u
  %xf = onnx.Mul(%z, %f) : (!x, !u) -> !u
  %mf = onnx.Mul(%mean, %f) : (!u, !u) -> !u
  %shift = onnx.Sub(%b, %mf) : (tensor<8xf32>, !u) -> !u
  %y = onnx.Add(%xf, %shift) : (!u, !u) -> !u
  onnx.return
}

// The bias is subtracted.
// CHECK-LABEL: onnx.graph @moments_minus_bias
// CHECK-NOT: sink.layer_norm
onnx.graph @moments_minus_bias #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %b = onnx.initializer "b" : tensor<8xf32> = dense<0.25> : tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mean) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  // expected-remark@+1 {{it scales another value than it squares}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %s = onnx.Sqrt(%a) : (!u) -> !u
  %r = onnx.Reciprocal(%s) : (!u) -> !u
  %f = onnx.Mul(%r, %w) : (!u, tensor<8xf32>) -> !u
  %xf = onnx.Mul(%x, %f) : (!x, !u) -> !u
  %mf = onnx.Mul(%mean, %f) : (!u, !u) -> !u
  %shift = onnx.Sub(%mf, %b) : (!u, tensor<8xf32>) -> !u
  %y = onnx.Add(%xf, %shift) : (!u, !u) -> !u
  onnx.return
}
}
