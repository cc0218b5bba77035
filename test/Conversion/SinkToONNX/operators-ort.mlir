// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:ort | FileCheck %s

// A norm without a form becomes the operator of ONNX Runtime, a pre-affine vector a Mul before it.
// CHECK-LABEL: func.func @norms
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[P:.*]]: tensor<8xf32>)
// CHECK: %[[U:.*]] = onnx.Mul(%[[X]], %[[P]])
// CHECK: %[[N:.*]] = onnx.SimplifiedLayerNormalization(%[[U]], %[[W]]) {axis = -1 : i64, epsilon = 9.99999974E-6 : f32, {{.*}}stash_type = 1 : i64}
// CHECK: onnx.LayerNormalization(%[[N]], %[[W]], %[[P]]) {axis = -1 : i64, epsilon = 9.99999974E-6 : f32, {{.*}}stash_type = 1 : i64}
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @norms(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %p: tensor<8xf32>) -> tensor<?x8xf32> {
  %0 = sink.rms_norm %x pre_affine %p weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %1 = sink.layer_norm %0 weight %w bias %p {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
}

// -----

// The sum before a norm becomes part of the operator; other uses read the operator's sum.
// CHECK: {domain = "com.microsoft", version = 1 : i64}
// CHECK-LABEL: func.func @skip_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32{{.*}}, %[[Y:.*]]: tensor<?x?x8xf32{{.*}}, %[[W:.*]]: tensor<8xf32>)
// CHECK: %[[S:.*]]:4 = onnx.ms.SkipSimplifiedLayerNormalization(%[[X]], %[[Y]], %[[W]]) {epsilon = 9.99999974E-6 : f32
// CHECK-NOT: onnx.Add
// CHECK: return %[[S]]#0, %[[S]]#3
#bsd = #onnx.dims<"b", "s", "">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @skip_norm(%x: tensor<?x?x8xf32, #bsd>, %y: tensor<?x?x8xf32, #bsd>, %w: tensor<8xf32>) -> (tensor<?x?x8xf32, #bsd>, tensor<?x?x8xf32, #bsd>) {
  %h = onnx.Add(%x, %y) : (tensor<?x?x8xf32, #bsd>, tensor<?x?x8xf32, #bsd>) -> tensor<?x?x8xf32, #bsd>
  %0 = sink.rms_norm %h weight %w {epsilon = 1.0e-5} : (tensor<?x?x8xf32, #bsd>, tensor<8xf32>) -> tensor<?x?x8xf32, #bsd>
  return %0, %h : tensor<?x?x8xf32, #bsd>, tensor<?x?x8xf32, #bsd>
}
}

// -----

// The operator takes the flat projections from before the exporter's Reshape and Transpose, and its
// flat result goes to where the exporter had it after Transpose and Reshape. The boolean mask becomes
// a bias.
// CHECK-LABEL: func.func @multi_head
// CHECK-SAME: (%[[Q:.*]]: tensor<2x6x16xf32>, %[[K:.*]]: tensor<2x6x16xf32>, %[[V:.*]]: tensor<2x6x16xf32>, %[[M:.*]]: tensor<6x6xi1>)
// CHECK-NOT: onnx.Transpose
// CHECK: %[[W:.*]] = onnx.Where(%[[M]],
// CHECK: %[[B:.*]] = onnx.Unsqueeze(%[[W]],
// CHECK: %[[A:.*]] = onnx.absent
// CHECK: %[[R:.*]] = onnx.ms.MultiHeadAttention(%[[Q]], %[[K]], %[[V]], %[[A]], %[[A]], %[[B]]) {num_heads = 2 : i64
// CHECK-NOT: onnx.Transpose
// CHECK: onnx.Relu(%[[R]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @multi_head(%q: tensor<2x6x16xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %m: tensor<6x6xi1>) -> tensor<2x6x16xf32> {
  %s = onnx.Constant() {value = dense<[0, 0, 2, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %f = onnx.Constant() {value = dense<[0, 0, 16]> : tensor<3xi64>} : () -> tensor<3xi64>
  %q4 = onnx.Reshape(%q, %s) : (tensor<2x6x16xf32>, tensor<4xi64>) -> tensor<2x6x2x8xf32>
  %k4 = onnx.Reshape(%k, %s) : (tensor<2x6x16xf32>, tensor<4xi64>) -> tensor<2x6x2x8xf32>
  %v4 = onnx.Reshape(%v, %s) : (tensor<2x6x16xf32>, tensor<4xi64>) -> tensor<2x6x2x8xf32>
  %qh = onnx.Transpose(%q4) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x2x8xf32>) -> tensor<2x2x6x8xf32>
  %vh = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x6x2x8xf32>) -> tensor<2x2x6x8xf32>
  %a = sink.attention %qh, %k4, %vh mask %m {mask_kind = #sink.mask_kind<keep>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>}
    : (tensor<2x2x6x8xf32>, tensor<2x6x2x8xf32>, tensor<2x2x6x8xf32>, tensor<6x6xi1>) -> tensor<2x2x6x8xf32>
  %t = onnx.Transpose(%a) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x6x8xf32>) -> tensor<2x6x2x8xf32>
  %r = onnx.Reshape(%t, %f) : (tensor<2x6x2x8xf32>, tensor<3xi64>) -> tensor<2x6x16xf32>
  %o = onnx.Relu(%r) : (tensor<2x6x16xf32>) -> tensor<2x6x16xf32>
  return %o : tensor<2x6x16xf32>
}
}

// -----

// A causal attention with sinks, a window, a softcap and a gate: all but the gate are the operator's.
// CHECK-LABEL: func.func @group_query
// CHECK-SAME: (%[[Q:.*]]: tensor<2x6x32xf32>, %[[K:.*]]: tensor<2x6x16xf32>, %[[V:.*]]: tensor<2x6x16xf32>, %[[S:.*]]: tensor<4xf32>, %[[G:.*]]: tensor<2x6x32xf32>)
// CHECK: %[[R:.*]] = onnx.ms.GroupQueryAttention(%[[Q]], %[[K]], %[[V]], %[[A:.*]], %[[A]], %{{.*}}, %{{.*}}, %[[A]], %[[A]], %[[A]], %[[A]], %[[S]])
// CHECK-SAME: kv_num_heads = 2 : i64, local_window_size = 3 : i64, num_heads = 4 : i64
// CHECK-SAME: softcap = 5.000000e+01 : f32
// CHECK: onnx.Mul(%[[R]], %[[G]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @group_query(%q: tensor<2x6x32xf32>, %k: tensor<2x6x16xf32>, %v: tensor<2x6x16xf32>, %s: tensor<4xf32>, %g: tensor<2x6x32xf32>) -> tensor<2x6x32xf32> {
  %a = sink.attention %q, %k, %v sink_logit %s gate %g {causal, window = 3 : i64, softcap = 50.0, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x32xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<4xf32>, tensor<2x6x32xf32>) -> tensor<2x6x32xf32>
  return %a : tensor<2x6x32xf32>
}
}

// -----

// More keys than queries are for MultiHeadAttention: the queries of a group become rows. Rows that
// see no key are zero.
// CHECK-LABEL: func.func @cached
// CHECK-SAME: (%[[Q:.*]]: tensor<2x1x32xf32>, %[[K:.*]]: tensor<2x2x9x8xf32>, %[[V:.*]]: tensor<2x2x9x8xf32>, %[[M:.*]]: tensor<2x1x1x9xf32>)
// CHECK: %[[T:.*]] = onnx.Transpose(%{{.*}}) {{{.*}}perm = array<i64: 0, 3, 1, 2, 4>}
// CHECK: %[[ROWS:.*]] = onnx.Reshape(%[[T]], %{{.*}})
// CHECK: %[[B:.*]] = onnx.Concat(%[[M]], %[[M]]) {axis = 2 : i64
// CHECK: onnx.ms.MultiHeadAttention(%[[ROWS]], %[[K]], %[[V]], %{{.*}}, %{{.*}}, %[[B]]) {num_heads = 2 : i64
// CHECK: %[[H:.*]] = onnx.Equal(
// CHECK: %[[F:.*]] = onnx.Squeeze(%[[H]],
// CHECK: onnx.Where(%[[F]],
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @cached(%q: tensor<2x1x32xf32>, %k: tensor<2x2x9x8xf32>, %v: tensor<2x2x9x8xf32>, %m: tensor<2x1x1x9xf32>) -> tensor<2x1x32xf32> {
  %a = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, zero_hidden_rows, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x1x32xf32>, tensor<2x2x9x8xf32>, tensor<2x2x9x8xf32>, tensor<2x1x1x9xf32>) -> tensor<2x1x32xf32>
  return %a : tensor<2x1x32xf32>
}
}

// -----

// Half of a table is enough if both halves are made of one value. The one table of all elements of
// the batch becomes a cache whose rows are numbered.
// CHECK-LABEL: func.func @rotary
// CHECK-SAME: (%[[X:.*]]: tensor<2x6x16xf32>, %[[F:.*]]: tensor<1x6x4xf32>)
// CHECK: %[[P:.*]] = onnx.Expand(
// CHECK: onnx.ms.RotaryEmbedding(%[[X]], %[[P]], %{{.*}}, %{{.*}}) {num_heads = 2 : i64
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @rotary(%x: tensor<2x6x16xf32>, %f: tensor<1x6x4xf32>) -> tensor<2x6x16xf32> {
  %e = onnx.Concat(%f, %f) {axis = -1 : i64} : (tensor<1x6x4xf32>, tensor<1x6x4xf32>) -> tensor<1x6x8xf32>
  %c = onnx.Cos(%e) : (tensor<1x6x8xf32>) -> tensor<1x6x8xf32>
  %s = onnx.Sin(%e) : (tensor<1x6x8xf32>) -> tensor<1x6x8xf32>
  %0 = sink.rotary %x cos %c sin %s {layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<2x6x16xf32>, tensor<1x6x8xf32>, tensor<1x6x8xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}

// -----

// A bias beside the mask is added where the mask shows the key.
// CHECK-LABEL: func.func @bias
// CHECK-SAME: (%[[X:.*]]: tensor<2x6x16xf32>, %[[M:.*]]: tensor<2x1x6x6xi1>, %[[B:.*]]: tensor<1x2x6x6xf32>)
// CHECK: %[[F:.*]] = onnx.Constant() {{{.*}}dense<0xFF800000>
// CHECK: %[[S:.*]] = onnx.Where(%[[M]], %[[B]], %[[F]])
// CHECK: onnx.ms.MultiHeadAttention(%[[X]], %[[X]], %[[X]], %{{.*}}, %{{.*}}, %[[S]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
func.func @bias(%x: tensor<2x6x16xf32>, %m: tensor<2x1x6x6xi1>, %b: tensor<1x2x6x6xf32>) -> tensor<2x6x16xf32> {
  %0 = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x1x6x6xi1>, tensor<1x2x6x6xf32>) -> tensor<2x6x16xf32>
  return %0 : tensor<2x6x16xf32>
}
}
