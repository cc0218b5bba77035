// RUN: basin-opt %s --sink-insert-gated-attention --split-input-file --verify-diagnostics

// A query that is an input has no projection.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @no_product #g {
  // expected-note @below {{'q' is not understood}}
  %q = onnx.node "Source" () {} attributes {onnx.outs = ["q"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A matrix that is computed is no weight.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @computed_matrix #g {
  %x, %k = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.node "Source" () {} : () -> !w
  // expected-note @below {{'q' is not understood}}
  %q = onnx.MatMul(%x, %w) {onnx.outs = ["q"]} : (!x, !w) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// Of two computed summands, either one may be the query's.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @computed_summand #g {
  %x, %k = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Add(%p, %k) {onnx.outs = ["q"]} : (!x, !x) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A norm of a sum has two inputs.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @norm_of_sum #g {
  %x, %k = onnx.node "Source" () {} : () -> (!x, !x)
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-note @below {{'q' is not understood}}
  %q = sink.rms_norm %p residual %k {epsilon = 1.0, onnx.outs = ["q"]} : (!x, !x) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A part of the sequence has other positions.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
!y = tensor<2x6x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @part_of_sequence #g {
  %x = onnx.node "Source" () {} : () -> !y
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %p = onnx.MatMul(%x, %w) : (!y, !w) -> !y
  %s = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %e = onnx.Constant() {value_ints = array<i64: 6>} : () -> tensor<1xi64>
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Slice(%p, %s, %e, %s) {onnx.outs = ["q"]} : (!y, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A batch of one that is broadcast is another batch.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
!y = tensor<1x5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @broadcast #g {
  %x = onnx.node "Source" () {} : () -> !y
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %c = onnx.initializer "c" : !x = dense<1.0> : !x
  %p = onnx.MatMul(%x, %w) : (!y, !w) -> !y
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Add(%p, %c) {onnx.outs = ["q"]} : (!y, !x) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// Gathered positions are others.
!y = tensor<2x6x8xf32>
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @gathered_positions #g {
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %x = onnx.node "Source" () {} : () -> !y
  %i = onnx.Constant() {value_ints = array<i64: 1, 2, 3, 4, 5>} : () -> tensor<5xi64>
  %p = onnx.MatMul(%x, %w) : (!y, !w) -> !y
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Gather(%p, %i) {axis = 1 : i64, onnx.outs = ["q"]} : (!y, tensor<5xi64>) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A half of the sequence, as of a packed projection.
!y = tensor<2x10x8xf32>
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @split_sequence #g {
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %x = onnx.node "Source" () {} : () -> !y
  %p = onnx.MatMul(%x, %w) : (!y, !w) -> !y
  // expected-note @below {{'q' is not understood}}
  %q, %other = onnx.Split(%p) {axis = 1 : i64, num_outputs = 2 : i64, onnx.outs = ["q", "other"]} : (!y) -> (!x, !x)
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A past before the sequence.
!y = tensor<2x1x8xf32>
!p = tensor<2x4x8xf32>
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @joined_sequence #g {
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %x, %past = onnx.node "Source" () {} : () -> (!y, !p)
  %p = onnx.MatMul(%x, %w) : (!y, !w) -> !y
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Concat(%p, %past) {axis = 1 : i64, onnx.outs = ["q"]} : (!y, !p) -> !x
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A reshape of unknown sizes may part axes anywhere.
!x = tensor<?x?x8xf32>
!h = tensor<?x2x?x4xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_reshape #g {
  %x = onnx.node "Source" () {} : () -> !x
  %k = onnx.node "Source" () {} : () -> !h
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %s = onnx.node "Source" () {} : () -> tensor<4xi64>
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-note @below {{'q' is not understood}}
  %q = onnx.Reshape(%p, %s) {onnx.outs = ["q"]} : (!x, tensor<4xi64>) -> !h
  // expected-error @below {{attention 'a': no product with a constant matrix was found that gives its query}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["a"]} : (!h, !h, !h) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Rows of batch and sequence together, with no value in which they are apart.
!r = tensor<10x8xf32>
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @rows #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !r
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %s = onnx.Constant() {value_ints = array<i64: 2, 5, 8>} : () -> tensor<3xi64>
  %p = onnx.MatMul(%x, %w) : (!r, !w) -> !r
  %q = onnx.Reshape(%p, %s) : (!r, tensor<3xi64>) -> !x
  // expected-error @below {{attention 'a': 'x', which its query is a projection of, is not proven to have the axes batch, sequence and a static last one: 'tensor<10x8xf32>'}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A last axis of unknown size.
!y = tensor<2x5x?xf32>
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_width #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !y
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!y, !w) -> !x
  // expected-error @below {{attention 'a': 'x', which its query is a projection of, is not proven to have the axes batch, sequence and a static last one: 'tensor<2x5x?xf32>'}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A result whose sizes are not known to be those of the input.
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!y = tensor<?x?x8xf32, #onnx.dims<"b", "t", "">>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @other_sequence #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': batch and sequence [b, s] of 'x' are not proven to be those of the result [b, t, 8]}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !y
  onnx.node "Sink" (%a) {} : (!y) -> ()
  onnx.return
}
}

// -----

// Heads joined with the batch.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
!r = tensor<4x5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @joined_batch #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': expected a result with separate axes of batch and sequence to insert a gate, but got the layout hsd}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<hsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !r
  onnx.node "Sink" (%a) {} : (!r) -> ()
  onnx.return
}
}

// -----

// An unknown number of heads.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @unknown_heads #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': expected static heads to insert a gate, but got [2, 5, 8]}}
  %a = sink.attention %q, %k, %k {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A type without a half.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
!i = tensor<2x5x8xi32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @integers #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': expected f16, bf16, f32 or f64 to insert a gate}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !i
  onnx.node "Sink" (%a) {} : (!i) -> ()
  onnx.return
}
}

// -----

// An opset without Expand.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 7}]}} {
onnx.graph @old_opset #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': expected opset 8 or later to expand the scores of heads}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A packed query without an operator that says how it is packed.
!x = tensor<2x5x8xf32>
!w = tensor<8x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @packed #g {
  %x = onnx.node "Source" () {} attributes {onnx.outs = ["x"]} : () -> !x
  %k = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !w = dense<1.0> : !w
  %q = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  // expected-error @below {{attention 'a': the axes of its query are not known: 'tensor<2x5x8xf32>'}}
  %a = sink.attention %q, %k, %k {num_heads = 2 : i64, query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A function has no parameters.
!x = tensor<2x5x8xf32>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
func.func @in_function(%q: !x) -> !x {
  // expected-error @below {{attention 'a' stands in a function, which has no parameters; inline functions first}}
  %a = sink.attention %q, %q, %q {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  return %a : !x
}
}

// -----

// expected-warning @below {{there is no attention without a gate: no gate was inserted}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
}
