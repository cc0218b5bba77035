// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Options of operators that sink ops do not have, and operands that they do not take. A near
// miss for each reason of an operator that fused-no-match.mlir has none of.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!q = tensor<2x4x5x8xf32>
!w = tensor<32xf32>
!t = tensor<6x4xf32>
!p = tensor<2x5xi64>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}, {domain = "com.microsoft", version = 1}]}} {

//===----------------------------------------------------------------------===//
// Nodes that are not the typed op of their name
//===----------------------------------------------------------------------===//

// An overload may be anything.
// CHECK-LABEL: onnx.graph @overload
// CHECK-NOT: = sink.
onnx.graph @overload #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !w)
  // expected-remark@+1 {{norm '' not raised: it calls an overload of its operator}}
  %y = onnx.node "LayerNormalization" overload "o" (%x, %w) {axis = -1 : i64} : (!x, !w) -> !u
  onnx.return
}

// No weight.
// CHECK-LABEL: onnx.graph @missing_operand
// CHECK-NOT: = sink.
onnx.graph @missing_operand #g {
  %x = onnx.node "Source" () {} : () -> !x
  // expected-remark@+1 {{norm '' not raised: its operator has other operands, results or kinds of attributes}}
  %y = onnx.node "LayerNormalization" (%x) {axis = -1 : i64} : (!x) -> !u
  onnx.return
}

// Nobody reads a result that is not there.
// CHECK-LABEL: onnx.graph @no_result
// CHECK-NOT: = sink.
onnx.graph @no_result #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !w)
  // expected-remark@+1 {{norm '' not raised: its operator has other operands, results or kinds of attributes}}
  onnx.node "LayerNormalization" (%x, %w) {axis = -1 : i64} : (!x, !w) -> ()
  onnx.return
}

//===----------------------------------------------------------------------===//
// Norms and rotary embedding
//===----------------------------------------------------------------------===//

// Over the sequence, too.
// CHECK-LABEL: onnx.graph @two_axes
// CHECK-NOT: = sink.
onnx.graph @two_axes #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<5x32xf32>)
  // expected-remark@+2 {{norm '' not raised: its axis 1 is not known to be the last one}}
  // expected-remark@+1 {{norm '' stays as it is: layer_norm over axes [1, 2]}}
  %y = onnx.LayerNormalization(%x, %w) {axis = 1 : i64} : (!x, tensor<5x32xf32>) -> !u
  onnx.return
}

// Of an unknown rank, which axis holds the sequence is unknown.
// CHECK-LABEL: onnx.graph @rotation_of_unknown_rank
// CHECK-NOT: = sink.
onnx.graph @rotation_of_unknown_rank #g {
  %x, %p, %t = onnx.node "Source" () {} : () -> (tensor<*xf32>, !p, !t)
  // expected-remark@+1 {{rotary embedding '' not raised: its input has an unknown rank; expected rank 3 or 4}}
  %y = onnx.RotaryEmbedding(%x, %t, %t, %p) : (tensor<*xf32>, !t, !t, !p) -> !u
  onnx.return
}

// With positions, tables have a row for each of them.
// CHECK-LABEL: onnx.graph @tables_by_batch
// CHECK-NOT: = sink.
onnx.graph @tables_by_batch #g {
  %x, %p, %c, %s = onnx.node "Source" () {} : () -> (!q, !p, tensor<*xf32>, !t)
  // expected-remark@+1 {{rotary embedding '' not raised: its tables have an unknown rank and rank 2; expected rank 2}}
  %y = onnx.RotaryEmbedding(%x, %c, %s, %p) : (!q, tensor<*xf32>, !t, !p) -> !u
  onnx.return
}

// The elements of the batch stand one after the other.
// CHECK-LABEL: onnx.graph @packed_batch
// CHECK-NOT: = sink.
onnx.graph @packed_batch #g {
  %x, %p, %t = onnx.node "Source" () {} : () -> (!q, !p, !t)
  // expected-remark@+1 {{rotary embedding '' not raised: its batch is packed (is_packed_batching)}}
  %y = onnx.ms.RotaryEmbedding(%x, %p, %t, %t) {is_packed_batching = 1 : i64} : (!q, !p, !t, !t) -> !u
  onnx.return
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

// CHECK-LABEL: onnx.graph @mask_of_unknown_rank
// CHECK-NOT: = sink.
onnx.graph @mask_of_unknown_rank #g {
  %q, %m = onnx.node "Source" () {} : () -> (!q, tensor<*xf32>)
  // expected-remark@+1 {{attention '' not raised: its mask has an unknown rank; expected rank 4 at most}}
  %y = onnx.Attention(%q, %q, %q, %m) : (!q, !q, !q, tensor<*xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @own_key_counts
// CHECK-NOT: = sink.
onnx.graph @own_key_counts #g {
  %q, %n = onnx.node "Source" () {} : () -> (!q, tensor<2xi64>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it has a past, and each element of its batch states its own number of keys (nonpad_kv_seqlen)}}
  %y = onnx.Attention(%q, %q, %q, %none, %q, %q, %n) : (!q, !q, !q, none, !q, !q, tensor<2xi64>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @past_keys_alone
// CHECK-NOT: = sink.
onnx.graph @past_keys_alone #g {
  %q, %past = onnx.node "Source" () {} : () -> (!q, !q)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it has past keys without past values, or past values without keys}}
  %y = onnx.Attention(%q, %q, %q, %none, %past) : (!q, !q, !q, none, !q) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @present_keys_alone
// CHECK-NOT: = sink.
onnx.graph @present_keys_alone #g {
  %q = onnx.node "Source" () {} : () -> !q
  // expected-remark@+1 {{attention '' not raised: it gives present keys without present values}}
  %y:2 = onnx.Attention(%q, %q, %q) : (!q, !q, !q) -> (!u, !u)
  %z = onnx.Neg(%y#1) : (!u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @present_keys_of_heads
// CHECK-NOT: = sink.
onnx.graph @present_keys_of_heads #g {
  %q = onnx.node "Source" () {} : () -> !x
  // expected-remark@+1 {{attention '' not raised: it gives present keys without present values}}
  %y:2 = onnx.ms.MultiHeadAttention(%q, %q, %q) {num_heads = 4 : i64} : (!x, !x, !x) -> (!u, !u)
  %z = onnx.Neg(%y#1) : (!u) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @present_keys_of_groups
// CHECK-NOT: = sink.
onnx.graph @present_keys_of_groups #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it gives present keys without present values}}
  %y:2 = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> (!u, !u)
  %z = onnx.Neg(%y#1) : (!u) -> !u
  onnx.return
}

// The valid length of a shared buffer.
// CHECK-LABEL: onnx.graph @past_in_a_buffer
// CHECK-NOT: = sink.
onnx.graph @past_in_a_buffer #g {
  %x, %w, %b, %past, %n = onnx.node "Source" () {} : () -> (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2x2x4x9x8xf32>, tensor<1xi32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: its cache is indexed (cache_indirection), or longer than what it holds (past_sequence_length)}}
  %y = onnx.ms.Attention(%x, %w, %b, %none, %past, %none, %n) {num_heads = 4 : i64, past_present_share_buffer = 1 : i64} : (!x, tensor<32x96xf32>, tensor<96xf32>, none, tensor<2x2x4x9x8xf32>, none, tensor<1xi32>) -> !u
  onnx.return
}

// ONNX Runtime runs the decoder's operator only with shared buffers of a known length, and with new
// keys and values apart.
// CHECK-LABEL: onnx.graph @decoder
// CHECK-NOT: = sink.
onnx.graph @decoder #g {
  %q, %p, %n, %c = onnx.node "Source" () {} : () -> (tensor<2x1x32xf32>, tensor<2x4x9x8xf32>, tensor<1xi32>, tensor<2x1x9xi32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: its past is not in a buffer that its present keys and values share (past_present_share_buffer)}}
  %a = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %q, %q, %none, %none, %p, %p, %n) {num_heads = 4 : i64} : (tensor<2x1x32xf32>, tensor<2x1x32xf32>, tensor<2x1x32xf32>, none, none, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>, tensor<1xi32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its past is not in a buffer that its present keys and values share (past_present_share_buffer)}}
  %b = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %q, %q, %none, %none, %p, %p) {num_heads = 4 : i64, past_present_share_buffer = 1 : i64} : (tensor<2x1x32xf32>, tensor<2x1x32xf32>, tensor<2x1x32xf32>, none, none, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its new keys and values are not apart from its query}}
  %d = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %none, %none, %none, %none, %p, %p, %n) {num_heads = 4 : i64, past_present_share_buffer = 1 : i64} : (tensor<2x1x32xf32>, none, none, none, none, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>, tensor<1xi32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its cache is indexed (cache_indirection), or longer than what it holds (past_sequence_length)}}
  %e = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %q, %q, %none, %none, %p, %p, %n, %none, %c) {num_heads = 4 : i64, past_present_share_buffer = 1 : i64} : (tensor<2x1x32xf32>, tensor<2x1x32xf32>, tensor<2x1x32xf32>, none, none, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>, tensor<1xi32>, none, tensor<2x1x9xi32>) -> !u
  onnx.return
}

// sink.attention has one mask.
// CHECK-LABEL: onnx.graph @mask_and_bias
// CHECK-NOT: = sink.
onnx.graph @mask_and_bias #g {
  %x, %w, %b, %m, %bias = onnx.node "Source" () {} : () -> (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>, tensor<2x4x5x5xf32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it has both a mask (mask_index) and an attention bias}}
  %y = onnx.ms.Attention(%x, %w, %b, %m, %none, %bias) {num_heads = 4 : i64} : (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>, none, tensor<2x4x5x5xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @padding_and_bias
// CHECK-NOT: = sink.
onnx.graph @padding_and_bias #g {
  %q, %m, %bias = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<2x4x5x5xf32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it has both a mask (key_padding_mask) and an attention bias}}
  %y = onnx.ms.MultiHeadAttention(%q, %q, %q, %none, %m, %bias) {num_heads = 4 : i64} : (!x, !x, !x, none, tensor<2xi32>, tensor<2x4x5x5xf32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @indexed_cache
// CHECK-NOT: = sink.
onnx.graph @indexed_cache #g {
  %q, %past, %n = onnx.node "Source" () {} : () -> (!x, !q, tensor<1xi32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: its cache is indexed (cache_indirection), or longer than what it holds (past_sequence_length)}}
  %y = onnx.ms.MultiHeadAttention(%q, %q, %q, %none, %none, %none, %past, %past, %n) {num_heads = 4 : i64} : (!x, !x, !x, none, none, none, !q, !q, tensor<1xi32>) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @last_keys_alone
// CHECK-NOT: = sink.
onnx.graph @last_keys_alone #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: its cache holds only the last keys (sliding_window_cache)}}
  %y = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64, sliding_window_cache = 1 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> !u
  onnx.return
}
}
