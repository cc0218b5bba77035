// RUN: not basin-translate --mlir-to-onnx %s -o %t.onnx 2>&1 | FileCheck %s
// RUN: not test -e %t.onnx
// RUN: sed 's/return %x, %y/return %y, %y/' %s | basin-translate --mlir-to-onnx -o %t.same.onnx
// RUN: basin-translate --onnx-to-mlir %t.same.onnx | FileCheck %s --check-prefix=SAME

// A pass may give another value to each output of one name. ONNX cannot say that.

// CHECK: error: two different values are outputs of one name: 'h'
// SAME: onnx.return %[[H:.*]], %[[H]] : tensor<4xf32>, tensor<4xf32>
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"h", tensor<4xf32>, {}>, #onnx.value<"h", tensor<4xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<4xf32>):
  %y = onnx.Neg(%x) : (tensor<4xf32>) -> tensor<4xf32>
  onnx.return %x, %y : tensor<4xf32>, tensor<4xf32>
}
}
