// RUN: basin-opt %s --convert-sink-to-onnx=form=operators:opset25 | FileCheck %s

// Attention of opset 25 takes a past without a present, masks of one row, and windows.
#b = #sink.layout<bhsd>
#f = #sink.layout<bsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
// CHECK: version = 25

// A row of zeros is the past, and its column of the mask, which is one row, has the logits. is_causal counts from the end of the
// keys. The operands stay flat.
// CHECK-LABEL: func.func @logits
// CHECK-SAME: %[[Q:[^:]*]]: tensor<2x6x32xf32>, %[[K:[^:]*]]: tensor<2x6x16xf32>, %[[L:[^:]*]]: tensor<4xf32>
// CHECK-DAG: %[[M:.*]] = onnx.Expand({{.*}} -> tensor<1x4x1x6xf32>
// CHECK-DAG: %[[R:.*]] = onnx.Reshape(%[[L]], {{.*}} -> tensor<1x4x1x1xf32>
// CHECK: %[[C:.*]] = onnx.Expand(%[[R]], {{.*}} -> tensor<1x4x1x1xf32>
// CHECK: %[[MC:.*]] = onnx.Concat(%[[C]], %[[M]]) {axis = 3 : i64}
// CHECK: %[[ZK:.*]] = onnx.Expand({{.*}} -> tensor<2x2x1x8xf32>
// CHECK: %[[ZV:.*]] = onnx.Expand({{.*}} -> tensor<2x2x1x8xf32>
// CHECK: onnx.Attention(%[[Q]], %[[K]], %[[K]], %[[MC]], %[[ZK]], %[[ZV]]) {is_causal = 1 : i64, kv_num_heads = 2 : i64, q_num_heads = 4 : i64}
func.func @logits(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %l: tensor<4xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %k sink_logit %l {num_heads = 4 : i64, kv_num_heads = 2 : i64, causal, query_layout = #f, key_layout = #f, value_layout = #f, result_layout = #f}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<4xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}

// Learned rows alone need no mask.
// CHECK-LABEL: func.func @rows
// CHECK: %[[E:.*]] = onnx.Expand({{.*}} -> tensor<2x2x3x8xf32>
// CHECK: %[[N:.*]] = onnx.absent
// CHECK: onnx.Attention(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[N]], %[[E]], %{{[^,]*}}) :
func.func @rows(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %r: tensor<2x3x8xf32>) -> tensor<2x4x6x8xf32> {
  %a = sink.attention %q, %k, %v sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x4x6x8xf32>
  return %a : tensor<2x4x6x8xf32>
}

// The op's own past stands behind both, and its present is joined apart from them.
// CHECK-LABEL: func.func @past
// CHECK-SAME: %[[K:[^:]*]]: tensor<2x4x1x8xf32>, %[[P:[^:]*]]: tensor<2x4x5x8xf32>
// CHECK-DAG: %[[PK:.*]] = onnx.Concat(%[[P]], %[[K]]) {axis = 2 : i64}
// CHECK-DAG: %[[MC:.*]] = onnx.Concat(%{{.*}}, %{{.*}}, %{{.*}}) {axis = 3 : i64} : (tensor<1x4x1x2xf32>, tensor<1x4x1x1xf32>, tensor<1x4x1x6xf32>)
// CHECK: %[[S:.*]] = onnx.Concat(%{{.*}}, %{{.*}}, %[[P]]) {axis = 2 : i64} : (tensor<2x4x2x8xf32>, tensor<2x4x1x8xf32>, tensor<2x4x5x8xf32>)
// CHECK: %[[A:.*]] = onnx.Attention(%[[K]], %[[K]], %[[K]], %[[MC]], %[[S]], %{{[^,]*}}) {is_causal = 1 : i64}
// CHECK: return %[[A]], %[[PK]], %{{.*}} :
func.func @past(%k: tensor<2x4x1x8xf32>, %p: tensor<2x4x5x8xf32>, %r: tensor<4x2x8xf32>, %l: tensor<4xf32>) -> (tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) {
  %a, %pk, %pv = sink.attention %k, %k, %k past %p, %p sink_logit %l sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 4 : i64, causal, has_present, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x1x8xf32>, tensor<2x4x1x8xf32>, tensor<2x4x1x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<4xf32>, tensor<4x2x8xf32>, tensor<4x2x8xf32>) -> (tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return %a, %pk, %pv : tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>
}

// A window of 3 sees two keys before its own.
// CHECK-LABEL: func.func @window
// CHECK: onnx.Attention(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}) {is_causal = 1 : i64, left_window_size = 2 : i64}
func.func @window(%q: tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32> {
  %a = sink.attention %q, %q, %q {num_heads = 4 : i64, kv_num_heads = 4 : i64, causal, window = 3 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  return %a : tensor<2x4x6x8xf32>
}

// A window would hide the sink, a right window has no place, and a window of another number of keys counts from elsewhere: they
// are in the mask.
// CHECK-LABEL: func.func @in_mask
// CHECK-NOT: window_size
// CHECK-NOT: is_causal
// CHECK: return
func.func @in_mask(%q: tensor<2x4x6x8xf32>, %k: tensor<2x4x7x8xf32>, %l: tensor<4xf32>) -> tensor<2x4x6x8xf32> {
  %a = sink.attention %q, %q, %q sink_logit %l {num_heads = 4 : i64, kv_num_heads = 4 : i64, causal, window = 3 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<4xf32>) -> tensor<2x4x6x8xf32>
  %b = sink.attention %a, %q, %q {num_heads = 4 : i64, kv_num_heads = 4 : i64, window = 3 : i64, right_window = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  %c = sink.attention %b, %k, %k {num_heads = 4 : i64, kv_num_heads = 4 : i64, causal, window = 3 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x6x8xf32>
  return %c : tensor<2x4x6x8xf32>
}
}
