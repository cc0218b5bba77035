// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// What is joined to an operator's operands, but is not known to be sinks. The first is the base; each of the others changes it in
// one place, and is raised with all keys as keys.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x2x5x8xf32>
!m = tensor<1x4x5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}]}} {
// The form in which they are sinks.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %{{.*}} sink_logit %{{.*}} sink_kv
onnx.graph @base #g {
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

// A column that lowers the scores of the rows.
// CHECK-LABEL: onnx.graph @hidden_rows
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @hidden_rows #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = -1.0 : f32} : () -> !u
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

// The mask has more columns for the rows than there are, and fewer for the keys.
// CHECK-LABEL: onnx.graph @wider_columns
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @wider_columns #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 3>} : () -> !u
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
  %ms = onnx.node "Source" () {} : () -> tensor<1x4x5x4xf32>
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %ms, %c) {axis = 3 : i64} : (!u, tensor<1x4x5x4xf32>, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Columns of unknown numbers.
// CHECK-LABEL: onnx.graph @computed_columns
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @computed_columns #g {
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
  %zc = onnx.node "Source" () {} : () -> tensor<1x4x5x2xf32>
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zc, %m, %c) {axis = 3 : i64} : (tensor<1x4x5x2xf32>, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A column with a number for each query.
// CHECK-LABEL: onnx.graph @logit_of_each_query
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @logit_of_each_query #g {
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
  %qc = onnx.node "Source" () {} : () -> tensor<1x4x5x1xf32>
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %qc) {axis = 3 : i64} : (!u, !m, tensor<1x4x5x1xf32>) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A logit for two rows of zeros.
// CHECK-LABEL: onnx.graph @two_rows_of_zeros
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @two_rows_of_zeros #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x2x8xf32> = dense<1.0> : tensor<2x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x8xf32> = dense<2.0> : tensor<2x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 2, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 2>} : () -> !u
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

// A mask that is not joined of the same parts.
// CHECK-LABEL: onnx.graph @whole_mask
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @whole_mask #g {
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
  %e = onnx.node "Source" () {} : () -> tensor<1x4x5x0xf32>
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %c, %e) {axis = 3 : i64} : (!u, !m, !u, tensor<1x4x5x0xf32>) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Rows of zeros among the values for learned rows among the keys.
// CHECK-LABEL: onnx.graph @keys_alone
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @keys_alone #g {
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
  %z2 = onnx.Expand(%zero, %shape) : (!u, !u) -> !u
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%z2, %v, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %c) {axis = 3 : i64} : (!u, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The values have another order.
// CHECK-LABEL: onnx.graph @other_order
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @other_order #g {
  %q, %k, %v, %m, %l = onnx.node "Source" () {} : () -> (!q, !k, !k, !m, !l)
  %rk = onnx.initializer "rk" : tensor<2x1x8xf32> = dense<1.0> : tensor<2x1x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x1x8xf32> = dense<2.0> : tensor<2x1x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %zshape = onnx.Constant() {value_ints = array<i64: 2, 2, 1, 8>} : () -> !u
  %mshape = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %lshape = onnx.Constant() {value_ints = array<i64: 1, -1, 1, 1>} : () -> !u
  %wide = onnx.Constant() {value_ints = array<i64: 1, 4, 5, 1>} : () -> !u
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %seen = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<2x1x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<2x1x8xf32>, !u) -> !u
  %zk = onnx.Expand(%zero, %zshape) : (!u, !u) -> !u
  %zm = onnx.Expand(%seen, %mshape) : (!u, !u) -> !u
  %r = onnx.Reshape(%l, %lshape) : (!l, !u) -> !u
  %c = onnx.Expand(%r, %wide) : (!u, !u) -> !u
  %kc = onnx.Concat(%ek, %k, %zk) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%zk, %v, %ev) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %c) {axis = 3 : i64} : (!u, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Two parts are keys, as with a past.
// CHECK-LABEL: onnx.graph @two_parts_of_keys
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @two_parts_of_keys #g {
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
  %k2 = onnx.node "Source" () {} : () -> tensor<2x2x1x8xf32>
  %kc = onnx.Concat(%ek, %k, %k2) {axis = 2 : i64} : (!u, !k, tensor<2x2x1x8xf32>) -> !u
  %vc = onnx.Concat(%ev, %v, %k2) {axis = 2 : i64} : (!u, !k, tensor<2x2x1x8xf32>) -> !u
  %mc = onnx.Concat(%zm, %m, %c) {axis = 3 : i64} : (!u, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Learned rows before and after the keys.
// CHECK-LABEL: onnx.graph @rows_twice
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @rows_twice #g {
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
  %kc = onnx.Concat(%ek, %k, %ek) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %vc = onnx.Concat(%ev, %v, %ev) {axis = 2 : i64} : (!u, !k, !u) -> !u
  %mc = onnx.Concat(%zm, %m, %zm) {axis = 3 : i64} : (!u, !m, !u) -> !u
  %y = onnx.Attention(%q, %kc, %vc, %mc) {} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Another op reads the joined keys.
// CHECK-LABEL: onnx.graph @used_keys
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK-NOT: sink_logit
// CHECK: onnx.Attention
onnx.graph @used_keys #g {
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
  %other = onnx.Relu(%kc) : (!u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The operator counts positions by all keys, those of sinks among them.
// CHECK-LABEL: onnx.graph @counted_positions
// CHECK-NOT: sink.attention
// CHECK: onnx.Attention
onnx.graph @counted_positions #g {
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
  %y = onnx.Attention(%q, %kc, %vc, %mc) {left_window_size = 2, right_window_size = -1} : (!q, !u, !u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
