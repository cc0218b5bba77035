// RUN: basin-opt %s --sink-insert-sink-tokens=ids=3,5 --split-input-file | FileCheck %s
// RUN: basin-opt %s --sink-insert-sink-tokens="ids=3,5 take-over=false init=zeros" --split-input-file | FileCheck %s --check-prefix=WHOLE
// RUN: basin-opt %s --sink-instrument-prefix="ids=3,5 keys=false" --split-input-file | FileCheck %s --check-prefix=DESCRIBE

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!m = tensor<?x?x1xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
#v = [#onnx.value<"y", !x, {}>]
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"attention_mask", !ids, {}>, #onnx.value<"position_ids", !ids, {}>, #onnx.value<"token_type_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [#onnx.value<"x", !x, {}>], info = {}>

// The tokens stand in front of the rows of the embedding, which reads the ids alone. The others read longer inputs: ones in
// the mask, positions from zero, types of zero. The output has its name and its size.
// CHECK: module attributes {{.*}}basin.prefix{{.*}}[3,5]
// CHECK-LABEL: onnx.graph @tokens
// CHECK-SAME: valueInfo = []
// CHECK-NEXT: ^bb0(%[[IDS:[^:]*]]: {{.*}}, %[[MASK:[^:]*]]: {{.*}}, %[[POSITIONS:[^:]*]]: {{.*}}, %[[TYPES:[^:]*]]:
// CHECK-DAG: %[[TOKENS:.*]] = sink.parameter "sink_tokens" : tensor<1x2x4xf32> = dense<{{\[\[\[}}1.500000e+01, 1.600000e+01, 1.700000e+01, 1.800000e+01], [2.300000e+01
// CHECK-DAG: %[[ONES:.*]] = onnx.Constant() {value = dense<1> : tensor<2xi64>}
// CHECK-DAG: %[[COUNT:.*]] = onnx.Constant() {value = dense<[0, 1]> : tensor<2xi64>}
// CHECK-DAG: %[[ZEROS:.*]] = onnx.Constant() {value = dense<0> : tensor<2xi64>}
// CHECK-DAG: %[[FRONT:.*]] = onnx.Expand(%[[ONES]],
// CHECK-DAG: %[[FROM:.*]] = onnx.Expand(%[[COUNT]],
// CHECK-DAG: %[[TYPE:.*]] = onnx.Expand(%[[ZEROS]],
// CHECK-DAG: %[[LONGMASK:.*]] = onnx.Concat(%[[FRONT]], %[[MASK]]) {axis = 1 : i64}
// CHECK-DAG: %[[LONGPOSITIONS:.*]] = onnx.Concat(%[[FROM]], %[[POSITIONS]]) {axis = 1 : i64}
// CHECK-DAG: %[[LONGTYPES:.*]] = onnx.Concat(%[[TYPE]], %[[TYPES]]) {axis = 1 : i64}
// CHECK: %[[X:.*]] = onnx.Gather(%{{.*}}, %[[IDS]]) {{.*}}"x"
// CHECK: %[[ROWS:.*]] = onnx.Expand(%[[TOKENS]],
// CHECK: %[[LONG:.*]] = onnx.Concat(%[[ROWS]], %[[X]]) {axis = 1 : i64, onnx.outs = ["x.tokens"]} {{.*}} -> tensor<?x?x4xf32, #onnx.dims<"b", "?(s + 2)", "">>
// CHECK: onnx.Gather(%{{.*}}, %[[LONGPOSITIONS]])
// CHECK: onnx.Gather(%{{.*}}, %[[LONGTYPES]])
// CHECK: %[[KEPT:.*]] = onnx.Cast(%[[LONGMASK]])
// CHECK: %[[Y:.*]] = onnx.Mul({{.*}} {onnx.outs = ["y.longer"]} {{.*}} -> tensor<?x?x4xf32, #onnx.dims<"b", "?(s + 2)", "">>
// CHECK: %[[CUT:.*]] = onnx.Slice(%[[Y]], {{.*}} {onnx.outs = ["y"]} {{.*}} -> tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
// CHECK: onnx.return %[[CUT]]

// In front of whole sequences, positions move. The metadata name no prefix.
// WHOLE-NOT: basin.prefix
// WHOLE-LABEL: onnx.graph @tokens
// WHOLE-NEXT: ^bb0(%{{[^:]*}}: {{.*}}, %{{[^:]*}}: {{.*}}, %[[POSITIONS:[^:]*]]: {{.*}}, %{{[^:]*}}:
// WHOLE-DAG: sink.parameter "sink_tokens" : tensor<1x2x4xf32> = dense<0.000000e+00>
// WHOLE-DAG: %[[TWO:.*]] = onnx.Constant() {value = dense<2> : tensor<i64>}
// WHOLE-DAG: %[[MOVED:.*]] = onnx.Add(%[[POSITIONS]], %[[TWO]])
// WHOLE-DAG: onnx.Concat(%{{.*}}, %[[MOVED]]) {axis = 1 : i64}

// Without keys, only inputs and axes are described.
// DESCRIBE: module attributes {{.*}}basin.prefix-run{{.*}}\22outputs\22:[]{{.*}}prefix\22:[3,5],\22token_axes\22:{\22y\22:1},\22types\22:\22token_type_ids\22
// DESCRIBE-LABEL: onnx.graph @tokens
// DESCRIBE-NOT: onnx.Concat
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @tokens #i {
^bb0(%ids: !ids, %mask: !ids, %positions: !ids, %types: !ids):
  %table = onnx.initializer "table" : !t = dense<[[1., 2., 3., 4.], [5., 6., 7., 8.], [9., 10., 11., 12.], [15., 16., 17., 18.], [19., 20., 21., 22.], [23., 24., 25., 26.], [1., 1., 1., 1.], [2., 2., 2., 2.]]> : !t
  %places = onnx.initializer "places" : !t = dense<0.5> : !t
  %kinds = onnx.initializer "kinds" : !t = dense<0.25> : !t
  %axis = onnx.Constant() {value_ints = array<i64: 2>} : () -> tensor<1xi64>
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  %at = onnx.Gather(%places, %positions) {axis = 0 : i64} : (!t, !ids) -> !x
  %kind = onnx.Gather(%kinds, %types) {axis = 0 : i64} : (!t, !ids) -> !x
  %x1 = onnx.Add(%x, %at) : (!x, !x) -> !x
  %x2 = onnx.Add(%x1, %kind) : (!x, !x) -> !x
  %kept = onnx.Cast(%mask) {to = 1 : i64} : (!ids) -> tensor<?x?xf32, #onnx.dims<"b", "s">>
  %flag = onnx.Unsqueeze(%kept, %axis) : (tensor<?x?xf32, #onnx.dims<"b", "s">>, tensor<1xi64>) -> !m
  %y = onnx.Mul(%x2, %flag) {onnx.outs = ["y"]} : (!x, !m) -> !x
  onnx.return %y : !x
}
}

// -----

!ids = tensor<?xi32, #onnx.dims<"s">>
!x = tensor<?x4xf16, #onnx.dims<"s", "">>
!t = tensor<8x4xf16>
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"x", !x, {}>, #onnx.value<"n", tensor<1x4xf16>, {}>], valueInfo = [], info = {}>

// Without a batch. A Cast in front of the embedding is copied for the given ids if others read it. An output that is the
// embedding gives its name away, and one of one size stays.
// CHECK-LABEL: onnx.graph @vector
// CHECK-NEXT: ^bb0(%[[IDS:.*]]: tensor<?xi32
// CHECK-DAG: %[[TOKENS:.*]] = sink.parameter "sink_tokens" : tensor<2x4xf16>
// CHECK-DAG: %[[LONG:.*]] = onnx.Concat(%{{.*}}, %[[IDS]]) {axis = 0 : i64}
// CHECK: %[[WIDE:.*]] = onnx.Cast(%[[LONG]])
// CHECK: %[[OWN:.*]] = onnx.Cast(%[[IDS]])
// CHECK: %[[X:.*]] = onnx.Gather(%{{.*}}, %[[OWN]]) {axis = 0 : i64, onnx.outs = ["x.longer"]}
// CHECK: %[[ALL:.*]] = onnx.Concat(%[[TOKENS]], %[[X]]) {axis = 0 : i64
// CHECK: onnx.ReduceSum(%[[WIDE]]
// CHECK: %[[MEAN:.*]] = onnx.ReduceMean(%[[ALL]],
// CHECK: %[[CUT:.*]] = onnx.Slice(%[[ALL]], {{.*}} {onnx.outs = ["x"]}
// CHECK: onnx.return %[[CUT]], %[[MEAN]]
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @vector #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %axis = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %wide = onnx.Cast(%ids) {to = 7 : i64} : (!ids) -> tensor<?xi64, #onnx.dims<"s">>
  %x = onnx.Gather(%table, %wide) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, tensor<?xi64, #onnx.dims<"s">>) -> !x
  %sum = onnx.ReduceSum(%wide, %axis) {onnx.outs = ["sum"]} : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<1xi64>
  %mean = onnx.ReduceMean(%x, %axis) {onnx.outs = ["n"]} : (!x, tensor<1xi64>) -> tensor<1x4xf16>
  onnx.return %x, %mean : !x, tensor<1x4xf16>
}
}
