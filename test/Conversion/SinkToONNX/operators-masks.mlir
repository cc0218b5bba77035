// Masks, biases, factors and layouts that have no operand or attribute of their own in an operator.
// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:opset23 | FileCheck %s --check-prefixes=CHECK,STD
// RUN: basin-opt %s --split-input-file --convert-sink-to-onnx=form=operators:ort | FileCheck %s --check-prefixes=CHECK,ORT

// A bias beside the mask is added to it, each times its factor, once for both attentions.
// CHECK-LABEL: func.func @sum
// CHECK-SAME: (%[[X:[^:]*]]: tensor<2x6x16xf32>, %[[M:[^:]*]]: tensor<6x6xf32>, %[[B:[^:]*]]: tensor<2x6x6xf32>)
// CHECK-DAG: %[[TWO:.*]] = onnx.Constant() {value = dense<2.000000e+00>
// CHECK-DAG: %[[THREE:.*]] = onnx.Constant() {value = dense<3.000000e+00>
// CHECK-DAG: %[[SB:.*]] = onnx.Mul(%[[B]], %[[THREE]])
// CHECK-DAG: %[[SM:.*]] = onnx.Mul(%[[M]], %[[TWO]])
// CHECK: %[[S:.*]] = onnx.Add(%[[SM]], %[[SB]])
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%[[S]],
// STD: %[[W:.*]] = onnx.Where(%{{.*}}, %{{.*}}, %[[U]])
// STD: onnx.Attention(%[[X]], %[[X]], %[[X]], %[[W]])
// STD: onnx.Attention(%[[X]], %[[X]], %[[X]], %[[W]])
// ORT: onnx.ms.MultiHeadAttention(%[[X]], %[[X]], %[[X]], %{{.*}}, %{{.*}}, %[[U]])
// ORT: onnx.ms.MultiHeadAttention(%[[X]], %[[X]], %[[X]], %{{.*}}, %{{.*}}, %[[U]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @sum(%x: tensor<2x6x16xf32>, %m: tensor<6x6xf32>, %b: tensor<2x6x6xf32>) -> (tensor<2x6x16xf32>, tensor<2x6x16xf32>) {
  %a = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<additive>, mask_scale = 2.0 : f64, bias_scale = 3.0 : f64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xf32>, tensor<2x6x6xf32>) -> tensor<2x6x16xf32>
  %c = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<additive>, mask_scale = 2.0 : f64, bias_scale = 3.0 : f64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xf32>, tensor<2x6x6xf32>) -> tensor<2x6x16xf32>
  return %a, %c : tensor<2x6x16xf32>, tensor<2x6x16xf32>
}
}

// -----

// A bias that precedes a boolean mask is not added where that hides keys; one that follows it is.
// CHECK-LABEL: func.func @before
// CHECK-SAME: %[[M:[^:]*]]: tensor<6x6xi1>, %[[B:[^:]*]]: tensor<6x6xf32>
// CHECK: onnx.Where(%[[M]], %[[B]], %{{.*}})
// CHECK-NOT: onnx.Add
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @before(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>, %b: tensor<6x6xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<keep>, zero_hidden_rows, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>, tensor<6x6xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// CHECK-LABEL: func.func @after
// CHECK-SAME: %[[M:[^:]*]]: tensor<6x6xi1>, %[[B:[^:]*]]: tensor<6x6xf32>
// CHECK: %[[W:.*]] = onnx.Where(%[[M]], %[[ZERO:.*]], %{{.*}})
// CHECK: onnx.Add(%[[W]], %[[B]])
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @after(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>, %b: tensor<6x6xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<keep>, bias_after_mask, zero_hidden_rows, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>, tensor<6x6xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// Rows that see no key are NaN in the op and in MultiHeadAttention, and zero in Attention.
// CHECK-LABEL: func.func @nan_rows
// CHECK-SAME: %[[M:[^:]*]]: tensor<6x6xi1>
// STD: %[[R:.*]] = onnx.Attention(%{{.*}}, %{{.*}}, %{{.*}}, %[[M]])
// STD: %[[C:.*]] = onnx.Cast(%[[M]])
// STD: %[[S:.*]] = onnx.ReduceMax(%[[C]],
// STD: %[[NAN:.*]] = onnx.Constant() {value = dense<0x7FC00000>
// STD: onnx.Where(%{{.*}}, %[[NAN]], %[[R]])
// ORT: %[[R:.*]] = onnx.ms.MultiHeadAttention
// ORT-NEXT: return %[[R]]
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @nan_rows(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x mask %m {mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// Rows without keys differ between heads if the bias does: zeros are put into the rows of each head.
// CHECK-LABEL: func.func @zero_rows_by_head
// STD: %[[R:.*]] = onnx.Attention
// STD-NEXT: return %[[R]]
// ORT: %[[R:.*]] = onnx.ms.MultiHeadAttention
// ORT: %[[L:.*]] = onnx.ReduceMax(
// ORT: %[[H:.*]] = onnx.Equal(%[[L]],
// ORT: %[[T:.*]] = onnx.Transpose(%[[H]]) {perm = array<i64: 0, 2, 1, 3>}
// ORT: %[[A:.*]] = onnx.Reshape(%[[R]],
// ORT: %[[W:.*]] = onnx.Where(%[[T]], %{{.*}}, %[[A]])
// ORT: onnx.Reshape(%[[W]],
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @zero_rows_by_head(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>, %b: tensor<1x2x6x6xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x mask %m bias %b {mask_kind = #sink.mask_kind<keep>, zero_hidden_rows, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>, tensor<1x2x6x6xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// A bounded bias hides no row, so nothing is put into the result.
// CHECK-LABEL: func.func @bounded
// CHECK-NOT: onnx.ReduceMax
// STD: onnx.Attention
// ORT: onnx.ms.MultiHeadAttention
// CHECK-NEXT: return
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @bounded(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>) -> tensor<2x6x16xf32> {
  %f = onnx.Cast(%m) {to = 1 : i64} : (tensor<6x6xi1>) -> tensor<6x6xf32>
  %a = sink.attention %x, %x, %x mask %f {mask_kind = #sink.mask_kind<additive>, mask_scale = -10000.0 : f64, zero_hidden_rows, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// A window is part of the mask, unless GroupQueryAttention has it with causality.
// CHECK-LABEL: func.func @window
// STD: onnx.Range(
// STD: %[[J:.*]] = onnx.LessOrEqual(
// STD: %[[D:.*]] = onnx.Sub(
// STD: %[[W:.*]] = onnx.Less(%[[D]],
// STD: %[[P:.*]] = onnx.And(%[[J]], %[[W]])
// STD: onnx.Attention(%{{.*}}, %{{.*}}, %{{.*}}, %[[P]]) {kv_num_heads = 2 : i64
// ORT-NOT: onnx.Range
// ORT: onnx.ms.GroupQueryAttention({{.*}}local_window_size = 3
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @window(%x: tensor<2x6x16xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x  {causal, window = 3 : i64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// Causality with fewer queries than keys is part of the mask: the attributes count otherwise.
// CHECK-LABEL: func.func @more_keys
// CHECK: onnx.LessOrEqual(
// STD: onnx.Attention
// STD-NOT: is_causal
// ORT: onnx.ms.MultiHeadAttention
// ORT-NOT: unidirectional
// CHECK: return
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @more_keys(%x: tensor<2x4x16xf32>, %k: tensor<2x6x16xf32>) -> tensor<2x4x16xf32> {
  %a = sink.attention %x, %k, %k {causal, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x4x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>) -> tensor<2x4x16xf32>
  return %a : tensor<2x4x16xf32>
}
}

// -----

// The lowest number as the least score is the least summand, too.
// CHECK-LABEL: func.func @floor
// CHECK: %[[W:.*]] = onnx.Where(
// CHECK: onnx.Max(%[[W]],
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @floor(%x: tensor<2x6x16xf32>, %m: tensor<6x6xi1>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x mask %m {mask_kind = #sink.mask_kind<keep>, floor = -3.4028234663852886e+38 : f64, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<6x6xi1>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// A factor for each head scales the query, as does a scale that is not positive.
// CHECK-LABEL: func.func @factors
// CHECK-SAME: (%[[X:[^:]*]]: tensor<2x6x16xf32>, %[[H:[^:]*]]: tensor<2x1x1xf32>)
// CHECK: %[[MINUS:.*]] = onnx.Constant() {value = dense<-5.000000e-01>
// CHECK: %[[Q:.*]] = onnx.Mul(%[[X]], %[[MINUS]])
// CHECK: %[[C:.*]] = onnx.Reshape(%[[H]],
// CHECK: %[[E:.*]] = onnx.Expand(%[[C]],
// CHECK: %[[F:.*]] = onnx.Reshape(%[[E]],
// CHECK: %[[S:.*]] = onnx.Mul(%[[Q]], %[[F]])
// STD: onnx.Attention(%[[S]], %[[X]], %[[X]]) {{.*}}scale = 1.0
// ORT: onnx.ms.MultiHeadAttention(%[[S]], %[[X]], %[[X]]) {{.*}}scale = 1.0
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @factors(%x: tensor<2x6x16xf32>, %h: tensor<2x1x1xf32>) -> tensor<2x6x16xf32> {
  %a = sink.attention %x, %x, %x score_factor %h {scale = -0.5, num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>}
    : (tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x6x16xf32>, tensor<2x1x1xf32>) -> tensor<2x6x16xf32>
  return %a : tensor<2x6x16xf32>
}
}

// -----

// Keys whose dims come before their sequence are taken from before the Transpose that put them there.
// CHECK-LABEL: func.func @transposed_keys
// CHECK-SAME: (%[[Q:[^:]*]]: tensor<2x2x6x8xf32>, %[[K:[^:]*]]: tensor<2x6x2x8xf32>)
// CHECK-NOT: perm = array<i64: 0, 2, 3, 1>
// STD: onnx.Attention
// ORT: onnx.ms.MultiHeadAttention
// CHECK: return
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @transposed_keys(%q: tensor<2x2x6x8xf32>, %k: tensor<2x6x2x8xf32>) -> tensor<2x2x6x8xf32> {
  %t = onnx.Transpose(%k) {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x6x2x8xf32>) -> tensor<2x2x8x6xf32>
  %a = sink.attention %q, %t, %q {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhds>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>}
    : (tensor<2x2x6x8xf32>, tensor<2x2x8x6xf32>, tensor<2x2x6x8xf32>) -> tensor<2x2x6x8xf32>
  return %a : tensor<2x2x6x8xf32>
}
}

// -----

// Batch and heads in one axis, with no number of heads: each pair is an element of the batch, and so is
// a row of the mask.
// CHECK-LABEL: func.func @joined
// CHECK-SAME: (%[[X:[^:]*]]: tensor<4x6x8xf32>, %[[M:[^:]*]]: tensor<4x6x6xi1>)
// STD: %[[U:.*]] = onnx.Unsqueeze(%[[M]],
// STD: onnx.Attention(%[[X]], %[[X]], %[[X]], %[[U]]) {kv_num_heads = 1 : i64
// ORT: %[[U:.*]] = onnx.Unsqueeze(%[[M]],
// ORT: onnx.ms.MultiHeadAttention(%[[X]], %[[X]], %[[X]], {{.*}}num_heads = 1
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @joined(%x: tensor<4x6x8xf32>, %m: tensor<4x6x6xi1>) -> tensor<4x6x8xf32> {
  %a = sink.attention %x, %x, %x mask %m {mask_kind = #sink.mask_kind<keep>, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>}
    : (tensor<4x6x8xf32>, tensor<4x6x8xf32>, tensor<4x6x8xf32>, tensor<4x6x6xi1>) -> tensor<4x6x8xf32>
  return %a : tensor<4x6x8xf32>
}
}

// -----

// With a number of heads, the Reshape that joined them is undone.
// CHECK-LABEL: func.func @joined_by_reshape
// CHECK-SAME: (%[[X:[^:]*]]: tensor<2x2x6x8xf32>)
// STD: %[[R:.*]] = onnx.Attention(%[[X]], %[[X]], %[[X]])
// STD: onnx.Reshape(%[[R]],
// ORT: onnx.Transpose(%[[X]]) {perm = array<i64: 0, 2, 1, 3>}
// ORT: onnx.ms.MultiHeadAttention
// CHECK: return
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @joined_by_reshape(%x: tensor<2x2x6x8xf32>) -> tensor<4x6x8xf32> {
  %s = onnx.Constant() {value = dense<[4, 6, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %j = onnx.Reshape(%x, %s) : (tensor<2x2x6x8xf32>, tensor<3xi64>) -> tensor<4x6x8xf32>
  %a = sink.attention %j, %j, %j {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>}
    : (tensor<4x6x8xf32>, tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %a : tensor<4x6x8xf32>
}
}

// -----

// The sequence first, as in torch.nn.MultiheadAttention: Transposes put the batch first and last again.
// CHECK-LABEL: func.func @sequence_first
// CHECK: onnx.Transpose(%{{.*}}) {perm = array<i64: 1, 0, 2, 3>}
// STD: %[[R:.*]] = onnx.Attention
// STD: onnx.Transpose(%{{.*}}) {perm = array<i64: 1, 0, 2, 3>}
// ORT: %[[R:.*]] = onnx.ms.MultiHeadAttention
// ORT: onnx.Transpose(%{{.*}}) {perm = array<i64: 1, 0, 2, 3>}
// CHECK: return
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 23 : i64}]}} {
func.func @sequence_first(%x: tensor<6x2x2x8xf32>) -> tensor<6x2x2x8xf32> {
  %a = sink.attention %x, %x, %x  {query_layout = #sink.layout<sbhd>, key_layout = #sink.layout<sbhd>, value_layout = #sink.layout<sbhd>, result_layout = #sink.layout<sbhd>}
    : (tensor<6x2x2x8xf32>, tensor<6x2x2x8xf32>, tensor<6x2x2x8xf32>) -> tensor<6x2x2x8xf32>
  return %a : tensor<6x2x2x8xf32>
}
}
