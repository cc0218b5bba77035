// RUN: basin-opt %s --sink-insert-gated-norm="norms=all" --split-input-file --verify-diagnostics

!x = tensor<2x5x?xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_unknown_size #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': expected a static last axis to insert a gate, but got 'tensor<2x5x?xf32>'}}
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

// sqrt(4) 30000 times 2 is above 65504.
!x = tensor<2x5x4xf16>
!d = tensor<4xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @overflow #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !d = dense<3.0e+4> : !d
  // expected-error @below {{norm 'a': twice its result may overflow 'f16': elements may reach 6.000000e+04}}
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// So it is in any type.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @overflow_f32 #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !d = dense<1.0> : !d
  %bias = onnx.initializer "bias" : !d = dense<3.0e+38> : !d
  // expected-error @below {{norm 'a': twice its result may overflow 'f32': elements may reach 3.000000e+38}}
  %a = sink.layer_norm %x weight %w bias %bias {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d, !d) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xf16>
!d = tensor<4xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @weight_unknown #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  // expected-error @below {{norm 'a': twice its result may overflow 'f16', because its weight or bias is no constant}}
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
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

// expected-warning @below {{there is no norm: no gate was inserted}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
}
