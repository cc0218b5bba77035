// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Near misses of the norms that no sink op is.

!u = !onnx.unknown
!x = tensor<2x8x4x6xf32>
!c = tensor<8xf32>
!k = tensor<8x1x1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// The form that the next ones change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK-NOT: = sink.
onnx.graph @base #g {
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

// It subtracts the mean over other axes than those of the squares: no instance_norm, but an rms_norm of what is left.
// CHECK-LABEL: onnx.graph @other_mean
// CHECK-NOT: = sink.
onnx.graph @other_mean #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1, 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+2 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  // expected-remark@+1 {{norm '' stays as it is: rms_norm over axes [2, 3]}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// The mean of squares drops its axes, so it is broadcast to others.
// CHECK-LABEL: onnx.graph @drops_axes
// CHECK-NOT: = sink.
onnx.graph @drops_axes #g {
  %x = onnx.node "Source" () {} : () -> tensor<4x4x4x4xf32>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 2, 3>} : (tensor<4x4x4x4xf32>) -> !u
  %v = onnx.Sub(%x, %mu) : (tensor<4x4x4x4xf32>, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares drops the axis that it is over (keepdims = 0)}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 2, 3>, keepdims = 0} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// Axes that no norm takes its statistics over.
// CHECK-LABEL: onnx.graph @some_axes
// CHECK-NOT: = sink.
onnx.graph @some_axes #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 1, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @some_of_batch
// CHECK-NOT: = sink.
onnx.graph @some_of_batch #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 0, 1>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 0, 1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// It scales the value before the mean is subtracted.
// CHECK-LABEL: onnx.graph @scales_other
// CHECK-NOT: = sink.
onnx.graph @scales_other #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mu = onnx.ReduceMean(%x) {axes = array<i64: 2, 3>} : (!x) -> !u
  %v = onnx.Sub(%x, %mu) : (!x, !u) -> !u
  %sq = onnx.Mul(%v, %v) : (!u, !u) -> !u
  // expected-remark@+1 {{norm '' not raised: its mean of squares is not known to be over the last axis alone}}
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 2, 3>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// The Reshape joins batch and channels: this is an InstanceNorm of what it reads.
// CHECK-LABEL: onnx.graph @groups_of_no_batch
// CHECK-NOT: = sink.
onnx.graph @groups_of_no_batch #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.Constant() {value_ints = array<i64: 1, 4, -1>} : () -> !u
  %back = onnx.Shape(%x) : (!x) -> !u
  %one = onnx.initializer "one27" : tensor<4xf32> = dense<1.0> : tensor<4xf32>
  %zero = onnx.initializer "zero27" : tensor<4xf32> = dense<0.0> : tensor<4xf32>
  %p = onnx.Reshape(%x, %s) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2]}}
  %i = onnx.InstanceNormalization(%p, %one, %zero) : (!u, tensor<4xf32>, tensor<4xf32>) -> !u
  %n = onnx.Reshape(%i, %back) : (!u, !u) -> !u
  onnx.return
}

// Eight channels are not three groups.
// CHECK-LABEL: onnx.graph @groups_do_not_divide
// CHECK-NOT: = sink.
onnx.graph @groups_do_not_divide #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.Constant() {value_ints = array<i64: 0, 3, -1>} : () -> !u
  %back = onnx.Shape(%x) : (!x) -> !u
  %one = onnx.initializer "one28" : tensor<3xf32> = dense<1.0> : tensor<3xf32>
  %zero = onnx.initializer "zero28" : tensor<3xf32> = dense<0.0> : tensor<3xf32>
  %p = onnx.Reshape(%x, %s) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2]}}
  %i = onnx.InstanceNormalization(%p, %one, %zero) : (!u, tensor<3xf32>, tensor<3xf32>) -> !u
  %n = onnx.Reshape(%i, %back) : (!u, !u) -> !u
  onnx.return
}

// The number of channels is not known.
// CHECK-LABEL: onnx.graph @groups_of_unknown_channels
// CHECK-NOT: = sink.
onnx.graph @groups_of_unknown_channels #g {
  %x = onnx.node "Source" () {} : () -> tensor<2x?x4x6xf32>
  %s = onnx.Constant() {value_ints = array<i64: 0, 4, -1>} : () -> !u
  %back = onnx.Shape(%x) : (tensor<2x?x4x6xf32>) -> !u
  %one = onnx.initializer "one29" : tensor<4xf32> = dense<1.0> : tensor<4xf32>
  %zero = onnx.initializer "zero29" : tensor<4xf32> = dense<0.0> : tensor<4xf32>
  %p = onnx.Reshape(%x, %s) : (tensor<2x?x4x6xf32>, !u) -> !u
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2]}}
  %i = onnx.InstanceNormalization(%p, %one, %zero) : (!u, tensor<4xf32>, tensor<4xf32>) -> !u
  %n = onnx.Reshape(%i, %back) : (!u, !u) -> !u
  onnx.return
}

// Another shape comes out.
// CHECK-LABEL: onnx.graph @groups_stay_apart
// CHECK-NOT: = sink.
onnx.graph @groups_stay_apart #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.Constant() {value_ints = array<i64: 0, 4, -1>} : () -> !u
  %back = onnx.Constant() {value_ints = array<i64: 2, 4, 8, 6>} : () -> !u
  %one = onnx.initializer "one30" : tensor<4xf32> = dense<1.0> : tensor<4xf32>
  %zero = onnx.initializer "zero30" : tensor<4xf32> = dense<0.0> : tensor<4xf32>
  %p = onnx.Reshape(%x, %s) : (!x, !u) -> !u
  // expected-remark@+1 {{norm '' stays as it is: instance_norm over axes [2]}}
  %i = onnx.InstanceNormalization(%p, %one, %zero) : (!u, tensor<4xf32>, tensor<4xf32>) -> !u
  %n = onnx.Reshape(%i, %back) : (!u, !u) -> !u
  onnx.return
}

// Statistics for each row of the image, not for each channel.
// CHECK-LABEL: onnx.graph @constants_of_images
// CHECK-NOT: = sink.
onnx.graph @constants_of_images #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.initializer "mean31" : tensor<4x1xf32> = dense<0.5> : tensor<4x1xf32>
  %var = onnx.initializer "var31" : tensor<4x1xf32> = dense<0.5> : tensor<4x1xf32>
  %v = onnx.Sub(%x, %mean) : (!x, tensor<4x1xf32>) -> !u
  %a = onnx.Add(%var, %eps) : (tensor<4x1xf32>, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @constants_scale_other
// CHECK-NOT: = sink.
onnx.graph @constants_scale_other #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.initializer "mean32" : !k = dense<0.5> : !k
  %var = onnx.initializer "var32" : !k = dense<0.5> : !k
  %v = onnx.Sub(%x, %mean) : (!x, !k) -> !u
  %a = onnx.Add(%var, %eps) : (!k, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// One number for all channels is a scale.
// CHECK-LABEL: onnx.graph @one_variance
// CHECK-NOT: = sink.
onnx.graph @one_variance #g {
  %x = onnx.node "Source" () {} : () -> !x
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %mean = onnx.initializer "mean33" : !k = dense<0.5> : !k
  %var = onnx.initializer "var33" : tensor<1xf32> = dense<0.5> : tensor<1xf32>
  %v = onnx.Sub(%x, %mean) : (!x, !k) -> !u
  %a = onnx.Add(%var, %eps) : (tensor<1xf32>, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%v, %r) : (!u, !u) -> !u
  onnx.return
}

// It divides another value by the length.
// CHECK-LABEL: onnx.graph @length_of_other
// CHECK-NOT: = sink.
onnx.graph @length_of_other #g {
  %x = onnx.node "Source" () {} : () -> !x
  %z = onnx.node "Source" () {} : () -> !x
  %s = onnx.ReduceL2(%x) {axes = array<i64: -1>} : (!x) -> !u
  %y = onnx.Div(%z, %s) : (!x, !u) -> !u
  onnx.return
}

// It divides the length by the value.
// CHECK-LABEL: onnx.graph @length_below
// CHECK-NOT: = sink.
onnx.graph @length_below #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.ReduceL2(%x) {axes = array<i64: -1>} : (!x) -> !u
  %y = onnx.Div(%s, %x) : (!u, !x) -> !u
  onnx.return
}

// It divides by the square of the length.
// CHECK-LABEL: onnx.graph @squared_length
// CHECK-NOT: = sink.
onnx.graph @squared_length #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.ReduceSumSquare(%x) {axes = array<i64: -1>} : (!x) -> !u
  %y = onnx.Div(%x, %s) : (!x, !u) -> !u
  onnx.return
}

// The length is bounded from above, too.
// CHECK-LABEL: onnx.graph @bounded_above
// CHECK-NOT: = sink.
onnx.graph @bounded_above #g {
  %x = onnx.node "Source" () {} : () -> !x
  %e = onnx.Constant() {value_float = 1.0e-12 : f32} : () -> !u
  %h = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %s = onnx.ReduceL2(%x) {axes = array<i64: -1>} : (!x) -> !u
  %b = onnx.Clip(%s, %e, %h) : (!u, !u, !u) -> !u
  %y = onnx.Div(%x, %b) : (!x, !u) -> !u
  onnx.return
}

// The response of ConvNeXt V2 multiplies by the length of the image over its mean.
// CHECK-LABEL: onnx.graph @global_response
// CHECK-NOT: = sink.
onnx.graph @global_response #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.ReduceL2(%x) {axes = array<i64: 2, 3>} : (!x) -> !u
  %mu = onnx.ReduceMean(%s) {axes = array<i64: 1>} : (!u) -> !u
  %q = onnx.Div(%s, %mu) : (!u, !u) -> !u
  %y = onnx.Mul(%x, %q) : (!x, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @length_drops_axis
// CHECK-NOT: = sink.
onnx.graph @length_drops_axis #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.ReduceL2(%x) {axes = array<i64: 0>, keepdims = 0} : (!x) -> !u
  %y = onnx.Div(%x, %s) : (!x, !u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @lp_of_three
// CHECK-NOT: = sink.
onnx.graph @lp_of_three #g {
  %x = onnx.node "Source" () {} : () -> !x
  %y = onnx.LpNormalization(%x) {axis = 1, p = 3} : (!x) -> !u
  onnx.return
}

}
