// RUN: basin-opt %s --convert-sink-to-onnx | FileCheck %s

#one = #onnx.graph_info<inputs = [], outputs = [#onnx.value<"t", tensor<2xf32>, {}>], valueInfo = [], info = {}>

// A parameter becomes an initializer of its name at the top, wherever it stood;
// a name that is taken, by an initializer or an input, is not taken twice.
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
  // CHECK: onnx.graph @main
  // CHECK: ^bb0(%[[C:.*]]: tensor<i1>, %{{.*}}: tensor<2xf32>)
  // CHECK-NEXT: onnx.initializer "w" : tensor<2xf32> = dense<3.000000e+00>
  // CHECK-NEXT: %[[W:.*]] = onnx.initializer "w_1" : tensor<2xf32> = dense<1.000000e+00>
  // CHECK-NEXT: %[[X:.*]] = onnx.initializer "x_1" : tensor<2xf32> = dense<2.000000e+00>
  // CHECK-NEXT: onnx.If(%[[C]])
  // CHECK: onnx.return %[[W]]
  // CHECK: onnx.return %[[X]]
  // CHECK-NOT: sink.
  onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"c", tensor<i1>, {}>, #onnx.value<"x", tensor<2xf32>, {}>], outputs = [#onnx.value<"y", tensor<2xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%c: tensor<i1>, %x: tensor<2xf32>):
    %0 = onnx.initializer "w" : tensor<2xf32> = dense<3.0> : tensor<2xf32>
    %y = onnx.If(%c) {
      %p = sink.parameter "w" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
      onnx.return %p : tensor<2xf32>
    }, {
      %p = sink.parameter "x" : tensor<2xf32> = dense<2.0> : tensor<2xf32>
      onnx.return %p : tensor<2xf32>
    } attributes {onnx.subgraphs = [#one, #one]} : (tensor<i1>) -> tensor<2xf32>
    onnx.return %y : tensor<2xf32>
  }
}
