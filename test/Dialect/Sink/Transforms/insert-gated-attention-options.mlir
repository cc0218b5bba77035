// Each option's limits, and patterns of names.

// RUN: not basin-opt %s --sink-insert-gated-attention=granularity=tensor 2>&1 | FileCheck %s --check-prefix=GRANULARITY
// RUN: not basin-opt %s --sink-insert-gated-attention=attentions=z* 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-insert-gated-attention=attentions=layers.2.* 2>&1 | FileCheck %s --check-prefix=GATED
// RUN: not basin-opt %s --sink-insert-gated-attention=attentions=[ 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: basin-opt %s --sink-insert-gated-attention=attentions=layers.1.* | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-insert-gated-attention | FileCheck %s --check-prefix=ALL
// RUN: basin-opt %s --sink-insert-gated-attention --sink-insert-gated-attention --mlir-print-op-on-diagnostic=false 2>&1 | FileCheck %s --check-prefix=AGAIN

// GRANULARITY: error: option 'granularity': expected 'head' or 'element', but got 'tensor'
// NONE: error: option 'attentions': no attention without a gate has a name like 'z*'
// GATED: error: option 'attentions': no attention without a gate has a name like 'layers.2.*'
// PATTERN: error: option 'attentions': expected all or a pattern of names, but got '['
// ONE: sink.parameter "layers.1.attn.gate_weight"
// ONE-NOT: sink.parameter
// ALL-DAG: sink.parameter "layers.0.attn.gate_weight"
// ALL-DAG: sink.parameter "layers.1.attn.gate_weight"
// ALL-NOT: sink.parameter
// AGAIN: warning: there is no attention without a gate: no gate was inserted
// AGAIN-COUNT-2: sink.parameter
// AGAIN-NOT: sink.parameter

!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @main #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["layers.0.attn"]} : (!x, !x, !x) -> !x
  %b = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["layers.1.attn"]} : (!x, !x, !x) -> !x
  %c = sink.attention %q, %q, %q gate %x {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["layers.2.attn"]} : (!x, !x, !x, !x) -> !x
  onnx.node "Sink" (%a, %b, %c) {} : (!x, !x, !x) -> ()
  onnx.return
}
}
