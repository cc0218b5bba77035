// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false | FileCheck %s

// Operators that mix tokens: their results, and the states that they hand on.

!u = !onnx.unknown
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 27}, {domain = "com.microsoft", version = 1}]}} {

// Two key heads of 4 and values of 6: the state is a matrix for each key head.
// CHECK-LABEL: onnx.graph @linear_attention
// CHECK: onnx.ms.LinearAttention({{.*}} -> (tensor<2x5x12xf32>, tensor<2x2x4x6xf32>)
// CHECK: onnx.ms.LinearAttention({{.*}} -> (tensor<2x5x12xf32>, !onnx.unknown)
// CHECK: onnx.LinearAttention({{.*}} -> (tensor<2x5x12xf32>, tensor<2x2x4x6xf32>)
onnx.graph @linear_attention #g {
  %q, %v, %s = onnx.node "Source" () {} : () -> (tensor<2x5x8xf32>, tensor<2x5x12xf32>, tensor<2x2x4x6xf32>)
  %a:2 = onnx.ms.LinearAttention(%q, %q, %v, %s) {q_num_heads = 2, kv_num_heads = 2} : (tensor<2x5x8xf32>, tensor<2x5x8xf32>, tensor<2x5x12xf32>, tensor<2x2x4x6xf32>) -> (!u, !u)
  %b:2 = onnx.ms.LinearAttention(%q, %q, %v) {q_num_heads = 2, kv_num_heads = 2, state_window = 3} : (tensor<2x5x8xf32>, tensor<2x5x8xf32>, tensor<2x5x12xf32>) -> (!u, !u)
  %c:2 = onnx.LinearAttention(%q, %q, %v, %s) {q_num_heads = 2, kv_num_heads = 2} : (tensor<2x5x8xf32>, tensor<2x5x8xf32>, tensor<2x5x12xf32>, tensor<2x2x4x6xf32>) -> (!u, !u)
  onnx.return
}

// With four query heads for two key heads there are four results of 6.
// CHECK-LABEL: onnx.graph @groups
// CHECK: onnx.ms.LinearAttention({{.*}} -> (tensor<2x5x24xf32>,
onnx.graph @groups #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x5x16xf32>, tensor<2x5x8xf32>, tensor<2x5x12xf32>)
  %a:2 = onnx.ms.LinearAttention(%q, %k, %v) {q_num_heads = 4, kv_num_heads = 2} : (tensor<2x5x16xf32>, tensor<2x5x8xf32>, tensor<2x5x12xf32>) -> (!u, !u)
  onnx.return
}

// CHECK-LABEL: onnx.graph @delta
// CHECK: onnx.ms.GatedDeltaNet({{.*}} -> (tensor<7x4x6xf32>, tensor<2x4x6x8xf32>)
onnx.graph @delta #g {
  %q, %v, %s = onnx.node "Source" () {} : () -> (tensor<7x2x8xf32>, tensor<7x4x6xf32>, tensor<2x4x6x8xf32>)
  %none = onnx.absent
  %a:2 = onnx.ms.GatedDeltaNet(%q, %q, %v, %none, %none, %none, %s) {} : (tensor<7x2x8xf32>, tensor<7x2x8xf32>, tensor<7x4x6xf32>, none, none, none, tensor<2x4x6x8xf32>) -> (!u, !u)
  onnx.return
}

// A slice of the channels has a width that is not known here.
// CHECK-LABEL: onnx.graph @convolution
// CHECK: onnx.ms.CausalConvWithState({{.*}} -> (tensor<2x8x5xf32>, tensor<2x8x3xf32>)
// CHECK: onnx.ms.CausalConvWithState({{.*}} -> (tensor<*xf32>,
onnx.graph @convolution #g {
  %x, %w, %b, %s = onnx.node "Source" () {} : () -> (tensor<2x8x5xf32>, tensor<8x1x4xf32>, tensor<8xf32>, tensor<2x8x3xf32>)
  %a:2 = onnx.ms.CausalConvWithState(%x, %w, %b, %s) {} : (tensor<2x8x5xf32>, tensor<8x1x4xf32>, tensor<8xf32>, tensor<2x8x3xf32>) -> (!u, !u)
  %c:2 = onnx.ms.CausalConvWithState(%x, %w) {input_channels = 4, channels_last = 1} : (tensor<2x8x5xf32>, tensor<8x1x4xf32>) -> (!u, !u)
  onnx.return
}

// Packed operands hold the queries of two heads, and a key and a value of one.
// CHECK-LABEL: onnx.graph @attention
// CHECK: onnx.ms.SparseAttention({{.*}} -> (tensor<2x5x16xf32>, tensor<2x1x32x8xf32>, tensor<2x1x32x8xf32>)
// CHECK: onnx.ms.PagedAttention({{.*}} -> tensor<7x16xf32>
// CHECK: onnx.ms.PagedAttention({{.*}} -> tensor<7x6xf32>
onnx.graph @attention #g {
  %q, %past, %r, %t, %l = onnx.node "Source" () {} : () -> (tensor<2x5x32xf32>, tensor<2x1x32x8xf32>, tensor<1x3xi32>, tensor<i32>, tensor<2xi32>)
  %none = onnx.absent
  %a:3 = onnx.ms.SparseAttention(%q, %none, %none, %past, %past, %r, %r, %t, %l) {num_heads = 2, kv_num_heads = 1, sparse_block_size = 16} : (tensor<2x5x32xf32>, none, none, tensor<2x1x32x8xf32>, tensor<2x1x32x8xf32>, tensor<1x3xi32>, tensor<1x3xi32>, tensor<i32>, tensor<2xi32>) -> (!u, !u, !u)
  %p, %cache, %table = onnx.node "Source" () {} : () -> (tensor<7x32xf32>, tensor<9x16x1x8xf32>, tensor<2x4xi32>)
  %b = onnx.ms.PagedAttention(%p, %none, %none, %cache, %cache, %l, %l, %table) {num_heads = 2, kv_num_heads = 1} : (tensor<7x32xf32>, none, none, tensor<9x16x1x8xf32>, tensor<9x16x1x8xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2x4xi32>) -> !u
  %c = onnx.ms.PagedAttention(%p, %p, %none, %cache, %none, %l, %l, %table) {num_heads = 2, kv_num_heads = 1, v_head_size = 3} : (tensor<7x32xf32>, tensor<7x32xf32>, none, tensor<9x16x1x8xf32>, none, tensor<2xi32>, tensor<2xi32>, tensor<2x4xi32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @norm
// CHECK: onnx.ms.GatedRMSNorm({{.*}} -> tensor<2x5x8xf32>
// CHECK: onnx.ms.DecoderMaskedMultiHeadAttention({{.*}} -> (tensor<2x1x8xf32>, tensor<2x2x9x4xf32>, tensor<2x2x9x4xf32>)
// CHECK: onnx.ms.DecoderMaskedMultiHeadAttention({{.*}} -> (tensor<2x1x8xf32>, tensor<2x2x10x4xf32>, tensor<2x2x10x4xf32>)
onnx.graph @norm #g {
  %x, %w, %q, %p, %n = onnx.node "Source" () {} : () -> (tensor<2x5x8xf32>, tensor<4xf32>, tensor<2x1x8xf32>, tensor<2x2x9x4xf32>, tensor<1xi32>)
  %none = onnx.absent
  %a = onnx.ms.GatedRMSNorm(%x, %w, %x) {} : (tensor<2x5x8xf32>, tensor<4xf32>, tensor<2x5x8xf32>) -> !u
  %b:3 = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %q, %q, %none, %none, %p, %p, %n) {num_heads = 2, past_present_share_buffer = 1} : (tensor<2x1x8xf32>, tensor<2x1x8xf32>, tensor<2x1x8xf32>, none, none, tensor<2x2x9x4xf32>, tensor<2x2x9x4xf32>, tensor<1xi32>) -> (!u, !u, !u)
  %c:3 = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %q, %q, %none, %none, %p, %p) {num_heads = 2} : (tensor<2x1x8xf32>, tensor<2x1x8xf32>, tensor<2x1x8xf32>, none, none, tensor<2x2x9x4xf32>, tensor<2x2x9x4xf32>) -> (!u, !u, !u)
  onnx.return
}
}
