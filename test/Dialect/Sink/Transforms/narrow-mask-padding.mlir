// RUN: basin-opt %s --sink-narrow-mask="bound=10 padding=true" --split-input-file --verify-diagnostics | FileCheck %s

// Flags of an input choose the number.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @where
// CHECK: onnx.initializer "low" {{.*}}-1.000000e+04
onnx.graph @where #g {
  %q = onnx.node "Source" () {} : () -> !h
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x3xi1>
  %zero = onnx.initializer "zero" : tensor<f32> = dense<0.0> : tensor<f32>
  %low = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38> : tensor<f32>
  %m = onnx.Where(%pad, %zero, %low) : (tensor<2x1x1x3xi1>, tensor<f32>, tensor<f32>) -> tensor<2x1x1x3xf32>
  // expected-remark @below {{attention 'a': rows that see no key get other numbers}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<2x1x1x3xf32>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: tensor<2x1x1x3xf32>):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, tensor<2x1x1x3xf32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// An input of integers is multiplied by the number.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [#onnx.value<"mask", tensor<2x1x1x3xi64>, {}>], outputs = [], valueInfo = [], info = {}>
// expected-remark @below {{input 'mask' is taken to have zeros and ones alone}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @product
// CHECK: onnx.initializer "low" {{.*}}-1.000000e+04
onnx.graph @product #g {
^bb0(%mask: tensor<2x1x1x3xi64>):
  %q = onnx.node "Source" () {} : () -> !h
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %low = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38> : tensor<f32>
  %f = onnx.Cast(%mask) {to = 1 : i64} : (tensor<2x1x1x3xi64>) -> tensor<2x1x1x3xf32>
  %n = onnx.Sub(%one, %f) : (tensor<f32>, tensor<2x1x1x3xf32>) -> tensor<2x1x1x3xf32>
  %m = onnx.Mul(%n, %low) : (tensor<2x1x1x3xf32>, tensor<f32>) -> tensor<2x1x1x3xf32>
  // expected-remark @below {{attention 'a': rows that see no key get other numbers}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<2x1x1x3xf32>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: tensor<2x1x1x3xf32>):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, tensor<2x1x1x3xf32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
