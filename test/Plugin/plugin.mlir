// REQUIRES: plugin
// RUN: %mlir_opt %s --load-dialect-plugin=%basin_plugin --load-pass-plugin=%basin_plugin --pass-pipeline="builtin.module(canonicalize)" | FileCheck %s

// The distribution's own mlir-opt knows the dialect once the plugin is loaded.

// CHECK: onnx.graph @main
// CHECK: onnx.return
onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"x", tensor<4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%x: tensor<4xf32>):
  onnx.return %x : tensor<4xf32>
}
