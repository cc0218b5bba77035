// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Triangles, constant or by Trilu: which are causal, which are not.

!u = !onnx.unknown
!q = tensor<2x4x?x8xf32, #onnx.dims<"", "", "N", "">>
!f = tensor<2x4x4x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The lower triangle keeps no future key.
// CHECK-LABEL: onnx.graph @trilu_keep
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @trilu_keep #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.node "Source" () {} : () -> tensor<?x?xi1>
  %m = onnx.Trilu(%ones) {upper = 0} : (tensor<?x?xi1>) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A constant triangle of low numbers.
// CHECK-LABEL: onnx.graph @triangle_additive
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @triangle_additive #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<4x4xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// What is low below the diagonal does not matter (a window).
// CHECK-LABEL: onnx.graph @triangle_window
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @triangle_window #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<1x1x4x4xf32> = dense<[[[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,-1.0e9],[-1.0e9,0.0,0.0,-1.0e9],[-1.0e9,-1.0e9,0.0,0.0]]]]> : tensor<1x1x4x4xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<1x1x4x4xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// A constant triangle of what is visible,
// CHECK-LABEL: onnx.graph @triangle_keep
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @triangle_keep #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xi1> = dense<[[1,0,0,0],[1,1,0,0],[1,1,1,0],[1,1,1,1]]> : tensor<4x4xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (tensor<4x4xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// or hidden.
// CHECK-LABEL: onnx.graph @triangle_drop
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @triangle_drop #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xi1> = dense<[[0,1,1,1],[0,0,1,1],[0,0,0,1],[0,0,0,0]]> : tensor<4x4xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (tensor<4x4xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// The lower triangle and a diagonal more.
// CHECK-LABEL: onnx.graph @trilu_lower_one
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_lower_one #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.node "Source" () {} : () -> tensor<?x?xi1>
  %m = onnx.Trilu(%ones, %one) {upper = 0} : (tensor<?x?xi1>, !u) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The upper triangle.
// CHECK-LABEL: onnx.graph @trilu_upper
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_upper #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.node "Source" () {} : () -> tensor<?x?xi1>
  %m = onnx.Trilu(%ones) {upper = 1} : (tensor<?x?xi1>) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// A diagonal that is not known.
// CHECK-LABEL: onnx.graph @trilu_computed
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_computed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %zero = onnx.Constant() {value_int = 0} : () -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %n = onnx.node "Source" () {} : () -> tensor<i64>
  %ax = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %key = onnx.Range(%zero, %n, %one) : (!u, tensor<i64>, !u) -> !u
  %query = onnx.Unsqueeze(%key, %ax) : (!u, !u) -> !u
  %ones = onnx.node "Source" () {} : () -> tensor<?x?xi1>
  %d = onnx.node "Source" () {} : () -> tensor<i64>
  %m = onnx.Trilu(%ones, %d) {upper = 0} : (tensor<?x?xi1>, tensor<i64>) -> !u
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (!u, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The strict upper triangle of low numbers hides all of them. The base of the next.
// CHECK-LABEL: onnx.graph @trilu_additive
// CHECK: sink.attention {{.*}} {causal, causal_in_mask, head_dim
onnx.graph @trilu_additive #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %deep = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %size = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %lows = onnx.Expand(%deep, %size) : (!u, !u) -> !u
  %m = onnx.Trilu(%lows, %one) {upper = 1} : (!u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// From the second diagonal on: the next key is visible.
// CHECK-LABEL: onnx.graph @trilu_additive_two
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_additive_two #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %two = onnx.Constant() {value_int = 2} : () -> !u
  %deep = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %size = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %lows = onnx.Expand(%deep, %size) : (!u, !u) -> !u
  %m = onnx.Trilu(%lows, %two) {upper = 1} : (!u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// The lower triangle of low numbers hides the past.
// CHECK-LABEL: onnx.graph @trilu_additive_lower
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_additive_lower #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %deep = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %size = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %lows = onnx.Expand(%deep, %size) : (!u, !u) -> !u
  %m = onnx.Trilu(%lows, %one) {upper = 0} : (!u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// The numbers are not low.
// CHECK-LABEL: onnx.graph @trilu_not_low
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @trilu_not_low #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %one = onnx.Constant() {value_int = 1} : () -> !u
  %deep = onnx.Constant() {value_float = -1.0 : f32} : () -> !u
  %size = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %lows = onnx.Expand(%deep, %size) : (!u, !u) -> !u
  %m = onnx.Trilu(%lows, %one) {upper = 1} : (!u, !u) -> !u
  %t = onnx.Add(%s, %m) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// One key of the future is visible.
// CHECK-LABEL: onnx.graph @triangle_hole
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_hole #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xf32> = dense<[[0.0,-1.0e9,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9,0.0],[0.0,0.0,0.0,-1.0e9],[0.0,0.0,0.0,0.0]]> : tensor<4x4xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<4x4xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// The same of what is visible,
// CHECK-LABEL: onnx.graph @triangle_keep_hole
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_keep_hole #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xi1> = dense<[[1,0,0,1],[1,1,0,0],[1,1,1,0],[1,1,1,1]]> : tensor<4x4xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (tensor<4x4xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// and of what is hidden.
// CHECK-LABEL: onnx.graph @triangle_drop_hole
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_drop_hole #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xi1> = dense<[[0,1,1,0],[0,0,1,1],[0,0,0,1],[0,0,0,0]]> : tensor<4x4xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (tensor<4x4xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// A triangle of what is visible hides the past where it says what is hidden.
// CHECK-LABEL: onnx.graph @triangle_other_kind
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_other_kind #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!f, !f, !f)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!f) -> !u
  %s = onnx.MatMul(%q, %kt) : (!f, !u) -> !u
  %m = onnx.initializer "m" : tensor<4x4xi1> = dense<[[1,0,0,0],[1,1,0,0],[1,1,1,0],[1,1,1,1]]> : tensor<4x4xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %low, %s) : (tensor<4x4xi1>, !u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !f) -> !u
  onnx.return
}

// One for each head: the second has a hole.
// CHECK-LABEL: onnx.graph @triangle_per_head
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_per_head #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x2x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<1x2x2x8xf32>, !u) -> !u
  %m = onnx.initializer "m" : tensor<2x2x2xf32> = dense<[[[0.0,-1.0e9],[0.0,0.0]],[[0.0,0.0],[0.0,0.0]]]> : tensor<2x2x2xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<2x2x2xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<1x2x2x8xf32>) -> !u
  onnx.return
}

// As many elements, but no square.
// CHECK-LABEL: onnx.graph @triangle_not_square
// CHECK: sink.attention {{.*}} {head_dim
onnx.graph @triangle_not_square #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<1x1x2x8xf32>, tensor<1x1x3x8xf32>, tensor<1x1x3x8xf32>)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x1x3x8xf32>) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<1x1x2x8xf32>, !u) -> !u
  %m = onnx.initializer "m" : tensor<2x3xf32> = dense<[[0.0,-1.0e9,-1.0e9],[0.0,0.0,-1.0e9]]> : tensor<2x3xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<2x3xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<1x1x3x8xf32>) -> !u
  onnx.return
}
}
