// RUN: basin-opt %s --sink-insert-gated-attention --split-input-file | FileCheck %s
// RUN: basin-opt %s --sink-insert-gated-attention=granularity=element --split-input-file | FileCheck %s --check-prefix=ELEMENT

// The input of the query's projection is found over its rotation, norm, transposition, reshape and bias. The matrix of the
// output's projection is doubled, and its bias is not. An attention that has a gate stays as it is.
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!t = tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!w = tensor<8x8xf32>
!o = tensor<?x?x1xf32, #onnx.dims<"b", "s", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @inserted
// CHECK-DAG: %[[G:.*]] = sink.parameter "a.gate_weight" : tensor<8x2xf32> = dense<0.000000e+00>
// CHECK-DAG: %[[WO:.*]] = onnx.initializer "wo" : tensor<8x1xf32> = dense<1.000000e+00>
// CHECK-DAG: onnx.initializer "bias" : tensor<1xf32> = dense<3.000000e+00>
// CHECK: %[[P:.*]] = onnx.MatMul(%{{.*}}#0, %[[G]])
// CHECK-NEXT: %[[S:.*]] = onnx.Sigmoid(%[[P]])
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%[[S]]
// CHECK-NEXT: %[[T:.*]] = onnx.Transpose(%[[U]]) {perm = array<i64: 0, 2, 1, 3>} {{.*}} -> tensor<?x2x?x1xf32, #onnx.dims<"b", "", "s", "">>
// CHECK-NEXT: %[[A:.*]] = sink.attention %{{.*}} gate %[[T]]
// CHECK: onnx.MatMul(%{{.*}}, %[[WO]])
// CHECK: sink.attention %{{.*}} gate %{{.*}}#1 {
// ELEMENT-LABEL: onnx.graph @inserted
// ELEMENT: %[[G:.*]] = sink.parameter "a.gate_weight" : tensor<8x8xf32> = dense<0.000000e+00>
// ELEMENT: onnx.MatMul(%{{.*}}, %[[G]])
// ELEMENT-NEXT: %[[S:.*]] = onnx.Sigmoid
// ELEMENT: %[[R:.*]] = onnx.Reshape(%[[S]]
// ELEMENT: %[[T:.*]] = onnx.Transpose(%[[R]]) {perm = array<i64: 0, 2, 1, 3>} {{.*}} -> tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
// ELEMENT-NEXT: sink.attention %{{.*}} gate %[[T]]
onnx.graph @inserted #g {
  %x, %k, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, tensor<?x2xf32>, tensor<?x2xf32>)
  %wq = onnx.initializer "wq" : !w = dense<1.0> : !w
  %bq = onnx.initializer "bq" : tensor<8xf32> = dense<1.0> : tensor<8xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %merged = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %wo = onnx.initializer "wo" : tensor<8x1xf32> = dense<0.5> : tensor<8x1xf32>
  %bias = onnx.initializer "bias" : tensor<1xf32> = dense<3.0> : tensor<1xf32>
  %q0 = onnx.MatMul(%x, %wq) : (!x, !w) -> !x
  %q1 = onnx.Add(%bq, %q0) : (tensor<8xf32>, !x) -> !x
  %q2 = onnx.Reshape(%q1, %shape) : (!x, tensor<4xi64>) -> !t
  %q3 = sink.rms_norm %q2 {epsilon = 1.0} : (!t) -> !t
  %q4 = onnx.Transpose(%q3) {perm = array<i64: 0, 2, 1, 3>} : (!t) -> !h
  %q5 = sink.rotary %q4 cos %cos sin %sin {layout = #sink.layout<bhsd>} : (!h, tensor<?x2xf32>, tensor<?x2xf32>) -> !h
  %a = sink.attention %q5, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["a"]} : (!h, !h, !h) -> !h
  %t = onnx.Transpose(%a) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> !t
  %m = onnx.Reshape(%t, %merged) : (!t, tensor<3xi64>) -> !x
  %o = onnx.MatMul(%m, %wo) : (!x, tensor<8x1xf32>) -> !o
  %y = onnx.Add(%o, %bias) : (!o, tensor<1xf32>) -> !o
  %b = sink.attention %k, %k, %k gate %k {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["b"]} : (!h, !h, !h, !h) -> !h
  onnx.node "Sink" (%y, %b) {} : (!o, !h) -> ()
  onnx.return
}
}

// -----

// A packed projection in rows of batch and sequence together: the input is that from before they were joined. Scores of
// heads are expanded for a result that joins heads. Two read the output's matrix, so the scores are doubled.
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!r = tensor<?x8xf32>
!p = tensor<?x?x24xf32, #onnx.dims<"b", "s", "">>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @packed
// CHECK: onnx.initializer "wo" : tensor<8x8xf32> = dense<5.000000e-01>
// CHECK: %[[P:.*]] = onnx.MatMul(%{{.*}}, %{{.*}}) : (tensor<?x?x8xf32
// CHECK-NEXT: %[[S:.*]] = onnx.Sigmoid(%[[P]])
// CHECK: %[[TWO:.*]] = onnx.Constant() {{.*}}dense<2.000000e+00> : tensor<f32>
// CHECK: %[[S2:.*]] = onnx.Mul(%[[S]], %[[TWO]])
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%[[S2]]
// CHECK: %[[E:.*]] = onnx.Expand(%[[U]]
// CHECK: %[[R:.*]] = onnx.Reshape(%[[E]], {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
// CHECK-NEXT: sink.attention %{{.*}} gate %[[R]]
// ELEMENT-LABEL: onnx.graph @packed
// ELEMENT: %[[S2:.*]] = onnx.Mul
// ELEMENT-NEXT: sink.attention %{{.*}} gate %[[S2]]
onnx.graph @packed #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8x24xf32> = dense<1.0> : tensor<8x24xf32>
  %wo = onnx.initializer "wo" : !w = dense<0.5> : !w
  %rows = onnx.Constant() {value_ints = array<i64: -1, 8>} : () -> tensor<2xi64>
  %shape = onnx.node "Shape" () {} : () -> tensor<3xi64>
  %x2 = onnx.Reshape(%x, %rows) : (!x, tensor<2xi64>) -> !r
  %p2 = onnx.Gemm(%x2, %w) : (!r, tensor<8x24xf32>) -> tensor<?x24xf32>
  %p = onnx.Reshape(%p2, %shape) : (tensor<?x24xf32>, tensor<3xi64>) -> !p
  %q, %k, %v = onnx.Split(%p) {axis = 2 : i64, num_outputs = 3 : i64} : (!p) -> (!x, !x, !x)
  %a = sink.attention %q, %k, %v {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  %o = onnx.MatMul(%a, %wo) : (!x, !w) -> !x
  %o2 = onnx.MatMul(%x, %wo) : (!x, !w) -> !x
  onnx.node "Sink" (%o, %o2) {} : (!x, !x) -> ()
  onnx.return
}
}

// -----

// Batch and sequence of the same size are told apart by their places. Here the sequence is first, and heads and batch
// are joined in the query.
!x = tensor<3x3x8xf32>
!w = tensor<8x8xf32>
!j = tensor<3x6x4xf32>
!q = tensor<6x3x4xf32>
!h = tensor<3x2x3x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @sequence_first
// CHECK: %[[U:.*]] = onnx.Unsqueeze(%{{.*}} -> tensor<3x3x2x1xf32>
// CHECK-NEXT: %[[T:.*]] = onnx.Transpose(%[[U]]) {perm = array<i64: 1, 2, 0, 3>} : (tensor<3x3x2x1xf32>) -> tensor<3x2x3x1xf32>
// CHECK-NEXT: sink.attention %{{.*}} gate %[[T]]
// ELEMENT-LABEL: onnx.graph @sequence_first
// ELEMENT: onnx.Transpose(%{{.*}}) {perm = array<i64: 1, 2, 0, 3>} : (tensor<3x3x2x4xf32>) -> tensor<3x2x3x4xf32>
onnx.graph @sequence_first #g {
  %x, %k = onnx.node "Source" () {} : () -> (!x, !h)
  %wq = onnx.initializer "wq" : !w = dense<1.0> : !w
  %joined = onnx.Constant() {value_ints = array<i64: 3, 6, 4>} : () -> tensor<3xi64>
  %q0 = onnx.MatMul(%x, %wq) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %joined) : (!x, tensor<3xi64>) -> !j
  %q2 = onnx.Transpose(%q1) {perm = array<i64: 1, 0, 2>} : (!j) -> !q
  %a = sink.attention %q2, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["a"]} : (!q, !h, !h) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The scores are doubled in f16, where the matrix would overflow, and where the result has other readers.
!x = tensor<2x5x8xf16>
!f = tensor<2x5x8xf32>
!w = tensor<8x8xf16>
!m = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @by_products
// CHECK: onnx.initializer "wo" : tensor<8x8xf16> = dense<5.000000e-01>
// CHECK: onnx.initializer "large" : tensor<8x8xf32> = dense<3.000000e+38>
// CHECK-COUNT-3: onnx.Mul(
// CHECK-NOT: onnx.Mul(
// ELEMENT-LABEL: onnx.graph @by_products
onnx.graph @by_products #g {
  %x = onnx.node "Source" () {} : () -> !x
  %wq = onnx.initializer "wq" : !w = dense<1.0> : !w
  %wf = onnx.initializer "wf" : !m = dense<1.0> : !m
  %wo = onnx.initializer "wo" : !w = dense<0.5> : !w
  %large = onnx.initializer "large" : !m = dense<3.0e+38> : !m
  %q = onnx.MatMul(%x, %wq) : (!x, !w) -> !x
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  %o = onnx.MatMul(%a, %wo) : (!x, !w) -> !x
  %y = onnx.Cast(%o) {to = 1 : i64} : (!x) -> !f
  %r = onnx.MatMul(%y, %wf) : (!f, !m) -> !f
  %b = sink.attention %r, %r, %r {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["b"]} : (!f, !f, !f) -> !f
  %p = onnx.MatMul(%b, %large) : (!f, !m) -> !f
  %c = sink.attention %r, %r, %r {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["c"]} : (!f, !f, !f) -> !f
  onnx.node "Sink" (%p, %c, %c) {} : (!f, !f, !f) -> ()
  onnx.return
}
}

// -----

// A Gather takes the queries out of a packed projection, and an axis goes.
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!p = tensor<?x?x24xf32, #onnx.dims<"b", "s", "">>
!five = tensor<?x?x3x2x4xf32, #onnx.dims<"b", "s", "", "", "">>
!moved = tensor<3x?x2x?x4xf32, #onnx.dims<"", "b", "", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @gathered
// CHECK: %[[G:.*]] = sink.parameter "a.gate_weight"
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: onnx.MatMul(%[[X]], %[[G]])
// CHECK: sink.attention %{{.*}} gate %{{.*}}
// ELEMENT-LABEL: onnx.graph @gathered
// ELEMENT: sink.attention %{{.*}} gate %{{.*}}
onnx.graph @gathered #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : tensor<8x24xf32> = dense<1.0> : tensor<8x24xf32>
  %shape = onnx.Constant() {value_ints = array<i64: 0, 0, 3, 2, 4>} : () -> tensor<5xi64>
  %i = onnx.Constant() {value_int = 0 : i64} : () -> tensor<i64>
  %p = onnx.MatMul(%x, %w) : (!x, tensor<8x24xf32>) -> !p
  %r = onnx.Reshape(%p, %shape) : (!p, tensor<5xi64>) -> !five
  %m = onnx.Transpose(%r) {perm = array<i64: 2, 0, 3, 1, 4>} : (!five) -> !moved
  %q = onnx.Gather(%m, %i) {axis = 0 : i64} : (!moved, tensor<i64>) -> !h
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["a"]} : (!h, !h, !h) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
