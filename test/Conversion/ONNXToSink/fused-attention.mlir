// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// The standard's Attention.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!k = tensor<2x7x16xf32>
!q4 = tensor<2x4x5x8xf32>
!k4 = tensor<2x2x7x8xf32>
!k5 = tensor<2x2x5x8xf32>
!r = tensor<2x4x7x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}]}} {

// Heads on an axis of their own.
// CHECK-LABEL: onnx.graph @four_axes
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: %[[Y:.*]] = sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {causal, head_dim = 8 : i64, key_layout = #sink.layout<bhsd>, kv_num_heads = 2 : i64, num_heads = 4 : i64, query_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, scale = 2.500000e-01 : f64, softcap = 3.000000e+01 : f64, value_layout = #sink.layout<bhsd>} :
// CHECK-NEXT: ^bb0(%[[Q:.*]]: tensor<2x4x5x8xf32>, %[[K:.*]]: tensor<2x2x5x8xf32>, %[[V:.*]]: tensor<2x2x5x8xf32>):
// CHECK-NEXT: %[[O:.*]] = onnx.Attention(%[[Q]], %[[K]], %[[V]])
// CHECK-NEXT: sink.yield %[[O]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @four_axes #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k5, !k5)
  %y = onnx.Attention(%q, %k, %v) {is_causal = 1, scale = 0.25 : f32, softcap = 30.0 : f32} : (!q4, !k5, !k5) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A window to the left, the query itself counted; one of nothing to the right is
// causal.
// CHECK-LABEL: onnx.graph @windows
// CHECK: sink.attention {{.*}} value_layout = #sink.layout<bhsd>, window = 3 : i64}
// CHECK: sink.attention {{.*}} {causal, {{.*}} window = 1 : i64}
// CHECK: sink.attention {{.*}} {causal, {{.*}} value_layout = #sink.layout<bhsd>} :
onnx.graph @windows #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k5, !k5)
  %a = onnx.Attention(%q, %k, %v) {left_window_size = 2, right_window_size = -1} : (!q4, !k5, !k5) -> !u
  %b = onnx.Attention(%q, %k, %v) {left_window_size = 0, is_causal = 1} : (!q4, !k5, !k5) -> !u
  %c = onnx.Attention(%q, %k, %v) {right_window_size = 0} : (!q4, !k5, !k5) -> !u
  onnx.return
}

// With a past, positions begin after it: as many fresh keys as queries end with
// the queries.
// CHECK-LABEL: onnx.graph @window_after_a_past
// CHECK: sink.attention {{.*}} past {{.*}} {causal, {{.*}} window = 3 : i64}
onnx.graph @window_after_a_past #g {
  %q, %k, %p = onnx.node "Source" () {} : () -> (!q4, !k5, !k4)
  %none = onnx.absent
  %a = onnx.Attention(%q, %k, %k, %none, %p, %p) {left_window_size = 2, is_causal = 1} : (!q4, !k5, !k5, none, !k4, !k4) -> !u
  onnx.return
}

// Heads on the last axis: their numbers are attributes. No scale is the default
// scale, a softcap of 0 none.
// CHECK-LABEL: onnx.graph @three_axes
// CHECK: sink.attention {{.*}} {head_dim = 8 : i64, key_layout = #sink.layout<bsd>, kv_num_heads = 2 : i64, num_heads = 4 : i64, query_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>} :
onnx.graph @three_axes #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!x, !k, !k)
  %y = onnx.Attention(%q, %k, %v) {q_num_heads = 4, kv_num_heads = 2, softcap = 0.0 : f32} : (!x, !k, !k) -> !u
  onnx.return
}

// The mask's type tells what it means.
// CHECK-LABEL: onnx.graph @masks
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: sink.attention {{.*}} mask %[[S]]#3 {head_dim {{.*}} mask_kind = #sink.mask_kind<additive>
// CHECK: sink.attention {{.*}} mask %[[S]]#4 {head_dim {{.*}} mask_kind = #sink.mask_kind<keep>
onnx.graph @masks #g {
  %q, %k, %v, %m, %b = onnx.node "Source" () {} : () -> (!q4, !k4, !k4, tensor<5x7xf32>, tensor<5x7xi1>)
  %y = onnx.Attention(%q, %k, %v, %m) : (!q4, !k4, !k4, tensor<5x7xf32>) -> !u
  %z = onnx.Attention(%q, %k, %v, %b) : (!q4, !k4, !k4, tensor<5x7xi1>) -> !u
  onnx.return
}

// A mask can make it causal as well: here a triangle.
// CHECK-LABEL: onnx.graph @causal_by_mask
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @causal_by_mask #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>)
  %m = onnx.initializer "m" : tensor<3x3xi1> = dense<[[1,0,0],[1,1,0],[1,1,1]]> : tensor<3x3xi1>
  %y = onnx.Attention(%q, %k, %v, %m) : (tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<3x3xi1>) -> !u
  onnx.return
}

// A cache before keys and values, and what it becomes.
// CHECK-LABEL: onnx.graph @cache
// CHECK: %[[S:.*]]:5 = onnx.node "Source"
// CHECK: %{{.*}}, %[[P:.*]]:2 = sink.attention {{.*}} past %[[S]]#3, %[[S]]#4 {has_present, head_dim
// CHECK: sink.yield %{{.*}}#0, %{{.*}}#1, %{{.*}}#2
// CHECK: onnx.Relu(%[[P]]#0)
onnx.graph @cache #g {
  %q, %k, %v, %pk, %pv = onnx.node "Source" () {} : () -> (!q4, !k4, !k4, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>)
  %none = onnx.absent
  %y, %ok, %ov = onnx.Attention(%q, %k, %v, %none, %pk, %pv) {onnx.outs = ["y", "k", "v"]} : (!q4, !k4, !k4, none, tensor<2x2x3x8xf32>, tensor<2x2x3x8xf32>) -> (!u, !u, !u)
  %z = onnx.Relu(%ok) : (!u) -> !u
  onnx.return
}

// Scores that are read: the op has none. Lengths of the keys become a mask, which the operator in the form does not read.
// CHECK-LABEL: onnx.graph @scores_used
// CHECK-NOT: sink.attention
// CHECK: onnx.Attention
// CHECK: %[[KEYS:.*]] = onnx.Range(
// CHECK: %[[MASK:.*]] = onnx.Less(%[[KEYS]], %{{.*}}) {sink.made}
// CHECK: sink.attention %{{.*}} mask %[[MASK]] {{{.*}}mask_kind = #sink.mask_kind<keep>{{.*}}zero_hidden_rows}
// CHECK: onnx.Attention
onnx.graph @scores_used #g {
  %q, %k, %v, %len = onnx.node "Source" () {} : () -> (!q4, !k4, !k4, tensor<2xi64>)
  %none = onnx.absent
  %y, %ok, %ov, %s = onnx.Attention(%q, %k, %v) {onnx.outs = ["y", "k", "v", "s"]} : (!q4, !k4, !k4) -> (!u, !u, !u, !u)
  %z = onnx.Relu(%s) : (!u) -> !u
  %y2 = onnx.Attention(%q, %k, %v, %none, %none, %none, %len) : (!q4, !k4, !k4, none, none, none, tensor<2xi64>) -> !u
  onnx.return
}

// With lengths, queries stand at the last keys of their element.
// CHECK-LABEL: onnx.graph @lengths_causal
// CHECK: onnx.Sub(
// CHECK: onnx.Greater(
// CHECK: %[[MASK:.*]] = onnx.And({{.*}}) {sink.made} : {{.*}} -> tensor<2x1x5x7xi1>
// CHECK: sink.attention %{{.*}} mask %[[MASK]] {causal, causal_in_mask, {{.*}}mask_kind = #sink.mask_kind<keep>
onnx.graph @lengths_causal #g {
  %q, %k, %v, %len = onnx.node "Source" () {} : () -> (!q4, !k4, !k4, tensor<2xi64>)
  %none = onnx.absent
  %y = onnx.Attention(%q, %k, %v, %none, %none, %none, %len) {is_causal = 1 : i64} : (!q4, !k4, !k4, none, none, none, tensor<2xi64>) -> !u
  onnx.return
}

// Key heads repeated before the operator: taken in, and the op has those there were.
// CHECK-LABEL: onnx.graph @repeated
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 {head_dim = 8 : i64, key_layout = #sink.layout<bhsd>, kv_num_heads = 2 : i64, num_heads = 4 : i64
// CHECK: onnx.Unsqueeze
// CHECK: onnx.Attention
// CHECK: sink.yield
onnx.graph @repeated #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k4, !k4)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!k4, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!k4, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %vw = onnx.Expand(%v5, %wide) : (!u, !u) -> !u
  %kr = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %four) : (!u, !u) -> !u
  %y = onnx.Attention(%q, %kr, %vr) : (!q4, !u, !u) -> !u
  onnx.return
}

// They stay outside where others read them,
// CHECK-LABEL: onnx.graph @repeated_used
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_used #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k4, !k4)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!k4, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!k4, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %vw = onnx.Expand(%v5, %wide) : (!u, !u) -> !u
  %kr = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %four) : (!u, !u) -> !u
  %y = onnx.Attention(%q, %kr, %vr) : (!q4, !u, !u) -> !u
  %z = onnx.Relu(%kr) : (!u) -> !u
  onnx.return
}

// and where they become the present ones,
// CHECK-LABEL: onnx.graph @repeated_present
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], {{.*}} {has_present, {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_present #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k4, !k4)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!k4, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!k4, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %vw = onnx.Expand(%v5, %wide) : (!u, !u) -> !u
  %kr = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %four) : (!u, !u) -> !u
  %y, %ok, %ov = onnx.Attention(%q, %kr, %vr) {onnx.outs = ["y", "k", "v"]} : (!q4, !u, !u) -> (!u, !u, !u)
  onnx.return
}

// and where only the keys are repeated.
// CHECK-LABEL: onnx.graph @repeated_keys_alone
// CHECK: %[[K:.*]] = onnx.Reshape
// CHECK: sink.attention %{{.*}}, %[[K]], {{.*}} kv_num_heads = 4 : i64
onnx.graph @repeated_keys_alone #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q4, !k4, !k4)
  %ax = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 7, 8>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %k5 = onnx.Unsqueeze(%k, %ax) : (!k4, !u) -> !u
  %v5 = onnx.Unsqueeze(%v, %ax) : (!k4, !u) -> !u
  %kw = onnx.Expand(%k5, %wide) : (!u, !u) -> !u
  %vw = onnx.Expand(%v5, %wide) : (!u, !u) -> !u
  %kr = onnx.Reshape(%kw, %four) : (!u, !u) -> !u
  %vr = onnx.Reshape(%vw, %four) : (!u, !u) -> !u
  %v4 = onnx.node "Source" () {} : () -> !r
  %y = onnx.Attention(%q, %kr, %v4) : (!q4, !u, !r) -> !u
  onnx.return
}
}
