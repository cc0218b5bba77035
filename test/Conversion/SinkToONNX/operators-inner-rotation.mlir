// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:ort | FileCheck %s

// One table for all elements of the batch: the operator rotates query and key itself.
// CHECK-LABEL: func.func @inside
// CHECK-SAME: (%[[Q:[^:]*]]: tensor<2x6x32xf32>, %[[K:[^:]*]]: tensor<2x6x32xf32>, %[[C:[^:]*]]: tensor<1x6x8xf32>
// CHECK: %[[COS:.*]] = onnx.Reshape(%[[C]],
// CHECK-NOT: onnx.ms.RotaryEmbedding
// CHECK: onnx.ms.GroupQueryAttention(%[[Q]], %[[K]], %[[K]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[COS]], %{{.*}}) {do_rotary = 1 : i64, kv_num_heads = 2 : i64, num_heads = 2 : i64
// CHECK-SAME: rotary_interleaved = 1 : i64
#bsd = #sink.layout<bsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @inside(%q: tensor<2x6x32xf32>, %k: tensor<2x6x32xf32>, %c: tensor<1x6x8xf32>, %s: tensor<1x6x8xf32>) -> tensor<2x6x32xf32> {
  %rq = sink.rotary %q cos %c sin %s {interleaved, half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x32xf32>
  %rk = sink.rotary %k cos %c sin %s {interleaved, half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x32xf32>
  %a = sink.attention %rq, %rk, %k {causal, softcap = 9.0, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #bsd, key_layout = #bsd, value_layout = #bsd, result_layout = #bsd} : (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// Each element of the batch has a table of its own.
// CHECK-LABEL: func.func @no_match_tables_by_batch
// CHECK-COUNT-2: onnx.ms.RotaryEmbedding
// CHECK: onnx.ms.GroupQueryAttention
// CHECK-NOT: do_rotary
// CHECK: return
#bsd = #sink.layout<bsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_tables_by_batch(%q: tensor<2x6x32xf32>, %k: tensor<2x6x32xf32>, %c: tensor<2x6x8xf32>, %s: tensor<2x6x8xf32>) -> tensor<2x6x32xf32> {
  %rq = sink.rotary %q cos %c sin %s {half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>) -> tensor<2x6x32xf32>
  %rk = sink.rotary %k cos %c sin %s {half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>) -> tensor<2x6x32xf32>
  %a = sink.attention %rq, %rk, %k {causal, softcap = 9.0, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #bsd, key_layout = #bsd, value_layout = #bsd, result_layout = #bsd} : (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// Query and key have other tables, and then only the query is rotated.
// CHECK-LABEL: func.func @no_match_other_tables
// CHECK-NOT: do_rotary
// CHECK: return
#bsd = #sink.layout<bsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_other_tables(%q: tensor<2x6x32xf32>, %k: tensor<2x6x32xf32>, %c: tensor<1x6x8xf32>, %s: tensor<1x6x8xf32>) -> (tensor<2x6x32xf32>, tensor<2x6x32xf32>) {
  %rq = sink.rotary %q cos %c sin %s {half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x32xf32>
  %rk = sink.rotary %k cos %s sin %c {half_tables, layout = #bsd, num_heads = 2 : i64} : (tensor<2x6x32xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x32xf32>
  %a = sink.attention %rq, %rk, %k {causal, softcap = 9.0, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #bsd, key_layout = #bsd, value_layout = #bsd, result_layout = #bsd} : (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  %b = sink.attention %rq, %k, %k {causal, softcap = 9.0, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #bsd, key_layout = #bsd, value_layout = #bsd, result_layout = #bsd} : (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a, %b : tensor<2x6x32xf32>, tensor<2x6x32xf32>
}
}

// -----

// Heads are no multiple of 16.
// CHECK-LABEL: func.func @no_match_head_size
// CHECK: onnx.ms.GroupQueryAttention
// CHECK-NOT: do_rotary
// CHECK: return
#bsd = #sink.layout<bsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_head_size(%q: tensor<2x6x32xf32>, %k: tensor<2x6x32xf32>, %c: tensor<1x6x4xf32>, %s: tensor<1x6x4xf32>) -> tensor<2x6x32xf32> {
  %rq = sink.rotary %q cos %c sin %s {half_tables, layout = #bsd, num_heads = 4 : i64} : (tensor<2x6x32xf32>, tensor<1x6x4xf32>, tensor<1x6x4xf32>) -> tensor<2x6x32xf32>
  %rk = sink.rotary %k cos %c sin %s {half_tables, layout = #bsd, num_heads = 4 : i64} : (tensor<2x6x32xf32>, tensor<1x6x4xf32>, tensor<1x6x4xf32>) -> tensor<2x6x32xf32>
  %a = sink.attention %rq, %rk, %k {causal, softcap = 9.0, num_heads = 4 : i64, kv_num_heads = 4 : i64, query_layout = #bsd, key_layout = #bsd, value_layout = #bsd, result_layout = #bsd} : (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}
