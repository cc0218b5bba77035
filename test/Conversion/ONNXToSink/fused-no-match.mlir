// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Operators with an attribute or operand that sink ops do not say: they stay, and
// are named.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!q = tensor<2x4x5x8xf32>
!t = tensor<6x4xf32>
!p = tensor<2x5xi64>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}, {domain = "com.microsoft", version = 1}]}} {

// CHECK-LABEL: onnx.graph @plain_softmax
// CHECK: sink.attention
onnx.graph @plain_softmax #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  %y:3 = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64, smooth_softmax = 0 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> (!u, !u, !u)
  onnx.return
}

// A window that reaches to the right.
// CHECK-LABEL: onnx.graph @right_window
// CHECK-NOT: sink.attention
onnx.graph @right_window #g {
  %q = onnx.node "Source" () {} : () -> !q
  // expected-remark@+1 {{attention '' not raised: its window reaches to the right of the query (right_window_size = 1)}}
  %y = onnx.Attention(%q, %q, %q) {left_window_size = 2 : i64, right_window_size = 1 : i64} : (!q, !q, !q) -> !u
  onnx.return
}

// The operator counts a window from the first key, sink.attention from the last.
// CHECK-LABEL: onnx.graph @window_over_more_keys
// CHECK-NOT: sink.attention
onnx.graph @window_over_more_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x7x8xf32>)
  // expected-remark@+1 {{attention '' not raised: its causal mask or window requires as many new keys as queries, but their numbers are not known to agree}}
  %y = onnx.Attention(%q, %k, %k) {left_window_size = 2 : i64} : (!q, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> !u
  onnx.return
}

// So it is with causality.
// CHECK-LABEL: onnx.graph @causal_over_more_keys
// CHECK-NOT: sink.attention
onnx.graph @causal_over_more_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x7x8xf32>)
  // expected-remark@+1 {{attention '' not raised: its causal mask or window requires as many new keys as queries, but their numbers are not known to agree}}
  %y = onnx.Attention(%q, %k, %k) {is_causal = 1 : i64} : (!q, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> !u
  onnx.return
}

// Or where the number of keys is not known.
// CHECK-LABEL: onnx.graph @causal_over_unknown_keys
// CHECK-NOT: sink.attention
onnx.graph @causal_over_unknown_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x?x8xf32>)
  // expected-remark@+1 {{attention '' not raised: its causal mask or window requires as many new keys as queries, but their numbers are not known to agree}}
  %y = onnx.Attention(%q, %k, %k) {is_causal = 1 : i64} : (!q, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}

// -1 is none.
// CHECK-LABEL: onnx.graph @no_window
// CHECK: sink.attention
onnx.graph @no_window #g {
  %q = onnx.node "Source" () {} : () -> !q
  %y = onnx.Attention(%q, %q, %q) {left_window_size = -1 : i64} : (!q, !q, !q) -> !u
  onnx.return
}

// A rotation that scales.
// CHECK-LABEL: onnx.graph @scaled_rotation
// CHECK-NOT: sink.rotary
onnx.graph @scaled_rotation #g {
  %x, %p, %t = onnx.node "Source" () {} : () -> (!q, !p, !t)
  // expected-remark@+1 {{rotary embedding '' not raised: it scales its input besides rotating it}}
  %y = onnx.ms.RotaryEmbedding(%x, %p, %t, %t) {scale = 0.5 : f32} : (!q, !p, !t, !t) -> !u
  onnx.return
}

// CHECK-LABEL: onnx.graph @plain_rotation
// CHECK: sink.rotary
onnx.graph @plain_rotation #g {
  %x, %p, %t = onnx.node "Source" () {} : () -> (!q, !p, !t)
  %y = onnx.ms.RotaryEmbedding(%x, %p, %t, %t) {scale = 1.0 : f32} : (!q, !p, !t, !t) -> !u
  onnx.return
}

// A weight that differs by position.
// CHECK-LABEL: onnx.graph @weight_by_position
// CHECK-NOT: sink.layer_norm
onnx.graph @weight_by_position #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<5x32xf32>)
  // expected-remark@+1 {{norm '' not raised: its weight is not a vector as long as the last axis of its input}}
  %y = onnx.LayerNormalization(%x, %w) {axis = -1 : i64} : (!x, tensor<5x32xf32>) -> !u
  onnx.return
}

// A weight of more axes than x has.
// CHECK-LABEL: onnx.graph @weight_of_higher_rank
// CHECK-NOT: sink.layer_norm
onnx.graph @weight_of_higher_rank #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<1x1x1x32xf32>)
  // expected-remark@+1 {{norm '' not raised: its weight is not a vector as long as the last axis of its input}}
  %y = onnx.LayerNormalization(%x, %w) {axis = -1 : i64} : (!x, tensor<1x1x1x32xf32>) -> !u
  onnx.return
}

// A skip that is repeated for the batch.
// CHECK-LABEL: onnx.graph @broadcast_skip
// CHECK-NOT: sink.layer_norm
onnx.graph @broadcast_skip #g {
  %x, %s, %w = onnx.node "Source" () {} : () -> (!x, tensor<5x32xf32>, tensor<32xf32>)
  // expected-remark@+1 {{norm '' not raised: its skip is not known to have the shape of its input}}
  %y = onnx.ms.SkipLayerNormalization(%x, %s, %w) : (!x, tensor<5x32xf32>, tensor<32xf32>) -> !u
  onnx.return
}

// A batch of two may be more than x has.
// CHECK-LABEL: onnx.graph @larger_skip
// CHECK-NOT: = sink.
onnx.graph @larger_skip #g {
  %x, %s, %w = onnx.node "Source" () {} : () -> (tensor<?x5x32xf32, #onnx.dims<"B", "", "">>, tensor<2x5x32xf32>, tensor<32xf32>)
  // expected-remark@+1 {{norm '' not raised: its skip is not known to have the shape of its input}}
  %y = onnx.ms.SkipLayerNormalization(%x, %s, %w) : (tensor<?x5x32xf32, #onnx.dims<"B", "", "">>, tensor<2x5x32xf32>, tensor<32xf32>) -> !u
  onnx.return
}

// The mean that the operator also gives.
// CHECK-LABEL: onnx.graph @statistic_is_used
// CHECK-NOT: sink.layer_norm
onnx.graph @statistic_is_used #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<32xf32>)
  // expected-remark@+1 {{norm '' not raised: its result 1 is used, but has no counterpart in the sink dialect}}
  %y:2 = onnx.LayerNormalization(%x, %w) {axis = -1 : i64} : (!x, tensor<32xf32>) -> (!u, !u)
  %z = onnx.Neg(%y#1) : (!u) -> !u
  onnx.return
}

// The same value twice: the form keeps the two apart.
// CHECK-LABEL: onnx.graph @skip_of_itself
// CHECK: %[[X:.*]]:2 = onnx.node "Source"
// CHECK: sink.rms_norm %[[X]]#0 residual %[[X]]#0 weight %[[X]]#1
// CHECK: ^bb0(%[[A:.*]]: tensor<2x5x32xf32>, %[[B:.*]]: tensor<2x5x32xf32>):
// CHECK: onnx.ms.SkipSimplifiedLayerNormalization(%[[A]], %[[B]], %[[X]]#1)
onnx.graph @skip_of_itself #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<32xf32>)
  %y = onnx.ms.SkipSimplifiedLayerNormalization(%x, %x, %w) : (!x, !x, tensor<32xf32>) -> !u
  onnx.return
}

// One position is where the first is.
// CHECK-LABEL: onnx.graph @offset
// CHECK-NOT: sink.rotary
onnx.graph @offset #g {
  %x, %p, %t = onnx.node "Source" () {} : () -> (!q, tensor<1xi64>, !t)
  // expected-remark@+1 {{rotary embedding '' not raised: its positions have rank 1; expected rank 2, one position for each token: a single one is an offset}}
  %y = onnx.ms.RotaryEmbedding(%x, %p, %t, %t) : (!q, tensor<1xi64>, !t, !t) -> !u
  onnx.return
}

// The operator counts from the first key.
// CHECK-LABEL: onnx.graph @unidirectional_over_more_keys
// CHECK-NOT: sink.attention
onnx.graph @unidirectional_over_more_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!x, tensor<2x7x32xf32>)
  // expected-remark@+1 {{attention '' not raised: its causal mask or window requires as many new keys as queries, but their numbers are not known to agree}}
  %y = onnx.ms.MultiHeadAttention(%q, %k, %k) {num_heads = 4, unidirectional = 1} : (!x, tensor<2x7x32xf32>, tensor<2x7x32xf32>) -> !u
  onnx.return
}

// Fewer columns than keys.
// CHECK-LABEL: onnx.graph @narrow_mask
// CHECK-NOT: sink.attention
onnx.graph @narrow_mask #g {
  %q, %m = onnx.node "Source" () {} : () -> (!q, tensor<5x3xf32>)
  // expected-remark@+1 {{attention '' not raised: its mask has 3 columns for 5 keys}}
  %y = onnx.Attention(%q, %q, %q, %m) : (!q, !q, !q, tensor<5x3xf32>) -> !u
  onnx.return
}

// Each element of the batch has keys of its own number.
// CHECK-LABEL: onnx.graph @own_lengths
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention {{.*}} last_key %[[S]]#1 {causal
onnx.graph @own_lengths #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  %y = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> !u
  onnx.return
}

// All have all.
// CHECK-LABEL: onnx.graph @full_lengths
// CHECK-NOT: last_key
// CHECK: sink.attention
// CHECK-NOT: last_key
onnx.graph @full_lengths #g {
  %q, %n = onnx.node "Source" () {} : () -> (!x, tensor<i32>)
  %none = onnx.absent
  %l = onnx.initializer "l" : tensor<2xi32> = dense<4> : tensor<2xi32>
  %y = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> !u
  onnx.return
}

// An operator with a typed op for its shapes that no sink op stands for.
// CHECK-LABEL: onnx.graph @embed_norm
// CHECK-NOT: = sink.
onnx.graph @embed_norm #g {
  %ids, %table, %v = onnx.node "Source" () {} : () -> (tensor<2x5xi32>, tensor<30x16xf32>, tensor<16xf32>)
  // expected-remark@+1 {{norm '' not raised: the operator EmbedLayerNormalization has no counterpart in the sink dialect}}
  %e:2 = onnx.ms.EmbedLayerNormalization(%ids, %ids, %table, %table, %table, %v, %v) : (tensor<2x5xi32>, tensor<2x5xi32>, tensor<30x16xf32>, tensor<30x16xf32>, tensor<30x16xf32>, tensor<16xf32>, tensor<16xf32>) -> (tensor<2x5x16xf32>, tensor<2xi32>)
  onnx.return
}

// Operators without a typed op, and a node that does not fit its own, are listed.
// CHECK-LABEL: onnx.graph @untyped
// CHECK-NOT: = sink.
onnx.graph @untyped #g {
  %q, %k = onnx.node "Source" () {} : () -> (!x, !x)
  // expected-remark@+1 {{attention '' not raised: the operator DecoderMaskedSelfAttention has no counterpart in the sink dialect}}
  %y = onnx.node "DecoderMaskedSelfAttention" domain "com.microsoft" (%q, %k, %k) {num_heads = 4 : i64} : (!x, !x, !x) -> !u
  // expected-remark@+1 {{norm '' not raised: its operator has no attribute 'scales'}}
  %z = onnx.node "LayerNormalization" (%q, %k) {scales = 4 : i64} : (!x, !x) -> !u
  onnx.return
}
}
