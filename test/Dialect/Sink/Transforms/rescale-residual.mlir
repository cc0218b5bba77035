// RUN: basin-opt %s --sink-rescale-residual=k=3 | FileCheck %s

// Each use of a weight takes the scale by the part that it plays.

!u = !onnx.unknown
!x = tensor<2x5x4xf32>
!h = tensor<2x5x4xf16>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {

// All uses are summands of one stream: the bias changes in place, the matrix too.
// CHECK-LABEL: onnx.graph @in_place
// CHECK: %[[X:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.scaled"]}
// CHECK: %[[B:.*]] = onnx.initializer "in_place.b" : {{.*}} = dense<1.000000e+00>
// CHECK: %[[W:.*]] = onnx.initializer "in_place.w" : {{.*}} = dense<2.000000e+00>
// CHECK: %[[R:.*]] = onnx.Mul(%[[X]], %{{.*}}) {onnx.outs = ["stream.restored"]}
// CHECK: %[[P:.*]] = onnx.MatMul(%[[R]], %[[W]])
// CHECK-NOT: onnx.Mul
// CHECK: sink.rms_norm %{{.*}} {epsilon = 1.562500e-02 : f64}
onnx.graph @in_place #g {
  %x = onnx.node "Source" () {} : () -> !x
  %b = onnx.initializer "in_place.b" : !d = dense<8.0> : !d
  %w = onnx.initializer "in_place.w" : tensor<4x4xf32> = dense<16.0> : tensor<4x4xf32>
  %p = onnx.MatMul(%x, %w) : (!x, tensor<4x4xf32>) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %1 = onnx.Add(%0, %b) : (!x, !d) -> !x
  %2 = onnx.Add(%b, %1) : (!d, !x) -> !x
  %y = sink.rms_norm %2 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The same bias is a weight of the norm: the summand gets a copy.
// CHECK-LABEL: onnx.graph @copied
// CHECK: %[[B:.*]] = onnx.initializer "copied.b" : {{.*}} = dense<8.000000e+00>
// CHECK: %[[S:.*]] = onnx.initializer "copied.b.scaled" : {{.*}} = dense<1.000000e+00>
// CHECK: onnx.Add(%{{.*}}, %[[S]])
// CHECK: sink.rms_norm %{{.*}} weight %[[B]]
onnx.graph @copied #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %b = onnx.initializer "copied.b" : !d = dense<8.0> : !d
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Add(%0, %b) : (!x, !d) -> !x
  %y = sink.rms_norm %1 weight %b {epsilon = 1.0} : (!x, !d) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A matrix that something else reads stays; what it writes is multiplied.
// CHECK-LABEL: onnx.graph @multiplied
// CHECK: %[[W:.*]] = onnx.initializer "multiplied.w" : {{.*}} = dense<1.600000e+01>
// CHECK: %[[P:.*]] = onnx.MatMul(%{{.*}}, %[[W]])
// CHECK: %[[C:.*]] = onnx.Constant() {{.*}}value = dense<1.250000e-01> : tensor<f32>
// CHECK: %[[Q:.*]] = onnx.Mul(%[[P]], %[[C]])
// CHECK: onnx.Add(%{{.*}}, %[[Q]])
onnx.graph @multiplied #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "multiplied.w" : tensor<4x4xf32> = dense<16.0> : tensor<4x4xf32>
  %p = onnx.MatMul(%x, %w) : (!x, tensor<4x4xf32>) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y, %w) {} : (!x, tensor<4x4xf32>) -> ()
  onnx.return
}

// An f16 matrix with an element that cannot be halved: the factor behind it takes
// the scale.
// CHECK-LABEL: onnx.graph @factor
// CHECK: onnx.initializer "factor.w" : {{.*}} = dense<5.960460e-08>
// CHECK: %[[P:.*]] = onnx.MatMul
// CHECK: %[[C:.*]] = onnx.Constant() {{.*}}value = dense<5.000000e-01> : tensor<f16>
// CHECK: onnx.Mul(%[[P]], %[[C]])
onnx.graph @factor #g {
  %x = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "factor.w" : tensor<4x4xf16> = dense<5.9604645e-08> : tensor<4x4xf16>
  %c = onnx.initializer "factor.c" : tensor<f16> = dense<4.0> : tensor<f16>
  %p = onnx.MatMul(%x, %w) : (!h, tensor<4x4xf16>) -> !h
  %m = onnx.Mul(%p, %c) : (!h, tensor<f16>) -> !h
  %0 = onnx.Add(%x, %m) : (!h, !h) -> !h
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!h) -> !h
  onnx.node "Sink" (%y) {} : (!h) -> ()
  onnx.return
}

// Without such a factor the input of the product is divided: the product itself may
// pass f16's largest number.
// CHECK-LABEL: onnx.graph @divided_input
// CHECK: %[[W:.*]] = onnx.initializer "divided_input.w" : {{.*}} = dense<5.960460e-08>
// CHECK: %[[C:.*]] = onnx.Constant() {{.*}}value = dense<1.250000e-01> : tensor<f16>
// CHECK: %[[D:.*]] = onnx.Mul(%{{.*}}, %[[C]])
// CHECK: %[[P:.*]] = onnx.MatMul(%[[D]], %[[W]])
// CHECK: onnx.Add(%{{.*}}, %[[P]])
onnx.graph @divided_input #g {
  %x, %z = onnx.node "Source" () {} : () -> (!h, !h)
  %w = onnx.initializer "divided_input.w" : tensor<4x4xf16> = dense<5.9604645e-08> : tensor<4x4xf16>
  %p = onnx.MatMul(%z, %w) : (!h, tensor<4x4xf16>) -> !h
  %0 = onnx.Add(%x, %p) : (!h, !h) -> !h
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!h) -> !h
  onnx.node "Sink" (%y) {} : (!h) -> ()
  onnx.return
}

// Constant bounds are divided as the stream is; infinity stays.
// CHECK-LABEL: onnx.graph @limits
// CHECK: %[[LOW:.*]] = onnx.Constant() {{.*}}value = dense<0xFF800000>
// CHECK: %[[HIGH:.*]] = onnx.Constant() {{.*}}value = dense<1.000000e+00>
// CHECK: onnx.Clip(%{{.*}}, %[[LOW]], %[[HIGH]])
// CHECK-NOT: restored
// CHECK: sink.rms_norm
onnx.graph @limits #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %low = onnx.initializer "limits.low" : tensor<f32> = dense<0xFF800000> : tensor<f32>
  %high = onnx.initializer "limits.high" : tensor<f32> = dense<8.0> : tensor<f32>
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Clip(%0, %low, %high) : (!x, tensor<f32>, tensor<f32>) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// T5 in f16 computes the bounds: the stream is restored for the Clip and for what computes them, and
// goes on behind it.
// CHECK-LABEL: onnx.graph @computed_limits
// CHECK: %[[A:.*]] = onnx.Add
// CHECK: %[[R:.*]] = onnx.Mul(%[[A]], %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: onnx.IsInf(%[[R]])
// CHECK: %[[S:.*]] = onnx.Mul(%[[A]], %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: %[[C:.*]] = onnx.Clip(%[[S]]
// CHECK: %[[D:.*]] = onnx.Mul(%[[C]], %{{.*}}) {onnx.outs = ["stream.scaled{{.*}}"]}
// CHECK: sink.rms_norm %[[D]] {epsilon = 1.562500e-02 : f64}
onnx.graph @computed_limits #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %i = onnx.IsInf(%0) : (!x) -> tensor<2x5x4xi1>
  %any = onnx.node "Any" (%i) {} : (tensor<2x5x4xi1>) -> tensor<i1>
  %less = onnx.initializer "computed_limits.less" : tensor<f32> = dense<64504.0> : tensor<f32>
  %most = onnx.initializer "computed_limits.most" : tensor<f32> = dense<65504.0> : tensor<f32>
  %high = onnx.Where(%any, %less, %most) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
  %low = onnx.Neg(%high) : (tensor<f32>) -> tensor<f32>
  %1 = onnx.Clip(%0, %low, %high) : (!x, tensor<f32>, tensor<f32>) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The dynamo exporter writes Max and Min for the Clip.
// CHECK-LABEL: onnx.graph @computed_extremes
// CHECK: %[[S:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: %[[C:.*]] = onnx.Max(%[[S]]
// CHECK: %[[D:.*]] = onnx.Mul(%[[C]], %{{.*}}) {onnx.outs = ["stream.scaled{{.*}}"]}
// CHECK: sink.rms_norm %[[D]] {epsilon = 1.562500e-02 : f64}
onnx.graph @computed_extremes #g {
  %x, %z, %low = onnx.node "Source" () {} : () -> (!x, !x, tensor<f32>)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Max(%0, %low) : (!x, tensor<f32>) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// What has an element for each dimension is no bound: the norm reads no stream.
// CHECK-LABEL: onnx.graph @maximum_of_two
// CHECK: %[[C:.*]] = onnx.Max
// CHECK: sink.rms_norm %[[C]] {epsilon = 1.000000e+00 : f64}
onnx.graph @maximum_of_two #g {
  %x, %z, %v = onnx.node "Source" () {} : () -> (!x, !x, !d)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Max(%0, %v) : (!x, !d) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A matrix behind another op is that of a projection, but cannot take the scale.
// CHECK-LABEL: onnx.graph @weight_behind
// CHECK: %[[W:.*]] = onnx.initializer "weight_behind.w" : {{.*}} = dense<1.600000e+01>
// CHECK: %[[I:.*]] = onnx.Identity(%[[W]])
// CHECK: %[[P:.*]] = onnx.MatMul(%{{.*}}, %[[I]])
// CHECK: %[[Q:.*]] = onnx.Mul(%[[P]], %{{.*}})
// CHECK: onnx.Add(%{{.*}}, %[[Q]])
onnx.graph @weight_behind #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "weight_behind.w" : tensor<4x4xf32> = dense<16.0> : tensor<4x4xf32>
  %i = onnx.Identity(%w) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %p = onnx.MatMul(%z, %i) : (!x, tensor<4x4xf32>) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A value that is a norm's x and its residual is divided once, and the norm read
// once.
// CHECK-LABEL: onnx.graph @doubled
// CHECK: %[[X:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.scaled{{.*}}"]}
// CHECK-NOT: restored
// CHECK: sink.rms_norm %[[X]] residual %[[X]] {epsilon = 1.562500e-02 : f64}
onnx.graph @doubled #g {
  %x = onnx.node "Source" () {} : () -> !x
  %y = sink.rms_norm %x residual %x {epsilon = 1.0} : (!x, !x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A value that is a norm's x and its weight is restored for both.
// CHECK-LABEL: onnx.graph @own_weight
// CHECK: %[[A:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: %[[B:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: sink.rms_norm %{{.*}} weight %{{.*}} {epsilon = 1.000000e+00 : f64}
onnx.graph @own_weight #g {
  %x, %z = onnx.node "Source" () {} : () -> (!d, !d)
  %0 = onnx.Add(%x, %z) : (!d, !d) -> !d
  %y = sink.rms_norm %0 weight %0 {epsilon = 1.0} : (!d, !d) -> !d
  %w = sink.rms_norm %0 {epsilon = 1.0} : (!d) -> !d
  onnx.node "Sink" (%y, %w) {} : (!d, !d) -> ()
  onnx.return
}

// Casts to float8 and to integers end the stream.
// CHECK-LABEL: onnx.graph @casts
// CHECK: %[[R:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: onnx.Cast(%[[R]])
onnx.graph @casts #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %c = onnx.Cast(%0) {to = 17 : i64} : (!x) -> tensor<2x5x4xf8E4M3FN>
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y, %c) {} : (!x, tensor<2x5x4xf8E4M3FN>) -> ()
  onnx.return
}

// A bias of two streams ties them to nothing: each has its norm, and the bias one
// scale.
// CHECK-LABEL: onnx.graph @two_streams
// CHECK-COUNT-4: onnx.Mul
// CHECK: onnx.initializer "two.b" : {{.*}} = dense<1.000000e+00>
// CHECK-NOT: onnx.Mul
onnx.graph @two_streams #g {
  %x, %z, %u, %v = onnx.node "Source" () {} : () -> (!x, !x, !x, !x)
  %b = onnx.initializer "two.b" : !d = dense<8.0> : !d
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Add(%0, %b) : (!x, !d) -> !x
  %2 = onnx.Add(%u, %v) : (!x, !x) -> !x
  %3 = onnx.Add(%2, %b) : (!x, !d) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  %w = sink.rms_norm %3 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y, %w) {} : (!x, !x) -> ()
  onnx.return
}

// A norm that rounds to quantized types between its steps reads what it read before: the grid of its
// squares does not follow the scale.
// CHECK-LABEL: onnx.graph @quantized_norm
// CHECK: %[[R:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: sink.rms_norm %[[R]] {epsilon = 1.000000e+00 : f64}
// CHECK: onnx.QuantizeLinear
// CHECK: onnx.node "Sink"
onnx.graph @quantized_norm #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %s = onnx.initializer "quantized_norm.s" : tensor<f32> = dense<0.1> : tensor<f32>
  %u = onnx.initializer "quantized_norm.u" : tensor<ui8> = dense<0> : tensor<ui8>
  %one = onnx.initializer "quantized_norm.one" : tensor<f32> = dense<1.0> : tensor<f32>
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x {
  ^bb0(%a: !x):
    %sq = onnx.Mul(%a, %a) : (!x, !x) -> !x
    %q = onnx.QuantizeLinear(%sq, %s, %u) : (!x, tensor<f32>, tensor<ui8>) -> tensor<2x5x4xui8>
    %d = onnx.DequantizeLinear(%q, %s, %u) : (tensor<2x5x4xui8>, tensor<f32>, tensor<ui8>) -> !x
    %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!x) -> tensor<2x5x1xf32>
    %e = onnx.Add(%m, %one) : (tensor<2x5x1xf32>, tensor<f32>) -> tensor<2x5x1xf32>
    %r = onnx.Sqrt(%e) : (tensor<2x5x1xf32>) -> tensor<2x5x1xf32>
    %n = onnx.Div(%a, %r) : (!x, tensor<2x5x1xf32>) -> !x
    sink.yield %n : !x
  }
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
