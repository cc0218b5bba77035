// RUN: basin-opt %s --sink-insert-sink-logits=init=0.5 --split-input-file | FileCheck %s

// The logits become a column behind the masked scores, which is cut off behind the Softmax. All other nodes stay, and the value
// of the probabilities that is used outside is the one without the column. An attention that has a sink stays as it is.
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!t = tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
!s = tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @column
// CHECK: %[[L:.*]] = sink.parameter "a.sink_logit" : tensor<2xf32> = dense<5.000000e-01>
// CHECK: sink.attention %{{.*}} sink_logit %[[L]] {
// CHECK: %[[S:.*]] = onnx.Add(
// CHECK: %[[R:.*]] = onnx.Reshape(%[[L]], %{{.*}}) {{.*}} -> tensor<1x2x1x1xf32>
// CHECK: %[[C:.*]] = onnx.Expand(%[[R]], %{{.*}}) {{.*}} -> tensor<?x2x?x1xf32
// CHECK: %[[J:.*]] = onnx.Concat(%[[S]], %[[C]]) {axis = 3 : i64}
// CHECK: %[[P:.*]] = onnx.Softmax(%[[J]]) {axis = -1 : i64}
// CHECK: %[[W:.*]] = onnx.Slice(%[[P]], {{.*}}onnx.outs = ["p"]{{.*}} -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
// CHECK: %[[Y:.*]] = onnx.MatMul(%[[W]],
// CHECK: sink.yield %[[Y]], %[[W]]
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}}#3 {
onnx.graph @column #g {
  %q, %m, %k, %l = onnx.node "Source" () {} : () -> (!h, !s, !h, tensor<2xf32>)
  %a, %p = sink.attention %q, %q, %q mask %m {num_heads = 2 : i64, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !s) -> (!h, !s) {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %m) : (!s, !s) -> !s
    %p0 = onnx.Softmax(%s1) {axis = -1 : i64, onnx.outs = ["p"]} : (!s) -> !s
    %y = onnx.MatMul(%p0, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y, %p0 : !h, !s
  }
  %b = sink.attention %q, %k, %k sink_logit %l {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, !h, !h, tensor<2xf32>) -> !h
  onnx.node "Sink" (%a, %p, %b) {} : (!h, !s, !h) -> ()
  onnx.return
}
}

// -----

// A Softmax in f32 of values in f16 gets the column in f32.
!h = tensor<2x2x5x4xf16>
!s = tensor<2x2x5x5xf16>
!f = tensor<2x2x5x5xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @wider_softmax
// CHECK: %[[L:.*]] = sink.parameter "a.sink_logit" : tensor<2xf16> = dense<5.000000e-01>
// CHECK: %[[C:.*]] = onnx.Cast(%[[L]]) {to = 1 : i64}
// CHECK: onnx.Reshape(%[[C]]
// CHECK: onnx.Softmax({{.*}}tensor<2x2x5x6xf32>
onnx.graph @wider_softmax #g {
  %q, %kt = onnx.node "Source" () {} : () -> (!h, tensor<2x2x4x5xf16>)
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s0 = onnx.MatMul(%0, %kt) : (!h, tensor<2x2x4x5xf16>) -> !s
    %s1 = onnx.Cast(%s0) {to = 1 : i64} : (!s) -> !f
    %p0 = onnx.Softmax(%s1) {axis = -1 : i64} : (!f) -> !f
    %p1 = onnx.Cast(%p0) {to = 10 : i64} : (!f) -> !s
    %y = onnx.MatMul(%p1, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// GroupQueryAttention takes the logits as its operand head_sink, also with packed operands, and with what precedes it absent.
!x = tensor<2x5x24xf32>
!y = tensor<2x5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @operator
// CHECK: %[[L:.*]] = sink.parameter "a.sink_logit" : tensor<2xf32>
// CHECK: sink.attention %{{.*}} sink_logit %[[L]] {
// CHECK: onnx.absent
// CHECK: %[[N:.*]] = onnx.absent
// CHECK: onnx.ms.GroupQueryAttention(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[N]], %[[N]], %[[N]], %[[N]], %[[L]])
onnx.graph @operator #g {
  %x, %n, %t = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %a = sink.attention %x, %x, %x {num_heads = 2 : i64, kv_num_heads = 2 : i64, causal, query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>} : (!x, !x, !x) -> !y {
  ^bb0(%0: !x):
    %no = onnx.absent
    %y = onnx.ms.GroupQueryAttention(%0, %no, %no, %no, %no, %n, %t) {num_heads = 2 : i64, kv_num_heads = 2 : i64, onnx.outs = ["a"]} : (!x, none, none, none, none, tensor<2xi32>, tensor<i32>) -> !y
    sink.yield %y : !y
  }
  onnx.node "Sink" (%a) {} : (!y) -> ()
  onnx.return
}
}

// -----

// Another operator has no such operand: the form is dropped, with what only it used. The names stay.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}]}} {
// CHECK-LABEL: onnx.graph @dropped
// CHECK: onnx.node "Source"
// CHECK-NEXT: %[[A:.*]] = sink.attention %{{.*}} sink_logit %{{.*}} {{{.*}}onnx.outs = ["a"]{{.*}}-> tensor<2x2x5x4xf32>
// CHECK-NEXT: onnx.node "Sink"(%[[A]])
onnx.graph @dropped #g {
  %q, %m = onnx.node "Source" () {} : () -> (!h, tensor<5x5xf32>)
  %no = onnx.Identity(%m) : (tensor<5x5xf32>) -> tensor<5x5xf32>
  %a = sink.attention %q, %q, %q mask %m {num_heads = 2 : i64, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<5x5xf32>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %y = onnx.Attention(%0, %1, %2, %no) {onnx.outs = ["a"]} : (!h, !h, !h, tensor<5x5xf32>) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
