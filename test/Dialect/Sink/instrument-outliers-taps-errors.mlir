// RUN: basin-opt %s --pass-pipeline='builtin.module(sink-instrument-outliers{taps=norm,norms})' --verify-diagnostics

// A name that is none of a kind is refused, also beside one that is.
// expected-error @below {{expected kinds of taps (residual, projection, norm, attention), but got 'norms'}}
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"x", tensor<4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<4xf32>):
    onnx.return %x : tensor<4xf32>
  }
}
