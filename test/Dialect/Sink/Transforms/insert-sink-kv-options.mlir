// Each option's limits, and patterns of names.

// RUN: not basin-opt %s --sink-insert-sink-kv=attentions=z* 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-insert-sink-kv=attentions=layers.2.* 2>&1 | FileCheck %s --check-prefix=SINK
// RUN: not basin-opt %s --sink-insert-sink-kv=attentions=[ 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: basin-opt %s --sink-insert-sink-kv=attentions=layers.1.* | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-insert-sink-kv | FileCheck %s --check-prefix=ALL
// RUN: basin-opt %s --sink-insert-sink-kv --sink-insert-sink-kv --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: not basin-opt %s --sink-insert-sink-kv=count=0 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not basin-opt %s --sink-insert-sink-kv=count=65537 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not basin-opt %s --sink-insert-sink-kv=init=ones 2>&1 | FileCheck %s --check-prefix=INIT
// RUN: basin-opt %s --sink-insert-sink-kv="count=2 init=normal" > %t.once
// RUN: FileCheck %s --check-prefix=NORMAL < %t.once
// RUN: basin-opt %s --sink-insert-sink-kv="count=2 init=normal seed=0" | diff %t.once -
// RUN: basin-opt %s --sink-insert-sink-kv="count=2 init=normal seed=1" | not diff %t.once -

// NONE: error: option 'attentions': no attention without a sink has a name like 'z*'
// SINK: error: option 'attentions': no attention without a sink has a name like 'layers.2.*'
// PATTERN: error: option 'attentions': expected all or a pattern of names, but got '['
// ONE-DAG: sink.parameter "layers.1.attn.sink_key"
// ONE-DAG: sink.parameter "layers.1.attn.sink_value"
// ONE-NOT: sink.parameter
// ALL-DAG: sink.parameter "layers.0.attn.sink_key" : tensor<2x1x4xf32> = dense<0.000000e+00>
// ALL-DAG: sink.parameter "layers.0.attn.sink_value" : tensor<2x1x4xf32> = dense<0.000000e+00>
// ALL-DAG: sink.parameter "layers.1.attn.sink_key" : tensor<2x1x4xf32> = dense<0.000000e+00>
// ALL-DAG: sink.parameter "layers.1.attn.sink_value" : tensor<2x1x4xf32> = dense<0.000000e+00>
// ALL-NOT: sink.parameter
// AGAIN: warning: there is no attention without a sink: no sink was inserted
// AGAIN-COUNT-4: sink.parameter
// AGAIN-NOT: sink.parameter
// COUNT: error: option 'count': expected an integer from 1 to 65536, but got {{0|65537}}
// INIT: error: option 'init': expected 'zeros' or 'normal', but got 'ones'
// NORMAL-COUNT-4: sink.parameter {{.*}} : tensor<2x2x4xf32> = dense<{{\[\[\[}}

!x = tensor<2x5x8xf32>
#b = #sink.layout<bsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @main #g {
  %x, %l = onnx.node "Source" () {} : () -> (!x, tensor<2xf32>)
  %a = sink.attention %x, %x, %x {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["layers.0.attn"]} : (!x, !x, !x) -> !x
  %b = sink.attention %x, %x, %x {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["layers.1.attn"]} : (!x, !x, !x) -> !x
  %c = sink.attention %x, %x, %x sink_logit %l {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["layers.2.attn"]} : (!x, !x, !x, tensor<2xf32>) -> !x
  onnx.node "Sink" (%a, %b, %c) {} : (!x, !x, !x) -> ()
  onnx.return
}
}
