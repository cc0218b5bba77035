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

// smooth_softmax is a sink of logit 0 that no operand holds.
// CHECK-LABEL: onnx.graph @smooth_softmax
// CHECK-NOT: sink.attention
// CHECK: onnx.ms.GroupQueryAttention
onnx.graph @smooth_softmax #g {
  %q, %l, %n = onnx.node "Source" () {} : () -> (!x, tensor<2xi32>, tensor<i32>)
  %none = onnx.absent
  // expected-remark@+1 {{attention '' not raised: it has an operand, result or attribute without a counterpart}}
  %y:3 = onnx.ms.GroupQueryAttention(%q, %q, %q, %none, %none, %l, %n) {num_heads = 4 : i64, kv_num_heads = 4 : i64, smooth_softmax = 1 : i64} : (!x, !x, !x, none, none, tensor<2xi32>, tensor<i32>) -> (!u, !u, !u)
  onnx.return
}

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
  // expected-remark@+1 {{attention '' not raised}}
  %y = onnx.Attention(%q, %q, %q) {left_window_size = 2 : i64, right_window_size = 1 : i64} : (!q, !q, !q) -> !u
  onnx.return
}

// The operator counts a window from the first key, sink.attention from the last.
// CHECK-LABEL: onnx.graph @window_over_more_keys
// CHECK-NOT: sink.attention
onnx.graph @window_over_more_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x7x8xf32>)
  // expected-remark@+1 {{attention '' not raised}}
  %y = onnx.Attention(%q, %k, %k) {left_window_size = 2 : i64} : (!q, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> !u
  onnx.return
}

// So it is with causality.
// CHECK-LABEL: onnx.graph @causal_over_more_keys
// CHECK-NOT: sink.attention
onnx.graph @causal_over_more_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x7x8xf32>)
  // expected-remark@+1 {{attention '' not raised}}
  %y = onnx.Attention(%q, %k, %k) {is_causal = 1 : i64} : (!q, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> !u
  onnx.return
}

// Or where the number of keys is not known.
// CHECK-LABEL: onnx.graph @causal_over_unknown_keys
// CHECK-NOT: sink.attention
onnx.graph @causal_over_unknown_keys #g {
  %q, %k = onnx.node "Source" () {} : () -> (!q, tensor<2x4x?x8xf32>)
  // expected-remark@+1 {{attention '' not raised}}
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
  // expected-remark@+1 {{rotary embedding '' not raised}}
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
  // expected-remark@+1 {{norm '' not raised}}
  %y = onnx.LayerNormalization(%x, %w) {axis = -1 : i64} : (!x, tensor<5x32xf32>) -> !u
  onnx.return
}
}
