// RUN: basin-opt %s --sink-rescale-residual=k=8 --split-input-file --verify-diagnostics

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<2x4xf16>

// A stream stored in f16, normalized in f32.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @stored #g {
  // expected-warning @below {{residual stream value '' is stored in 'f16': scaled by 2^-8, elements below 0.016 in magnitude fall below its normal range, where the result may differ}}
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<2x4xf32>

// A constant on the way makes the stream small before the scale does.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @small #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %c = onnx.initializer "c" : tensor<f32> = dense<9.31322575E-10> : tensor<f32>
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %1 = onnx.Mul(%0, %c) : (!x, tensor<f32>) -> !x
  // expected-warning @below {{norm '' squares in 'f32': scaled by 2^-8, elements below 2.8e-17 in magnitude fall below its normal range, where the result may differ}}
  %y = sink.rms_norm %1 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<2x4xf32>

// Elsewhere such a scale is not worth a word.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @plain #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %0 = onnx.Add(%x, %z) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
