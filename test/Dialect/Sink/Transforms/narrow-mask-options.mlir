// Each option's limits, patterns of names, and the files of statistics.

// RUN: not basin-opt %s --sink-narrow-mask="value=0 bound=10" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not basin-opt %s --sink-narrow-mask="value=nan bound=10" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not basin-opt %s --sink-narrow-mask="value=-inf bound=10" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not basin-opt %s --sink-narrow-mask=bound=-1 2>&1 | FileCheck %s --check-prefix=BOUND
// RUN: not basin-opt %s --sink-narrow-mask="bound=10 stats=x.json" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not basin-opt %s --sink-narrow-mask=stats=missing.json 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not basin-opt %s --sink-narrow-mask="bound=10 attentions=[" 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not basin-opt %s --sink-narrow-mask="bound=10 attentions=z*" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: basin-opt %s --sink-narrow-mask="bound=10 attentions=b" | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-narrow-mask="bound=10 value=-300" --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s --check-prefix=HIGH
// RUN: echo '{"version": 1, "attentions": [{"name": "a", "score_bound": 4}, {"name": "b", "score_bound": 6}]}' > %t.json
// RUN: basin-opt %s --sink-narrow-mask=stats=%t.json | FileCheck %s --check-prefix=STATS
// RUN: echo '{"version": 1, "attentions": [{"name": "a", "score_bound": 4}, {"name": "b", "score_bound": null}]}' > %t.json
// RUN: not basin-opt %s --sink-narrow-mask=stats=%t.json --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s --check-prefix=NULL
// RUN: echo '{"version": 1, "attentions": [{"name": "a", "score_bound": -4}]}' > %t.json
// RUN: not basin-opt %s --sink-narrow-mask=stats=%t.json 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: echo '{"version": 1, "residual_streams": []}' > %t.json
// RUN: not basin-opt %s --sink-narrow-mask=stats=%t.json 2>&1 | FileCheck %s --check-prefix=OLD

// VALUE: error: option 'value': expected a negative number, but got
// BOUND: error: option 'bound': expected a positive number, but got -1
// BOTH: error: options 'bound' and 'stats' both bound the scores: expected one
// MISSING: error: statistics 'missing.json': {{.*[Nn]o such file}}
// PATTERN: error: option 'attentions': expected all or a pattern of names, but got '['
// NONE: error: option 'attentions': no attention has a name like 'z*'
// ONE: onnx.initializer "m" {{.*}}3.40282347E+38
// ONE: onnx.initializer "n" {{.*}}-1.000000e+04
// HIGH: warning: the new masks hide keys with -300: read again, the model has biases there and no causal masks
// STATS-COUNT-2: onnx.initializer {{.*}}-1.000000e+04
// NULL: error: attention 'b': expected the option 'bound' or 'stats', because nothing else bounds its scores
// NEGATIVE: error: statistics {{.*}}: expected finite numbers of at least 0 as 'score_bound'
// OLD: error: statistics {{.*}}: expected a list 'attentions'

!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @two #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %n = onnx.initializer "n" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  %b = sink.attention %q, %q, %q mask %n {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["b"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a, %b) {} : (!h, !h) -> ()
  onnx.return
}
}
