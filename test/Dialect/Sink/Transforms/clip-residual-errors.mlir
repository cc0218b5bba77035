// RUN: basin-opt %s --sink-clip-residual=bound=1e5 --split-input-file --verify-diagnostics

// 1e5 is above f16's largest number.
!x = tensor<2x5x4xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @overflow #g {
  %x = onnx.node "Source" () {} : () -> !x
  %y = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{residual stream 's': the bound 1.000000e+05 is no positive finite number of 'f16'}}
  %s = onnx.Add(%x, %y) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %a = sink.rms_norm %s {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xi32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @of_integers #g {
  %x = onnx.node "Source" () {} : () -> !x
  %y = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{residual stream 's': expected f16, bf16, f32 or f64 to clip it, but got 'tensor<2x5x4xi32>'}}
  %s = onnx.Add(%x, %y) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %a = sink.rms_norm %s {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

!x = tensor<2x5x4xf32>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
func.func @in_function(%x: !x, %y: !x) -> !x {
  // expected-error @below {{residual stream 's': it stands in a function; inline functions first}}
  %s = onnx.Add(%x, %y) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %a = sink.rms_norm %s {epsilon = 1.0} : (!x) -> !x
  return %a : !x
}
}

// -----

// The norm would be decomposed, for which there are no nodes before opset 13.
!x = tensor<2x5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 12}]}} {
onnx.graph @old_opset #g {
  %x, %r = onnx.node "Source" () {} : () -> (!x, !x)
  // expected-error @below {{norm 'a': expected opset 13 or later to clip the sum inside it}}
  %a = sink.rms_norm %x residual %r {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}
