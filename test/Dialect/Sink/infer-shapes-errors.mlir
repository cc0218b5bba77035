// RUN: basin-opt %s "--onnx-infer-shapes=strict=true name-unknown-dims=false" -split-input-file -verify-diagnostics

// What is stated of a result against a shape that the pass has just found.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<5x8xf32>
  %x = onnx.Relu(%a) : (tensor<5x8xf32>) -> !onnx.unknown
  // expected-error@+1 {{expected result 0 to be 'tensor<4x8xf32>' as the model states, but got 'tensor<5x8xf32>'}}
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (!onnx.unknown) -> tensor<4x8xf32>
  onnx.return
}
}
