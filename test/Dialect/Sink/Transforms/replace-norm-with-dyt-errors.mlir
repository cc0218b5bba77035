// RUN: basin-opt %s --sink-replace-norm-with-dyt="norms=all alpha=1e5" --split-input-file --verify-diagnostics

!x = tensor<2x5x?xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_unknown_size #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': expected a static last axis to replace it, but got 'tensor<2x5x?xf32>'}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xi32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_integers #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': expected f16, bf16, f32 or f64, but got 'tensor<2x5x4xi32>'}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// 1e5 is above f16's largest number.
!x = tensor<2x5x4xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @alpha_overflows #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': alpha 1.000000e+05 is no positive finite number of 'f16'}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// The norm's steps round to int8, and nobody knows what the function's should round to.
!x = tensor<2x5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @quantized #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  // expected-error @below {{norm 'a': quantization stands between its steps, which a dynamic tanh has not}}
  %a = sink.rms_norm %x {epsilon = 1.0} : (!x) -> !x {
  ^bb0(%in: !x):
    %q = onnx.QuantizeLinear(%in, %s) : (!x, tensor<f32>) -> tensor<2x5x4xui8>
    %out = onnx.DequantizeLinear(%q, %s) {onnx.outs = ["a"]} : (tensor<2x5x4xui8>, tensor<f32>) -> !x
    sink.yield %out : !x
  }
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 12}]}} {
onnx.graph @old_opset #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': expected opset 13 or later to replace it}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xf32>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
func.func @in_function(%x: !x) -> !x {
  // expected-error @below {{norm 'a' stands in a function, which has no parameters; inline functions first}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  return %a : !x
}
}

// -----

// expected-warning @below {{there is no norm: none was replaced}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
}
