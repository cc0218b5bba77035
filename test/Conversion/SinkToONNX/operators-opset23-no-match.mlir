// Each op stays for one reason. It is lowered as without a form of operators.
// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:opset23 -o %t 2>&1 | FileCheck %s

// CHECK: remark: kept 1 attention: ONNX Runtime takes the lowest score in f16 for -inf
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_f16_rows(%q: tensor<2x6x32xf16>, %k: tensor<2x6x16xf16>, %v: tensor<2x6x16xf16>, %m: tensor<6x6xf16>) -> tensor<2x6x32xf16> {
  %a = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf16>, tensor<2x6x16xf16>, tensor<2x6x16xf16>, tensor<6x6xf16>) -> tensor<2x6x32xf16>
  return %a : tensor<2x6x32xf16>
}
}

// -----

// CHECK: remark: kept 1 LayerNorm: its eps is zero, so that rows of equal elements divide rounding errors by each other
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_zero_eps(%x: tensor<2x6x16xf32>, %w: tensor<16xf32>) -> tensor<2x6x16xf32> {
  %a = sink.layer_norm %x weight %w {epsilon = 0.0 : f64} : (tensor<2x6x16xf32>, tensor<16xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its sink logits are no vector of one for each head
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_logits(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %s: tensor<1x4xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_logit %s {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<1x4xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its learned rows are not known to be of its heads and their sizes
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_rows(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %r: tensor<2x?x8xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 attention: its operands or its result have different types
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_type_of_rows(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %r: tensor<2x1x8xf16>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x1x8xf16>, tensor<2x1x8xf16>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// CHECK: remark: kept 1 RMSNorm: one of its vectors is not known to have the size of the last axis
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_weight_rank(%x: tensor<2x8xf32>, %w: tensor<1x8xf32>) -> tensor<2x8xf32> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x8xf32>, tensor<1x8xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}
}

// -----

// CHECK: remark: kept 1 RMSNorm: the size of its last axis is unknown
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_last_axis(%x: tensor<2x?xf32>, %w: tensor<1xf32>) -> tensor<2x?xf32> {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x?xf32>, tensor<1xf32>) -> tensor<2x?xf32>
  return %0 : tensor<2x?xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: its tables are not known to have a row for each position
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_rows(%x: tensor<2x6x16xf32>, %c: tensor<1x?x4xf32>, %s: tensor<1x?x4xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %s {half_tables, layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// CHECK: remark: kept 1 rotary embedding: the width of its tables is unknown
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_width(%x: tensor<2x6x16xf32>, %c: tensor<1x6x?xf32>, %s: tensor<1x6x?xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.rotary %x cos %c sin %s {half_tables, layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<1x6x?xf32>, tensor<1x6x?xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// The model keeps its opset, because an operator of it is not known to mean the same in opset 23.
// CHECK: remark: kept all ops: the model cannot import opset 23: node 'r': Resize of opset 17 is not known to mean the same in opset 23
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @no_match_opset(%x: tensor<2x8xf32>, %w: tensor<8xf32>) -> !onnx.unknown {
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %1 = onnx.node "Resize"(%0) {} attributes {onnx.name = "r"} : (tensor<2x8xf32>) -> !onnx.unknown
  return %1 : !onnx.unknown
}
}

// -----

// CHECK: remark: kept 1 RMSNorm ('y'): its nodes round to quantized types, which no operator does
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
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

// CHECK: remark: kept 1 attention: ONNX Runtime takes the lowest score in f16 for -inf
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_f16_bias(%x: tensor<2x6x16xf16>, %m: tensor<6x6xi1>, %b: tensor<6x6xf16>) -> tensor<2x6x16xf16> {
  %a = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf16>, tensor<2x6x16xf16>, tensor<2x6x16xf16>, tensor<6x6xi1>, tensor<6x6xf16>) -> tensor<2x6x16xf16>
  return %a : tensor<2x6x16xf16>
}
}

// -----

// CHECK: remark: kept 1 attention: its scores have a least number that is not the lowest one
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @no_match_floor(%x: tensor<2x6x16xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x {floor = -1.0e4 : f64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}
