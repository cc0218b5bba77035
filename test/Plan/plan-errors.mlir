// RUN: not basin-compile %s --emit plan -o - 2>&1 | FileCheck %s

// A run could not tell a from b: no input has an axis that is one of them.

// CHECK: error: 'onnx.graph' op expected an input with an axis of the size {{a|b}}, which is part of the sizes of 'x'
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{version = 17 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<?xf32, #onnx.dims<"?(a + b)">>, {}>], outputs = [#onnx.value<"y", tensor<?xf32, #onnx.dims<"?(a + b)">>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<?xf32, #onnx.dims<"?(a + b)">>):
    %0 = onnx.Exp(%x) {onnx.outs = ["y"]} : (tensor<?xf32, #onnx.dims<"?(a + b)">>) -> tensor<?xf32, #onnx.dims<"?(a + b)">>
    onnx.return %0 : tensor<?xf32, #onnx.dims<"?(a + b)">>
  }
}
