// RUN: %python %S/Inputs/make_fit.py %t.onnx whole=3,4,3,4 whole.sink_value=1:2:3:4,5:6:7:8 some=-inf,-inf,4,3 some.sink_value=0:0:0:0,1:1:2:2 flat=2,2,2,2 flat.sink_value=1:2:3:4,5:6:7:8
// RUN: basin-opt %s --sink-compress-sinks=fit=%t.onnx | FileCheck %s
// RUN: basin-opt %s --sink-instrument-sinks | FileCheck %s --check-prefix=INSTRUMENT
// RUN: basin-opt %s --sink-instrument-sinks=measure=false | FileCheck %s --check-prefix=PLAIN

// The sink of a head has a value v. It is subtracted from the values of the other keys and added to the result, once for each
// head that shares the key.

!q = tensor<?x4x?x4xf32, #onnx.dims<"b", "", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!long = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "n", "">>
!f = tensor<1x?x8xf32, #onnx.dims<"", "s", "">>
!flong = tensor<1x?x8xf32, #onnx.dims<"", "n", "">>
!fq = tensor<1x?x16xf32, #onnx.dims<"", "s", "">>
!param = tensor<1x2x1x4xf32>
!fparam = tensor<1x1x8xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"q", !q, {}>, #onnx.value<"k", !h, {}>, #onnx.value<"fq", !fq, {}>, #onnx.value<"f", !f, {}>], outputs = [#onnx.value<"flat", !fq, {}>, #onnx.value<"some", !q, {}>], valueInfo = [], info = {}>

// INSTRUMENT: sink_value\22:\22whole.sink_value\22,\22value\22:\22whole.prefix_value\22,\22value_axis\22:1,\22value_dim_axis\22:3,
// INSTRUMENT-SAME: value_outputs\22:[\22whole.rows_sum\22,\22whole.rest_value\22,\22whole.all_value\22]
// INSTRUMENT-SAME: value\22:\22flat.prefix_value\22,\22value_axis\22:2,\22value_dim_axis\22:2,
// INSTRUMENT-DAG: sink.parameter "whole.sink_value" : tensor<1x2x1x4xf32> = dense<0.000000e+00>
// INSTRUMENT-DAG: sink.parameter "flat.sink_value" : tensor<8xf32> = dense<0.000000e+00>
// INSTRUMENT-DAG: onnx.Identity(%{{.*}}) {onnx.outs = ["whole.rows_sum"]}

// Without measurements the parameters alone are there.
// PLAIN: sink_value\22:\22whole.sink_value\22
// PLAIN-NOT: sink_score
// PLAIN-NOT: rows_sum

// CHECK-LABEL: onnx.graph @values
// CHECK: ^bb0(%[[Q:[^:]*]]: {{[^%]*}}%[[K:[^:]*]]: {{[^%]*}}%[[FQ:[^:]*]]: {{[^%]*}}%[[F:[^:]*]]:
// CHECK-DAG: %[[WV:.*]] = sink.parameter "whole.sink_value" : tensor<1x2x1x4xf32> = dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]], {{\[\[}}5.000000e+00
// CHECK-DAG: %[[SV:.*]] = sink.parameter "some.sink_value" : tensor<1x2x1x4xf32> = dense<{{\[\[\[\[}}0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]], {{\[\[}}1.000000e+00
// CHECK-DAG: %[[FV:.*]] = sink.parameter "flat.sink_value" : tensor<8xf32> = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @values #i {
^bb0(%q: !q, %kv: !h, %fq: !fq, %f: !f):
  %pk = onnx.initializer "pk" : !param = dense<0.5> : !param
  %pv = onnx.initializer "pv" : !param = dense<0.25> : !param
  %fk = onnx.initializer "fk" : !fparam = dense<0.5> : !fparam
  %b = onnx.Constant() {value_ints = array<i64: 3, 2, 1, 4>} : () -> tensor<4xi64>
  %rk = onnx.Expand(%pk, %b) : (!param, tensor<4xi64>) -> tensor<3x2x1x4xf32>
  %rv = onnx.Expand(%pv, %b) : (!param, tensor<4xi64>) -> tensor<3x2x1x4xf32>
  %k = onnx.Concat(%rk, %kv) {axis = 2 : i64} : (tensor<3x2x1x4xf32>, !h) -> !long
  %v = onnx.Concat(%rv, %kv) {axis = 2 : i64} : (tensor<3x2x1x4xf32>, !h) -> !long
  // CHECK-DAG: %[[V2:.*]] = onnx.Sub(%[[K]], %[[SV]])
  // CHECK-DAG: %[[C2:.*]] = onnx.Concat(%{{.*}}, %[[V2]])
  // All heads are converted: the values without rows lose the value.
  // CHECK-DAG: %[[V:.*]] = onnx.Sub(%[[K]], %[[WV]])
  // CHECK: %[[R:.*]] = sink.attention %[[Q]], %[[K]], %[[V]] sink_logit %{{.*}} {{.*}}onnx.outs = ["whole"]
  // CHECK: %[[G:.*]] = onnx.Reshape(%[[WV]], %{{.*}}) : (tensor<1x2x1x4xf32>, tensor<3xi64>) -> tensor<2x1x4xf32>
  // CHECK: %[[E:.*]] = onnx.Expand(%[[G]], %{{.*}}) : (tensor<2x1x4xf32>, tensor<3xi64>) -> tensor<2x2x4xf32>
  // CHECK: %[[W:.*]] = onnx.Reshape(%[[E]], %{{.*}}) : (tensor<2x2x4xf32>, tensor<4xi64>) -> tensor<1x4x1x4xf32>
  // CHECK: %[[O:.*]] = onnx.Add(%[[R]], %[[W]]) {onnx.outs = ["whole.sum"]}
  %a = sink.attention %q, %k, %v {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["whole"]} : (!q, !long, !long) -> !q
  // The first key head keeps its rows, and its value is zero.
  // CHECK: %[[R2:.*]] = sink.attention %[[O]], %{{.*}}, %[[C2]] sink_logit %{{.*}} {{.*}}onnx.outs = ["some"]
  // CHECK: %[[O2:.*]] = onnx.Add(%[[R2]], %{{.*}}) {onnx.outs = ["some.sum"]}
  %s = sink.attention %a, %k, %v {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["some"]} : (!q, !long, !long) -> !q
  // In a flat layout each head has a block of the last axis.
  // CHECK: %[[V3:.*]] = onnx.Sub(%[[F]], %[[FV]])
  // CHECK: %[[R3:.*]] = sink.attention %[[FQ]], %[[F]], %[[V3]] sink_logit
  // CHECK: %[[W3:.*]] = onnx.Reshape(%{{.*}}, %{{.*}}) : (tensor<2x2x4xf32>, tensor<1xi64>) -> tensor<16xf32>
  // CHECK: %[[O3:.*]] = onnx.Add(%[[R3]], %[[W3]])
  // The sum takes the place of the result everywhere.
  // CHECK: onnx.return %[[O3]], %[[O2]]
  %fl = onnx.Concat(%fk, %f) {axis = 1 : i64} : (!fparam, !f) -> !flong
  %y = sink.attention %fq, %fl, %fl {num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["flat"]} : (!fq, !flong, !flong) -> !fq
  onnx.return %y, %s : !fq, !q
}
}
