// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What a row gives that hides every key.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!b = tensor<2x1x5x5xi1>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// A finite number in place of all scores: each key has its share.
// CHECK-LABEL: onnx.graph @finite
// CHECK: sink.attention {{.*}} mask_fill = -1.000000e+09 : f64, mask_kind = #sink.mask_kind<keep>
onnx.graph @finite #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> !b
  %low = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!b, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The same where true hides.
// CHECK-LABEL: onnx.graph @finite_drop
// CHECK: sink.attention {{.*}} mask_fill = -1.000000e+09 : f64, mask_kind = #sink.mask_kind<drop>
onnx.graph @finite_drop #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> !b
  %low = onnx.Constant() {value_float = -1.0e9 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (!b, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Minus infinity: the row is NaN.
// CHECK-LABEL: onnx.graph @infinite
// CHECK: sink.attention {{.*}} {head_dim = 8 : i64, key_layout = #sink.layout<bhsd>, kv_num_heads = 4 : i64, mask_kind = #sink.mask_kind<keep>{{.*}} value_layout = #sink.layout<bhsd>} :
onnx.graph @infinite #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> !b
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!b, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// NaN is replaced by 0.
// CHECK-LABEL: onnx.graph @zeroed
// CHECK: sink.attention {{.*}} value_layout = #sink.layout<bhsd>, zero_hidden_rows} :
onnx.graph @zeroed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> !b
  %low = onnx.Constant() {value_float = 0xFF800000 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!b, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %nan = onnx.IsNaN(%p) : (!u) -> !u
  %none = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %p1 = onnx.Where(%nan, %none, %p) : (!u, !u, !u) -> !u
  %y = onnx.MatMul(%p1, %v) : (!u, !q) -> !u
  onnx.return
}

// The standard's own operator gives zeros.
// CHECK-LABEL: onnx.graph @operator
// CHECK: sink.attention {{.*}} zero_hidden_rows} :
onnx.graph @operator #g {
  %q, %m = onnx.node "Source" () {} : () -> (!q, !b)
  %y = onnx.Attention(%q, %q, %q, %m) : (!q, !q, !q, !b) -> !u
  onnx.return
}
}
