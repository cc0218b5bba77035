// RUN: basin-opt %s "--onnx-infer-shapes=on-conflict=warn strict=true name-unknown-dims=false" -verify-diagnostics | FileCheck %s

// A model that contradicts itself can still be read: what it states stays, and
// results of contradictory operands keep the types they have.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @g
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4xf32>
  %v = onnx.node "Source" () {} : () -> tensor<3xf32>
  // expected-warning@+2 {{expected 'y' of node 'y' to be 'tensor<?x5xf32>' as the model states, but got 'tensor<?x4xf32>'}}
  // CHECK: onnx.Relu{{.*}} -> tensor<?x5xf32>
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<?x4xf32>) -> tensor<?x5xf32>
  // expected-warning@+2 {{expected shapes that broadcast, but got [?, 4] and [3]}}
  // CHECK: onnx.Add{{.*}} -> !onnx.unknown
  %z = onnx.Add(%x, %v) : (tensor<?x4xf32>, tensor<3xf32>) -> !onnx.unknown
  onnx.return
}
}
