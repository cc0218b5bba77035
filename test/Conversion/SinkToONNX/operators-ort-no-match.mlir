// Each op stays for one reason. It is lowered as without a form of operators.
// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:ort -o %t 2>&1 | FileCheck %s

// CHECK: remark: kept 1 attention: its type is neither f32 nor f16
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_bf16(%q: tensor<2x6x32xbf16>, %k: tensor<2x6x16xbf16>, %v: tensor<2x6x16xbf16>) -> tensor<2x6x32xbf16> {
  %a = sink.attention %q, %k, %v  {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xbf16>, tensor<2x6x16xbf16>, tensor<2x6x16xbf16>) -> tensor<2x6x32xbf16>
  return %a : tensor<2x6x32xbf16>
}
}

// -----

// CHECK: remark: kept 1 attention: each element of the batch has its own number of keys
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_last_key(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %l: tensor<2xi32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v last_key %l {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2xi32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// A MatMul repeats the one element of the query's batch for the keys, if it is one. An operator does not.
// CHECK: remark: kept 1 attention: its query, key and value are not known to have the same batch
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_batch(%q: tensor<?x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<?x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: it has learned rows before the keys
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_learned_rows(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %r: tensor<2x1x8xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x1x8xf32>, tensor<2x1x8xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: only GroupQueryAttention has sinks
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_more_keys_with_sinks(%q: tensor<2x6x32xf32>, %k: tensor<2x9x16xf32>, %v: tensor<2x9x16xf32>, %s: tensor<4xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_logit %s {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x9x16xf32>, tensor<2x9x16xf32>, tensor<4xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: only GroupQueryAttention has a softcap
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_more_keys_with_softcap(%q: tensor<2x6x32xf32>, %k: tensor<2x9x16xf32>, %v: tensor<2x9x16xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v  {softcap = 5.0, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x9x16xf32>, tensor<2x9x16xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: the score of hidden keys is finite, and not the lowest one
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_finite_score(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %m: tensor<6x6xi1>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<keep>, mask_fill = -1.0e9, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its mask has another type
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_mask_type(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %m: tensor<6x6xf64>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xf64>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: it has a past, and values of another size than keys
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_past_width(%q: tensor<2x3x32xf32>, %k: tensor<2x3x32xf32>, %v: tensor<2x3x16xf32>, %pk: tensor<2x4x5x8xf32>, %pv: tensor<2x4x5x4xf32>) -> tensor<2x3x16xf32> {
  %a = sink.attention %q, %k, %v past %pk, %pv {num_heads = 4 : i64, kv_num_heads = 4 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x3x32xf32>, tensor<2x3x32xf32>, tensor<2x3x16xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x4xf32>) -> tensor<2x3x16xf32>
  return %a : tensor<2x3x16xf32>
}
}

// -----

// CHECK: remark: kept 1 RMSNorm: its type is neither f32 nor f16
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_norm_bf16(%x: tensor<2x8xbf16>, %w: tensor<8xbf16>) -> tensor<2x8xbf16> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x8xbf16>, tensor<8xbf16>) -> tensor<2x8xbf16>
  return %0 : tensor<2x8xbf16>
}
}

// -----

// CHECK: remark: kept 1 RMSNorm: one of its vectors has another type
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_weight_type(%x: tensor<2x8xf16>, %w: tensor<8xf32>) -> tensor<2x8xf16> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x8xf16>, tensor<8xf32>) -> tensor<2x8xf16>
  return %0 : tensor<2x8xf16>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: the halves of its tables are not known to be equal
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_halves(%x: tensor<2x6x16xf32>, %c: tensor<1x6x8xf32>, %s: tensor<1x6x8xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %s {layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: its tables are not of half width, and the pairs are interleaved
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_interleaved(%x: tensor<2x6x16xf32>, %c: tensor<1x6x8xf32>, %s: tensor<1x6x8xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %s {interleaved, layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its scores have a least number that is not the lowest one
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_floor(%x: tensor<2x6x16xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x {floor = -1.0e4 : f64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: it rotates by the opposite angle
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_inverse(%x: tensor<2x2x6x8xf32>, %t: tensor<6x4xf32>) -> tensor<2x2x6x8xf32> {
  %0 = sink.rotary %x cos %t sin %t {inverse, half_tables, layout = #sink.layout<bhsd>} : (tensor<2x2x6x8xf32>, tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<2x2x6x8xf32>
  return %0 : tensor<2x2x6x8xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: its pairs come out as halves
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_deinterleaves(%x: tensor<2x2x6x8xf32>, %t: tensor<6x4xf32>) -> tensor<2x2x6x8xf32> {
  %0 = sink.rotary %x cos %t sin %t {deinterleaves, interleaved, half_tables, layout = #sink.layout<bhsd>} : (tensor<2x2x6x8xf32>, tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<2x2x6x8xf32>
  return %0 : tensor<2x2x6x8xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: it does not rotate the first elements
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_offset(%x: tensor<2x2x6x8xf32>, %t: tensor<6x2xf32>) -> tensor<2x2x6x8xf32> {
  %0 = sink.rotary %x cos %t sin %t {offset = 2 : i64, rotary_dim = 4 : i64, half_tables, layout = #sink.layout<bhsd>} : (tensor<2x2x6x8xf32>, tensor<6x2xf32>, tensor<6x2xf32>) -> tensor<2x2x6x8xf32>
  return %0 : tensor<2x2x6x8xf32>
}
}

// -----

// CHECK: remark: kept 1 RMSNorm ('y'): its nodes round to quantized types, which no operator does
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 21 : i64}]}} {
func.func @no_match_quantized(%x: tensor<2x64xf32>, %w: tensor<64xf32>) -> tensor<2x64xf32> {
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<0> : tensor<ui8>
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32> {
  ^bb0(%a: tensor<2x64xf32>):
    %sq = onnx.Mul(%a, %a) : (tensor<2x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
    %q = onnx.QuantizeLinear(%sq, %s, %z) : (tensor<2x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x64xui8>
    %d = onnx.DequantizeLinear(%q, %s, %z) : (tensor<2x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x64xf32>
    %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (tensor<2x64xf32>) -> tensor<2x1xf32>
    %e = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> tensor<f32>
    %b = onnx.Add(%m, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
    %r = onnx.Sqrt(%b) : (tensor<2x1xf32>) -> tensor<2x1xf32>
    %n = onnx.Div(%a, %r) : (tensor<2x64xf32>, tensor<2x1xf32>) -> tensor<2x64xf32>
    %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
    sink.yield %y : tensor<2x64xf32>
  }
  return %0 : tensor<2x64xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its factors for each head could overflow the query in f16
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_head_scale_f16(%x: tensor<2x6x16xf16>, %s: tensor<2x1x1xf16>) -> tensor<2x6x16xf16> {
  %a = sink.attention %x, %x, %x score_factor %s {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf16>, tensor<2x6x16xf16>, tensor<2x6x16xf16>, tensor<2x1x1xf16>) -> tensor<2x6x16xf16>
  return %a : tensor<2x6x16xf16>
}
}

// -----

// A factor for each score, and as many queries and keys as make one for each head by count.
// CHECK: remark: kept 1 attention: its factors are not known to be one for each head
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_score_factor(%x: tensor<2x2x16xf32>, %s: tensor<2x1xf32>) -> tensor<2x2x16xf32> {
  %a = sink.attention %x, %x, %x score_factor %s {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x1xf32>) -> tensor<2x2x16xf32>
  return %a : tensor<2x2x16xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its factors are not known to be one for each head
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_head_scale_size(%x: tensor<2x6x16xf32>, %s: tensor<?x1x1xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x score_factor %s {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<?x1x1xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its bias has another type
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_bias_type(%x: tensor<2x6x16xf32>, %b: tensor<6x6xf64>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x bias %b {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xf64>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its mask is not known to be one for all heads, or one for each
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_grouped_mask_heads(%q: tensor<2x6x32xf32>, %k: tensor<2x9x16xf32>, %m: tensor<1x?x6x9xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %k bias %m {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x32xf32>, tensor<2x9x16xf32>, tensor<2x9x16xf32>, tensor<1x?x6x9xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: it has the layout sbhd
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_rotary_layout(%x: tensor<6x2x2x8xf32>, %t: tensor<6x1x1x4xf32>) -> tensor<6x2x2x8xf32> {
  %0 = sink.rotary %x cos %t sin %t {half_tables, layout = #sink.layout<sbhd>} : (tensor<6x2x2x8xf32>, tensor<6x1x1x4xf32>, tensor<6x1x1x4xf32>) -> tensor<6x2x2x8xf32>
  return %0 : tensor<6x2x2x8xf32>
}
}
