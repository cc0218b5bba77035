// RUN: basin-opt %s --pass-pipeline='builtin.module(convert-sink-to-gpu{partial=true})' --verify-diagnostics --split-input-file | FileCheck %s

// Near miss: a sigmoid with another reader stays, and the gate is its result.
// CHECK-LABEL: func.func @shared_sigmoid
// CHECK: %[[S:.*]] = onnx.Sigmoid
// CHECK: sink.launch @basin_kernels::@attention_64_f16_gate({{.*}}, %[[S]])
func.func @shared_sigmoid(%q: tensor<1x2x5x64xf16>, %g: tensor<1x2x5x64xf16>) -> (tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>) {
  %s = onnx.Sigmoid(%g) : (tensor<1x2x5x64xf16>) -> tensor<1x2x5x64xf16>
  %0 = sink.attention %q, %q, %q gate %s {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>) -> tensor<1x2x5x64xf16>
  return %0, %s : tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>
}

// -----

// What no kernel fits stays, and says why.
// CHECK-LABEL: func.func @double
// CHECK: sink.rms_norm
func.func @double(%x: tensor<?x64xf64>) -> tensor<?x64xf64> {
  // expected-remark @below {{'sink.rms_norm' op has no kernel: expected f16, bf16 or f32, but got f64}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x64xf64>) -> tensor<?x64xf64>
  return %0 : tensor<?x64xf64>
}

// -----

// What runs under a condition is no launch of the function.
// CHECK-LABEL: onnx.graph @main
// CHECK-NOT: sink.launch
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"c", tensor<i1>, {}>, #onnx.value<"x", tensor<2x64xf16>, {}>], outputs = [#onnx.value<"y", tensor<2x64xf16>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%c: tensor<i1>, %x: tensor<2x64xf16>):
    %y = onnx.If(%c) {
      // expected-remark @below {{'sink.rms_norm' op has no kernel: expected to stand in a graph or function itself, but got a subgraph of a node}}
      %n = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<2x64xf16>) -> tensor<2x64xf16>
      onnx.return %n : tensor<2x64xf16>
    }, {
      onnx.return %x : tensor<2x64xf16>
    } : (tensor<i1>) -> tensor<2x64xf16>
    onnx.return %y : tensor<2x64xf16>
  }
}

// -----

// A form that rounds to quantized types between its steps is not what a kernel computes.
// CHECK-LABEL: func.func @quantized
// CHECK: sink.rms_norm
func.func @quantized(%x: tensor<2x64xf32>, %w: tensor<64xf32>) -> tensor<2x64xf32> {
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<0> : tensor<ui8>
  // expected-remark @below {{'sink.rms_norm' op has no kernel: its nodes round to quantized types, which no kernel does}}
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32> {
  ^bb0(%a: tensor<2x64xf32>):
    %sq = onnx.Mul(%a, %a) : (tensor<2x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
    %q = onnx.QuantizeLinear(%sq, %s, %z) : (tensor<2x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x64xui8>
    %d = onnx.DequantizeLinear(%q, %s, %z) : (tensor<2x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x64xf32>
    %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (tensor<2x64xf32>) -> tensor<2x1xf32>
    %e = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> tensor<f32>
    %b = onnx.Add(%m, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
    %r = onnx.Sqrt(%b) : (tensor<2x1xf32>) -> tensor<2x1xf32>
    %n = onnx.Div(%a, %r) : (tensor<2x64xf32>, tensor<2x1xf32>) -> tensor<2x64xf32>
    %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
    sink.yield %y : tensor<2x64xf32>
  }
  return %0 : tensor<2x64xf32>
}
