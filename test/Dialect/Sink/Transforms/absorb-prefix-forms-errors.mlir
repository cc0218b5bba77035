// RUN: %python %S/Inputs/make_states.py %t.onnx r.prefix_key=1x2x2x4 r.prefix_value=1x2x2x4
// RUN: basin-opt %s --sink-absorb-prefix="ids=3,5 states=%t.onnx" -verify-diagnostics

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// The form would be dropped, because it adds what depends on the number of tokens, but it rounds its scores.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @dropped #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %step = onnx.Constant() {value_float = 0.1 : f32} : () -> tensor<f32>
  %low = onnx.Constant() {value_float = -1.0e9 : f32} : () -> tensor<f32>
  %b0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %batch = onnx.Gather(%shape, %b0) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %length = onnx.Gather(%shape, %axis) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %inner = onnx.Constant() {value_ints = array<i64: 2, 4>} : () -> tensor<2xi64>
  %sizes = onnx.Concat(%batch, %inner, %length) {axis = 0 : i64} : (tensor<1xi64>, tensor<2xi64>, tensor<1xi64>) -> tensor<4xi64>
  %bias = onnx.Cast(%mask) {to = 1 : i64} : (!m) -> !b
  %q0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  // expected-error @+1 {{attention 'r' cannot take the prefix: its nodes hide later keys or may compute something else with more keys, and its nodes round to quantized types, which only they do}}
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, !h, !h, !m) -> !h {
  ^bb0(%fq: !h, %fk: !h, %fv: !h, %fm: !m):
    %kt = onnx.Transpose(%fk) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %flat = onnx.Reshape(%kt, %sizes) : (tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>, tensor<4xi64>) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %s = onnx.MatMul(%fq, %flat) : (!h, tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %codes = onnx.QuantizeLinear(%s, %step) : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, tensor<f32>) -> tensor<?x2x?x?xui8, #onnx.dims<"b", "", "s", "s">>
    %rounded = onnx.DequantizeLinear(%codes, %step) : (tensor<?x2x?x?xui8, #onnx.dims<"b", "", "s", "s">>, tensor<f32>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %s1 = onnx.Add(%rounded, %bias) : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, !b) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %masked = onnx.Where(%fm, %s1, %low) : (!m, tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, tensor<f32>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %p = onnx.Softmax(%masked) {axis = -1} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %y = onnx.MatMul(%p, %fv) {onnx.outs = ["r"]} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, !h) -> !h
    sink.yield %y : !h
  }
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}
