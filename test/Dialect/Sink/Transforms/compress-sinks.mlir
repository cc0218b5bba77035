// RUN: %python %S/Inputs/make_fit.py %t.onnx all=3,4 some=-inf,4 low=-1,0.5 wide=2,3
// RUN: basin-opt %s --sink-compress-sinks=fit=%t.onnx | FileCheck %s
// RUN: basin-opt %s --sink-instrument-sinks | FileCheck %s --check-prefix=INSTRUMENT
// RUN: basin-opt %s --sink-instrument-sinks=attentions=som* | FileCheck %s --check-prefix=ONE

!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!rows = tensor<?x2x1x4xf32, #onnx.dims<"b", "", "", "">>
!long = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "n", "">>
!m = tensor<?x?xf32, #onnx.dims<"s", "n">>
!u = tensor<?x?xf32, #onnx.dims<"s", "k">>
!param = tensor<1x2x1x4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"q", !h, {}>, #onnx.value<"m", !m, {}>, #onnx.value<"u", !u, {}>, #onnx.value<"e", tensor<4xi64>, {}>], outputs = [#onnx.value<"low", !h, {}>], valueInfo = [], info = {}>

// INSTRUMENT: basin.sinks-run{{.*}}attention\22:\22all\22,\22count\22:1,\22first_row\22:\22all.first_row\22,\22groups\22:2,\22heads\22:2,\22key\22:\22all.prefix_key\22,\22key_axis\22:1,\22logit\22:\22all.sink_logit\22
// INSTRUMENT-SAME: outputs\22:[\22all.sink_score\22,\22all.rest_score\22,\22all.rest_rest\22,\22all.rest_all\22,\22all.all_all\22]
// INSTRUMENT-SAME: attention\22:\22some\22
// INSTRUMENT-DAG: sink.parameter "some.prefix_key" : tensor<1x2x1x4xf32> = dense<5.000000e-01>
// INSTRUMENT-DAG: %[[L:.*]] = sink.parameter "some.sink_logit" : tensor<2xf32> = dense<-3.40282347E+38>
// INSTRUMENT: sink.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} sink_logit %[[L]] {{.*}}onnx.outs = ["some"]
// INSTRUMENT: onnx.Identity(%{{.*}}) {onnx.outs = ["all.sink_score"]}

// ONE: basin.sinks-run", "[{\22attention\22:\22some\22{{[^{]*}}]"

// All heads have logits, so the rows go, and the mask loses their column.
// CHECK-LABEL: onnx.graph @compressed
// CHECK: ^bb0(%[[Q:[^:]*]]: {{.*}}, %[[M:[^:]*]]: tensor<?x?xf32, #onnx.dims<"s", "n">>, %[[U:[^:]*]]:
// CHECK-DAG: %[[LOW:.*]] = sink.parameter "low.sink_logit" : tensor<2xf32> = dense<[-1.000000e+00, 5.000000e-01]>
// CHECK-DAG: %[[ALL:.*]] = sink.parameter "all.sink_logit" : tensor<2xf32> = dense<[3.000000e+00, 4.000000e+00]>
// The first head keeps its row. The other has zeros there, which add exp(0) to the sum, so that the logit is log(exp(4) - 1).
// CHECK-DAG: %[[SOME:.*]] = sink.parameter "some.sink_logit" : tensor<2xf32> = dense<[-3.40282347E+38, 3.98151445]>
// CHECK-DAG: %[[ZK:.*]] = sink.parameter "some.prefix_key" : tensor<1x2x1x4xf32> = dense<{{\[\[\[\[}}5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01]], {{\[\[}}0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]]]]>
// CHECK-DAG: %[[ZV:.*]] = sink.parameter "some.prefix_value" : tensor<1x2x1x4xf32> = dense<{{\[\[\[\[}}2.500000e-01, 2.500000e-01, 2.500000e-01, 2.500000e-01]], {{\[\[}}0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]]]]>
// The mask of the last attention is not known to have a column for each key, so all rows are zeros.
// CHECK-DAG: %[[WIDE:.*]] = sink.parameter "wide.sink_logit" : tensor<2xf32> = dense<[1.8545866, 2.94893074]>
// CHECK-DAG: sink.parameter "wide.prefix_key" : tensor<1x2x1x4xf32> = dense<0.000000e+00>
// CHECK-NOT: "pk"
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @compressed #i {
^bb0(%q: !h, %m: !m, %u: !u, %e: tensor<4xi64>):
  %pk = onnx.initializer "pk" : !param = dense<0.5> : !param
  %pv = onnx.initializer "pv" : !param = dense<0.25> : !param
  %rk = onnx.Expand(%pk, %e) : (!param, tensor<4xi64>) -> !rows
  %rv = onnx.Expand(%pv, %e) : (!param, tensor<4xi64>) -> !rows
  %k = onnx.Concat(%rk, %q) {axis = 2 : i64} : (!rows, !h) -> !long
  %v = onnx.Concat(%rv, %q) {axis = 2 : i64} : (!rows, !h) -> !long
  // CHECK-DAG: %[[EK:.*]] = onnx.Expand(%[[ZK]], %{{.*}}) : {{.*}} -> tensor<?x2x1x4xf32
  // CHECK-DAG: %[[CK:.*]] = onnx.Concat(%[[EK]], %[[Q]])
  // CHECK-DAG: %[[EV:.*]] = onnx.Expand(%[[ZV]], %{{.*}})
  // CHECK-DAG: %[[CV:.*]] = onnx.Concat(%[[EV]], %[[Q]])
  // CHECK: %[[M1:.*]] = onnx.Slice(%[[M]], %{{.*}}) : {{.*}} -> tensor<?x?xf32, #onnx.dims<"s", {{.*}}>>
  // CHECK: %[[A:.*]] = sink.attention %[[Q]], %[[Q]], %[[Q]] mask %[[M1]] sink_logit %[[ALL]] {{.*}}onnx.outs = ["all"]
  %a = sink.attention %q, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["all"]} : (!h, !long, !long, !m) -> !h
  // CHECK: sink.attention %[[A]], %[[CK]], %[[CV]] mask %[[M]] sink_logit %[[SOME]] {{.*}}onnx.outs = ["some"]
  %b = sink.attention %a, %k, %v mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["some"]} : (!h, !long, !long, !m) -> !h
  // CHECK: sink.attention %{{.*}} mask %[[U]] sink_logit %[[WIDE]] {{.*}}onnx.outs = ["wide"]
  %c = sink.attention %b, %k, %v mask %u {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["wide"]} : (!h, !long, !long, !u) -> !h
  // No mask has columns. The last reader of the rows takes them along.
  // CHECK-NEXT: %[[L:.*]] = sink.attention %{{.*}}, %[[Q]], %[[Q]] sink_logit %[[LOW]] {{.*}}onnx.outs = ["low"]
  // CHECK-NEXT: onnx.return %[[L]]
  %d = sink.attention %c, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["low"]} : (!h, !long, !long) -> !h
  onnx.return %d : !h
}
}
