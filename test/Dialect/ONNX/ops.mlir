// RUN: basin-opt %s | basin-opt | FileCheck %s
// RUN: basin-opt %s --emit-bytecode | basin-opt | FileCheck %s

// What a model may hold besides typed nodes survives printing and bytecode:
// symbolic dimensions, data in files of its own, strings, bytes that are no
// UTF-8, unknown types and attributes kept verbatim.

// CHECK: module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}]}} {
  // CHECK-LABEL: onnx.graph @main <inputs = [#onnx.value<"x", tensor<?x64xf32, #onnx.dims<"N", "">>
  onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x64xf32, #onnx.dims<"N","">>, {}>], outputs = [#onnx.value<"y", tensor<?x64xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x64xf32, #onnx.dims<"N", "">>):
  ^bb0(%x: tensor<?x64xf32, #onnx.dims<"N","">>):
    // CHECK-NEXT: %[[W:.*]] = onnx.initializer "w" : tensor<64x64xf32> = #onnx.external<location = "a.bin", length = 16384> : tensor<64x64xf32>
    %w = onnx.initializer "w" : tensor<64x64xf32> = #onnx.external<location = "a.bin", offset = 0, length = 16384> : tensor<64x64xf32>
    // CHECK-NEXT: onnx.initializer "s" : tensor<2x!onnx.string> = #onnx.strings<["a", "b"]> : tensor<2x!onnx.string>
    %s = onnx.initializer "s" : tensor<2x!onnx.string> = #onnx.strings<["a", "b"]> : tensor<2x!onnx.string>
    // CHECK-NEXT: %[[H:.*]] = onnx.MatMul(%[[X]], %[[W]]) {{.*}} -> !onnx.unknown
    %h = onnx.MatMul(%x, %w) {onnx.outs = ["h"]} : (tensor<?x64xf32, #onnx.dims<"N","">>, tensor<64x64xf32>) -> !onnx.unknown
    // CHECK-NEXT: %[[C:.*]] = onnx.node "Foo" domain "my\FF\00"(%[[H]]) {a = #onnx.verbatim<"\01\02\FF">}
    %c = onnx.node "Foo" domain "my\FF\00" (%h) {a = #onnx.verbatim<"\01\02\FF"> } : (!onnx.unknown) -> tensor<*xf32>
    // CHECK-NEXT: %[[Q:.*]] = onnx.Softmax(%[[C]]) {axis = -1 : i64, onnx.name = "sm", onnx.outs = ["y"]}
    %q = onnx.Softmax(%c) {axis = -1 : i64, onnx.outs = ["y"], onnx.name = "sm"} : (tensor<*xf32>) -> tensor<?x64xf32>
    // CHECK-NEXT: onnx.return %[[Q]]
    onnx.return %q : tensor<?x64xf32>
  }
}
