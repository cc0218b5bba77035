// Forms that do not take the logits: each is dropped, and the operand alone says what the attention means. The first is the base,
// whose form takes them; each of the others changes it in one place.
// RUN: basin-opt %s --sink-insert-sink-logits --split-input-file | FileCheck %s

// The form that takes them.
!h = tensor<2x2x5x4xf32>
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}} {
// CHECK: onnx.Softmax
// CHECK: sink.yield
onnx.graph @base #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %p = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Batch and heads are one axis of the scores.
!h = tensor<4x5x4xf32>
!t = tensor<4x4x5xf32>
!s = tensor<4x5x5xf32>
#b = #sink.layout<hsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @joined_heads
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @joined_heads #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 2, 1>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
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
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @two_softmaxes
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @two_softmaxes #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
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
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @written_out
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @written_out #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
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
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @other_axis
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @other_axis #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
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
!t = tensor<2x2x4x5xf32>
!s = tensor<2x1x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @broadcast_heads
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @broadcast_heads #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %one = onnx.node "Head" (%0) {} : (!h) -> tensor<2x1x5x4xf32>
    %kone = onnx.node "Head" (%kt) {} : (!t) -> tensor<2x1x4x5xf32>
    %s0 = onnx.MatMul(%one, %kone) : (tensor<2x1x5x4xf32>, tensor<2x1x4x5xf32>) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %p = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The largest score of each row is subtracted: a column behind that would be beside other scores.
!h = tensor<2x2x5x4xf32>
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @largest_subtracted
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @largest_subtracted #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %ax = onnx.Constant() {value_ints = array<i64: 3>} : () -> tensor<1xi64>
    %max = onnx.ReduceMax(%s, %ax) : (!s, tensor<1xi64>) -> tensor<2x2x5x1xf32>
    %d = onnx.Sub(%s, %max) : (!s, tensor<2x2x5x1xf32>) -> !s
    %p = onnx.Softmax(%d) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The scores are reshaped on the way.
!h = tensor<2x2x5x4xf32>
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @reshaped
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @reshaped #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 5, 5>} : () -> tensor<4xi64>
    %r = onnx.Reshape(%s, %shape) : (!s, tensor<4xi64>) -> !s
    %p = onnx.Softmax(%r) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// No product of the form gives the scores.
!h = tensor<2x2x5x4xf32>
!t = tensor<2x2x4x5xf32>
!s = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @no_product
// CHECK: sink.attention %{{.*}} sink_logit
// CHECK-NEXT: onnx.node "Sink"
onnx.graph @no_product #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, !s)
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.node "Product" (%0, %kt) {} : (!h, !t) -> !s
    %s = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %p = onnx.Softmax(%s) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
