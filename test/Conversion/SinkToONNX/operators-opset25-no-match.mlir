// RUN: basin-opt %s --split-input-file --basin-raise --convert-sink-to-onnx=form=operators:opset25 --verify-diagnostics | FileCheck %s

// For one query and several new keys, ONNX Runtime's is_causal of opset 25 hides no key, and that of opset 23 does. So a model with an
// Attention of other numbers of queries and keys, which is not raised itself, is not raised to opset 25.
// CHECK: version = 23
// CHECK: onnx.Attention(%{{.*}}) {is_causal = 1 : i64, {{.*}}}
// expected-remark @unknown {{kept all ops: the model cannot import opset 25: node 'far': its numbers of queries and keys are not known to be equal, and is_causal of opset 23 may hide other keys in opset 25}}
#i = #onnx.graph_info<inputs = [#onnx.value<"q", tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, {}>, #onnx.value<"k", tensor<2x?x8xf32, #onnx.dims<"", "k", "">>, {}>], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
onnx.graph @unequal #i {
^bb0(%q: tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, %k: tensor<2x?x8xf32, #onnx.dims<"", "k", "">>):
  %y = onnx.Attention(%q, %k, %k) {is_causal = 1 : i64, q_num_heads = 2 : i64, kv_num_heads = 2 : i64, onnx.name = "far"} : (tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, tensor<2x?x8xf32, #onnx.dims<"", "k", "">>, tensor<2x?x8xf32, #onnx.dims<"", "k", "">>) -> tensor<2x?x8xf32, #onnx.dims<"", "q", "">>
  onnx.return
}
}

// -----

// With equal numbers, or without is_causal, both hide the same.
// CHECK: version = 25
// CHECK-COUNT-2: onnx.Attention
#i = #onnx.graph_info<inputs = [#onnx.value<"q", tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, {}>, #onnx.value<"k", tensor<2x?x8xf32, #onnx.dims<"", "k", "">>, {}>], outputs = [#onnx.value<"z", tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
onnx.graph @equal #i {
^bb0(%q: tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, %k: tensor<2x?x8xf32, #onnx.dims<"", "k", "">>):
  %y = onnx.Attention(%q, %q, %q) {is_causal = 1 : i64, q_num_heads = 2 : i64, kv_num_heads = 2 : i64} : (tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, tensor<2x?x8xf32, #onnx.dims<"", "q", "">>) -> tensor<2x?x8xf32, #onnx.dims<"", "q", "">>
  %z = onnx.Attention(%y, %k, %k) {q_num_heads = 2 : i64, kv_num_heads = 2 : i64} : (tensor<2x?x8xf32, #onnx.dims<"", "q", "">>, tensor<2x?x8xf32, #onnx.dims<"", "k", "">>, tensor<2x?x8xf32, #onnx.dims<"", "k", "">>) -> tensor<2x?x8xf32, #onnx.dims<"", "q", "">>
  onnx.return %z : tensor<2x?x8xf32, #onnx.dims<"", "q", "">>
}
}
