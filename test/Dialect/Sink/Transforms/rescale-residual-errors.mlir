// RUN: basin-opt %s --sink-rescale-residual=k=54 --split-input-file --verify-diagnostics

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<2x4xf32>

// Squares of ordinary elements leave f32's normal range.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @squares #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  // expected-error @below {{norm '' squares in 'f32': scaled by 2^-54, elements below 0.002 in magnitude fall below its normal range; choose a smaller scale}}
  %y = sink.rms_norm %0 {epsilon = 0.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
