// Each option's limits, and patterns of names.

// RUN: not basin-opt %s --sink-insert-sink-logits=attentions=z* 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-insert-sink-logits=attentions=layers.2.* 2>&1 | FileCheck %s --check-prefix=SINK
// RUN: not basin-opt %s --sink-insert-sink-logits=attentions=[ 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: basin-opt %s --sink-insert-sink-logits=attentions=layers.1.* | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-insert-sink-logits | FileCheck %s --check-prefix=ALL
// RUN: basin-opt %s --sink-insert-sink-logits --sink-insert-sink-logits --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: not basin-opt %s --sink-insert-sink-logits=init=nan 2>&1 | FileCheck %s --check-prefix=FINITE
// RUN: not basin-opt %s --sink-insert-sink-logits=init=-inf 2>&1 | FileCheck %s --check-prefix=FINITE
// RUN: basin-opt %s --sink-insert-sink-logits=init=-1.5 | FileCheck %s --check-prefix=INIT

// NONE: error: option 'attentions': no attention without a sink has a name like 'z*'
// SINK: error: option 'attentions': no attention without a sink has a name like 'layers.2.*'
// PATTERN: error: option 'attentions': expected all or a pattern of names, but got '['
// ONE-DAG: sink.parameter "layers.1.attn.sink_logit"
// ONE-NOT: sink.parameter
// ALL-DAG: sink.parameter "layers.0.attn.sink_logit" : tensor<2xf32> = dense<-6.000000e+00>
// ALL-DAG: sink.parameter "layers.1.attn.sink_logit" : tensor<2xf32> = dense<-6.000000e+00>
// ALL-NOT: sink.parameter
// AGAIN: warning: there is no attention without a sink: no sink was inserted
// AGAIN-COUNT-2: sink.parameter
// AGAIN-NOT: sink.parameter
// FINITE: error: option 'init': expected a finite number, but got {{.*(nan|inf|NAN|INF)}}
// INIT-COUNT-2: sink.parameter {{.*}} = dense<-1.500000e+00>

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
