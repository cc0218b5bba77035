// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:opset23 | FileCheck %s

// The import of ai.onnx is raised. A reduction of before opset 18 gets its axes as an operand.
// CHECK: {domain = "", version = 23 : i64}
// CHECK-LABEL: func.func @norms
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>)
// CHECK: %[[N:.*]] = onnx.RMSNormalization(%[[X]], %[[W]]) {axis = -1 : i64, epsilon = 9.99999974E-6 : f32, {{.*}}stash_type = 1 : i64}
// CHECK: %[[A:.*]] = onnx.Constant() {value = dense<1> : tensor<1xi64>}
// CHECK: onnx.ReduceMean(%[[N]], %[[A]]) {keepdims = 1 : i64}
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @norms(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x1xf32> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %1 = onnx.ReduceMean(%0) {axes = array<i64: 1>, keepdims = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  return %1 : tensor<?x1xf32>
}
}

// -----

// Flat operands, groups of query heads, causality and softcap. The gate is a Mul.
// CHECK-LABEL: func.func @flat
// CHECK-SAME: (%[[Q:.*]]: tensor<2x6x32xf32>, %[[K:.*]]: tensor<2x6x16xf32>, %[[V:.*]]: tensor<2x6x16xf32>, %[[G:.*]]: tensor<2x6x32xf32>)
// CHECK: %[[R:.*]] = onnx.Attention(%[[Q]], %[[K]], %[[V]]) {is_causal = 1 : i64, kv_num_heads = 2 : i64, {{.*}}q_num_heads = 4 : i64, scale = 5.000000e-01 : f32, softcap = 5.000000e+01 : f32}
// CHECK: onnx.Mul(%[[R]], %[[G]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @flat(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %g: tensor<2x6x32xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v gate %g {causal, scale = 0.5, softcap = 50.0, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// A past, and a boolean mask with zeros in rows that see no key, are the operator's own. The mask is
// expanded, because its sizes are not known to be those of queries and keys.
// CHECK-LABEL: func.func @past
// CHECK-SAME: (%[[Q:.*]]: tensor<2x4x3x8xf32>, %[[K:.*]]: tensor<2x2x3x8xf32>, %[[V:.*]]: tensor<2x2x3x8xf32>, %[[P:.*]]: tensor<2x2x5x8xf32>, %[[M:.*]]: tensor<2x1x1x8xi1>)
// CHECK: %[[E:.*]] = onnx.Expand(%[[M]],
// CHECK: %[[R:.*]]:3 = onnx.Attention(%[[Q]], %[[K]], %[[V]], %[[E]], %[[P]], %[[P]])
// CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @past(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x3x8xf32>, %v: tensor<2x2x3x8xf32>, %p: tensor<2x2x5x8xf32>, %m: tensor<2x1x1x8xi1>) -> (tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>, tensor<2x2x8x8xf32>) {
  %a:3 = sink.attention %q, %k, %v mask %m past %p, %p {mask_kind = #sink.mask_kind<keep>, zero_hidden_rows, has_present, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>}
    : (tensor<2x4x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2x1x1x8xi1>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>, tensor<2x2x8x8xf32>)
  return %a#0, %a#1, %a#2 : tensor<2x4x3x8xf32>, tensor<2x2x8x8xf32>, tensor<2x2x8x8xf32>
}
}

// -----

// Half tables with an element of the batch each, of which a part of each head is rotated.
// CHECK-LABEL: func.func @rotary
// CHECK-SAME: (%[[X:.*]]: tensor<2x6x16xf32>, %[[C:.*]]: tensor<2x6x2xf32>, %[[S:.*]]: tensor<2x6x2xf32>)
// CHECK: onnx.RotaryEmbedding(%[[X]], %[[C]], %[[S]]) {interleaved = 1 : i64, num_heads = 2 : i64, {{.*}}rotary_embedding_dim = 4 : i64}
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @rotary(%x: tensor<2x6x16xf32>, %c: tensor<2x6x2xf32>, %s: tensor<2x6x2xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %s {half_tables, interleaved, rotary_dim = 4 : i64, layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<2x6x2xf32>, tensor<2x6x2xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// With batch and heads in one axis, each of their pairs is an element of the operator's batch.
// CHECK-LABEL: func.func @rotary_joined
// CHECK-SAME: (%[[X:.*]]: tensor<8x6x16xf32>, %[[C:.*]]: tensor<6x8xf32>)
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%[[C]],
// CHECK: %[[E:.*]] = onnx.Expand(%[[U]],
// CHECK: %[[R:.*]] = onnx.RotaryEmbedding(%[[X]], %[[E]], %[[E]]) {num_heads = 1 : i64
// CHECK: return %[[R]]
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @rotary_joined(%x: tensor<8x6x16xf32>, %c: tensor<6x8xf32>) -> tensor<8x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %c {half_tables, layout = #sink.layout<hsd>, num_heads = 4 : i64} : (tensor<8x6x16xf32>, tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<8x6x16xf32>
  return %0 : tensor<8x6x16xf32>
}
}
