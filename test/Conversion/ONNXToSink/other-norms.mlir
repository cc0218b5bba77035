// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Norms that no sink op is: they are named and stay as they are.

!u = !onnx.unknown
!x = tensor<2x8x4x6xf32>
!c = tensor<8xf32>
!k = tensor<8x1x1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// Each operator by its attributes.
// CHECK-LABEL: onnx.graph @batch
// CHECK-NOT: = sink.
onnx.graph @batch #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c1" : !c = dense<0.5> : !c
  %d = onnx.initializer "d2" : !c = dense<0.5> : !c
  // expected-remark@+1 {{norm '' stays as it is: batch_norm over axes []}}
  %y = onnx.BatchNormalization(%x, %c, %d, %c, %d) : (!x, !c, !c, !c, !c) -> !u
  onnx.return
}

// In training, the statistics are those of the batch.
// CHECK-LABEL: onnx.graph @batch_in_training
// CHECK-NOT: = sink.
onnx.graph @batch_in_training #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c3" : !c = dense<0.5> : !c
  %d = onnx.initializer "d4" : !c = dense<0.5> : !c
  // expected-remark@+1 {{norm '' stays as it is: batch_norm over axes [0, 2, 3]}}
  %y:3 = onnx.BatchNormalization(%x, %c, %d, %c, %d) {training_mode = 1} : (!x, !c, !c, !c, !c) -> (!u, !u, !u)
  onnx.return
}

// CHECK-LABEL: onnx.graph @instance
// CHECK-NOT: = sink.
onnx.graph @instance #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c5" : !c = dense<0.5> : !c
  %d = onnx.initializer "d6" : !c = dense<0.5> : !c
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2, 3]}}
  %y = onnx.InstanceNormalization(%x, %c, %d) : (!x, !c, !c) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @group
// CHECK-NOT: = sink.
onnx.graph @group #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c7" : !c = dense<0.5> : !c
  %d = onnx.initializer "d8" : !c = dense<0.5> : !c
  // expected-remark@+1 {{norm '' stays as it is: group_norm over axes [1, 2, 3] in 4 groups}}
  %y = onnx.GroupNormalization(%x, %c, %d) {num_groups = 4} : (!x, !c, !c) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @microsoft_group
// CHECK-NOT: = sink.
onnx.graph @microsoft_group #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c9" : tensor<6xf32> = dense<0.5> : tensor<6xf32>
  %d = onnx.initializer "d10" : tensor<6xf32> = dense<0.5> : tensor<6xf32>
  // expected-remark@+1 {{norm '' stays as it is: group_norm over axes [1, 2, 3] in 2 groups}}
  %y = onnx.node "GroupNorm" domain "com.microsoft" (%x, %c, %d) {activation = 0 : i64, groups = 2 : i64} : (!x, tensor<6xf32>, tensor<6xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @lp
// CHECK-NOT: = sink.
onnx.graph @lp #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-remark@+1 {{norm '' stays as it is: l2_norm over axes [1]}}
  %y = onnx.LpNormalization(%x) {axis = 1} : (!x) -> !u
  // expected-remark@+1 {{norm '' stays as it is: l1_norm over axes [3]}}
  %z = onnx.LpNormalization(%x) {p = 1} : (!x) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @layer_of_three_axes
// CHECK-NOT: = sink.
onnx.graph @layer_of_three_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c11" : tensor<8x4x6xf32> = dense<0.5> : tensor<8x4x6xf32>
  %d = onnx.initializer "d12" : tensor<8x4x6xf32> = dense<0.5> : tensor<8x4x6xf32>
  // expected-remark@+2 {{norm '' not raised: its axis 1 is not known to be the last one}}
  // expected-remark@+1 {{norm '' stays as it is: layer_norm over axes [1, 2, 3]}}
  %y = onnx.LayerNormalization(%x, %c, %d) {axis = 1} : (!x, tensor<8x4x6xf32>, tensor<8x4x6xf32>) -> !u
  onnx.return
}

// ConvNeXt writes a LayerNorm over axis 1. No sink op is one: they are over the last axis.
// CHECK-LABEL: onnx.graph @channels_first
// CHECK-NOT: = sink.
onnx.graph @channels_first #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c13" : !k = dense<0.5> : !k
  %d = onnx.initializer "d14" : !k = dense<0.5> : !k
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: layer_norm over axes [1]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  %w = onnx.Mul(%n, %c) : (!u, !k) -> !u
  %y = onnx.Add(%w, %d) : (!u, !k) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @rms_over_channels
// CHECK-NOT: = sink.
onnx.graph @rms_over_channels #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: rms_norm over axes [1]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %y = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @instance_by_axes
// CHECK-NOT: = sink.
onnx.graph @instance_by_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2, 3]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// The weight is of the last axis, so the two in the middle are those of an image.
// CHECK-LABEL: onnx.graph @instance_channels_last
// CHECK-NOT: = sink.
onnx.graph @instance_channels_last #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c15" : tensor<6xf32> = dense<0.5> : tensor<6xf32>
  %d = onnx.initializer "d16" : tensor<6xf32> = dense<0.5> : tensor<6xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1, 2>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [1, 2]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 2>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  %w = onnx.Mul(%n, %c) : (!u, tensor<6xf32>) -> !u
  %y = onnx.Add(%w, %d) : (!u, tensor<6xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @batch_by_axes
// CHECK-NOT: = sink.
onnx.graph @batch_by_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 0, 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: batch_norm over axes [0, 2, 3]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 0, 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// The weight tells a LayerNorm over all axes from a GroupNorm of one group.
// CHECK-LABEL: onnx.graph @layer_by_weight
// CHECK-NOT: = sink.
onnx.graph @layer_by_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c17" : tensor<8x4x6xf32> = dense<0.5> : tensor<8x4x6xf32>
  %d = onnx.initializer "d18" : tensor<8x4x6xf32> = dense<0.5> : tensor<8x4x6xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1, 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: layer_norm over axes [1, 2, 3]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  %w = onnx.Mul(%n, %c) : (!u, tensor<8x4x6xf32>) -> !u
  %y = onnx.Add(%w, %d) : (!u, tensor<8x4x6xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @one_group_by_weight
// CHECK-NOT: = sink.
onnx.graph @one_group_by_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c19" : !k = dense<0.5> : !k
  %d = onnx.initializer "d20" : !k = dense<0.5> : !k
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1, 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: group_norm over axes [1, 2, 3] in 1 groups}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  %w = onnx.Mul(%n, %c) : (!u, !k) -> !u
  %y = onnx.Add(%w, %d) : (!u, !k) -> !u
  onnx.return
}

// torch writes a GroupNorm as an InstanceNormalization of groups.
// CHECK-LABEL: onnx.graph @torch_group
// CHECK-NOT: = sink.
onnx.graph @torch_group #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c21" : !k = dense<0.5> : !k
  %d = onnx.initializer "d22" : !k = dense<0.5> : !k
  %s = onnx.Constant() {value_ints = array<i64: 0, 4, -1>} : () -> !u
  %back = onnx.Shape(%x) : (!x) -> !u
  %one = onnx.initializer "one23" : tensor<4xf32> = dense<1.0> : tensor<4xf32>
  %zero = onnx.initializer "zero23" : tensor<4xf32> = dense<0.0> : tensor<4xf32>
  %p = onnx.Reshape(%x, %s) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' stays as it is: group_norm over axes [1, 2, 3] in 4 groups}}
  %i = onnx.InstanceNormalization(%p, %one, %zero) : (!u, tensor<4xf32>, tensor<4xf32>) -> !u
  %n = onnx.Reshape(%i, %back) : (!u, !u) -> !u
  %w = onnx.Mul(%n, %c) : (!u, !k) -> !u
  %y = onnx.Add(%w, %d) : (!u, !k) -> !u
  onnx.return
}

// Keras parts the last axis, and writes x r + (b - mean r), where r has the weight.
// CHECK-LABEL: onnx.graph @keras_group
// CHECK-NOT: = sink.
onnx.graph @keras_group #g {
  %x = onnx.node "Source" () {} : () -> !x
  %c = onnx.initializer "c24" : tensor<1x1x1x3x2xf32> = dense<0.5> : tensor<1x1x1x3x2xf32>
  %d = onnx.initializer "d25" : tensor<1x1x1x3x2xf32> = dense<0.5> : tensor<1x1x1x3x2xf32>
  %s = onnx.Constant() {value_ints = array<i64: 2, 8, 4, 3, 2>} : () -> !u
  %back = onnx.Constant() {value_ints = array<i64: 2, 8, 4, 6>} : () -> !u
  %eps = onnx.Constant() {value_float = 1.0e-3 : f32} : () -> !u
  %p = onnx.Reshape(%x, %s) : (!x, !u) -> !u
  %mu = onnx.ReduceMean(%p) {axes = array<i64: 1, 2, 4>} : (!u) -> !u
  %v = onnx.Sub(%p, %mu) : (!u, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: group_norm over axes [1, 2, 3] in 3 groups}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 2, 4>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %q = onnx.Reciprocal(%r) : (!u) -> !u
  %f = onnx.Mul(%q, %c) : (!u, tensor<1x1x1x3x2xf32>) -> !u
  %s1 = onnx.Mul(%p, %f) : (!u, !u) -> !u
  %s2 = onnx.Mul(%mu, %f) : (!u, !u) -> !u
  %s3 = onnx.Sub(%d, %s2) : (tensor<1x1x1x3x2xf32>, !u) -> !u
  %s4 = onnx.Add(%s1, %s3) : (!u, !u) -> !u
  %y = onnx.Reshape(%s4, %back) : (!u, !u) -> !u
  onnx.return
}

// A BatchNorm whose statistics are constants.
// CHECK-LABEL: onnx.graph @batch_of_constants
// CHECK-NOT: = sink.
onnx.graph @batch_of_constants #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.initializer "mean26" : !k = dense<0.5> : !k
  %var = onnx.initializer "var26" : !k = dense<0.5> : !k
  %v = onnx.Sub(%x, %mean) : (!x, !k) -> !u
  // expected-remark@+1 {{norm '' stays as it is: batch_norm over axes []}}
  %a = onnx.Add(%var, %eps) : (!k, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @l2
// CHECK-NOT: = sink.
onnx.graph @l2 #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-remark@+1 {{norm '' stays as it is: l2_norm over axes [3]}}
  %s = onnx.ReduceL2(%x) {axes = array<i64: -1>} : (!x) -> !u
  %y = onnx.Div(%x, %s) : (!x, !u) -> !u
  onnx.return
}

// torch bounds the length, and expands it.
// CHECK-LABEL: onnx.graph @l2_of_torch
// CHECK-NOT: = sink.
onnx.graph @l2_of_torch #g {
  %x = onnx.node "Source" () {} : () -> !x
  %e = onnx.Constant() {value_float = 1.0e-12 : f32} : () -> !u
  // expected-remark@+1 {{norm '' stays as it is: l2_norm over axes [3]}}
  %s = onnx.ReduceL2(%x) {axes = array<i64: -1>} : (!x) -> !u
  %b = onnx.Clip(%s, %e) : (!u, !u) -> !u
  %sh = onnx.Shape(%x) : (!x) -> !u
  %l = onnx.Expand(%b, %sh) : (!u, !u) -> !u
  %y = onnx.Div(%x, %l) : (!x, !u) -> !u
  onnx.return
}

// By the reciprocal root of a sum with an epsilon.
// CHECK-LABEL: onnx.graph @l2_by_root
// CHECK-NOT: = sink.
onnx.graph @l2_by_root #g {
  %x = onnx.node "Source" () {} : () -> !x
  %e = onnx.Constant() {value_float = 1.0e-12 : f32} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  // expected-remark@+1 {{norm '' stays as it is: l2_norm over axes [1]}}
  %s = onnx.ReduceSum(%sq, %ax) : (!u, !u) -> !u
  %b = onnx.Add(%s, %e) : (!u, !u) -> !u
  %r = onnx.Sqrt(%b) : (!u) -> !u
  %q = onnx.Reciprocal(%r) : (!u) -> !u
  %y = onnx.Mul(%x, %q) : (!x, !u) -> !u
  onnx.return
}

}
