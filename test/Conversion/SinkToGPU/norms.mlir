// RUN: basin-opt %s --pass-pipeline='builtin.module(convert-sink-to-gpu{partial=true})' --split-input-file | FileCheck %s

// Equal norms share a kernel, and one of another eps has its own.
// CHECK-LABEL: func.func @equal
// CHECK-SAME: %[[X:.*]]: tensor<?x4096xbf16>, %[[W:.*]]: tensor
// CHECK: %[[A:.*]] = sink.launch @basin_kernels::@rms_norm_4096_bf16_weight_eps3727c5ac(%[[X]], %[[W]])
// CHECK-SAME: inputs = ["x", "weight"], outputs = ["y"], scalars = {rows = [{of = "x", size = 0 : i64}]}
// CHECK-SAME: shapes = {y = {{\[\[}}{of = "x", size = 0 : i64}], [{of = "x", size = 1 : i64}]]}
// CHECK: %[[B:.*]] = sink.launch @basin_kernels::@rms_norm_4096_bf16_weight_eps3727c5ac(%[[A]], %[[W]])
// CHECK: %[[C:.*]] = sink.launch @basin_kernels::@rms_norm_4096_bf16_weight_eps358637bd(%[[B]], %[[W]])
// CHECK: return %[[C]]
// CHECK: gpu.module @basin_kernels
// CHECK-COUNT-2: gpu.func @rms_norm_4096_bf16_weight
// CHECK-NOT: gpu.func
func.func @equal(%x: tensor<?x4096xbf16>, %w: tensor<4096xbf16>) -> tensor<?x4096xbf16> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x4096xbf16>, tensor<4096xbf16>) -> tensor<?x4096xbf16>
  %1 = sink.rms_norm %0 weight %w {epsilon = 1.0e-5} : (tensor<?x4096xbf16>, tensor<4096xbf16>) -> tensor<?x4096xbf16>
  %2 = sink.rms_norm %1 weight %w {epsilon = 1.0e-6} : (tensor<?x4096xbf16>, tensor<4096xbf16>) -> tensor<?x4096xbf16>
  return %2 : tensor<?x4096xbf16>
}

// -----

// A norm takes its residual and its gate along; the gate is no kernel of its own.
// CHECK-LABEL: onnx.graph @main
// The rows are two of known number; names stay.
// CHECK-NOT: sink.gate
// CHECK: %[[Y:.*]]:2 = sink.launch @basin_kernels::@[[NAME:rms_norm_64_f16_residual_sum_preaffine_weight_gate8_sigmoid_eps3727c5ac]](
// CHECK-SAME: inputs = ["x", "residual", "pre_affine", "weight", "gate_down", "gate_up"], onnx.outs = ["y", ""], outputs = ["y", "sum"]
// CHECK-SAME: transposed = ["gate_down", "gate_up"]
// CHECK: onnx.return %[[Y]]#0, %[[Y]]#1
// CHECK: gpu.func @[[NAME]](%{{.*}}: !llvm.ptr<1>
// CHECK-SAME: #kernel.contract<(in "x" : f16, in "residual" : f16, in "pre_affine" : f16, in "weight" : f16, in "gate_down" : f16, in "gate_up" : f16, out "y" : f16, out "sum" : f16, scalar "rows" : i32)
// CHECK-SAME: grid ["rows" per 16], [], []
// CHECK-SAME: family "norm" {activation = "sigmoid", dim = 64 : i64, eps = {{.*}} : f64, gate = 8 : i64, pre_affine, residual, sum, type = "f16", weight}
// CHECK: nvvm.mma.sync
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x64xf16>, {}>, #onnx.value<"r", tensor<2x64xf16>, {}>], outputs = [#onnx.value<"y", tensor<2x64xf16>, {}>, #onnx.value<"s", tensor<2x64xf16>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x64xf16>, %r: tensor<2x64xf16>):
    %w = onnx.initializer "w" : tensor<64xf16> = dense<1.0> : tensor<64xf16>
    %d = onnx.initializer "d" : tensor<64x8xf16> = dense<1.0> : tensor<64x8xf16>
    %u = onnx.initializer "u" : tensor<8x64xf16> = dense<1.0> : tensor<8x64xf16>
    %n, %s = sink.rms_norm %x residual %r pre_affine %w weight %w {epsilon = 1.0e-5} : (tensor<2x64xf16>, tensor<2x64xf16>, tensor<64xf16>, tensor<64xf16>) -> (tensor<2x64xf16>, tensor<2x64xf16>)
    %y = sink.gate %n down %d up %u {onnx.outs = ["y"]} : (tensor<2x64xf16>, tensor<64x8xf16>, tensor<8x64xf16>) -> tensor<2x64xf16>
    onnx.return %y, %s : tensor<2x64xf16>, tensor<2x64xf16>
  }
}

// -----

// A gate whose norm has another reader stays out of its kernel.
// CHECK-LABEL: onnx.graph @main
// CHECK: sink.launch @basin_kernels::@rms_norm_64_f16_eps3727c5ac(
// CHECK: sink.gate
// CHECK-NOT: sink.launch
// CHECK: gpu.module
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x64xf16>, {}>], outputs = [#onnx.value<"y", tensor<2x64xf16>, {}>, #onnx.value<"n", tensor<2x64xf16>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x64xf16>):
    %d = onnx.initializer "d" : tensor<64x8xf16> = dense<1.0> : tensor<64x8xf16>
    %u = onnx.initializer "u" : tensor<8x64xf16> = dense<1.0> : tensor<8x64xf16>
    %n = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<2x64xf16>) -> tensor<2x64xf16>
    %y = sink.gate %n down %d up %u : (tensor<2x64xf16>, tensor<64x8xf16>, tensor<8x64xf16>) -> tensor<2x64xf16>
    onnx.return %y, %n : tensor<2x64xf16>, tensor<2x64xf16>
  }
}

// -----

// Parameters may be of a type of their own.
// CHECK-LABEL: func.func @wide_parameters
// CHECK: sink.launch @basin_kernels::@rms_norm_64_bf16_by_f32_weight_eps3727c5ac(
func.func @wide_parameters(%x: tensor<?x64xbf16>, %w: tensor<64xf32>) -> tensor<?x64xbf16> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x64xbf16>, tensor<64xf32>) -> tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}

// -----

// Dynamic tanh stands in a norm's place.
// CHECK-LABEL: func.func @dyt
// CHECK: sink.launch @basin_kernels::@dyt_64_bf16_bias({{.*}}inputs = ["x", "alpha", "gamma", "beta"]
// CHECK: gpu.func @dyt_64_bf16_bias
// CHECK: llvm.intr.tanh
func.func @dyt(%x: tensor<?x64xbf16>, %a: tensor<1xbf16>, %w: tensor<64xbf16>) -> tensor<?x64xbf16> {
  %0 = sink.dyt %x alpha %a gamma %w beta %w : (tensor<?x64xbf16>, tensor<1xbf16>, tensor<64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16>
  return %0 : tensor<?x64xbf16>
}

// -----

// A weight that comes after its norm goes before the launch that takes the gate along.
// CHECK-LABEL: onnx.graph @late
// CHECK: onnx.initializer "u"
// CHECK: sink.launch
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @late <inputs = [#onnx.value<"x", tensor<2x64xf16>, {}>], outputs = [#onnx.value<"y", tensor<2x64xf16>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x64xf16>):
    %n = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<2x64xf16>) -> tensor<2x64xf16>
    %d = onnx.initializer "d" : tensor<64x8xf16> = dense<1.0> : tensor<64x8xf16>
    %u = onnx.initializer "u" : tensor<8x64xf16> = dense<1.0> : tensor<8x64xf16>
    %y = sink.gate %n down %d up %u : (tensor<2x64xf16>, tensor<64x8xf16>, tensor<8x64xf16>) -> tensor<2x64xf16>
    onnx.return %y : tensor<2x64xf16>
  }
}

// -----

// Each activation of a gate is that of its kernel.
// CHECK-LABEL: func.func @activations
// CHECK: sink.launch @basin_kernels::@rms_norm_64_f16_gate8_sigmoid_eps3727c5ac(
// CHECK: sink.launch @basin_kernels::@rms_norm_64_f16_gate8_tanh_eps3727c5ac(
// CHECK: sink.launch @basin_kernels::@rms_norm_64_f16_gate8_silu_eps3727c5ac(
// CHECK: sink.launch @basin_kernels::@rms_norm_64_f16_gate8_identity_eps3727c5ac(
!x = tensor<2x64xf16>
!d = tensor<64x8xf16>
!u = tensor<8x64xf16>
func.func @activations(%x: !x, %d: !d, %u: !u) -> (!x, !x, !x, !x) {
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (!x) -> !x
  %sigmoid = sink.gate %0 down %d up %u {activation = #sink.activation<sigmoid>} : (!x, !d, !u) -> !x
  %1 = sink.rms_norm %x {epsilon = 1.0e-5} : (!x) -> !x
  %tanh = sink.gate %1 down %d up %u {activation = #sink.activation<tanh>} : (!x, !d, !u) -> !x
  %2 = sink.rms_norm %x {epsilon = 1.0e-5} : (!x) -> !x
  %silu = sink.gate %2 down %d up %u {activation = #sink.activation<silu>} : (!x, !d, !u) -> !x
  %3 = sink.rms_norm %x {epsilon = 1.0e-5} : (!x) -> !x
  %identity = sink.gate %3 down %d up %u {activation = #sink.activation<identity>} : (!x, !d, !u) -> !x
  return %sigmoid, %tanh, %silu, %identity : !x, !x, !x, !x
}
