// RUN: basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:8 --split-input-file --verify-diagnostics

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<3x4xf32>
!n = tensor<3x?xf32>

// A member whose last axis may have size one at run time.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unproven #g {
  // expected-error @below {{residual stream '': expected a last axis of size 4, but got 'tensor<3x?xf32>'}}
  %u, %x = onnx.node "Source" () {} : () -> (!n, !x)
  %0 = onnx.Add(%u, %x) : (!n, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!n = tensor<3x?xf32>

// No member's last axis is known.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown #g {
  // expected-error @below {{residual stream '': expected a static last axis, but got 'tensor<3x?xf32>'}}
  %u, %x = onnx.node "Source" () {} : () -> (!n, !n)
  %0 = onnx.Add(%u, %x) : (!n, !n) -> !n
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!n) -> !n
  onnx.node "Sink" (%y) {} : (!n) -> ()
  onnx.return
}
}
