// RUN: basin-opt %s --convert-sink-to-onnx=form=functions | FileCheck %s

// Two norms of the same nodes share a function, names and all; the one with
// another epsilon has its own. What a form captures becomes an input. The model
// imports the domain, and has the version that knows functions.
// CHECK: ir_version = 8 : i64
// CHECK-SAME: {domain = "ai.basin", version = 1 : i64}
module attributes {onnx.model = {ir_version = 7 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
  // CHECK-LABEL: onnx.graph @main
  onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x8xf32>):
  ^bb0(%x: tensor<?x8xf32>):
    // CHECK-DAG: %[[W:.*]] = onnx.initializer "w"
    // CHECK-DAG: %[[V:.*]] = onnx.initializer "v"
    // CHECK-DAG: %[[P:.*]] = onnx.initializer "p"
    %w = onnx.initializer "w" : tensor<8xf32> = dense<2.0> : tensor<8xf32>
    %v = onnx.initializer "v" : tensor<8xf32> = dense<3.0> : tensor<8xf32>
    // CHECK: %[[A:.*]] = onnx.node "RMSNorm" domain "ai.basin"(%[[X]], %[[W]]) {} attributes {onnx.name = "a_RMSNorm", onnx.outs = ["a"]}
    %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: tensor<?x8xf32>):
      %n = onnx.SimplifiedLayerNormalization(%a, %w) {epsilon = 1.0e-5 : f32, onnx.name = "n1", onnx.outs = ["a"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      sink.yield %n : tensor<?x8xf32>
    }
    // CHECK: %[[B:.*]] = onnx.node "RMSNorm" domain "ai.basin"(%[[A]], %[[V]]) {{.*}}onnx.outs = ["b"]
    %1 = sink.rms_norm %0 weight %v {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: tensor<?x8xf32>):
      %n = onnx.SimplifiedLayerNormalization(%a, %v) {epsilon = 1.0e-5 : f32, onnx.name = "n2", onnx.outs = ["b"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      sink.yield %n : tensor<?x8xf32>
    }
    // CHECK: %[[D:.*]] = onnx.node "RMSNorm_2" domain "ai.basin"(%[[B]], %[[V]])
    %2 = sink.rms_norm %1 weight %v {epsilon = 1.0e-6} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: tensor<?x8xf32>):
      %n = onnx.SimplifiedLayerNormalization(%a, %v) {epsilon = 1.0e-6 : f32, onnx.outs = ["d"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      sink.yield %n : tensor<?x8xf32>
    }
    // CHECK: onnx.node "DyT" domain "ai.basin"(%[[D]], %[[P]], %[[W]])
    %p = sink.parameter "p" : tensor<1xf32> = dense<0.5> : tensor<1xf32>
    %3 = sink.dyt %2 alpha %p gamma %w : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    onnx.return %3 : tensor<?x8xf32>
  }
  // Names inside are those of the form it was made of; the default of stash_type
  // is written out.
  // CHECK-LABEL: onnx.function @"ai.basin::RMSNorm::"
  // CHECK-SAME: inputs = [#onnx.value<"x", !onnx.unknown, {}>, #onnx.value<"weight", !onnx.unknown, {}>], outputs = [#onnx.value<"a"
  // CHECK-SAME: opsets = [{domain = "", version = 17 : i64}]
  // CHECK-NEXT: ^bb0(%[[FX:.*]]: tensor<?x8xf32>, %[[FW:.*]]: tensor<8xf32>):
  // CHECK-NEXT: onnx.SimplifiedLayerNormalization(%[[FX]], %[[FW]]) {epsilon = 9.99999974E-6 : f32, onnx.name = "n1", onnx.outs = ["a"], stash_type = 1 : i64}
  // CHECK-LABEL: onnx.function @"ai.basin::RMSNorm_2::"
  // CHECK-LABEL: onnx.function @"ai.basin::DyT::"
  // CHECK-NOT: onnx.function
}
