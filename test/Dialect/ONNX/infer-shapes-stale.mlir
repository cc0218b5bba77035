// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file -verify-diagnostics | FileCheck %s

// A shape that the model states and that is not what its node gives is dropped,
// be it a size or a rank, and so are those that follow from it.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @sizes
onnx.graph @sizes #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source"() {} : () -> tensor<?x4xf32>
  // expected-warning@+2 {{expected 'y' of node 'y' to be 'tensor<?x5xf32>' as the model states, but it is 'tensor<?x4xf32>': the statement is dropped}}
  // CHECK: onnx.Relu{{.*}} -> tensor<?x4xf32>
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<?x4xf32>) -> tensor<?x5xf32>
  // expected-warning@+2 {{expected 'z' of node 'z' to be 'tensor<4xf32>' as the model states, but it is 'tensor<?x4xf32>': the statement is dropped}}
  // CHECK: onnx.Sigmoid{{.*}} -> tensor<?x4xf32>
  %z = onnx.Sigmoid(%y) {onnx.outs = ["z"]} : (tensor<?x5xf32>) -> tensor<4xf32>
  onnx.return
}
}

// -----

// Likewise an output's declaration.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @output
onnx.graph @output #onnx.graph_info<inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"y", tensor<5xf32>, {}>, #onnx.value<"x", tensor<6xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<4xf32>):
  // expected-warning@+2 {{expected 'y' of node 'y' to be 'tensor<5xf32>' as the output is declared, but it is 'tensor<4xf32>': the statement is dropped}}
  // CHECK: onnx.Relu{{.*}} -> tensor<4xf32>
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<4xf32>) -> !onnx.unknown
  // expected-warning@+1 {{expected output 'x' to be 'tensor<6xf32>' as declared, but it is 'tensor<4xf32>'}}
  onnx.return %y, %x : !onnx.unknown, tensor<4xf32>
}
}

// -----

// An element type that is not the node's is no leftover: runtimes refuse it.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @element #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source"() {} : () -> tensor<?x4xf32>
  // expected-error@+1 {{expected 'y' of node 'y' to be 'tensor<?x4xf16>' as the model states, but got 'tensor<?x4xf32>'}}
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<?x4xf32>) -> tensor<?x4xf16>
  onnx.return
}
}

// -----

// In a branch that may never run, what the model states stays.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @branch
onnx.graph @branch #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %c = onnx.node "Source"() {} : () -> tensor<i1>
  %x = onnx.node "Source"() {} : () -> tensor<?x4xf32>
  %r = onnx.If(%c) {
    // CHECK: onnx.Relu{{.*}} -> tensor<?x5xf32>
    %y = onnx.Relu(%x) : (tensor<?x4xf32>) -> tensor<?x5xf32>
    onnx.return %y : tensor<?x5xf32>
  }, {
    onnx.return %x : tensor<?x4xf32>
  } : (tensor<i1>) -> !onnx.unknown
  onnx.return
}
}
