// RUN: basin-opt %s --convert-sink-to-gpu --split-input-file --verify-diagnostics

func.func @double(%x: tensor<?x64xf64>) -> tensor<?x64xf64> {
  // expected-error @below {{expected f16, bf16 or f32, but got f64}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x64xf64>) -> tensor<?x64xf64>
  return %0 : tensor<?x64xf64>
}

// -----

func.func @unknown_dim(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // expected-error @below {{expected a last axis of known size}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

func.func @mixed_parameters(%x: tensor<?x64xbf16>, %w: tensor<64xbf16>, %b: tensor<64xf32>) -> tensor<?x64xbf16> {
  // expected-error @below {{expected parameters of one type, but got bf16 and f32}}
  %0 = sink.layer_norm %x weight %w bias %b {epsilon = 1.0e-5} : (tensor<?x64xbf16>, tensor<64xbf16>, tensor<64xf32>) -> tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}

// -----

// Nothing is left behind silently.
func.func @other(%x: tensor<?x64xbf16>) -> tensor<?x64xbf16> {
  // expected-error @below {{'onnx.Relu' op has no GPU lowering yet}}
  %0 = onnx.Relu(%x) : (tensor<?x64xbf16>) -> tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}

// -----

// The gate's matrix is there only after the norm.
func.func @computed_gate(%x: tensor<?x64xbf16>, %d: tensor<64x8xbf16>, %u: tensor<8x64xbf16>) -> tensor<?x64xbf16> {
  // expected-error @below {{expected constants or arguments as the matrices of its gate}}
  %n = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x64xbf16>) -> tensor<?x64xbf16>
  %c = sink.rms_norm %d {epsilon = 1.0e-5} : (tensor<64x8xbf16>) -> tensor<64x8xbf16>
  %y = sink.gate %n down %c up %u : (tensor<?x64xbf16>, tensor<64x8xbf16>, tensor<8x64xbf16>) -> tensor<?x64xbf16>
  return %y : tensor<?x64xbf16>
}

// -----

func.func @gate_with_bias(%x: tensor<?x64xbf16>, %d: tensor<64x8xbf16>, %u: tensor<8x64xbf16>, %b: tensor<8xbf16>) -> tensor<?x64xbf16> {
  // expected-error @below {{expected projections without biases in its gate}}
  %n = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x64xbf16>) -> tensor<?x64xbf16>
  %y = sink.gate %n down %d up %u bias_down %b : (tensor<?x64xbf16>, tensor<64x8xbf16>, tensor<8x64xbf16>, tensor<8xbf16>) -> tensor<?x64xbf16>
  return %y : tensor<?x64xbf16>
}

// -----

func.func @derf(%x: tensor<?x64xbf16>, %a: tensor<1xbf16>, %w: tensor<64xbf16>) -> tensor<?x64xbf16> {
  // expected-error @below {{expected tanh without a shift, but got erf with one}}
  %0 = sink.dyt %x alpha %a gamma %w shift %a {squash = #sink.squash<erf>} : (tensor<?x64xbf16>, tensor<1xbf16>, tensor<64xbf16>, tensor<1xbf16>) -> tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}
