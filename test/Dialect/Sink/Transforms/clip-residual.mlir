// RUN: basin-opt %s --sink-clip-residual=bound=10 --split-input-file | FileCheck %s

// The embedding is clipped after its scale, and each sum that is read. The sum of two branches is only added, so it is
// no state of the stream, and the branches are none.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @stream
// CHECK: onnx.Gather
// CHECK-NOT: onnx.Clip
// CHECK: %[[E:.*]] = onnx.Mul
// CHECK-DAG: %[[MIN:.*]] = onnx.Constant() {{.*}}dense<-1.000000e+01> : tensor<f32>
// CHECK-DAG: %[[MAX:.*]] = onnx.Constant() {{.*}}dense<1.000000e+01> : tensor<f32>
// CHECK: %[[CE:.*]] = onnx.Clip(%[[E]], %[[MIN]], %[[MAX]]) {onnx.outs = ["e.clipped"]}
// CHECK: %[[A:.*]] = sink.rms_norm %[[CE]]
// CHECK: %[[B:.*]] = onnx.Add
// CHECK-NOT: onnx.Clip
// CHECK: %[[S:.*]] = onnx.Add(%[[CE]], %[[B]])
// CHECK: %[[CS:.*]] = onnx.Clip(%[[S]]
// CHECK: sink.rms_norm %[[CS]]
// CHECK: onnx.node "Reader"(%[[CS]])
// CHECK-NOT: onnx.Clip
onnx.graph @stream #g {
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %w = onnx.initializer "w" : !w = dense<2.0> : !w
  %two = onnx.Constant() {onnx.attr_order = ["value"], value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %ids = onnx.node "Source" () {} : () -> tensor<2x5xi64>
  %rows = onnx.Gather(%table, %ids) : (tensor<9x4xf32>, tensor<2x5xi64>) -> !x
  %e = onnx.Mul(%rows, %two) {onnx.outs = ["e"]} : (!x, tensor<f32>) -> !x
  %a = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  %p = onnx.MatMul(%a, %w) : (!x, !w) -> !x
  %q = onnx.MatMul(%p, %w) : (!x, !w) -> !x
  %b = onnx.Add(%p, %q) : (!x, !x) -> !x
  %s = onnx.Add(%e, %b) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %c = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["c"]} : (!x) -> !x
  onnx.node "Reader" (%s) {} : (!x) -> ()
  onnx.node "Sink" (%c) {} : (!x) -> ()
  onnx.return
}
}

// -----

// Norms that write the stream are not clipped, and a bias that is added last is added before the Clip.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @post_norm
// CHECK: %[[A:.*]] = sink.layer_norm
// CHECK: onnx.MatMul(%[[A]]
// CHECK: onnx.Add(%[[A]]
// CHECK-NOT: onnx.Clip
// CHECK: %[[S:.*]] = onnx.Add
// CHECK: %[[C:.*]] = onnx.Clip(%[[S]]
// CHECK: sink.layer_norm %[[C]]
// CHECK-NOT: onnx.Clip
onnx.graph @post_norm #g {
  %w = onnx.initializer "w" : !w = dense<2.0> : !w
  %bias = onnx.initializer "bias" : !d = dense<2.0> : !d
  %x = onnx.node "Source" () {} : () -> !x
  %a = sink.layer_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  %p = onnx.MatMul(%a, %w) : (!x, !w) -> !x
  %s = onnx.Add(%a, %p) : (!x, !x) -> !x
  %t = onnx.Add(%s, %bias) : (!x, !d) -> !x
  %b = sink.layer_norm %t {epsilon = 1.0, onnx.outs = ["b"]} : (!x) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A norm that adds a residual is taken apart: the sum is read inside it. Its vectors stay.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @inside_norm
// CHECK: %[[X:.*]]:3 = onnx.node "Source"
// CHECK: %[[S:.*]] = onnx.Add(%[[X]]#0, %[[X]]#1)
// CHECK: %[[T:.*]] = onnx.Add(%[[S]], %[[X]]#2)
// CHECK: %[[C:.*]] = onnx.Clip(%[[T]]
// CHECK: %[[Y:.*]] = sink.layer_norm %[[C]] pre_affine %[[X]]#2 weight %[[X]]#2 bias %[[X]]#2 {epsilon = 1.000000e+00 : f64, onnx.outs = ["y"]}
// CHECK: onnx.node "Sink"(%[[Y]], %[[C]])
onnx.graph @inside_norm #g {
  %x, %r, %d = onnx.node "Source" () {} : () -> (!x, !x, !d)
  %y, %s = sink.layer_norm %x residual %r pre_affine %d weight %d bias %d residual_bias %d {epsilon = 1.0, onnx.outs = ["y", "s"]} : (!x, !x, !d, !d, !d, !d) -> (!x, !x)
  onnx.node "Sink" (%y, %s) {} : (!x, !x) -> ()
  onnx.return
}
}

// -----

// Bounds are attributes before opset 11.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 10}]}} {
// CHECK-LABEL: onnx.graph @opset_10
// CHECK: %[[S:.*]] = onnx.Add
// CHECK: onnx.Clip(%[[S]]) {max = 1.000000e+01 : f32, min = -1.000000e+01 : f32
onnx.graph @opset_10 #g {
  %w = onnx.initializer "w" : !w = dense<2.0> : !w
  %x = onnx.node "Source" () {} : () -> !x
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %s = onnx.Add(%x, %p) {onnx.outs = ["s"]} : (!x, !x) -> !x
  %b = sink.layer_norm %s {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}
