// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Masks that are not proven to have the shape of the scores.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!d = tensor<?x4x?x8xf32, #onnx.dims<"B", "", "S", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// One for all heads.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.attention
onnx.graph @base #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<2x1x5x5xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<2x1x5x5xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The scores, and the result, get an axis from the mask.
// CHECK-LABEL: onnx.graph @rank_five
// CHECK-NOT: = sink.
onnx.graph @rank_five #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<1x1x1x5x5xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<1x1x1x5x5xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask may be larger than its scores: their shapes are not known to agree}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// Dynamic scores may be of one batch, and get two from the mask.
// CHECK-LABEL: onnx.graph @more_batches
// CHECK-NOT: = sink.
onnx.graph @more_batches #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!d, !d, !d)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!d) -> !u
  %s = onnx.MatMul(%q, %kt) : (!d, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<2x1x1x1xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<2x1x1x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask may be larger than its scores: their shapes are not known to agree}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !d) -> !u
  onnx.return
}

// So they may by a Where.
// CHECK-LABEL: onnx.graph @more_batches_where
// CHECK-NOT: = sink.
onnx.graph @more_batches_where #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!d, !d, !d)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!d) -> !u
  %s = onnx.MatMul(%q, %kt) : (!d, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<2x1x1x1xi1>
  %low = onnx.Constant() {value_float = -3.0e38 : f32} : () -> !u
  %t = onnx.Where(%m, %s, %low) : (tensor<2x1x1x1xi1>, !u, !u) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask may be larger than its scores: their shapes are not known to agree}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !d) -> !u
  onnx.return
}

// One key may become five.
// CHECK-LABEL: onnx.graph @more_keys
// CHECK-NOT: = sink.
onnx.graph @more_keys #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!d, !d, !d)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!d) -> !u
  %s = onnx.MatMul(%q, %kt) : (!d, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<5x5xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<5x5xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask may be larger than its scores: their shapes are not known to agree}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !d) -> !u
  onnx.return
}

// Of two dynamic sizes the mask is taken for the scores'.
// CHECK-LABEL: onnx.graph @dynamic_mask
// CHECK: sink.attention
onnx.graph @dynamic_mask #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!d, !d, !d)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!d) -> !u
  %s = onnx.MatMul(%q, %kt) : (!d, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<?x1x?x?xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<?x1x?x?xf32>) -> !u
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !d) -> !u
  onnx.return
}

// A mask of unknown rank may be of any.
// CHECK-LABEL: onnx.graph @unknown_rank
// CHECK-NOT: = sink.
onnx.graph @unknown_rank #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<*xf32>
  %t = onnx.Add(%s, %m) : (!u, tensor<*xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: its mask may be larger than its scores: their shapes are not known to agree}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}

// The number that stands for hidden scores has an axis more than they have.
// CHECK-LABEL: onnx.graph @fill_of_rank_five
// CHECK-NOT: = sink.
onnx.graph @fill_of_rank_five #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !q, !q)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!q) -> !u
  %s = onnx.MatMul(%q, %kt) : (!q, !u) -> !u
  %m = onnx.node "Source" () {} : () -> tensor<5x5xi1>
  %low = onnx.initializer "low" : tensor<1x1x1x1x1xf32> = dense<-1.0e9> : tensor<1x1x1x1x1xf32>
  %t = onnx.Where(%m, %s, %low) : (tensor<5x5xi1>, !u, tensor<1x1x1x1x1xf32>) -> !u
  // expected-remark@+1 {{attention '' not raised: the constant that replaces hidden scores is not one number, or has more axes than the scores}}
  %p = onnx.Softmax(%t) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !q) -> !u
  onnx.return
}
}
