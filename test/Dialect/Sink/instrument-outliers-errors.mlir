// RUN: basin-opt %s --pass-pipeline='builtin.module(sink-instrument-outliers{token-mask=mask})' --split-input-file --verify-diagnostics

// Its reductions take their axes and counts as this version's do.
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 10 : i64}]}} {
  // expected-error @below {{expected opset 11 or later to be instrumented, but got 10}}
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"x", tensor<4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<4xf32>):
    onnx.return %x : tensor<4xf32>
  }
}

// -----

module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  // expected-error @below {{expected a graph input 'mask' of rank 2, but there is none}}
  onnx.graph @main <inputs = [#onnx.value<"mask", tensor<4xf32>, {}>], outputs = [#onnx.value<"mask", tensor<4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<4xf32>):
    onnx.return %x : tensor<4xf32>
  }
}

// -----

// What an operator packs in a tensor of unknown width stays packed.
#p = #sink.layout<packed>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"mask", tensor<2x5xi64>, {}>, #onnx.value<"q", tensor<2x5x?xf32>, {}>], outputs = [#onnx.value<"o", tensor<2x5x?xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%m: tensor<2x5xi64>, %q: tensor<2x5x?xf32>):
    // expected-remark @below {{attention 'o': not measured: no operator in its form says how query, key and value are packed}}
    %o = sink.attention %q, %q, %q {query_layout = #p, key_layout = #p, value_layout = #p, result_layout = #sink.layout<bsd>, onnx.outs = ["o"]} : (tensor<2x5x?xf32>, tensor<2x5x?xf32>, tensor<2x5x?xf32>) -> tensor<2x5x?xf32>
    onnx.return %o : tensor<2x5x?xf32>
  }
}

// -----

module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"mask", tensor<2x5xi64>, {}>, #onnx.value<"x", tensor<*xf32>, {}>], outputs = [#onnx.value<"y", tensor<*xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%m: tensor<2x5xi64>, %x: tensor<*xf32>):
    // expected-remark @below {{norm 'y': not measured: its rank or type is not known}}
    %y = sink.rms_norm %x {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<*xf32>) -> tensor<*xf32>
    onnx.return %y : tensor<*xf32>
  }
}
