// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink --sink-instrument-outliers=taps=attention | FileCheck %s

// The form's own scores and probabilities become results, and are read in place of others. Largest
// scores are those of the rows, and the entropy needs no logarithm of all probabilities.
// CHECK-LABEL: onnx.graph @main
// CHECK: %[[Y:.*]], %[[MORE:.*]]:3 = sink.attention %
// CHECK: %[[RAW:.*]] = onnx.Mul(
// CHECK: %[[MASKED:.*]] = onnx.Add(%[[RAW]]
// CHECK: %[[P:.*]] = onnx.Softmax(%[[MASKED]]
// CHECK: sink.yield %{{.*}}, %[[RAW]], %[[MASKED]], %[[P]] :
// CHECK-NOT: onnx.Softmax
// CHECK-NOT: onnx.LogSoftmax
// CHECK: onnx.ReduceSum(%[[MORE]]#2
// CHECK: %[[ROWS:.*]] = onnx.ReduceMax(%[[MORE]]#1
// CHECK: onnx.Mul(%[[MORE]]#2, %[[MORE]]#0)
// CHECK: onnx.ReduceMax(%[[MORE]]#2
// CHECK: onnx.ReduceMax(%[[ROWS]]
// CHECK-NOT: onnx.Softmax
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"q", tensor<2x4x5x8xf32>, {}>, #onnx.value<"k", tensor<2x4x5x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x4x5x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x5x8xf32>):
    %m = onnx.initializer "m" : tensor<5x5xf32> = dense<0.0> : tensor<5x5xf32>
    %s = onnx.initializer "s" : tensor<f32> = dense<0.35> : tensor<f32>
    %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>, onnx.outs = ["t"]} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
    %a = onnx.MatMul(%q, %t) {onnx.outs = ["a"]} : (tensor<2x4x5x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x5x5xf32>
    %b = onnx.Mul(%a, %s) {onnx.outs = ["b"]} : (tensor<2x4x5x5xf32>, tensor<f32>) -> tensor<2x4x5x5xf32>
    %c = onnx.Add(%b, %m) {onnx.outs = ["c"]} : (tensor<2x4x5x5xf32>, tensor<5x5xf32>) -> tensor<2x4x5x5xf32>
    %p = onnx.Softmax(%c) {axis = -1 : i64, onnx.outs = ["p"]} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
    %y = onnx.MatMul(%p, %k) {onnx.outs = ["y"]} : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
    onnx.return %y : tensor<2x4x5x8xf32>
  }
}
