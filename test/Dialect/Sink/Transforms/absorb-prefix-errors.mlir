// RUN: %python %S/Inputs/make_states.py %t.other.onnx other.prefix_key=1x2x1x4
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 states=%t.other.onnx" 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: %python %S/Inputs/make_states.py %t.size.onnx r.prefix_key=1x2x3x4 r.prefix_value=1x2x1x4
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: %python %S/Inputs/make_states.py %t.type.onnx r.prefix_key=1x2x1x4:float16 r.prefix_value=1x2x1x4
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 states=%t.type.onnx" 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not basin-opt %s --sink-absorb-prefix=ids=1 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 states=%t.absent" 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 states=%s" 2>&1 | FileCheck %s --check-prefix=NOMODEL
// RUN: not basin-opt %s --sink-absorb-prefix=states=%t.size.onnx 2>&1 | FileCheck %s --check-prefix=NOIDS
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1,-2 states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not basin-opt %s --sink-absorb-prefix="ids=@%t.absent states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=NOFILE
// RUN: echo "[1, two]" > %t.ids
// RUN: not basin-opt %s --sink-absorb-prefix="ids=@%t.ids states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=NOID
// RUN: echo "[1, 9]" > %t.large
// RUN: not basin-opt %s --sink-absorb-prefix="ids=@%t.large states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 tokens=nothing states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=TOKENS
// RUN: not basin-opt %s --sink-absorb-prefix="ids=1 positions=nothing states=%t.size.onnx" 2>&1 | FileCheck %s --check-prefix=POSITIONS

// Options of sink-absorb-prefix, and files that do not fit the model.
// MISSING: error: option 'states': the file has no tensor 'r.prefix_key'
// SIZE: error: option 'states': tensor 'r.prefix_key' 'tensor<1x2x3x4xf32>' does not fit 1 rows of '{{.*}}' 'tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>'
// TYPE: error: option 'states': tensor 'r.prefix_key' 'tensor<1x2x1x4xf16>' does not fit 1 rows of
// NONE: error: option 'states': expected a file with the prefix's keys and values
// ABSENT: error: {{.*}}.absent
// NOMODEL: absorb-prefix-errors.mlir{{.*}}: error: not an ONNX model
// NOIDS: error: option 'ids': expected the ids of the prefix's tokens, but got none
// NEGATIVE: error: option 'ids': expected ids of tokens, integers of at least 0, but got '-2'
// NOFILE: error: option 'ids': '{{.*}}.absent': {{[Nn]}}o such file
// NOID: error: option 'ids': expected ids of tokens, integers of at least 0, but got 'two'
// LARGE: error: option 'ids': the id 9 is outside of the vocabulary, which has 4 ids
// TOKENS: error: option 'tokens': expected a graph input 'nothing' with token ids, integers of one or two axes, but there is none
// POSITIONS: error: option 'positions': expected a graph input 'nothing' with one element for each token, of a number that is not fixed, but there is none

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !h, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64} : (tensor<4x8xf32>, !ids) -> !x
  %y = onnx.Reshape(%x, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%y) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %q, %q {causal, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h) -> !h
  onnx.return %r : !h
}
}
