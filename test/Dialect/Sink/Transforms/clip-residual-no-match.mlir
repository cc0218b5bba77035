// RUN: basin-opt %s --sink-clip-residual=bound=10 --split-input-file --verify-diagnostics | FileCheck %s

// Nothing is added to the norm's input, so there is no stream.
!x = tensor<2x5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-warning @below {{no residual stream was found: nothing to clip}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @no_match_no_sum
// CHECK-NOT: onnx.Clip
onnx.graph @no_match_no_sum #g {
  %x = onnx.node "Source" () {} : () -> !x
  %a = sink.rms_norm %x {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A Shape reads no element. The sum of the branches, whose size it tells, is no state of the stream.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @no_match_shape
// CHECK: %[[B:.*]] = onnx.Add
// CHECK-NEXT: onnx.Shape(%[[B]])
// CHECK: onnx.Add(%{{.*}}, %[[B]])
// CHECK: onnx.Clip
// CHECK-NOT: onnx.Clip
onnx.graph @no_match_shape #g {
  %w = onnx.initializer "w" : !w = dense<2.0> : !w
  %x = onnx.node "Source" () {} : () -> !x
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q = onnx.MatMul(%p, %w) : (!x, !w) -> !x
  %b = onnx.Add(%p, %q) : (!x, !x) -> !x
  %shape = onnx.Shape(%b) : (!x) -> tensor<3xi64>
  %y = onnx.node "Source" () {} : () -> !x
  %s = onnx.Add(%y, %b) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %a = sink.rms_norm %s {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%a, %shape) {} : (!x, tensor<3xi64>) -> ()
  onnx.return
}
}

// -----

// An input that is an output, too, is no other value there. Its norm reads a clipped one.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
#g = #onnx.graph_info<inputs = [#onnx.value<"x", tensor<2x5x4xf32>, {}>], outputs = [#onnx.value<"x", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @no_match_input_as_output
// CHECK: ^bb0(%[[X:.*]]: tensor
// CHECK: %[[C:.*]] = onnx.Clip(%[[X]]
// CHECK: sink.rms_norm %[[C]]
// CHECK: onnx.return %[[X]]
onnx.graph @no_match_input_as_output #g {
^bb0(%x: !x):
  %w = onnx.initializer "w" : !w = dense<2.0> : !w
  %a = sink.rms_norm %x {epsilon = 1.0} : (!x) -> !x
  %p = onnx.MatMul(%a, %w) : (!x, !w) -> !x
  %s = onnx.Add(%x, %p) : (!x, !x) -> !x
  %b = sink.rms_norm %s {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return %x : !x
}
}
