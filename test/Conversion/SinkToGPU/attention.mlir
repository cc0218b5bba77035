// RUN: basin-opt %s --convert-sink-to-gpu --split-input-file | FileCheck %s

// Any layout is strides; the sigmoid of a gate is the kernel's where nothing else reads it.
// CHECK-LABEL: func.func @strides
// CHECK-NOT: onnx.Sigmoid
// CHECK: sink.launch @basin_kernels::@attention_64_bf16_causal_window_sinklogit_sigmoidgate(
// CHECK-SAME: inputs = ["query", "key", "value", "sink_logit", "gate"], outputs = ["result"]
// CHECK-SAME: batch = [{of = "value", size = 0 : i64}]
// CHECK-SAME: gate_batch_stride = [{of = "gate", stride = 0 : i64}], gate_head_stride = [64], gate_row_stride = [{of = "gate", stride = 1 : i64}]
// CHECK-SAME: heads = [{of = "query", size = 2 : i64}]
// CHECK-SAME: keys = [{of = "key", size = 2 : i64}], kv_heads = [{of = "key", size = 1 : i64}]
// CHECK-SAME: queries = [{of = "query", size = 1 : i64}]
// CHECK-SAME: result_batch_stride = [{of = "result", stride = 0 : i64}], result_head_stride = [64], result_row_stride = [{of = "result", stride = 1 : i64}]
// CHECK-SAME: window = [100]
// CHECK-SAME: shapes = {result = {{\[\[}}{of = "value", size = 0 : i64}], [{of = "query", size = 1 : i64}], [{of = "query", size = 2 : i64}, 64]]}
// CHECK: gpu.func @attention_64_bf16_causal_window_sinklogit_sigmoidgate
// CHECK: nvvm.mma.sync
func.func @strides(%q: tensor<?x?x8x64xbf16>, %k: tensor<?x2x?x64xbf16>, %v: tensor<?x2x?x64xbf16>, %s: tensor<8xf32>, %g: tensor<?x?x512xbf16>) -> tensor<?x?x512xbf16> {
  %gs = onnx.Sigmoid(%g) : (tensor<?x?x512xbf16>) -> tensor<?x?x512xbf16>
  %0 = sink.attention %q, %k, %v sink_logit %s gate %gs {causal, window = 100 : i64, num_heads = 8 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bshd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bsd>} : (tensor<?x?x8x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16>, tensor<8xf32>, tensor<?x?x512xbf16>) -> tensor<?x?x512xbf16>
  return %0 : tensor<?x?x512xbf16>
}

// -----

// Sink rows, and a mask that is broadcast by a stride of 0.
// CHECK-LABEL: func.func @rows
// CHECK: sink.launch @basin_kernels::@attention_32_f16_scale0p5_softcap20_biasf16_sinkkeyvalue(
// CHECK-SAME: inputs = ["query", "key", "value", "mask", "sink_key", "sink_value"]
// CHECK-SAME: mask_batch_stride = [0], mask_head_stride = [0], mask_row_stride = [{of = "mask", stride = 0 : i64}]
// CHECK-SAME: sink_rows = [{of = "sink_key", size = 1 : i64}]
// CHECK-NOT: shapes
func.func @rows(%q: tensor<2x4x5x32xf16>, %k: tensor<2x4x7x32xf16>, %v: tensor<2x4x7x32xf16>, %m: tensor<5x7xf16>, %sk: tensor<4x3x32xf16>) -> tensor<2x4x5x32xf16> {
  %0 = sink.attention %q, %k, %v mask %m sink_kv %sk, %sk {scale = 0.5 : f64, softcap = 20.0 : f64, mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<2x4x5x32xf16>, tensor<2x4x7x32xf16>, tensor<2x4x7x32xf16>, tensor<5x7xf16>, tensor<4x3x32xf16>, tensor<4x3x32xf16>) -> tensor<2x4x5x32xf16>
  return %0 : tensor<2x4x5x32xf16>
}

// -----

// Batch and heads on one axis are heads of one batch. A boolean mask keeps.
// CHECK-LABEL: func.func @flat
// CHECK: sink.launch @basin_kernels::@attention_64_f16_keep_nanrows(
// CHECK-SAME: batch = [1], heads = [{of = "query", size = 0 : i64}]
// CHECK-SAME: kv_heads = [{of = "key", size = 0 : i64}], mask_batch_stride = [0], mask_head_stride = [{of = "mask", stride = 0 : i64}], mask_row_stride = [{of = "mask", stride = 1 : i64}]
// CHECK-SAME: query_batch_stride = [0], query_head_stride = [{of = "query", stride = 0 : i64}]
// CHECK: gpu.func @attention_64_f16_keep_nanrows
// CHECK-SAME: in "mask" : i8 align 1 strided
func.func @flat(%q: tensor<12x5x64xf16>, %k: tensor<12x7x64xf16>, %v: tensor<12x7x64xf16>, %m: tensor<1x1x7xi1>) -> tensor<12x5x64xf16> {
  %0 = sink.attention %q, %k, %v mask %m {num_heads = 6 : i64, mask_kind = #sink.mask_kind<keep>, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>} : (tensor<12x5x64xf16>, tensor<12x7x64xf16>, tensor<12x7x64xf16>, tensor<1x1x7xi1>) -> tensor<12x5x64xf16>
  return %0 : tensor<12x5x64xf16>
}

// -----

// A gate that is no sigmoid; launches read each other's results.
// CHECK-LABEL: func.func @plain_gate
// CHECK: %[[G:.*]] = sink.launch @basin_kernels::@rms_norm_64_f16
// CHECK: sink.launch @basin_kernels::@attention_64_f16_gate(%{{.*}}, %[[G]])
module {
  func.func @plain_gate(%q: tensor<1x2x5x64xf16>, %g: tensor<1x2x5x64xf16>) -> (tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>) {
    %s = sink.rms_norm %g {epsilon = 1.0e-5} : (tensor<1x2x5x64xf16>) -> tensor<1x2x5x64xf16>
    %0 = sink.attention %q, %q, %q gate %s {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>) -> tensor<1x2x5x64xf16>
    return %0, %s : tensor<1x2x5x64xf16>, tensor<1x2x5x64xf16>
  }
}

// -----

// A gate for each head, and sink logits of the query's type.
// CHECK-LABEL: func.func @gate_a_head
// CHECK: sink.launch @basin_kernels::@attention_64_f16_narrowsinklogit_sigmoidgateperhead(
// CHECK-SAME: gate_head_stride = [{of = "gate", stride = 2 : i64}], gate_row_stride = [{of = "gate", stride = 1 : i64}]
func.func @gate_a_head(%q: tensor<1x5x2x64xf16>, %s: tensor<1x2x1x1xf16>, %g: tensor<1x5x2x1xf16>) -> tensor<1x5x2x64xf16> {
  %a = onnx.Sigmoid(%g) : (tensor<1x5x2x1xf16>) -> tensor<1x5x2x1xf16>
  %0 = sink.attention %q, %q, %q sink_logit %s gate %a {query_layout = #sink.layout<bshd>, key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bshd>, result_layout = #sink.layout<bshd>} : (tensor<1x5x2x64xf16>, tensor<1x5x2x64xf16>, tensor<1x5x2x64xf16>, tensor<1x2x1x1xf16>, tensor<1x5x2x1xf16>) -> tensor<1x5x2x64xf16>
  return %0 : tensor<1x5x2x64xf16>
}

// -----

// What a row gives that hides every key is the kernel's, too; a mask that is causal itself
// spares no tiles where hidden keys have their share.
// CHECK-LABEL: func.func @hidden_rows
// CHECK: sink.launch @basin_kernels::@attention_64_f16_keep(
// CHECK: sink.launch @basin_kernels::@attention_64_f16_fillm10000_keep(
// CHECK: sink.launch @basin_kernels::@attention_64_f16_causal_keep_nanrows(
// CHECK: sink.launch @basin_kernels::@attention_64_f16_biasf16_nanrows(
#b = #sink.layout<bhsd>
!q = tensor<2x4x8x64xf16>
func.func @hidden_rows(%q: !q, %m: tensor<8x8xi1>, %a: tensor<8x8xf16>) -> (!q, !q, !q, !q) {
  %0 = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<keep>, zero_hidden_rows, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!q, !q, !q, tensor<8x8xi1>) -> !q
  %1 = sink.attention %q, %q, %q mask %m {causal, causal_in_mask, mask_fill = -1.0e4 : f64, mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!q, !q, !q, tensor<8x8xi1>) -> !q
  %2 = sink.attention %q, %q, %q mask %m {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!q, !q, !q, tensor<8x8xi1>) -> !q
  %3 = sink.attention %q, %q, %q mask %a {causal, causal_in_mask, mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!q, !q, !q, tensor<8x8xf16>) -> !q
  return %0, %1, %2, %3 : !q, !q, !q, !q
}
