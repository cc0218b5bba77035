// RUN: basin-opt %s --convert-sink-to-onnx --split-input-file --verify-diagnostics

// Softmax normalizes over another axis before opset 13.
module attributes {onnx.model = {opset_import = [{domain = "", version = 12 : i64}]}} {
func.func @old_opset(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{expected opset 13 or later to be decomposed, but got 12}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
}

// -----

// Whether to widen is not known.
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @unknown_type(%x: !onnx.unknown) -> !onnx.unknown {
  // expected-error @below {{expected an x of known element type to be decomposed, but got '!onnx.unknown'; run onnx-infer-shapes first}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (!onnx.unknown) -> !onnx.unknown
  return %0 : !onnx.unknown
}
}

// -----

#b = #sink.layout<bhsd>
// An operator interprets such a mask, and there is none.
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @lengths(%q: tensor<?x4x?x8xf32>, %m: tensor<?xi32>) -> tensor<?x4x?x8xf32> {
  // expected-error @below {{cannot be decomposed: no operator in its form says what the integers of its mask mean}}
  %0 = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<lengths>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?xi32>) -> tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x8xf32>
}
}

// -----

#p = #sink.layout<packed>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @packed(%q: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // expected-error @below {{cannot be decomposed: no operator in its form says how query, key and value are packed}}
  %0 = sink.attention %q, %q, %q {query_layout = #p, key_layout = #p, value_layout = #p, result_layout = #sink.layout<bsd>} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}
}

// -----

#b = #sink.layout<bhsd>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @inner_values(%q: tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32> {
  // expected-error @below {{expected 1 results to be decomposed, but got 2; further ones are inner values of a form}}
  %0:2 = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x4x?x?xf32>)
  return %0#0 : tensor<?x4x?x8xf32>
}
}

// -----

// A flat axis says nothing about its heads.
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @heads(%x: tensor<?x?x16xf32>, %t: tensor<?x8xf32>) -> tensor<?x?x16xf32> {
  // expected-error @below {{expected num_heads with layout bsd}}
  %0 = sink.rotary %x cos %t sin %t {layout = #sink.layout<bsd>} : (tensor<?x?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x16xf32>
  return %0 : tensor<?x?x16xf32>
}
}

// -----

module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @positions_of_batched_heads(%x: tensor<?x?x8xf32>, %t: tensor<16x4xf32>, %p: tensor<?x?xi64>) -> tensor<?x?x8xf32> {
  // expected-error @below {{expected no positions with layout hsd}}
  %0 = sink.rotary %x cos %t sin %t positions %p {layout = #sink.layout<hsd>} : (tensor<?x?x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}
}

// -----

// Functions have no initializers.
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
  onnx.function @"d::F::" #onnx.graph_info<inputs = [], outputs = [#onnx.value<"y", !onnx.unknown, {}>], valueInfo = [], info = {}> attributes {attr_defaults = [], attr_names = [], domain = "d", name = "F", opsets = []} {
    // expected-error @below {{expected parameter 'p' in the main graph, but got it in a function, which has no initializers}}
    %0 = sink.parameter "p" : tensor<1xf32> = dense<0.5> : tensor<1xf32>
    onnx.return %0 : tensor<1xf32>
  }
}

// -----

// The vector has no place in the form, and the decomposition does not round.
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 21 : i64}]}} {
func.func @quantized(%x: tensor<2x64xf32>, %h: tensor<2x64xf32>, %w: tensor<64xf32>) -> tensor<2x64xf32> {
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<0> : tensor<ui8>
  // expected-error @below {{'sink.rms_norm' op rounds to quantized types inside, and its form cannot take the change that was made to it}}
  %0 = sink.rms_norm %x residual %h pre_affine %w {epsilon = 1.0e-5} : (tensor<2x64xf32>, tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32> {
  ^bb0(%a: tensor<2x64xf32>, %c: tensor<2x64xf32>):
    %t = onnx.Sub(%a, %c) : (tensor<2x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
    %q = onnx.QuantizeLinear(%t, %s, %z) : (tensor<2x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x64xui8>
    %d = onnx.DequantizeLinear(%q, %s, %z) : (tensor<2x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x64xf32>
    sink.yield %d : tensor<2x64xf32>
  }
  return %0 : tensor<2x64xf32>
}
}
