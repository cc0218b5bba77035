// RUN: basin-opt %s --sink-rescale-residual=k=3 --split-input-file | FileCheck %s

// One scale for all columns takes the factor of the whole stream.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @one_scale
// CHECK: onnx.initializer "s" : tensor<f32> = dense<2.000000e+00>
// CHECK: onnx.MatMul
// CHECK-NOT: onnx.Mul
onnx.graph @one_scale #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : tensor<f32> = dense<16.0> : tensor<f32>
  %w = onnx.DequantizeLinear(%q, %s) : (!q, tensor<f32>) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%p, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// The stream itself is quantized: both scales of the pair get the factor in one copy, and the other reader of the scale keeps it.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @pair
// CHECK-DAG: onnx.initializer "s" : tensor<f32> = dense<1.600000e+01>
// CHECK-DAG: %[[S:.*]] = onnx.initializer "s.scaled" : tensor<f32> = dense<2.000000e+00>
// CHECK: onnx.DequantizeLinear(%{{.*}}, %[[S]]
// CHECK: onnx.QuantizeLinear(%{{.*}}, %[[S]]
// CHECK-NOT: onnx.Mul
onnx.graph @pair #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : tensor<f32> = dense<16.0> : tensor<f32>
  %o = onnx.initializer "o" : tensor<ui8> = dense<128> : tensor<ui8>
  onnx.node "Reader" (%s) {} : (tensor<f32>) -> ()
  %w = onnx.initializer "w" : !w = dense<16.0> : !w
  %e = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k = onnx.node "Source" () {} : () -> tensor<2x5x4xui8>
  %r = onnx.DequantizeLinear(%k, %s, %o) : (tensor<2x5x4xui8>, tensor<f32>, tensor<ui8>) -> !x
  %p = onnx.Identity(%r) : (!x) -> !x
  %0 = onnx.Add(%e, %p) : (!x, !x) -> !x
  %z = onnx.QuantizeLinear(%0, %s, %o) : (!x, tensor<f32>, tensor<ui8>) -> tensor<2x5x4xui8>
  onnx.node "Reader" (%z) {} : (tensor<2x5x4xui8>) -> ()
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
