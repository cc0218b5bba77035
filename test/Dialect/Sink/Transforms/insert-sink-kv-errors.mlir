// RUN: basin-opt %s --sink-insert-sink-kv --split-input-file --verify-diagnostics

// Before opset 13 a Softmax took several axes as one.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 12}]}} {
onnx.graph @old_opset #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': expected opset 13 or later to insert a sink, but got 12}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> (!h)
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A number of heads that is not static.
!h = tensor<2x?x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_heads #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': expected a static number of heads to insert a sink}}
  %a = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> (!h)
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Batch and heads in one axis.
!h = tensor<4x5x4xf32>
#b = #sink.layout<hsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @joined_unknown_heads #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': expected a static number of heads to insert a sink}}
  %a = sink.attention %q, %q, %q {query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> (!h)
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A type without logits.
!h = tensor<2x2x5x4xi32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @integers #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': expected f16, bf16, f32 or f64 to insert a sink}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> (!h)
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A mask of lengths, which only its operator understands.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @lengths #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.node "Source" () {} : () -> tensor<2xi32>
  // expected-error @below {{attention 'a': only its operator says what its operands or its mask mean}}
  %a = sink.attention %q, %q, %q mask %m {num_heads = 2 : i64, mask_kind = #sink.mask_kind<lengths>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<2xi32>) -> (!h) {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %y = onnx.node "Operator" (%0, %1, %2, %m) {} attributes {onnx.outs = ["a"]} : (!h, !h, !h, tensor<2xi32>) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Quantized types inside an operator.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @quantized #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': its nodes round to quantized types, which only they do}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> (!h) {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %s = onnx.Constant() {value_float = 0.1 : f32} : () -> tensor<f32>
    %c = onnx.QuantizeLinear(%0, %s) : (!h, tensor<f32>) -> tensor<2x2x5x4xui8>
    %d = onnx.DequantizeLinear(%c, %s) : (tensor<2x2x5x4xui8>, tensor<f32>) -> !h
    %y = onnx.Attention(%d, %1, %2) {onnx.outs = ["a"]} : (!h, !h, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Probabilities of an operator are used outside.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @inner_value #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': 'p', a value inside of it, is used elsewhere}}
  %a, %i = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> (!h, tensor<2x2x5x5xf32>) {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %y, %pk, %pv, %p = onnx.Attention(%0, %1, %2) {qk_matmul_output_mode = 3 : i64, onnx.outs = ["a", "", "", "p"]} : (!h, !h, !h) -> (!h, !h, !h, tensor<2x2x5x5xf32>)
    sink.yield %y, %p : !h, tensor<2x2x5x5xf32>
  }
  onnx.node "Sink" (%a, %i) {} : (!h, tensor<2x2x5x5xf32>) -> ()
  onnx.return
}
}

// -----

// A query of unknown rank.
!h = tensor<*xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_rank #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': the rank of its query is not that of the layout bhsd}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> (!h) {
  ^bb0(%0: !h, %1: !h, %2: !h):
    %y = onnx.Attention(%0, %1, %2) {onnx.outs = ["a"]} : (!h, !h, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A size of heads that is not static.
!h = tensor<2x2x5x?xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_size #g {
  %q = onnx.node "Source" () {} : () -> !h
  // expected-error @below {{attention 'a': expected static numbers and sizes of heads to insert rows of keys and values}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> (!h)
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Values of a number of heads that is not known: one head may be broadcast, which a Concat is not.
!h = tensor<2x2x5x4xf32>
!v = tensor<2x?x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_value_heads #g {
  %q, %v = onnx.node "Source" () {} : () -> (!h, !v)
  // expected-error @below {{attention 'a': expected static numbers and sizes of heads to insert rows of keys and values}}
  %a = sink.attention %q, %q, %v {num_heads = 2 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !v) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A factor for each score.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @factors #g {
  %q, %f = onnx.node "Source" () {} : () -> (!h, tensor<5x5xf32>)
  // expected-error @below {{attention 'a': the tensor that multiplies its scores has no columns for rows}}
  %a = sink.attention %q, %q, %q score_factor %f {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h, tensor<5x5xf32>) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// An attention inside of another one's form.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @nested #g {
  %q = onnx.node "Source" () {} : () -> !h
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h):
    // expected-error @below {{attention 'a': it stands among the nodes of another op}}
    %y = sink.attention %0, %1, %2 {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Functions have no parameters.
!h = tensor<2x2x5x4xf32>
#b = #sink.layout<bhsd>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
func.func @function(%q: !h) -> !h {
  // expected-error @below {{attention 'a' stands in a function, which has no parameters; inline functions first}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!h, !h, !h) -> !h
  return %a : !h
}
}
