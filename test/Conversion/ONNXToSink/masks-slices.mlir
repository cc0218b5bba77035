// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Slices of what is causal: which are causal, which are not.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// A prefix of what is causal.
// CHECK-LABEL: onnx.graph @prefix
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @prefix #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %b = onnx.node "Source" () {} : () -> tensor<1xi64>
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %c0 = onnx.LessOrEqual(%key, %query) : (!u, !u) -> !u
  %rows = onnx.Slice(%c0, %z, %b, %ar) : (!u, !u, tensor<1xi64>, !u) -> !u
  %m = onnx.Slice(%rows, %z, %b, %ac) : (!u, !u, tensor<1xi64>, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The base of the next: rows a .. b, columns 0 .. b.
// CHECK-LABEL: onnx.graph @slices
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @slices #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x?x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %rows = onnx.Slice(%tri, %a, %b, %ar) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, !u) -> !u
  %m = onnx.Slice(%rows, %z, %b, %ac) : (!u, !u, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}

// Columns to another end.
// CHECK-LABEL: onnx.graph @slices_other_end
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @slices_other_end #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x?x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %rows = onnx.Slice(%tri, %a, %b, %ar) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, !u) -> !u
  %m = onnx.Slice(%rows, %z, %c, %ac) : (!u, !u, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}

// Columns from another start.
// CHECK-LABEL: onnx.graph @slices_other_start
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @slices_other_start #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x?x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %rows = onnx.Slice(%tri, %a, %b, %ar) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, !u) -> !u
  %m = onnx.Slice(%rows, %a, %b, %ac) : (!u, tensor<1xi64>, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}

// Rows alone: how they are aligned is not known.
// CHECK-LABEL: onnx.graph @slices_of_rows
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @slices_of_rows #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32>, tensor<2x4x4x8xf32>, tensor<2x4x4x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x4x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%tri, %a, %b, %ar) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x4x8xf32>) -> !u
  onnx.return
}

// Columns alone.
// CHECK-LABEL: onnx.graph @slices_of_columns
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @slices_of_columns #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x4x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x?x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x4x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.Slice(%tri, %z, %b, %ac) : (tensor<4x4xf32>, !u, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}

// Columns twice, rows never.
// CHECK-LABEL: onnx.graph @slices_twice
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @slices_twice #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x4x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x?x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x4x8xf32>, !u) -> !u
  %tri = onnx.initializer "tri" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %a, %b, %c = onnx.node "Source" () {} : () -> (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>)
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ar = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %ac = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %rows = onnx.Slice(%tri, %z, %b, %ac) : (tensor<4x4xf32>, !u, tensor<1xi64>, !u) -> !u
  %m = onnx.Slice(%rows, %z, %b, %ac) : (!u, !u, tensor<1xi64>, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x8xf32>) -> !u
  onnx.return
}
}
