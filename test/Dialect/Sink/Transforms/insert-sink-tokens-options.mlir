// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=1 init=ones" 2>&1 | FileCheck %s --check-prefix=INIT
// RUN: not basin-opt %s --sink-insert-sink-tokens="init=zeros" 2>&1 | FileCheck %s --check-prefix=NOIDS
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=1,-2" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=@%t.absent" 2>&1 | FileCheck %s --check-prefix=NOFILE
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=8" 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=1 tokens=nothing" 2>&1 | FileCheck %s --check-prefix=TOKENS
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=1 positions=nothing" 2>&1 | FileCheck %s --check-prefix=POSITIONS
// RUN: not basin-opt %s --sink-insert-sink-tokens="ids=1 types=nothing" 2>&1 | FileCheck %s --check-prefix=TYPES

// Values that the options do not take.
// INIT: error: option 'init': expected 'embedding', 'zeros' or 'normal', but got 'ones'
// NOIDS: error: option 'ids': expected the ids of the prefix's tokens, but got none
// NEGATIVE: error: option 'ids': expected ids of tokens, integers of at least 0, but got '-2'
// NOFILE: error: option 'ids': '{{.*}}.absent': {{[Nn]}}o such file
// LARGE: error: option 'ids': the id 8 is outside of the vocabulary, which has 8 ids
// TOKENS: error: option 'tokens': expected a graph input 'nothing' with token ids, integers of one or two axes, but there is none
// POSITIONS: error: option 'positions': expected a graph input 'nothing' with one element for each token
// TYPES: error: option 'types': expected a graph input 'nothing' with one element for each token

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// One embedding.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  onnx.return %x : !x
}
}
