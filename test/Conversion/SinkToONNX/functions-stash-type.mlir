// RUN: basin-opt %s --convert-sink-to-onnx=form=functions | FileCheck %s

// Before opset 17 LayerNormalization is the runtime's own operator, which it does
// not load from a function without a stash_type.
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 14 : i64}]}} {
  onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x8xf32>, {}>, #onnx.value<"w", tensor<8xf32>, {}>], outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<?x8xf32>, %w: tensor<8xf32>):
    %0 = sink.layer_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: tensor<?x8xf32>):
      %n = onnx.LayerNormalization(%a, %w) {onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      sink.yield %n : tensor<?x8xf32>
    }
    onnx.return %0 : tensor<?x8xf32>
  }
  // CHECK-LABEL: onnx.function @"ai.basin::LayerNorm::"
  // CHECK: onnx.LayerNormalization({{.*}}) {onnx.outs = ["y"], stash_type = 1 : i64}
}
