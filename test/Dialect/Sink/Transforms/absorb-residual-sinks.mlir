// RUN: basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:8 | FileCheck %s

!x = tensor<2x3x4xf32>
!d = tensor<4xf32>
!m = tensor<4x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}, {domain = "com.microsoft", version = 1}]}} {

// Columns of the matrix and the summand's element are divided; the vector before
// the norm restores them.
// CHECK-LABEL: onnx.graph @columns
// CHECK: sink.parameter "{{.*}}pre_affine{{.*}}" : {{.*}} = dense<[1.000000e+00, 8.000000e+00, 1.000000e+00, 1.000000e+00]>
// CHECK: onnx.initializer "columns.b" : {{.*}} = dense<[8.000000e+00, 1.000000e+00, 8.000000e+00, 8.000000e+00]>
// CHECK: onnx.initializer "columns.w" : {{.*}} = dense<{{\[\[}}1.600000e+01, 2.000000e+00, 1.600000e+01, 1.600000e+01]
onnx.graph @columns #g {
  %x = onnx.node "Source" () {} : () -> !x
  %b = onnx.initializer "columns.b" : !d = dense<8.0> : !d
  %w = onnx.initializer "columns.w" : !m = dense<16.0> : !m
  %p = onnx.MatMul(%x, %w) : (!x, !m) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %1 = onnx.Add(%0, %b) : (!x, !d) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A Transpose that turns nothing makes no head: the table stays.
// CHECK-LABEL: onnx.graph @identity_transpose
// CHECK: onnx.initializer "table" : {{.*}} = dense<1.600000e+01>
// CHECK: %[[E:.*]] = onnx.Gather
// CHECK: onnx.Mul(%[[E]]
onnx.graph @identity_transpose #g {
  %i, %x = onnx.node "Source" () {} : () -> (tensor<2x3xi64>, !x)
  %t = onnx.initializer "table" : !m = dense<16.0> : !m
  %e = onnx.Gather(%t, %i) : (!m, tensor<2x3xi64>) -> !x
  %0 = onnx.Add(%e, %x) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  %tt = onnx.Transpose(%t) {perm = array<i64: 0, 1>} : (!m) -> !m
  %l = onnx.MatMul(%y, %tt) : (!x, !m) -> !x
  onnx.node "Sink" (%l) {} : (!x) -> ()
  onnx.return
}

// One that swaps the two axes does: the table's column and h take the scale.
// CHECK-LABEL: onnx.graph @tied_head
// CHECK: onnx.initializer "tied" : {{.*}} = dense<{{\[\[}}1.600000e+01, 2.000000e+00,
// CHECK: %[[Y:.*]] = sink.rms_norm
// CHECK: %[[H:.*]] = onnx.Mul(%[[Y]]
// CHECK: onnx.MatMul(%[[H]]
onnx.graph @tied_head #g {
  %i, %x = onnx.node "Source" () {} : () -> (tensor<2x3xi64>, !x)
  %t = onnx.initializer "tied" : !m = dense<16.0> : !m
  %e = onnx.Gather(%t, %i) : (!m, tensor<2x3xi64>) -> !x
  %0 = onnx.Add(%e, %x) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  %tt = onnx.Transpose(%t) {perm = array<i64: 1, 0>} : (!m) -> !m
  %l = onnx.MatMul(%y, %tt) : (!x, !m) -> !x
  onnx.node "Sink" (%l) {} : (!x) -> ()
  onnx.return
}

// A vector is no matrix: its product with the rows is no row of dimensions.
// CHECK-LABEL: onnx.graph @vector
// CHECK: onnx.initializer "vector" : {{.*}} = dense<1.600000e+01>
// CHECK: onnx.MatMul
// CHECK: onnx.Mul
onnx.graph @vector #g {
  %a, %x = onnx.node "Source" () {} : () -> (tensor<2x3x4x4xf32>, !x)
  %u = onnx.initializer "vector" : !d = dense<16.0> : !d
  %p = onnx.MatMul(%a, %u) : (tensor<2x3x4x4xf32>, !d) -> !x
  %0 = onnx.Add(%p, %x) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// Bounds have no dimensions: the stream is restored for the Clip.
// CHECK-LABEL: onnx.graph @limits
// CHECK: %[[R:.*]] = onnx.Mul(%{{.*}}, %{{.*}}) {onnx.outs = ["stream.restored{{.*}}"]}
// CHECK: %[[C:.*]] = onnx.Clip(%[[R]], %{{.*}}, %{{.*}})
// CHECK: onnx.Mul(%[[C]], %{{.*}}) {onnx.outs = ["stream.scaled{{.*}}"]}
onnx.graph @limits #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %low = onnx.initializer "low" : tensor<f32> = dense<-8.0> : tensor<f32>
  %high = onnx.initializer "high" : tensor<f32> = dense<8.0> : tensor<f32>
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Clip(%0, %low, %high) : (!x, tensor<f32>, tensor<f32>) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// One vector is gamma, beta and the bias of the residual: the op and its form take
// the copy for the last, and the norm its vector.
// CHECK-LABEL: onnx.graph @shared_in_form
// CHECK: %[[B:.*]] = onnx.initializer "shared" : {{.*}} = dense<1.600000e+01>
// CHECK: %[[S:.*]] = onnx.initializer "shared.scaled" : {{.*}} = dense<[1.600000e+01, 2.000000e+00,
// CHECK: sink.layer_norm %{{.*}} residual %{{.*}} pre_affine %{{.*}} weight %[[B]] bias %[[B]] residual_bias %[[S]]
// CHECK: onnx.ms.SkipLayerNormalization(%{{.*}}, %{{.*}}, %[[B]], %[[B]], %[[S]])
onnx.graph @shared_in_form #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %b = onnx.initializer "shared" : !d = dense<16.0> : !d
  %y = sink.layer_norm %x residual %z weight %b bias %b residual_bias %b {epsilon = 1.0} : (!x, !x, !d, !d, !d) -> !x {
  ^bb0(%i: !x, %r: !x):
    %0 = onnx.ms.SkipLayerNormalization(%i, %r, %b, %b, %b) {epsilon = 1.0 : f32} : (!x, !x, !d, !d, !d) -> !x
    sink.yield %0 : !x
  }
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
