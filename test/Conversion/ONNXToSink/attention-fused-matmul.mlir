// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// FusedMatMul, as ONNX Runtime's optimizer writes it, in the places of both products: its factor is
// attention's scale, and its transposition that of the keys.

!u = !onnx.unknown
!q = tensor<2x4x5x8xf32>
!k = tensor<2x4x7x8xf32>
!v = tensor<2x4x7x16xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// CHECK-LABEL: onnx.graph @both_products
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: key_layout = #sink.layout<bhsd>
// CHECK-SAME: scale = 2.500000e-01
onnx.graph @both_products #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %s = onnx.ms.FusedMatMul(%q, %k) {alpha = 0.25 : f32, transB = 1} : (!q, !k) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.ms.FusedMatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Keys that something else transposed already.
// CHECK-LABEL: onnx.graph @keys_transposed_before
// CHECK: sink.attention %0#0, %0#1, %0#2
// CHECK-SAME: scale = 5.000000e-01
onnx.graph @keys_transposed_before #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (!k) -> !u
  %s = onnx.ms.FusedMatMul(%q, %kt) {alpha = 0.5 : f32} : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Heads without a batch.
// CHECK-LABEL: onnx.graph @rank_3
// CHECK: sink.attention
// CHECK-SAME: key_layout = #sink.layout<hsd>
onnx.graph @rank_3 #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<4x5x8xf32>, tensor<4x7x8xf32>, tensor<4x7x16xf32>)
  %s = onnx.ms.FusedMatMul(%q, %k) {transB = 1} : (tensor<4x5x8xf32>, tensor<4x7x8xf32>) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<4x7x16xf32>) -> !u
  onnx.return
}

// The product undoes another op's transposition, whose result is the keys.
// CHECK-LABEL: onnx.graph @keys_transposed_twice
// CHECK: %[[KEYS:.*]] = onnx.Transpose
// CHECK: sink.attention %0#0, %[[KEYS]], %0#2
onnx.graph @keys_transposed_twice #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<2x4x8x7xf32>, !v)
  %kt = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x8x7xf32>) -> !u
  %s = onnx.ms.FusedMatMul(%q, %kt) {transB = 1} : (!q, !u) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Queries that are transposed.
// CHECK-LABEL: onnx.graph @query_transposed
// CHECK-NOT: = sink.attention
onnx.graph @query_transposed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (tensor<2x4x8x5xf32>, !k, !v)
  %s = onnx.ms.FusedMatMul(%q, %k) {transA = 1, transB = 1} : (tensor<2x4x8x5xf32>, !k) -> !u
  // expected-remark@+1 {{attention '' not raised: expected a scale, a mask or a product of queries and keys above its Softmax, but got FusedMatMul}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// Keys whose batch is moved.
// CHECK-LABEL: onnx.graph @batch_moved
// CHECK-NOT: = sink.attention
onnx.graph @batch_moved #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, tensor<4x7x2x8xf32>, !v)
  %s = onnx.ms.FusedMatMul(%q, %k) {transB = 1, transBatchB = 1} : (!q, tensor<4x7x2x8xf32>) -> !u
  // expected-remark@+1 {{but got FusedMatMul}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !v) -> !u
  onnx.return
}

// A factor of the result is no part of attention.
// CHECK-LABEL: onnx.graph @result_scaled
// CHECK-NOT: = sink.attention
onnx.graph @result_scaled #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, !v)
  %s = onnx.ms.FusedMatMul(%q, %k) {transB = 1} : (!q, !k) -> !u
  // expected-remark@+1 {{no product with values is below its Softmax}}
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.ms.FusedMatMul(%p, %v) {alpha = 2.0 : f32} : (!u, !v) -> !u
  onnx.return
}

// Values that are transposed.
// CHECK-LABEL: onnx.graph @values_transposed
// CHECK: sink.attention
// CHECK-SAME: value_layout = #sink.layout<bhds>
onnx.graph @values_transposed #g {
  %q, %k, %v = onnx.node "Source" () {} : () -> (!q, !k, tensor<2x4x16x7xf32>)
  %s = onnx.ms.FusedMatMul(%q, %k) {transB = 1} : (!q, !k) -> !u
  %p = onnx.Softmax(%s) {axis = -1} : (!u) -> !u
  %y = onnx.ms.FusedMatMul(%p, %v) {transB = 1} : (!u, tensor<2x4x16x7xf32>) -> !u
  onnx.return
}
}
