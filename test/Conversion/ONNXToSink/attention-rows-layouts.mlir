// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true 2>/dev/null | FileCheck %s

// Rows beside the keys in layouts whose heads do not come first, two kinds of rows at once, and masks that reach their columns through
// other ops.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x5xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// [batch, sequence, heads, d]: the rows are turned to [heads, rows, d].
// CHECK-LABEL: onnx.graph @bshd
// CHECK: %[[V:.*]] = onnx.Reshape(%{{.*}}, %{{.*}}) {sink.made} : (tensor<1x2x4x8xf32>, tensor<3xi64>) -> tensor<2x4x8xf32>
// CHECK: %[[R:.*]] = onnx.Transpose(%[[V]]) {perm = array<i64: 1, 0, 2>, sink.made} : (tensor<2x4x8xf32>) -> tensor<4x2x8xf32>
// CHECK: sink.attention %{{.*}}#0, %[[S:.*]]#1, %[[S]]#2 sink_kv %[[R]], %{{.*}} {{{.*}}key_layout = #sink.layout<bshd>, kv_num_heads = 4 : i64
onnx.graph @bshd #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x4x8xf32>, tensor<2x5x4x8xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<1x2x4x8xf32> = dense<1.0> : tensor<1x2x4x8xf32>
  %rv = onnx.initializer "rv" : tensor<1x2x4x8xf32> = dense<2.0> : tensor<1x2x4x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 4, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<1x2x4x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<1x2x4x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x4x8xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x4x8xf32>) -> !u
  %kh = onnx.Transpose(%ck) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%cv) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// [batch, sequence, heads * d]: heads are parted after the rows are joined.
// CHECK-LABEL: onnx.graph @flat
// CHECK: %[[V:.*]] = onnx.Reshape(%{{.*}}, %{{.*}}) {sink.made} : (tensor<2x32xf32>, tensor<3xi64>) -> tensor<2x4x8xf32>
// CHECK: %[[R:.*]] = onnx.Transpose(%[[V]]) {perm = array<i64: 1, 0, 2>, sink.made} : (tensor<2x4x8xf32>) -> tensor<4x2x8xf32>
// CHECK: sink.attention %{{.*}}#0, %[[S:.*]]#1, %[[S]]#2 sink_kv %[[R]], %{{.*}} {{{.*}}key_layout = #sink.layout<bsd>, kv_num_heads = 4 : i64
onnx.graph @flat #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x32xf32>, tensor<2x5x32xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<2x32xf32> = dense<1.0> : tensor<2x32xf32>
  %rv = onnx.initializer "rv" : tensor<2x32xf32> = dense<2.0> : tensor<2x32xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 32>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<2x32xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<2x32xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 7, 4, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Transpose(%wk) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%wv) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// [sequence, batch, heads, d].
// CHECK-LABEL: onnx.graph @sequence_first
// CHECK: %[[V:.*]] = onnx.Reshape(%{{.*}}, %{{.*}}) {sink.made} : (tensor<2x1x4x8xf32>, tensor<3xi64>) -> tensor<2x4x8xf32>
// CHECK: %[[R:.*]] = onnx.Transpose(%[[V]]) {perm = array<i64: 1, 0, 2>, sink.made} : (tensor<2x4x8xf32>) -> tensor<4x2x8xf32>
// CHECK: sink.attention %{{.*}}#0, %[[S:.*]]#1, %[[S]]#2 sink_kv %[[R]], %{{.*}} {{{.*}}key_layout = #sink.layout<sbhd>, kv_num_heads = 4 : i64
onnx.graph @sequence_first #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<5x2x4x8xf32>, tensor<5x2x4x8xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<2x1x4x8xf32> = dense<1.0> : tensor<2x1x4x8xf32>
  %rv = onnx.initializer "rv" : tensor<2x1x4x8xf32> = dense<2.0> : tensor<2x1x4x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 4, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<2x1x4x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<2x1x4x8xf32>, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = 0 : i64} : (tensor<5x2x4x8xf32>, !u) -> !u
  %cv = onnx.Concat(%v, %ev) {axis = 0 : i64} : (tensor<5x2x4x8xf32>, !u) -> !u
  %kh = onnx.Transpose(%ck) {perm = array<i64: 1, 2, 0, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%cv) {perm = array<i64: 1, 2, 0, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// [sequence, batch, heads * d], as torch has it: keys and values are parted into heads for the op.
// CHECK-LABEL: onnx.graph @torch
// CHECK: %[[KP:.*]] = onnx.Reshape(%[[S:.*]]#1, %{{.*}}) {sink.made} : (tensor<5x2x32xf32>, tensor<4xi64>) -> tensor<5x2x4x8xf32>
// CHECK: %[[VP:.*]] = onnx.Reshape(%[[S]]#2, %{{.*}}) {sink.made}
// CHECK: onnx.Transpose{{.*}}sink.made{{.*}} -> tensor<4x1x8xf32>
// CHECK: sink.attention %{{.*}}, %[[KP]], %[[VP]] sink_kv %{{.*}}, %{{.*}} {{{.*}}key_layout = #sink.layout<sbhd>, kv_num_heads = 4 : i64, num_heads = 4 : i64, query_layout = #sink.layout<hsd>
onnx.graph @torch #g {
  %q4, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<5x2x32xf32>, tensor<5x2x32xf32>, !m)
  %qs = onnx.Constant() {value_ints = array<i64: 8, 5, 8>} : () -> !u
  %q = onnx.Reshape(%q4, %qs) : (!q, !u) -> tensor<8x5x8xf32>
  %rk = onnx.initializer "rk" : tensor<1x1x32xf32> = dense<1.0> : tensor<1x1x32xf32>
  %rv = onnx.initializer "rv" : tensor<1x1x32xf32> = dense<2.0> : tensor<1x1x32xf32>
  %to = onnx.Constant() {value_ints = array<i64: 1, 2, 1>} : () -> !u
  %ek = onnx.Tile(%rk, %to) : (tensor<1x1x32xf32>, !u) -> !u
  %ev = onnx.Tile(%rv, %to) : (tensor<1x1x32xf32>, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = 0 : i64} : (tensor<5x2x32xf32>, !u) -> !u
  %cv = onnx.Concat(%v, %ev) {axis = 0 : i64} : (tensor<5x2x32xf32>, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 6, 8, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Transpose(%wk) {perm = array<i64: 1, 0, 2>} : (!u) -> !u
  %vh = onnx.Transpose(%wv) {perm = array<i64: 1, 0, 2>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 2, 1>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<8x5x8xf32>, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Learned rows first and a row of zeros last, by one Concat.
// CHECK-LABEL: onnx.graph @three_parts
// CHECK: %[[L:.*]] = onnx.Expand{{.*}}sink.made
// CHECK: sink.attention %{{.*}}#0, %[[S:.*]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[L]] sink_kv %{{.*}}, %{{.*}} {
onnx.graph @three_parts #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %zr = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %kh = onnx.Concat(%ek, %k, %zr) {axis = 2 : i64} : (!u, !q, !u) -> !u
  %vh = onnx.Concat(%ev, %v, %zr) {axis = 2 : i64} : (!u, !q, !u) -> !u
  %c2 = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %c1 = onnx.Constant() {value_ints = array<i64: 5, 1>} : () -> !u
  %z2 = onnx.ConstantOfShape(%c2) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %z1 = onnx.ConstantOfShape(%c1) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%z2, %m, %z1) {axis = 1 : i64} : (!u, !m, !u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The same one after the other. The mask is padded twice, under an Unsqueeze and a product with one.
// CHECK-LABEL: onnx.graph @nested
// CHECK: %[[L:.*]] = onnx.Expand{{.*}}sink.made
// CHECK: sink.attention %{{.*}}#0, %[[S:.*]]#1, %[[S]]#2 mask %[[S]]#3 sink_logit %[[L]] sink_kv %{{.*}}, %{{.*}} {
onnx.graph @nested #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 2, 4, 1, 8>} : () -> !u
  %zr = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %nk = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %kh = onnx.Concat(%nk, %zr) {axis = 2 : i64} : (!u, !u) -> !u
  %nv = onnx.Concat(%v, %ev) {axis = 2 : i64} : (!q, !u) -> !u
  %vh = onnx.Concat(%nv, %zr) {axis = 2 : i64} : (!u, !u) -> !u
  %p2 = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 2>} : () -> !u
  %p1 = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 1>} : () -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 0, 1>} : () -> !u
  %one = onnx.Constant() {value_float = 1.0 : f32} : () -> !u
  %pm = onnx.Pad(%m, %p2) : (!m, !u) -> !u
  %pp = onnx.Pad(%pm, %p1) : (!u, !u) -> !u
  %um = onnx.Unsqueeze(%pp, %ax) : (!u, !u) -> !u
  %cm = onnx.Mul(%um, %one) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// torch.onnx reverses the pairs of pads as a matrix.
// CHECK-LABEL: onnx.graph @pads_of_torch
// CHECK: sink.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 mask %{{.*}} sink_kv %{{.*}}, %{{.*}} {
onnx.graph @pads_of_torch #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %kh = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %vh = onnx.Concat(%v, %ev) {axis = 2 : i64} : (!q, !u) -> !u
  %list = onnx.Constant() {value_ints = array<i64: 0, 2, 0, 0, 0, 0>} : () -> !u
  %pairs = onnx.Constant() {value_ints = array<i64: -1, 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: -9223372036854775807>} : () -> !u
  %minus = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mat = onnx.Reshape(%list, %pairs) : (!u, !u) -> !u
  %rev = onnx.Slice(%mat, %minus, %end, %zero, %minus) : (!u, !u, !u, !u, !u) -> !u
  %tr = onnx.Transpose(%rev) {perm = array<i64: 1, 0>} : (!u) -> !u
  %pd = onnx.Reshape(%tr, %minus) : (!u, !u) -> !u
  %ax = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %m3 = onnx.Unsqueeze(%m, %ax) : (!m, !u) -> !u
  %cm = onnx.Pad(%m3, %pd) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Near misses: the rows stay keys.

// Rows that are no weights.
// CHECK-LABEL: onnx.graph @given_rows
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @given_rows #g {
  %q, %rk, %rv, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x32xf32>, tensor<2x32xf32>, tensor<2x5x32xf32>, tensor<2x5x32xf32>, !m)
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 32>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<2x32xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<2x32xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 7, 4, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Transpose(%wk) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%wv) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One row that is repeated along the sequence, too.
// CHECK-LABEL: onnx.graph @repeated_rows
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @repeated_rows #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x32xf32>, tensor<2x5x32xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<1x32xf32> = dense<1.0> : tensor<1x32xf32>
  %rv = onnx.initializer "rv" : tensor<1x32xf32> = dense<2.0> : tensor<1x32xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 32>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<1x32xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<1x32xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 7, 4, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Transpose(%wk) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%wv) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Rows of their own for each element of the batch.
// CHECK-LABEL: onnx.graph @rows_of_each_element
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @rows_of_each_element #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x32xf32>, tensor<2x5x32xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<2x2x32xf32> = dense<1.0> : tensor<2x2x32xf32>
  %rv = onnx.initializer "rv" : tensor<2x2x32xf32> = dense<2.0> : tensor<2x2x32xf32>
  %to = onnx.Constant() {value_ints = array<i64: 1, 1, 1>} : () -> !u
  %ek = onnx.Tile(%rk, %to) : (tensor<2x2x32xf32>, !u) -> !u
  %ev = onnx.Tile(%rv, %to) : (tensor<2x2x32xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 7, 4, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Transpose(%wk) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %vh = onnx.Transpose(%wv) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A Reshape that mixes sequence and heads.
// CHECK-LABEL: onnx.graph @mixed_axes
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @mixed_axes #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x32xf32>, tensor<2x5x32xf32>, !m)
  %rk = onnx.initializer "rk" : tensor<2x32xf32> = dense<1.0> : tensor<2x32xf32>
  %rv = onnx.initializer "rv" : tensor<2x32xf32> = dense<2.0> : tensor<2x32xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 32>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<2x32xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<2x32xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 1 : i64} : (!u, tensor<2x5x32xf32>) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 7, 8>} : () -> !u
  %wk = onnx.Reshape(%ck, %shape) : (!u, !u) -> !u
  %wv = onnx.Reshape(%cv, %shape) : (!u, !u) -> !u
  %kh = onnx.Identity(%wk) : (!u) -> !u
  %vh = onnx.Identity(%wv) : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Keys and values whose rows stand in other layouts.
// CHECK-LABEL: onnx.graph @other_layouts
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @other_layouts #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x5x4x8xf32>, !q, !m)
  %rk = onnx.initializer "rk" : tensor<1x2x4x8xf32> = dense<1.0> : tensor<1x2x4x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 2, 4, 8>} : () -> !u
  %tv = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<1x2x4x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %tv) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 1 : i64} : (!u, tensor<2x5x4x8xf32>) -> !u
  %vh = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %kh = onnx.Transpose(%ck) {perm = array<i64: 0, 2, 1, 3>} : (!u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A product with another number than one.
// CHECK-LABEL: onnx.graph @doubled_mask
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @doubled_mask #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %to = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %kh = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %ev = onnx.Expand(%rv, %to) : (tensor<4x2x8xf32>, !u) -> !u
  %vh = onnx.Concat(%v, %ev) {axis = 2 : i64} : (!q, !u) -> !u
  %p2 = onnx.Constant() {value_ints = array<i64: 0, 0, 0, 2>} : () -> !u
  %two = onnx.Constant() {value_float = 2.0 : f32} : () -> !u
  %pm = onnx.Pad(%m, %p2) : (!m, !u) -> !u
  %cm = onnx.Mul(%pm, %two) : (!u, !u) -> !u
  %kt = onnx.Transpose(%kh) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %vh) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
