// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// Sinks that are joined to the operands of an operator that has none.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x2x5x8xf32>
!m = tensor<1x4x5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}]}} {
// Learned rows first, and a row of zeros last, whose column of the mask has the logits. The joins stand in the form.
// CHECK-LABEL: onnx.graph @rows_and_logits
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[S]]#4 sink_kv %{{.*}}, %{{.*}} {
// CHECK-COUNT-3: onnx.Concat
// CHECK-NEXT: onnx.Attention
// CHECK-NEXT: sink.yield
onnx.graph @rows_and_logits #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %c) {axis = 3 : i64} : (!u, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Logits alone.
// CHECK-LABEL: onnx.graph @logits
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[S]]#4 {
onnx.graph @logits #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%k, %zk) {axis = 2 : i64} : (!k, !u) -> !u
  %vc = onnx.Concat(%v, %zk) {axis = 2 : i64} : (!k, !u) -> !u
  %mc = onnx.Concat(%m, %c) {axis = 3 : i64} : (!m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The row of zeros may stand first.
// CHECK-LABEL: onnx.graph @logits_first
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[S]]#4 {
onnx.graph @logits_first #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%zk, %k) {axis = 2 : i64} : (!u, !k) -> !u
  %vc = onnx.Concat(%zk, %v) {axis = 2 : i64} : (!u, !k) -> !u
  %mc = onnx.Concat(%c, %m) {axis = 3 : i64} : (!u, !m) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Learned rows may stand last, and their order does not matter.
// CHECK-LABEL: onnx.graph @rows_last
// CHECK: sink.attention %[[S:.*]]#0, %[[S]]#1, %[[S]]#2 mask %[[S]]#3 sink_kv %{{.*}}, %{{.*}} {
onnx.graph @rows_last #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!k, !u) -> !u
  %vc = onnx.Concat(%v, %ev) {axis = 2 : i64} : (!k, !u) -> !u
  %mc = onnx.Concat(%m, %zm) {axis = 3 : i64} : (!m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Without a mask all rows are visible. Two rows of zeros are a logit of log(2).
// CHECK-LABEL: onnx.graph @no_mask
// CHECK: onnx.Constant() {sink.made, value = dense<0.693147182>
// CHECK: sink.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 sink_logit %{{.*}} sink_kv %{{.*}}, %{{.*}} {
onnx.graph @no_mask #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc) {} : (!q, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A visible column for a row of zeros is a logit of 0. A mask of zeros for the keys is none.
// CHECK-LABEL: onnx.graph @visible_zeros
// CHECK: sink.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 sink_logit %{{.*}} {
onnx.graph @visible_zeros #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %m0s = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 5>} : () -> !u
  %m0 = onnx.Expand(%zero, %m0s) : (!u, !u) -> !u
  %kc = onnx.Concat(%k, %zk) {axis = 2 : i64} : (!k, !u) -> !u
  %vc = onnx.Concat(%v, %zk) {axis = 2 : i64} : (!k, !u) -> !u
  %mc = onnx.Concat(%m0, %zm) {axis = 3 : i64} : (!u, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that others read too stays outside of the form.
// CHECK-LABEL: onnx.graph @shared_mask
// CHECK: onnx.Concat
// CHECK: sink.attention %{{.*}} mask %{{.*}}#3 sink_kv %{{.*}}, %{{.*}} {
// CHECK-COUNT-2: onnx.Concat
// CHECK-NEXT: onnx.Attention
onnx.graph @shared_mask #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x2x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !k) -> !u
  %vc = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !k) -> !u
  %mc = onnx.Concat(%zm, %m) {axis = 3 : i64} : (!u, !m) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %other = onnx.Relu(%mc) : (!u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
