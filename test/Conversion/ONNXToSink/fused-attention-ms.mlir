// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// The runtime's attention operators.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!r = tensor<2x4x7x8xf32>
!one = tensor<2x1x32xf32>
!buffer = tensor<2x4x9x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}, {domain = "com.microsoft", version = 1}]}} {

// Heads of a packed last axis, a bias of the scores.
// CHECK-LABEL: onnx.graph @multi_head
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 {causal, head_dim = 8 : i64, key_layout = #sink.layout<bsd>, kv_num_heads = 4 : i64, mask_fill = -3.4028{{.*}} : f64, mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, query_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, scale = 2.500000e-01 : f64, value_layout = #sink.layout<bsd>} :
// CHECK: onnx.ms.MultiHeadAttention
// CHECK: sink.yield
onnx.graph @multi_head #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!x, !x, !x, tensor<2x4x5x5xf32>)
  %none = onnx.absent
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v, %none, %none, %m) {num_heads = 4, scale = 0.25 : f32, unidirectional = 1} : (!x, !x, !x, none, none, tensor<2x4x5x5xf32>) -> !u
  onnx.return
}

// Lengths of the keys are a mask that the operator reads.
// CHECK-LABEL: onnx.graph @multi_head_lengths
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention {{.*}} mask %[[S]]#3 {head_dim = {{.*}} mask_kind = #sink.mask_kind<lengths>
onnx.graph @multi_head_lengths #g {
  %q, %k, %v, %len = onnx.node "Source" () {} : () -> (!x, !x, !x, tensor<2xi32>)
  %none = onnx.absent
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v, %none, %len) {num_heads = 4} : (!x, !x, !x, none, tensor<2xi32>) -> !u
  onnx.return
}

// Both are two masks.
// CHECK-LABEL: onnx.graph @multi_head_two_masks
// CHECK-NOT: sink.attention
// CHECK: onnx.ms.MultiHeadAttention
onnx.graph @multi_head_two_masks #g {
  %q, %k, %v, %len, %m = onnx.node "Source" () {} : () -> (!x, !x, !x, tensor<2xi32>, tensor<2x4x5x5xf32>)
  %none = onnx.absent
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v, %none, %len, %m) {num_heads = 4} : (!x, !x, !x, none, tensor<2xi32>, tensor<2x4x5x5xf32>) -> !u
  onnx.return
}

// With biases the operator's projections are inside.
// CHECK-LABEL: onnx.graph @multi_head_bias
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {{.*}} key_layout = #sink.layout<packed>, {{.*}} query_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>
onnx.graph @multi_head_bias #g {
  %q, %k, %v, %b = onnx.node "Source" () {} : () -> (!x, !x, !x, tensor<96xf32>)
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v, %b) {num_heads = 4} : (!x, !x, !x, tensor<96xf32>) -> !u
  onnx.return
}

// Keys given with heads apart, as in cross attention.
// CHECK-LABEL: onnx.graph @multi_head_key_apart
// CHECK: sink.attention {{.*}} key_layout = #sink.layout<bhsd>, {{.*}} query_layout = #sink.layout<bsd>
onnx.graph @multi_head_key_apart #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!x, !r, !r)
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v) {num_heads = 4} : (!x, !r, !r) -> !u
  onnx.return
}

// Scores that are read are none of the op's results.
// CHECK-LABEL: onnx.graph @multi_head_scores
// CHECK-NOT: sink.attention
// CHECK: onnx.ms.MultiHeadAttention
onnx.graph @multi_head_scores #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!x, !x, !x)
  %y, %ok, %ov, %s = onnx.ms.MultiHeadAttention(%q, %k, %v) {num_heads = 4, onnx.outs = ["y", "k", "v", "s"]} : (!x, !x, !x) -> (!u, !u, !u, !u)
  %z = onnx.Relu(%s) : (!u) -> !u
  onnx.return
}

// The decoder's inputs for a shared cache.
// CHECK-LABEL: onnx.graph @multi_head_shared_cache
// CHECK-NOT: sink.attention
// CHECK: onnx.ms.MultiHeadAttention
onnx.graph @multi_head_shared_cache #g {
  %q, %k, %v, %pk, %pv, %n = onnx.node "Source" () {} : () -> (!x, !x, !x, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<1xi32>)
  %none = onnx.absent
  %y = onnx.ms.MultiHeadAttention(%q, %k, %v, %none, %none, %none, %pk, %pv, %n) {num_heads = 4} : (!x, !x, !x, none, none, none, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<1xi32>) -> !u
  onnx.return
}

// Causal unless it says otherwise; a window, a cap, a logit per head for a sink.
// CHECK-LABEL: onnx.graph @grouped
// CHECK: %[[S:.*]]:8 = onnx.node "Source"
// CHECK: %{{.*}}, %{{.*}}:2 = sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 past %[[S]]#3, %[[S]]#4 sink_logit %[[S]]#7 last_key %[[S]]#5 {causal, has_present, head_dim = 8 : i64, key_layout = #sink.layout<bsd>, kv_num_heads = 2 : i64, num_heads = 4 : i64, query_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, scale = 2.500000e-01 : f64, softcap = 3.000000e+01 : f64, value_layout = #sink.layout<bsd>, window = 3 : i64} :
// CHECK: onnx.ms.GroupQueryAttention
// CHECK: sink.yield
onnx.graph @grouped #g {
  %q, %k, %v, %pk, %pv, %len, %tot, %h = onnx.node "Source" () {} : () -> (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2xi32>, tensor<1xi32>, tensor<4xf32>)
  %none = onnx.absent
  %y, %ok, %ov = onnx.ms.GroupQueryAttention(%q, %k, %v, %pk, %pv, %len, %tot, %none, %none, %none, %none, %h) {num_heads = 4, kv_num_heads = 2, scale = 0.25 : f32, softcap = 30.0 : f32, local_window_size = 3, onnx.outs = ["y", "ok", "ov"]} : (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2xi32>, tensor<1xi32>, none, none, none, none, tensor<4xf32>) -> (!u, !u, !u)
  onnx.return
}

// A window of -1 is none, a scale of 0 the default.
// CHECK-LABEL: onnx.graph @grouped_defaults
// CHECK: sink.attention {{.*}} {head_dim = 8 : i64, key_layout = #sink.layout<bsd>, kv_num_heads = 2 : i64, num_heads = 4 : i64, query_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>} :
onnx.graph @grouped_defaults #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>)
  %y = onnx.ms.GroupQueryAttention(%q, %k, %v) {num_heads = 4, kv_num_heads = 2, scale = 0.0 : f32, local_window_size = -1, causal = 0} : (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>) -> !u
  onnx.return
}

// The operator rotates: its operands are not yet queries and keys.
// CHECK-LABEL: onnx.graph @grouped_rotates
// CHECK: sink.attention {{.*}} key_layout = #sink.layout<packed>, {{.*}} query_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>
onnx.graph @grouped_rotates #g {
  %q, %k, %v, %pk, %pv, %len, %tot, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2xi32>, tensor<1xi32>, tensor<9x4xf32>, tensor<9x4xf32>)
  %y = onnx.ms.GroupQueryAttention(%q, %k, %v, %pk, %pv, %len, %tot, %cos, %sin) {num_heads = 4, kv_num_heads = 2, do_rotary = 1} : (!x, tensor<2x5x16xf32>, tensor<2x5x16xf32>, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>, tensor<2xi32>, tensor<1xi32>, tensor<9x4xf32>, tensor<9x4xf32>) -> !u
  onnx.return
}

// Projections and all.
// CHECK-LABEL: onnx.graph @packed
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#0, %[[S]]#0 mask %[[S]]#3 {causal, head_dim = 8 : i64, key_layout = #sink.layout<packed>, kv_num_heads = 4 : i64, mask_kind = #sink.mask_kind<lengths>, num_heads = 4 : i64, query_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>
// CHECK-NEXT: ^bb0(%[[X:[^,]*]]: tensor<2x5x32xf32>):
// CHECK-NEXT: onnx.ms.Attention(%[[X]],
onnx.graph @packed #g {
  %x, %w, %b, %len = onnx.node "Source" () {} : () -> (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>)
  %y = onnx.ms.Attention(%x, %w, %b, %len) {num_heads = 4, unidirectional = 1} : (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>) -> !u
  onnx.return
}

// Two masks.
// CHECK-LABEL: onnx.graph @packed_no_match
// CHECK-NOT: sink.attention
// CHECK: onnx.ms.Attention
onnx.graph @packed_no_match #g {
  %x, %w, %b, %len, %m = onnx.node "Source" () {} : () -> (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>, tensor<2x4x5x5xf32>)
  %none = onnx.absent
  %y = onnx.ms.Attention(%x, %w, %b, %len, %none, %m) {num_heads = 4} : (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2xi32>, none, tensor<2x4x5x5xf32>) -> !u
  onnx.return
}

// Keys and values of the past are one tensor, and so are the present ones, which are an inner value.
// CHECK-LABEL: onnx.graph @packed_past
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %[[Y:.*]], %[[P:.*]] = sink.attention %[[S]]#0, %[[S]]#0, %[[S]]#0 past %[[S]]#3, %[[S]]#3 {causal, head_dim = 8 : i64, key_layout = #sink.layout<packed>, kv_num_heads = 4 : i64, num_heads = 4 : i64, query_layout = #sink.layout<packed>
// CHECK-NEXT: ^bb0(%[[X:[^,]*]]: tensor<2x5x32xf32>):
// CHECK-NEXT: %[[O:.*]]:2 = onnx.ms.Attention(%[[X]],
// CHECK-NEXT: sink.yield %[[O]]#0, %[[O]]#1
// CHECK: onnx.node "Sink"(%[[Y]], %[[P]])
onnx.graph @packed_past #g {
  %x, %w, %b, %past = onnx.node "Source" () {} : () -> (!x, tensor<32x96xf32>, tensor<96xf32>, tensor<2x2x4x3x8xf32>)
  %none = onnx.absent
  %y:2 = onnx.ms.Attention(%x, %w, %b, %none, %past) {num_heads = 4, unidirectional = 1} : (!x, tensor<32x96xf32>, tensor<96xf32>, none, tensor<2x2x4x3x8xf32>) -> (!u, !u)
  onnx.node "Sink" (%y#0, %y#1) {} : (!u, !u) -> ()
  onnx.return
}

// The past and the present share buffers, and the form says which rows are keys.
// CHECK-LABEL: onnx.graph @decoder
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#1 mask %[[S]]#4 past %[[S]]#2, %[[S]]#2 {head_dim = 8 : i64, key_layout = #sink.layout<packed>, kv_num_heads = 4 : i64, mask_kind = #sink.mask_kind<lengths>, num_heads = 4 : i64, query_layout = #sink.layout<packed>
// CHECK-SAME: -> (tensor<2x1x32xf32>, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>)
// CHECK: sink.yield %[[O:.*]]#0, %[[O]]#1, %[[O]]#2
onnx.graph @decoder #g {
  %q, %k, %p, %n, %m = onnx.node "Source" () {} : () -> (!one, !one, !buffer, tensor<1xi32>, tensor<2x4xi32>)
  %none = onnx.absent
  %y:3 = onnx.ms.DecoderMaskedMultiHeadAttention(%q, %k, %k, %m, %none, %p, %p, %n) {num_heads = 4, past_present_share_buffer = 1} : (!one, !one, !one, tensor<2x4xi32>, none, !buffer, !buffer, tensor<1xi32>) -> (!u, !u, !u)
  onnx.node "Sink" (%y#0, %y#1, %y#2) {} : (!u, !u, !u) -> ()
  onnx.return
}
}
