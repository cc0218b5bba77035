// RUN: basin-opt %s --sink-absorb-residual-sinks=scale-dims=1/1:8,0/2:2 | FileCheck %s
// RUN: basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:4,1/1:8 | FileCheck %s --check-prefix=ALL
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=2/1:8 2>&1 | FileCheck %s --check-prefix=BEYOND
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=1/4:8 2>&1 | FileCheck %s --check-prefix=DIMENSION
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=a/1:8 2>&1 | FileCheck %s --check-prefix=WORD
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=/1:8 2>&1 | FileCheck %s --check-prefix=EMPTY

// BEYOND: error: option 'scale-dims': expected a residual stream below 2, but got 2
// DIMENSION: error: option 'scale-dims': expected a dimension below 4, but got 4
// WORD: error: option 'scale-dims': expected dimension:scale with a power of two as the scale, but got 'a/1:8'
// EMPTY: error: option 'scale-dims': expected dimension:scale with a power of two as the scale, but got '/1:8'

!x = tensor<2x3x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {

// A scale with a stream before it is that stream's alone; one without is every stream's, and the
// later one of two counts.
// CHECK-LABEL: onnx.graph @first
// CHECK: sink.parameter "{{.*}}pre_affine{{.*}}" : {{.*}} = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 1.000000e+00]>
// ALL-LABEL: onnx.graph @first
// ALL: sink.parameter "{{.*}}pre_affine{{.*}}" : {{.*}} = dense<[1.000000e+00, 4.000000e+00, 1.000000e+00, 1.000000e+00]>
onnx.graph @first #g {
  %x = onnx.node "Source" () {} : () -> !x
  %b = onnx.initializer "first.b" : !d = dense<8.0> : !d
  %0 = onnx.Add(%x, %b) : (!x, !d) -> !x
  %1 = onnx.Add(%0, %x) : (!x, !x) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// CHECK-LABEL: onnx.graph @second
// CHECK: sink.parameter "{{.*}}pre_affine{{.*}}" : {{.*}} = dense<[1.000000e+00, 8.000000e+00, 1.000000e+00, 1.000000e+00]>
// ALL-LABEL: onnx.graph @second
// ALL: sink.parameter "{{.*}}pre_affine{{.*}}" : {{.*}} = dense<[1.000000e+00, 8.000000e+00, 1.000000e+00, 1.000000e+00]>
onnx.graph @second #g {
  %x = onnx.node "Source" () {} : () -> !x
  %b = onnx.initializer "second.b" : !d = dense<8.0> : !d
  %0 = onnx.Add(%x, %b) : (!x, !d) -> !x
  %1 = onnx.Add(%0, %x) : (!x, !x) -> !x
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
