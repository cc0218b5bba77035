// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// Sinks that are a past of the standard's Attention, which has no present.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x2x5x8xf32>
!p = tensor<2x2x3x8xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 25}]}} {
// The past begins with learned rows and a row of zeros, whose column of the mask has the logits. is_causal hides none of
// them.
// CHECK-LABEL: onnx.graph @rows_logits_and_past
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#4 past %[[S]]#3, %[[S]]#3 sink_logit %[[S]]#5 sink_kv %{{.*}}, %{{.*}} {causal,
// CHECK-COUNT-3: onnx.Concat
// CHECK-NEXT: onnx.Attention
// CHECK-NEXT: sink.yield
onnx.graph @rows_logits_and_past #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x8xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %pk = onnx.Concat(%ek, %zk, %p) {axis = 2 : i64} : (!u, !u, !p) -> !u
  %pv = onnx.Concat(%ev, %zk, %p) {axis = 2 : i64} : (!u, !u, !p) -> !u
  %mc = onnx.Concat(%zm, %c, %m) {axis = 3 : i64} : (!u, !u, tensor<1x4x1x8xf32>) -> !u
  %y = onnx.Attention(%q, %k, %v, %mc, %pk, %pv) {is_causal = 1 : i64} : (!q, !k, !k, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A row of zeros alone is the past. Without a mask it is a logit of 0.
// CHECK-LABEL: onnx.graph @zeros_alone
// CHECK: onnx.Constant() {sink.made, value = dense<0.000000e+00>
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 sink_logit %{{.*}} {causal,
onnx.graph @zeros_alone #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %no = onnx.absent
  %y = onnx.Attention(%q, %k, %v, %no, %zk, %zk) {is_causal = 1 : i64} : (!q, !k, !k, none, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Its column of the mask has the logits.
// CHECK-LABEL: onnx.graph @logits
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#4 sink_logit %[[S]]#5 {
onnx.graph @logits #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %mc = onnx.Concat(%c, %m) {axis = 3 : i64} : (!u, tensor<1x4x1x5xf32>) -> !u
  %y = onnx.Attention(%q, %k, %v, %mc, %zk, %zk) {} : (!q, !k, !k, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Near misses: the past stays one.

// A window hides the rows from later queries.
// CHECK-LABEL: onnx.graph @window
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @window #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %no = onnx.absent
  %y = onnx.Attention(%q, %k, %v, %no, %zk, %zk) {is_causal = 1 : i64, left_window_size = 2 : i64} : (!q, !k, !k, none, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The rows are in a present.
// CHECK-LABEL: onnx.graph @present
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @present #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %no = onnx.absent
  %y, %ok, %ov = onnx.Attention(%q, %k, %v, %no, %zk, %zk) {} : (!q, !k, !k, none, !u, !u) -> (!u, !u, !u)
  %w = onnx.Relu(%ok) : (!u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The past stands before the rows, so that columns of the mask are not those of past and keys.
// CHECK-LABEL: onnx.graph @past_first
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @past_first #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %pk = onnx.Concat(%p, %zk) {axis = 2 : i64} : (!p, !u) -> !u
  %no = onnx.absent
  %y = onnx.Attention(%q, %k, %v, %no, %pk, %pk) {} : (!q, !k, !k, none, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The mask hides the learned rows.
// CHECK-LABEL: onnx.graph @hidden
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @hidden #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%hidden, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %mc = onnx.Concat(%zm, %m) {axis = 3 : i64} : (!u, tensor<1x4x1x5xf32>) -> !u
  %y = onnx.Attention(%q, %k, %v, %mc, %ek, %ev) {} : (!q, !k, !k, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The mask is not joined of columns for the rows and others.
// CHECK-LABEL: onnx.graph @whole_mask
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @whole_mask #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x6xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %y = onnx.Attention(%q, %k, %v, %m, %zk, %zk) {} : (!q, !k, !k, tensor<1x4x1x6xf32>, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Keys of zeros have values of their own.
// CHECK-LABEL: onnx.graph @values
// CHECK: sink.attention %{{.*}} past %{{.*}}, %{{.*}} {
// CHECK-NOT: sink_logit
onnx.graph @values #g {
  %q, %k, %v, %p, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !p, tensor<1x4x1x5xf32>, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 1, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %hidden = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%zero, %mshape) : (!u, !u) -> !u
  %c = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %no = onnx.absent
  %s0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %s1 = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %s2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> tensor<1xi64>
  %ev1 = onnx.Slice(%ev, %s0, %s1, %s2) : (!u, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !u
  %y = onnx.Attention(%q, %k, %v, %no, %zk, %ev1) {} : (!q, !k, !k, none, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
