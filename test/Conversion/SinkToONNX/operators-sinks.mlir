// RUN: basin-opt %s --convert-sink-to-onnx=form=operators:opset23 | FileCheck %s

// Sinks for an operator that has none. It counts positions by its own keys, so causality is in the mask.
#b = #sink.layout<bhsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {

// A row of zeros stands last, and its column of the mask has the logits.
// CHECK-LABEL: func.func @logits
// CHECK-SAME: %[[Q:[^:]*]]: tensor<2x4x6x8xf32>, %[[K:[^:]*]]: tensor<2x2x6x8xf32>, %[[V:[^:]*]]: tensor<2x2x6x8xf32>, %[[L:[^:]*]]: tensor<4xf32>
// CHECK-DAG: %[[M:.*]] = onnx.Expand({{.*}} -> tensor<1x4x6x6xf32>
// CHECK-DAG: %[[R:.*]] = onnx.Reshape(%[[L]], {{.*}} -> tensor<1x4x1x1xf32>
// CHECK: %[[C:.*]] = onnx.Expand(%[[R]], {{.*}} -> tensor<1x4x6x1xf32>
// CHECK: %[[MC:.*]] = onnx.Concat(%[[M]], %[[C]]) {axis = 3 : i64}
// CHECK: %[[ZK:.*]] = onnx.Expand({{.*}} -> tensor<2x2x1x8xf32>
// CHECK: %[[KZ:.*]] = onnx.Concat(%[[K]], %[[ZK]]) {axis = 2 : i64}
// CHECK: %[[VZ:.*]] = onnx.Concat(%[[V]], %{{.*}}) {axis = 2 : i64}
// CHECK: onnx.Attention(%[[Q]], %[[KZ]], %[[VZ]], %[[MC]])
// CHECK-NOT: is_causal
// CHECK: return
func.func @logits(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %l: tensor<4xf32>) -> tensor<2x4x6x8xf32> {
  %a = sink.attention %q, %k, %v sink_logit %l {num_heads = 4 : i64, kv_num_heads = 2 : i64, causal, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<4xf32>) -> tensor<2x4x6x8xf32>
  return %a : tensor<2x4x6x8xf32>
}

// Learned rows stand first. Without a mask or logits no mask is needed.
// CHECK-LABEL: func.func @rows
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%[[R:.*]], {{.*}} -> tensor<1x2x3x8xf32>
// CHECK: %[[E:.*]] = onnx.Expand(%[[U]], {{.*}} -> tensor<2x2x3x8xf32>
// CHECK: %[[K:.*]] = onnx.Concat(%[[E]], %{{.*}}) {axis = 2 : i64}
// CHECK: onnx.Attention(%{{[^,]*}}, %[[K]], %{{[^,]*}}) :
func.func @rows(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %v: tensor<2x2x6x8xf32>, %r: tensor<2x3x8xf32>) -> tensor<2x4x6x8xf32> {
  %a = sink.attention %q, %k, %v sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x4x6x8xf32>
  return %a : tensor<2x4x6x8xf32>
}

// A past is joined here, so that the rows of sinks are none of the present keys.
// CHECK-LABEL: func.func @past
// CHECK-SAME: %[[K:[^:]*]]: tensor<2x4x1x8xf32>, %[[P:[^:]*]]: tensor<2x4x5x8xf32>
// CHECK-DAG: %[[PK:.*]] = onnx.Concat(%[[P]], %[[K]]) {axis = 2 : i64}
// CHECK: %[[KZ:.*]] = onnx.Concat(%{{.*}}, %[[PK]], %{{.*}}) {axis = 2 : i64}
// CHECK: %[[A:.*]] = onnx.Attention(%[[K]], %[[KZ]], %{{[^,]*}}, %{{[^,]*}}) :
// CHECK: return %[[A]], %[[PK]], %{{.*}} :
func.func @past(%k: tensor<2x4x1x8xf32>, %p: tensor<2x4x5x8xf32>, %r: tensor<4x2x8xf32>, %l: tensor<4xf32>) -> (tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) {
  %a, %pk, %pv = sink.attention %k, %k, %k past %p, %p sink_logit %l sink_kv %r, %r {num_heads = 4 : i64, kv_num_heads = 4 : i64, causal, has_present, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b}
    : (tensor<2x4x1x8xf32>, tensor<2x4x1x8xf32>, tensor<2x4x1x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<4xf32>, tensor<4x2x8xf32>, tensor<4x2x8xf32>) -> (tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>)
  return %a, %pk, %pv : tensor<2x4x1x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>
}
}
