// RUN: basin-opt %s --sink-insert-sink-kv=count=3 --split-input-file | FileCheck %s

// Rows of grouped heads, whose values have another size than keys. The form and what only it used are dropped, and a repeated
// key that is used outside is computed before the attention, under its name.
!q = tensor<2x4x5x8xf32>
!k = tensor<2x2x5x8xf32>
!v = tensor<2x2x5x6xf32>
!r = tensor<2x4x5x8xf32>
!y = tensor<2x4x5x6xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @rows
// CHECK-DAG: %[[K:.*]] = sink.parameter "a.sink_key" : tensor<2x3x8xf32> = dense<0.000000e+00>
// CHECK-DAG: %[[V:.*]] = sink.parameter "a.sink_value" : tensor<2x3x6xf32> = dense<0.000000e+00>
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK-NEXT: %[[U:.*]] = onnx.Unsqueeze(%[[S]]#1
// CHECK-NEXT: %[[C:.*]] = onnx.Concat(%[[U]], %[[U]])
// CHECK-NEXT: %[[R:.*]] = onnx.Reshape(%[[C]], %[[S]]#3) {{{.*}}onnx.outs = ["repeated"]
// CHECK-NEXT: %[[A:.*]] = sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 sink_kv %[[K]], %[[V]] {{{.*}}onnx.outs = ["a"]
// CHECK-NEXT: onnx.node "Sink"(%[[A]], %[[R]])
onnx.graph @rows #g {
  %q, %k, %v, %shape = onnx.node "Source" () {} : () -> (!q, !k, !v, tensor<4xi64>)
  %a, %r = sink.attention %q, %k, %v {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!q, !k, !v) -> (!y, !r) {
  ^bb0(%0: !q, %1: !k, %2: !v):
    %u = onnx.Unsqueeze(%1) {axes = array<i64: 2>} : (!k) -> tensor<2x2x1x5x8xf32>
    %c = onnx.Concat(%u, %u) {axis = 2 : i64} : (tensor<2x2x1x5x8xf32>, tensor<2x2x1x5x8xf32>) -> tensor<2x2x2x5x8xf32>
    %rk = onnx.Reshape(%c, %shape) {onnx.outs = ["repeated"]} : (tensor<2x2x2x5x8xf32>, tensor<4xi64>) -> !r
    %y = onnx.node "Rest" (%0, %rk, %2) {} attributes {onnx.outs = ["a"]} : (!q, !r, !v) -> !y
    sink.yield %y, %rk : !y, !r
  }
  onnx.node "Sink" (%a, %r) {} : (!y, !r) -> ()
  onnx.return
}
}

// -----

// Heads in other layouts: flat, and keys turned.
!q = tensor<?x?x32xf16, #onnx.dims<"b", "s", "">>
!k = tensor<?x2x8x?xf16, #onnx.dims<"b", "", "", "s">>
#b = #sink.layout<bsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @layouts
// CHECK-DAG: sink.parameter "a.sink_key" : tensor<2x3x8xf16>
// CHECK-DAG: sink.parameter "a.sink_value" : tensor<2x3x4xf16>
onnx.graph @layouts #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, tensor<?x?x8xf16, #onnx.dims<"b", "s", "">>)
  %a = sink.attention %q, %k, %v {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #sink.layout<bhds>, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!q, !k, tensor<?x?x8xf16, #onnx.dims<"b", "s", "">>) -> tensor<?x?x16xf16, #onnx.dims<"b", "s", "">>
  onnx.node "Sink" (%a) {} : (tensor<?x?x16xf16, #onnx.dims<"b", "s", "">>) -> ()
  onnx.return
}
}
