// Forms that do not take the logits: each is dropped, and the operand alone says what the attention means.
// RUN: basin-opt %s --sink-insert-sink-logits --split-input-file | FileCheck %s

// Batch and heads are one axis of the scores.
!h = tensor<4x5x4xf32>
!s = tensor<4x5x5xf32>
#b = #sink.layout<hsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @joined_heads
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @joined_heads #g {
  %q, %k = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Identity(%k) : (!s) -> !s
    %p = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Either Softmax may be the one of the scores.
!h = tensor<2x2x5x4xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @two_softmaxes
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @two_softmaxes #g {
  %q, %k = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Identity(%k) : (!s) -> !s
    %p0 = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %p = onnx.Softmax(%p0) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A softmax that is written out has no Softmax.
!h = tensor<2x2x5x4xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @written_out
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @written_out #g {
  %q, %k = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Identity(%k) : (!s) -> !s
    %e = onnx.Exp(%s) : (!s) -> !s
    %ax = onnx.Constant() {value_ints = array<i64: 3>} : () -> tensor<1xi64>
    %d = onnx.ReduceSum(%e, %ax) : (!s, tensor<1xi64>) -> tensor<2x2x5x1xf32>
    %p = onnx.Div(%e, %d) : (!s, tensor<2x2x5x1xf32>) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A Softmax over the queries.
!h = tensor<2x2x5x4xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @other_axis
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @other_axis #g {
  %q, %k = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Identity(%k) : (!s) -> !s
    %p = onnx.Softmax(%s) {axis = 2 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The scores have one head, which is broadcast to the others.
!h = tensor<2x2x5x4xf32>
!s = tensor<2x1x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @broadcast_heads
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @broadcast_heads #g {
  %q, %k = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Identity(%k) : (!s) -> !s
    %p0 = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %p = onnx.Identity(%p0) : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
