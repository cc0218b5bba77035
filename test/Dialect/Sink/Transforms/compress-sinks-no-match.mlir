// RUN: basin-opt %s --sink-compress-sinks=fit=none.onnx --split-input-file --verify-diagnostics | FileCheck %s
// RUN: basin-opt %s --sink-instrument-sinks --split-input-file | FileCheck %s --check-prefix=INSTRUMENT

// None of these attentions has constant rows that a logit could replace: nothing changes, and nothing is measured.

!h = tensor<1x2x3x4xf32>
!row = tensor<1x2x1x4xf32>
!long = tensor<1x2x4x4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"q", !h, {}>, #onnx.value<"r", !row, {}>], outputs = [#onnx.value<"y", !h, {}>], valueInfo = [], info = {}>

// INSTRUMENT: basin.sinks-run", "[]"
// INSTRUMENT-NOT: sink.parameter
// CHECK-LABEL: onnx.graph @near_misses
// CHECK-NOT: sink.parameter
// expected-warning @below {{no attention has constant keys and values in front of its own that a logit could replace: nothing was compressed}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @near_misses #i {
^bb0(%q: !h, %r: !row):
  %p = onnx.initializer "p" : !row = dense<0.5> : !row
  %p2 = onnx.initializer "p2" : tensor<1x2x2x4xf32> = dense<0.5> : tensor<1x2x2x4xf32>
  %logit = onnx.initializer "logit" : tensor<2xf32> = dense<0.5> : tensor<2xf32>
  %k = onnx.Concat(%p, %q) {axis = 2 : i64} : (!row, !h) -> !long
  // The value has no rows.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["a"]
  %a = sink.attention %q, %k, %q {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["a"]} : (!h, !long, !h) -> !h
  // The rows are an input.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["b"]
  %kr = onnx.Concat(%r, %q) {axis = 2 : i64} : (!row, !h) -> !long
  %b = sink.attention %a, %kr, %kr {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["b"]} : (!h, !long, !long) -> !h
  // They are last.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["c"]
  %kl = onnx.Concat(%q, %p) {axis = 2 : i64} : (!h, !row) -> !long
  %c = sink.attention %b, %kl, %kl {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["c"]} : (!h, !long, !long) -> !h
  // The value has one row more than the key, because it has one own row less.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["d"]
  %first = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> tensor<1xi64>
  %short = onnx.Slice(%q, %first, %two, %two) : (!h, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x2x4xf32>
  %v = onnx.Concat(%p2, %short) {axis = 2 : i64} : (tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>) -> !long
  %d = sink.attention %c, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["d"]} : (!h, !long, !long) -> !h
  // It has a sink.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["e"]
  %e = sink.attention %d, %k, %k sink_logit %logit {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["e"]} : (!h, !long, !long, tensor<2xf32>) -> !h
  // A bias moves the scores of the rows.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["f"]
  %bias = onnx.initializer "bias" : tensor<1x2x3x4xf32> = dense<0.5> : tensor<1x2x3x4xf32>
  %f = sink.attention %e, %k, %k bias %bias {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["f"]} : (!h, !long, !long, tensor<1x2x3x4xf32>) -> !h
  // So does a floor above 0.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["g"]
  %g = sink.attention %f, %k, %k {floor = 1.0 : f64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["g"]} : (!h, !long, !long) -> !h
  // A past stands in front of the rows.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["h"]
  %h = sink.attention %g, %k, %k past %r, %r {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["h"]} : (!h, !long, !long, !row, !row) -> !h
  // The Expand repeats one row.
  // CHECK: sink.attention %{{.*}} {{.*}}onnx.outs = ["i"]
  %sizes = onnx.Constant() {value_ints = array<i64: 1, 2, 3, 4>} : () -> tensor<4xi64>
  %three = onnx.Expand(%p, %sizes) : (!row, tensor<4xi64>) -> !h
  %k6 = onnx.Concat(%three, %q) {axis = 2 : i64} : (!h, !h) -> tensor<1x2x6x4xf32>
  %i = sink.attention %h, %k6, %k6 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["i"]} : (!h, tensor<1x2x6x4xf32>, tensor<1x2x6x4xf32>) -> !h
  onnx.return %i : !h
}
}
