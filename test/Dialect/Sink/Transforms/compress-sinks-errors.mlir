// RUN: %python %S/Inputs/make_fit.py %t.good.onnx y=1,2
// RUN: %python %S/Inputs/make_fit.py %t.few.onnx y=1
// RUN: %python %S/Inputs/make_fit.py %t.nan.onnx y=1,nan
// RUN: %python %S/Inputs/make_fit.py %t.inf.onnx y=inf,1
// RUN: %python %S/Inputs/make_fit.py %t.half.onnx y=1,-inf
// RUN: %python %S/Inputs/make_fit.py %t.other.onnx y=1,2 z=1,2
// RUN: %python %S/Inputs/make_fit.py %t.type.onnx y=1,2/float16
// RUN: %python %S/Inputs/make_fit.py %t.low.onnx w=1,0.5
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.low.onnx 2>&1 | FileCheck %s --check-prefix=LOW
// RUN: %python %S/Inputs/make_fit.py %t.value.onnx y=1,2 y.sink_value=1:2:3:4
// RUN: %python %S/Inputs/make_fit.py %t.short.onnx y=1,2 y.sink_value=1:2:3
// RUN: %python %S/Inputs/make_fit.py %t.valuenan.onnx y=1,2 y.sink_value=1:2:nan:4
// RUN: %python %S/Inputs/make_fit.py %t.gate.onnx g=1,2 g.sink_value=1:2:3:4
// RUN: %python %S/Inputs/make_fit.py %t.joined.onnx j=1,2 j.sink_value=1:2:3:4,1:2:3:4
// RUN: %python %S/Inputs/make_fit.py %t.alone.onnx y.sink_value=1:2:3:4
// RUN: %python %S/Inputs/make_fit.py %t.matrix.onnx y=1:2:3:4
// RUN: basin-opt %s --sink-compress-sinks=fit=%t.value.onnx | FileCheck %s --check-prefix=VALUE
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.short.onnx 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.valuenan.onnx 2>&1 | FileCheck %s --check-prefix=VALUENAN
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.gate.onnx 2>&1 | FileCheck %s --check-prefix=GATE
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.joined.onnx 2>&1 | FileCheck %s --check-prefix=JOINED
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.alone.onnx 2>&1 | FileCheck %s --check-prefix=ALONE
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.matrix.onnx 2>&1 | FileCheck %s --check-prefix=MATRIX
// RUN: basin-opt %s --sink-instrument-sinks | FileCheck %s --check-prefix=INSTRUMENT
// RUN: basin-opt %s --sink-compress-sinks=fit=%t.good.onnx | FileCheck %s --check-prefix=GOOD
// RUN: not basin-opt %s --sink-compress-sinks 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.missing.onnx 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.few.onnx 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.nan.onnx 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.inf.onnx 2>&1 | FileCheck %s --check-prefix=INF
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.half.onnx 2>&1 | FileCheck %s --check-prefix=HALF
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.other.onnx 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.type.onnx 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not basin-opt %s --sink-compress-sinks="attentions=none fit=%t.good.onnx" 2>&1 | FileCheck %s --check-prefix=PATTERN

// GOOD: sink.parameter "y.sink_logit"
// VALUE: sink.parameter "y.sink_value"
// SHORT: error: option 'fit': attention 'y': expected 4 elements of values, but got 3
// VALUENAN: error: option 'fit': attention 'y': element 2 of the values is {{[Nn][Aa][Nn]}}
// A gate would multiply the value, too.
// GATE: error: option 'fit': attention 'g': a value can only be added to a result without a gate, whose sizes of heads are known
// Batch and heads are one axis, along which a value for each head cannot be broadcast.
// JOINED: error: option 'fit': attention 'j': a value can only be added to a result without a gate, whose sizes of heads are known
// ALONE: error: option 'fit': attention 'y': expected 2 logits, but got 0
// MATRIX: error: option 'fit': expected one f32 logit for each head, but tensor 'y' is 'tensor<1x4xf32>'
// So these two have none to try.
// INSTRUMENT: attention\22:\22y\22{{[^}]*}}\22sink_value\22
// INSTRUMENT-SAME: ,{\22attention\22:\22w\22{{[^}]*}}\22sink_value\22
// INSTRUMENT-SAME: ,{\22attention\22:\22g\22
// INSTRUMENT-NOT: sink_value\22
// INSTRUMENT: ,{\22attention\22:\22j\22
// INSTRUMENT-NOT: sink_value\22
// INSTRUMENT: sink.parameter
// NONE: error: option 'fit': expected a file with a logit for each head, which basin rewrite makes from 'data'
// MISSING: error: {{.*}}missing.onnx{{.*}}No such file
// FEW: error: option 'fit': attention 'y': expected 2 logits, but got 1
// NAN: error: option 'fit': attention 'y': the logit of head 1 is {{[Nn][Aa][Nn]}}
// INF: error: option 'fit': attention 'y': the logit of head 0 is INF
// HALF: error: option 'fit': attention 'y': heads 0 and 1 share keys, so both or none must have a logit
// OTHER: error: option 'fit': no attention with constant rows is called 'z'
// TYPE: error: option 'fit': expected one f32 logit for each head, but tensor 'y' is 'tensor<2xf16>'
// LOW: error: option 'fit': attention 'w': the logit of head 1 is 0.50, but zeros in place of its rows add up to a logit of 0.69, and the rows are not removed
// PATTERN: error: option 'attentions': no attention without a sink has a name like 'none'

!q = tensor<1x2x3x4xf32>
!k = tensor<1x1x3x4xf32>
!row = tensor<1x1x1x4xf32>
!long = tensor<1x1x4x4xf32>
!rows = tensor<1x1x2x4xf32>
!longer = tensor<1x1x5x4xf32>
!m = tensor<3x?xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"q", !q, {}>, #onnx.value<"k", !k, {}>, #onnx.value<"m", !m, {}>], outputs = [#onnx.value<"j", tensor<2x3x4xf32>, {}>], valueInfo = [], info = {}>

module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @shared_keys #i {
^bb0(%q: !q, %k: !k, %m: !m):
  %p = onnx.initializer "p" : !row = dense<0.5> : !row
  %long = onnx.Concat(%p, %k) {axis = 2 : i64} : (!row, !k) -> !long
  %y = sink.attention %q, %long, %long {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["y"]} : (!q, !long, !long) -> !q
  // Nothing says how many columns the mask has.
  %p2 = onnx.initializer "p2" : !rows = dense<0.5> : !rows
  %longer = onnx.Concat(%p2, %k) {axis = 2 : i64} : (!rows, !k) -> !longer
  %w = sink.attention %y, %longer, %longer mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["w"]} : (!q, !longer, !longer, !m) -> !q
  %g = sink.attention %w, %long, %long gate %q {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["g"]} : (!q, !long, !long, !q) -> !q
  %p4 = onnx.initializer "p4" : tensor<1x2x1x4xf32> = dense<0.5> : tensor<1x2x1x4xf32>
  %join = onnx.Constant() {value_ints = array<i64: 2, 1, 4>} : () -> tensor<3xi64>
  %joined = onnx.Constant() {value_ints = array<i64: 2, 3, 4>} : () -> tensor<3xi64>
  %row = onnx.Reshape(%p4, %join) : (tensor<1x2x1x4xf32>, tensor<3xi64>) -> tensor<2x1x4xf32>
  %x = onnx.Reshape(%g, %joined) : (!q, tensor<3xi64>) -> tensor<2x3x4xf32>
  %xk = onnx.Concat(%row, %x) {axis = 1 : i64} : (tensor<2x1x4xf32>, tensor<2x3x4xf32>) -> tensor<2x4x4xf32>
  %j = sink.attention %x, %xk, %xk {num_heads = 2 : i64, query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>, onnx.outs = ["j"]} : (tensor<2x3x4xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>) -> tensor<2x3x4xf32>
  onnx.return %j : tensor<2x3x4xf32>
}
}
