// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// More ways to write a norm, and where one ends. The first are in norm.mlir.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
!h = tensor<2x3x8xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The axes as an operand; the axis by its number.
// CHECK-LABEL: onnx.graph @axes_operand
// CHECK: sink.rms_norm
onnx.graph @axes_operand #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq, %ax) : (!u, !u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The inverse root by Reciprocal,
// CHECK-LABEL: onnx.graph @reciprocal
// CHECK: sink.rms_norm {{.*}} weight
onnx.graph @reciprocal #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %i = onnx.Reciprocal(%r) : (!u) -> !u
  %n = onnx.Mul(%x, %i) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// by a division of 1,
// CHECK-LABEL: onnx.graph @one_by_root
// CHECK: sink.rms_norm {{.*}} weight
onnx.graph @one_by_root #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %i = onnx.Div(%one, %r) : (!u, !u) -> !u
  %n = onnx.Mul(%i, %x) : (!u, !x) -> !u
  %y = onnx.Mul(%w, %n) : (tensor<8xf32>, !u) -> !u
  onnx.return
}

// and the root by Pow.
// CHECK-LABEL: onnx.graph @pow_half
// CHECK: sink.rms_norm {{.*}} weight
onnx.graph @pow_half #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %half = onnx.Constant() {value_float = 0.5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Pow(%a, %half) : (!u, !u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// Without epsilon it is 0.
// CHECK-LABEL: onnx.graph @no_epsilon
// CHECK: sink.rms_norm {{.*}} {epsilon = 0.000000e+00 : f64}
onnx.graph @no_epsilon #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %r = onnx.Sqrt(%m) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The op that adds epsilon is marked: its constant may be rewritten.
// CHECK-LABEL: onnx.graph @epsilon_role
// CHECK: sink.rms_norm
// CHECK: onnx.Add({{.*}} {sink.slot = #sink.slot<epsilon>}
onnx.graph @epsilon_role #g {
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

// A weight of more axes than one is a vector if those are 1.
// CHECK-LABEL: onnx.graph @weight_of_rank_three
// CHECK: %[[W:.*]] = onnx.initializer "v"
// CHECK: sink.rms_norm %{{.*}} weight %[[W]]
onnx.graph @weight_of_rank_three #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %v = onnx.initializer "v" : tensor<1x1x8xf32> = dense<0.5> : tensor<1x1x8xf32>
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %v) : (!u, tensor<1x1x8xf32>) -> !u
  onnx.return
}

// Computed in f32 of a value in f16, the weight in f32 and the cast after it.
// CHECK-LABEL: onnx.graph @casts
// CHECK: %[[X:.*]] = onnx.node "Source"{{.*}} -> tensor<2x3x8xf16>
// CHECK: %[[Y:.*]] = sink.rms_norm %[[X]] weight %{{.*}} -> tensor<2x3x8xf16> {
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<2x3x8xf16>):
// CHECK-NEXT: onnx.Cast(%[[A]])
// CHECK: sink.yield %{{.*}} : tensor<2x3x8xf16>
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @casts #g {
  %x16 = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x = onnx.Cast(%x16) {to = 1} : (!h) -> !u
  %sq = onnx.Pow(%x, %two) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!u, !u) -> !u
  %y32 = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  %y = onnx.Cast(%y32) {to = 10} : (!u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The cast before the weight, which is in f16.
// CHECK-LABEL: onnx.graph @cast_before_weight
// CHECK: %[[X:.*]] = onnx.node "Source"{{.*}} -> tensor<2x3x8xf16>
// CHECK: sink.rms_norm %[[X]] weight %{{.*}} -> tensor<2x3x8xf16> {
onnx.graph @cast_before_weight #g {
  %x16 = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "w" : tensor<8xf16> = dense<0.5> : tensor<8xf16>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x = onnx.Cast(%x16) {to = 1} : (!h) -> !u
  %sq = onnx.Pow(%x, %two) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!u, !u) -> !u
  %n16 = onnx.Cast(%n) {to = 10} : (!u) -> !u
  %y = onnx.Mul(%w, %n16) : (tensor<8xf16>, !u) -> !u
  onnx.return
}

// The value in f32 is read elsewhere (a residual stream): it is the input.
// CHECK-LABEL: onnx.graph @cast_shared
// CHECK: %[[X:.*]] = onnx.Cast
// CHECK: sink.rms_norm %[[X]] weight %{{.*}} -> tensor<2x3x8xf32> {
onnx.graph @cast_shared #g {
  %x16 = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x = onnx.Cast(%x16) {to = 1} : (!h) -> !u
  %sq = onnx.Pow(%x, %two) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!u, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  %z = onnx.Relu(%x) : (!u) -> !u
  onnx.return
}

// What is added to an RMSNorm is no bias of it.
// CHECK-LABEL: onnx.graph @no_bias
// CHECK: %[[Y:.*]] = sink.rms_norm
// CHECK: sink.yield
// CHECK: onnx.Add(%[[Y]],
onnx.graph @no_bias #g {
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
  %z = onnx.Add(%y, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The subtraction written twice.
// CHECK-LABEL: onnx.graph @layer_twice
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: sink.layer_norm %[[X]] weight %{{[^ ]*}} bias
onnx.graph @layer_twice #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %d = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Pow(%c, %two) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%d, %r) : (!u, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  %z = onnx.Add(%w, %y) : (tensor<8xf32>, !u) -> !u
  onnx.return
}

// Without weight and bias.
// CHECK-LABEL: onnx.graph @layer_bare
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: sink.layer_norm %[[X]] {epsilon
onnx.graph @layer_bare #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 2>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%c, %r) : (!u, !u) -> !u
  onnx.return
}

// The centred value is read elsewhere: a norm of it, without centring.
// CHECK-LABEL: onnx.graph @centred_used
// CHECK: %[[C:.*]] = onnx.Sub
// CHECK: sink.rms_norm %[[C]] {epsilon
onnx.graph @centred_used #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%c, %r) : (!u, !u) -> !u
  %z = onnx.Relu(%c) : (!u) -> !u
  onnx.return
}

// Centred by the mean over another axis: a norm of what that gives.
// CHECK-LABEL: onnx.graph @other_mean
// CHECK: %[[C:.*]] = onnx.Sub
// CHECK: sink.rms_norm %[[C]] {epsilon
onnx.graph @other_mean #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%c, %r) : (!u, !u) -> !u
  onnx.return
}

// The mean of another value.
// CHECK-LABEL: onnx.graph @mean_of_another
// CHECK: %[[C:.*]] = onnx.Sub
// CHECK: sink.rms_norm %[[C]] {epsilon
onnx.graph @mean_of_another #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %x2 = onnx.node "Source" () {} : () -> !x
  %mu = onnx.ReduceMean(%x2) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%c, %r) : (!u, !u) -> !u
  onnx.return
}

// A weight for each position is none.
// CHECK-LABEL: onnx.graph @weight_per_position
// CHECK: %[[N:.*]] = sink.rms_norm %{{[^ ]*}} {epsilon
// CHECK: sink.yield
// CHECK: onnx.Mul(%[[N]],
onnx.graph @weight_per_position #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Pow(%x, %two) : (!x, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %v = onnx.initializer "v" : tensor<3x8xf32> = dense<0.5> : tensor<3x8xf32>
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %v) : (!u, tensor<3x8xf32>) -> !u
  onnx.return
}

// TensorFlow multiplies the input and its mean apart.
// CHECK-LABEL: onnx.graph @moments
// CHECK: %[[W:.*]] = onnx.initializer "w"
// CHECK: %[[B:.*]] = onnx.initializer "b"
// CHECK: sink.layer_norm %0#0 weight %[[W]] bias %[[B]]
onnx.graph @moments #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %b = onnx.initializer "b" : tensor<8xf32> = dense<0.25> : tensor<8xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (!x) -> !u
  %c = onnx.Sub(%x, %mean) : (!x, !u) -> !u
  %sq = onnx.Mul(%c, %c) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %s = onnx.Sqrt(%a) : (!u) -> !u
  %r = onnx.Reciprocal(%s) : (!u) -> !u
  %f = onnx.Mul(%r, %w) : (!u, tensor<8xf32>) -> !u
  %xf = onnx.Mul(%x, %f) : (!x, !u) -> !u
  %mf = onnx.Mul(%mean, %f) : (!u, !u) -> !u
  %shift = onnx.Sub(%b, %mf) : (tensor<8xf32>, !u) -> !u
  %y = onnx.Add(%xf, %shift) : (!u, !u) -> !u
  onnx.return
}
}
