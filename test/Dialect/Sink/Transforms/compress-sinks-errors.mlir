// RUN: %python %S/Inputs/make_fit.py %t.good.onnx y=1,2
// RUN: %python %S/Inputs/make_fit.py %t.few.onnx y=1
// RUN: %python %S/Inputs/make_fit.py %t.nan.onnx y=1,nan
// RUN: %python %S/Inputs/make_fit.py %t.inf.onnx y=inf,1
// RUN: %python %S/Inputs/make_fit.py %t.half.onnx y=1,-inf
// RUN: %python %S/Inputs/make_fit.py %t.other.onnx y=1,2 z=1,2
// RUN: %python %S/Inputs/make_fit.py %t.type.onnx y=1,2:float16
// RUN: %python %S/Inputs/make_fit.py %t.low.onnx w=1,0.5
// RUN: not basin-opt %s --sink-compress-sinks=fit=%t.low.onnx 2>&1 | FileCheck %s --check-prefix=LOW
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
// NONE: error: option 'fit': expected a file with a logit for each head
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
#i = #onnx.graph_info<inputs = [#onnx.value<"q", !q, {}>, #onnx.value<"k", !k, {}>, #onnx.value<"m", !m, {}>], outputs = [#onnx.value<"w", !q, {}>], valueInfo = [], info = {}>

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
  onnx.return %w : !q
}
}
