// RUN: %python %S/Inputs/make_states.py %t.onnx r.prefix_key=1x2x2x4 r.prefix_value=1x2x2x4
// RUN: basin-opt %s --sink-absorb-prefix="ids=3,5 states=%t.onnx" --split-input-file | FileCheck %s
// RUN: basin-opt %s --sink-instrument-prefix=ids=3,5 --split-input-file | FileCheck %s --check-prefix=INSTRUMENT

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// Keys and values of two tokens are put in front. The mask is computed for two tokens more, without the first two rows. The
// embedding of positions is, too. The graph computes the rest as it did.
// CHECK-LABEL: onnx.graph @absorbed
// CHECK-DAG: %[[PK:.*]] = sink.parameter "r.prefix_key" : tensor<1x2x2x4xf32> = dense
// CHECK-DAG: %[[PV:.*]] = sink.parameter "r.prefix_value" : tensor<1x2x2x4xf32> = dense
// CHECK: %[[SHAPE:.*]] = onnx.Shape(
// CHECK: %[[LONGER:.*]] = onnx.Add(%[[SHAPE]],
// CHECK-NEXT: %[[N:.*]] = onnx.Gather(%[[LONGER]],
// CHECK-NEXT: %[[RANGE:.*]] = onnx.Range(%{{.*}}, %[[N]], {{.*}} -> tensor<?xi64, #onnx.dims<"?(s + 2)">>
// CHECK: %[[MASK:.*]] = onnx.LessOrEqual({{.*}} -> tensor<?x?xi1, #onnx.dims<"?(s + 2)", "?(s + 2)">>
// CHECK: %[[ROWS:.*]] = onnx.Slice(%[[MASK]], {{.*}} -> tensor<?x?xi1, #onnx.dims<"s", "?(s + 2)">>
// CHECK: %[[PLACES:.*]] = onnx.Gather(%{{.*}}, %[[RANGE]]) {{.*}} -> tensor<?x8xf32, #onnx.dims<"?(s + 2)", "">>
// CHECK: %[[REST:.*]] = onnx.Slice(%[[PLACES]], {{.*}} -> tensor<?x8xf32, #onnx.dims<"s", "">>
// CHECK: onnx.Add(%{{.*}}, %[[REST]]) {onnx.outs = ["placed"]}
// CHECK: %[[BK:.*]] = onnx.Expand(%[[PK]], %{{.*}}) {{.*}} -> tensor<?x2x2x4xf32, #onnx.dims<"b", "", "", "">>
// CHECK: %[[K:.*]] = onnx.Concat(%[[BK]], %{{.*}}) {axis = 2 : i64} {{.*}} -> tensor<?x2x?x4xf32, #onnx.dims<"b", "", "?(s + 2)", "">>
// CHECK: %[[BV:.*]] = onnx.Expand(%[[PV]]
// CHECK: %[[V:.*]] = onnx.Concat(%[[BV]], %{{.*}}) {axis = 2 : i64}
// CHECK: sink.attention %{{.*}}, %[[K]], %[[V]] mask %[[ROWS]] {causal, causal_in_mask
// INSTRUMENT: module attributes {{.*}}basin.prefix-run{{.*}}prefix\22:[3,5],\22token_axes\22:{\22y\22:1}
// INSTRUMENT-LABEL: onnx.graph @absorbed
// INSTRUMENT-SAME: #onnx.value<"r.prefix_key", {{.*}} #onnx.value<"r.prefix_value"
// INSTRUMENT: %[[R:.*]] = sink.attention %{{.*}}, %[[K:[^ ,]*]], %[[V:[^ ]*]] mask
// INSTRUMENT: %[[OK:.*]] = onnx.Identity(%[[K]]) {onnx.outs = ["r.prefix_key"]}
// INSTRUMENT: %[[OV:.*]] = onnx.Identity(%[[V]]) {onnx.outs = ["r.prefix_value"]}
// INSTRUMENT: onnx.return %{{.*}}, %[[OK]], %[[OV]]
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @absorbed #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %places = onnx.initializer "places" : tensor<32x8xf32> = dense<1.0> : tensor<32x8xf32>
  %at = onnx.Gather(%places, %range) {axis = 0 : i64} : (tensor<32x8xf32>, tensor<?xi64, #onnx.dims<"s">>) -> tensor<?x8xf32, #onnx.dims<"s", "">>
  %x1 = onnx.Add(%x, %at) {onnx.outs = ["placed"]} : (!x, tensor<?x8xf32, #onnx.dims<"s", "">>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// The form reshapes its keys to sizes from outside, which become those of the whole sequence.
// CHECK-LABEL: onnx.graph @form
// CHECK: %[[SHAPE:.*]] = onnx.Shape(
// CHECK: %[[WHOLE:.*]] = onnx.Add(%[[SHAPE]],
// CHECK: %[[LONGER:.*]] = onnx.Gather(%[[WHOLE]], %{{.*}}) : (tensor<2xi64>, tensor<1xi64>)
// CHECK: %[[SIZES:.*]] = onnx.Concat({{.*}}, %[[LONGER]]) {axis = 0 : i64}
// CHECK: sink.attention
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>, %[[K:[^ ]*]]: tensor<?x2x?x4xf32, #onnx.dims<"b", "", "?(s + 2)", "">>
// CHECK: %[[KT:.*]] = onnx.Transpose(%[[K]])
// CHECK: onnx.Reshape(%[[KT]], %[[SIZES]])
// CHECK: onnx.Softmax
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @form #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %low = onnx.Constant() {value_float = -1.0e9 : f32} : () -> tensor<f32>
  %b0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %batch = onnx.Gather(%shape, %b0) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %length = onnx.Gather(%shape, %axis) {onnx.outs = ["length"]} : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %inner = onnx.Constant() {value_ints = array<i64: 2, 4>} : () -> tensor<2xi64>
  %sizes = onnx.Concat(%batch, %inner, %length) {axis = 0 : i64, onnx.outs = ["sizes"]} : (tensor<1xi64>, tensor<2xi64>, tensor<1xi64>) -> tensor<4xi64>
  %q0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, !h, !h, !m) -> !h {
  ^bb0(%fq: !h, %fk: !h, %fv: !h, %fm: !m):
    %kt = onnx.Transpose(%fk) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %flat = onnx.Reshape(%kt, %sizes) : (tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>, tensor<4xi64>) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %s = onnx.MatMul(%fq, %flat) : (!h, tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %s1 = onnx.Identity(%s) : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %masked = onnx.Where(%fm, %s1, %low) : (!m, tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, tensor<f32>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %p = onnx.Softmax(%masked) {axis = -1} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %y = onnx.MatMul(%p, %fv) {onnx.outs = ["r"]} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, !h) -> !h
    sink.yield %y : !h
  }
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// The form adds what depends on the number of tokens to its scores, so it is dropped: the op's meaning remains.
// CHECK-LABEL: onnx.graph @dropped
// CHECK: sink.attention {{.*}} -> tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>{{$}}
// CHECK-NEXT: onnx.Transpose
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @dropped #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %low = onnx.Constant() {value_float = -1.0e9 : f32} : () -> tensor<f32>
  %b0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %batch = onnx.Gather(%shape, %b0) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %length = onnx.Gather(%shape, %axis) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %inner = onnx.Constant() {value_ints = array<i64: 2, 4>} : () -> tensor<2xi64>
  %sizes = onnx.Concat(%batch, %inner, %length) {axis = 0 : i64} : (tensor<1xi64>, tensor<2xi64>, tensor<1xi64>) -> tensor<4xi64>
  %bias = onnx.Cast(%mask) {to = 1 : i64} : (!m) -> !b
  %q0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, !h, !h, !m) -> !h {
  ^bb0(%fq: !h, %fk: !h, %fv: !h, %fm: !m):
    %kt = onnx.Transpose(%fk) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %flat = onnx.Reshape(%kt, %sizes) : (tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>, tensor<4xi64>) -> tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>
    %s = onnx.MatMul(%fq, %flat) : (!h, tensor<?x2x4x?xf32, #onnx.dims<"b", "", "", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %s1 = onnx.Add(%s, %bias) : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, !b) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %masked = onnx.Where(%fm, %s1, %low) : (!m, tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, tensor<f32>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %p = onnx.Softmax(%masked) {axis = -1} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>) -> tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>
    %y = onnx.MatMul(%p, %fv) {onnx.outs = ["r"]} : (tensor<?x2x?x?xf32, #onnx.dims<"b", "", "s", "s">>, !h) -> !h
    sink.yield %y : !h
  }
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// Causality that is no mask: the form is dropped, and queries are the last of the keys.
// CHECK-LABEL: onnx.graph @applied
// CHECK: sink.attention %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} {causal, key_layout
// CHECK-SAME: -> tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>{{$}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}]}} {
onnx.graph @applied #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %q0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v {causal, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, !h, !h) -> !h {
  ^bb0(%fq: !h, %fk: !h, %fv: !h):
    %y = onnx.Attention(%fq, %fk, %fv) {is_causal = 1 : i64, onnx.outs = ["r"]} : (!h, !h, !h) -> !h
    sink.yield %y : !h
  }
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>

// The last token alone is an output: it is the same. Attention of constant keys stays as it is.
// CHECK-LABEL: onnx.graph @last
// CHECK: sink.attention {{.*}}onnx.outs = ["r"]
// CHECK: sink.attention %{{.*}}, %[[C:[^ ,]*]], %[[C]] {key_layout
// INSTRUMENT: basin.prefix-run{{.*}}\22outputs\22:[\22r.prefix_key\22,\22r.prefix_value\22]{{.*}}token_axes\22:{}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @last #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %q0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %c = onnx.initializer "c" : tensor<1x2x3x4xf32> = dense<1.0> : tensor<1x2x3x4xf32>
  %minus = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> tensor<1xi64>
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %cross = sink.attention %r, %c, %c {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!h, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> !h
  %t = onnx.Transpose(%cross) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  %added = onnx.Add(%o, %o) : (!x, !x) -> !x
  %last = onnx.Slice(%added, %minus, %end, %axis) : (!x, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
  onnx.return %last : tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
}
}

// -----


!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// Sequence and batch as one axis, the sequence first, as torch's MultiheadAttention multiplies by its last matrix. Each token
// loses its rows there, and nothing has to be computed again.
// CHECK-LABEL: onnx.graph @sequence_first
// CHECK: sink.parameter "r.prefix_key"
// CHECK: onnx.MatMul(%{{.*}}, %{{.*}}) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
// CHECK: sink.attention
// INSTRUMENT-LABEL: onnx.graph @sequence_first
// INSTRUMENT: onnx.Identity(%{{.*}}) {onnx.outs = ["r.prefix_key"]}

module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @sequence_first #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %turned = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2>} : (!x) -> tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>
  %flat8 = onnx.Constant() {value_ints = array<i64: -1, 8>} : () -> tensor<2xi64>
  %rows = onnx.Reshape(%turned, %flat8) : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %y = onnx.MatMul(%rows, %w) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, !w) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %ts = onnx.Shape(%turned) : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>) -> tensor<3xi64>
  %back = onnx.Reshape(%y, %ts) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<3xi64>) -> tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>
  %x1 = onnx.Transpose(%back) {perm = array<i64: 1, 0, 2>} : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}
