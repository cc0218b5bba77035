// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Rows before the keys that stay keys. In the first they are operands; each of the others
// changes it in one place.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!m = tensor<5x5xf32>
!l = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form in which they are operands.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention %{{.*}} sink_kv
onnx.graph @base #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that lowers their scores.
// CHECK-LABEL: onnx.graph @hidden_rows
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
// CHECK: onnx.Softmax({{.*}}sink.miss = "its mask may hide the learned rows beside its keys: it is not known to have a visible column for each"
onnx.graph @hidden_rows #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<-1.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Columns of a mask that may be anything.
// CHECK-LABEL: onnx.graph @computed_columns
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @computed_columns #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.node "Source" () {} : () -> tensor<5x2xf32>
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (tensor<5x2xf32>, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Visible columns for three keys, of which two are rows.
// CHECK-LABEL: onnx.graph @wider_columns
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @wider_columns #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<5x4xf32>)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 3>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, tensor<5x4xf32>) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Visible columns at the other end.
// CHECK-LABEL: onnx.graph @columns_last
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @columns_last #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%m, %zero) {axis = -1 : i64} : (!m, !u) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A mask that is not put together.
// CHECK-LABEL: onnx.graph @one_mask
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @one_mask #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.node "Source" () {} : () -> tensor<5x7xf32>
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, tensor<5x7xf32>) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Columns of false, where true is visible.
// CHECK-LABEL: onnx.graph @false_hides
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @false_hides #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, tensor<5x5xi1>)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<false> : tensor<1xi1>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, tensor<5x5xi1>) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%cm, %s, %low) : (!u, !u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: its mask may hide the learned rows beside its keys: it is not known to have a visible column for each}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// What comes from outside is a cache, not learned.
// CHECK-LABEL: onnx.graph @a_cache
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @a_cache #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.node "Source" () {} : () -> tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Rows after the others.
// CHECK-LABEL: onnx.graph @rows_last
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @rows_last #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%k, %ek) {axis = 2 : i64} : (!q, !u) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Values without rows of their own; there are as many.
// CHECK-LABEL: onnx.graph @keys_alone
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @keys_alone #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk" : tensor<4x2x8xf32> = dense<1.0> : tensor<4x2x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.node "Source" () {} : () -> tensor<2x4x7x8xf32>
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, tensor<2x4x7x8xf32>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// More rows of keys than of values.
// CHECK-LABEL: onnx.graph @other_counts
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @other_counts #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, tensor<2x4x4x8xf32>, !q, !m)
  %rk = onnx.initializer "rk3" : tensor<4x3x8xf32> = dense<1.0> : tensor<4x3x8xf32>
  %shape3 = onnx.Constant() {value_ints = array<i64: 2, 4, 3, 8>} : () -> !u
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape3) : (tensor<4x3x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, tensor<2x4x4x8xf32>) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  // expected-remark@+1 {{learned rows of attention '' not raised: there are 3 learned rows in 4 heads beside its keys, but 2 in 4 beside its values}}
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One row that the Expand makes two.
// CHECK-LABEL: onnx.graph @repeated_rows
// CHECK-NOT: sink_kv
// CHECK: sink.attention
// CHECK-NOT: sink_kv
onnx.graph @repeated_rows #g {
  %q, %k, %v, %m = onnx.node "Source" () {} : () -> (!q, !q, !q, !m)
  %rk = onnx.initializer "rk1" : tensor<4x1x8xf32> = dense<1.0> : tensor<4x1x8xf32>
  %rv = onnx.initializer "rv" : tensor<4x2x8xf32> = dense<2.0> : tensor<4x2x8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 2, 8>} : () -> !u
  %ek = onnx.Expand(%rk, %shape) : (tensor<4x1x8xf32>, !u) -> !u
  %ev = onnx.Expand(%rv, %shape) : (tensor<4x2x8xf32>, !u) -> !u
  %ck = onnx.Concat(%ek, %k) {axis = 2 : i64} : (!u, !q) -> !u
  %cv = onnx.Concat(%ev, %v) {axis = 2 : i64} : (!u, !q) -> !u
  %zs = onnx.Constant() {value_ints = array<i64: 5, 2>} : () -> !u
  %zero = onnx.ConstantOfShape(%zs) {value = dense<0.0> : tensor<1xf32>} : (!u) -> !u
  %cm = onnx.Concat(%zero, %m) {axis = -1 : i64} : (!u, !m) -> !u
  %kt = onnx.Transpose(%ck) {perm = array<i64: 0, 1, 3, 2>} : (!u) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %t = onnx.Add(%s, %cm) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %cv) : (!u, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
