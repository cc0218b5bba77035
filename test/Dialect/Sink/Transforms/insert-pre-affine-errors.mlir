// RUN: basin-opt %s --sink-insert-pre-affine --split-input-file --verify-diagnostics

!x = tensor<2x5x?xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_unknown_size #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{norm 'a': expected a static last axis to insert a pre-affine vector, but got 'tensor<2x5x?xf32>'}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A weight of three elements may be broadcast over an x of one.
!x = tensor<2x5x?xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_a_weight_alone #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<3xf32> = dense<2.0> : tensor<3xf32>
  // expected-error @below {{norm 'a': expected a static last axis to insert a pre-affine vector}}
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, tensor<3xf32>) -> !x
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

// A function has no parameters.
!x = tensor<2x5x4xf32>
#x = #onnx.graph_info<inputs = [#onnx.value<"x", !onnx.unknown, {}>], outputs = [#onnx.value<"a", !onnx.unknown, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.function @f #x attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 18}]} {
^bb0(%x: !x):
  // expected-error @below {{norm 'a' stands in a function, which has no parameters; inline functions first}}
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  onnx.return %a : !x
}
}
