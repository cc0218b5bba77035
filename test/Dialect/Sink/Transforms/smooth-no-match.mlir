// RUN: basin-opt %s --sink-instrument-smoothing="explain=true groups=?*" --verify-diagnostics -o /dev/null

// What is no group. Each graph differs in one place from one of smooth.mlir.

!x = tensor<2x5x4xf32>
!h = tensor<2x5x2xf32>
!m = tensor<4x4xf32>
!v = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {

// Something else reads the value.
onnx.graph @no_match_other_reader #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.other_reader" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.other_reader" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'other_reader' is not smoothed: 'other_reader' is also read by Relu, which is no product with a stored matrix}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["other_reader"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %r = onnx.Relu(%y) : (!x) -> !x
  onnx.node "Sink" (%a, %r) {} : (!x, !x) -> ()
  onnx.return
}

// Something else reads a view of the value.
onnx.graph @no_match_view_reader #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.view_reader" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.view_reader" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'view_reader' is not smoothed: 'viewed' is also read by Relu}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["view_reader"]} : (!x, !v) -> !x
  %c = onnx.Identity(%y) {onnx.outs = ["viewed"]} : (!x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %r = onnx.Relu(%c) : (!x) -> !x
  onnx.node "Sink" (%a, %r) {} : (!x, !x) -> ()
  onnx.return
}

// One of the matrices is computed.
onnx.graph @no_match_computed_matrix #g {
  %x, %m = onnx.node "Source" () {} : () -> (!x, !m)
  %nw = onnx.initializer "nw.computed_matrix" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.computed_matrix" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'computed_matrix' is not smoothed: 'computed_matrix' is also read by MatMul, which is no product}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["computed_matrix"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %r = onnx.MatMul(%y, %m) : (!x, !m) -> !x
  onnx.node "Sink" (%a, %r) {} : (!x, !x) -> ()
  onnx.return
}

// The matrix is stored in another type.
onnx.graph @no_match_cast_matrix #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.cast_matrix" : !v = dense<1.0> : !v
  %w0 = onnx.initializer "w.cast_matrix" : tensor<4x4xf16> = dense<1.0> : tensor<4x4xf16>
  %w = onnx.Cast(%w0) {to = 1 : i64} : (tensor<4x4xf16>) -> !m
  // expected-remark@+1 {{'cast_matrix' is not smoothed: the matrix of MatMul 'p' is not stored as it is multiplied}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["cast_matrix"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) {onnx.outs = ["p"]} : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The transposed matrix has a second reader.
onnx.graph @no_match_shared_transpose #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.shared_transpose" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.shared_transpose" : !m = dense<1.0> : !m
  %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (!m) -> !m
  // expected-remark@+1 {{'shared_transpose' is not smoothed: the matrix of MatMul '' is transposed in a way that is not understood, or for several readers}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["shared_transpose"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %t) : (!x, !m) -> !x
  onnx.node "Sink" (%a, %t) {} : (!x, !m) -> ()
  onnx.return
}

// The norm has no weight.
onnx.graph @no_match_no_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.no_weight" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.no_weight" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'no_weight' is not smoothed: the norm 'no_weight' has no weight}}
  %y = sink.rms_norm %x {epsilon = 1.0e-5, onnx.outs = ["no_weight"]} : (!x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The weight of the norm is a sum.
onnx.graph @no_match_computed_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.computed_weight" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.computed_weight" : !m = dense<1.0> : !m
  %w1 = onnx.Add(%nw, %nw) : (!v, !v) -> !v
  // expected-remark@+1 {{'computed_weight' is not smoothed: the weight or bias of the norm 'computed_weight' is not stored as it is multiplied}}
  %y = sink.rms_norm %x weight %w1 {epsilon = 1.0e-5, onnx.outs = ["computed_weight"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The norm has one weight for all channels.
onnx.graph @no_match_single_weight #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.single_weight" : tensor<1xf32> = dense<1.0> : tensor<1xf32>
  %w = onnx.initializer "w.single_weight" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'single_weight' is not smoothed: the weight or bias of the norm 'single_weight' is not stored}}
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["single_weight"]} : (!x, tensor<1xf32>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The value is the sum that a norm also returns.
onnx.graph @no_match_sum_result #g {
  %x, %z = onnx.node "Source" () {} : () -> (!x, !x)
  %nw = onnx.initializer "nw.sum_result" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.sum_result" : !m = dense<1.0> : !m
  // expected-remark@+1 {{'sum_result' is not smoothed: the norm 'normed' is not over all of its channels}}
  %n, %y = sink.rms_norm %x residual %z weight %nw {epsilon = 1.0e-5, onnx.outs = ["normed", "sum_result"]} : (!x, !x, !v) -> (!x, !x)
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// GELU is not linear.
onnx.graph @no_match_not_linear #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.not_linear" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.not_linear" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  // expected-remark@+1 {{'not_linear' is not smoothed: Gelu 'not_linear' is not linear in its operand}}
  %y = onnx.Gelu(%u) {onnx.outs = ["not_linear"]} : (!x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// A square is not linear.
onnx.graph @no_match_square #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.square" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.square" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  // expected-remark@+1 {{'square' is not smoothed: 'u' is also read by Mul 'square'}}
  %y = onnx.Mul(%u, %u) {onnx.outs = ["square"]} : (!x, !x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// SiLU is not linear: its projection has two readers.
onnx.graph @no_match_silu #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.silu" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.silu" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  %s = onnx.Sigmoid(%u) : (!x) -> !x
  // expected-remark@+1 {{'silu' is not smoothed: 'u' is also read by Sigmoid}}
  %y = onnx.Mul(%u, %s) {onnx.outs = ["silu"]} : (!x, !x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Something else reads the second factor.
onnx.graph @no_match_up_reader #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.up_reader" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.up_reader" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  %r = onnx.Relu(%u) {onnx.outs = ["r"]} : (!x) -> !x
  onnx.node "Sink" (%r) {} : (!x) -> ()
  // expected-remark@+1 {{'up_reader' is not smoothed: '' is also read by MatMul 'u', and 'u' is also read by Relu 'r'}}
  %y = onnx.Mul(%x, %u) {onnx.outs = ["up_reader"]} : (!x, !x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Both summands are computed.
onnx.graph @no_match_sum_of_two #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.sum_of_two" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.sum_of_two" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  // expected-remark@+1 {{'sum_of_two' is not smoothed: Add 'sum_of_two' adds two computed values}}
  %y = onnx.Add(%x, %u) {onnx.outs = ["sum_of_two"]} : (!x, !x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The bias is one number.
onnx.graph @no_match_number_bias #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.number_bias" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.number_bias" : !m = dense<1.0> : !m
  %one = onnx.initializer "one.number_bias" : tensor<f32> = dense<1.0> : tensor<f32>
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, !m) -> !x
  // expected-remark@+1 {{'number_bias' is not smoothed: the bias that Add 'number_bias' adds is no stored vector of 4 elements}}
  %y = onnx.Add(%u, %one) {onnx.outs = ["number_bias"]} : (!x, tensor<f32>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The product is broadcast along the channels.
onnx.graph @no_match_broadcast_factor #g {
  %x, %f = onnx.node "Source" () {} : () -> (!x, !x)
  %w0 = onnx.initializer "w0.broadcast_factor" : tensor<4x1xf32> = dense<1.0> : tensor<4x1xf32>
  %w = onnx.initializer "w.broadcast_factor" : !m = dense<1.0> : !m
  %u = onnx.MatMul(%x, %w0) : (!x, tensor<4x1xf32>) -> tensor<2x5x1xf32>
  // expected-remark@+1 {{'broadcast_factor' is not smoothed: Mul 'broadcast_factor' moves channels in a way that is not understood}}
  %y = onnx.Mul(%u, %f) {onnx.outs = ["broadcast_factor"]} : (tensor<2x5x1xf32>, !x) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Another part of the packed product overlaps.
onnx.graph @no_match_overlap #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w0 = onnx.initializer "w0.overlap" : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  %w = onnx.initializer "w.overlap" : !m = dense<1.0> : !m
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %three = onnx.Constant() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %four = onnx.Constant() {value = dense<4> : tensor<1xi64>} : () -> tensor<1xi64>
  %eight = onnx.Constant() {value = dense<8> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %u = onnx.MatMul(%x, %w0) {onnx.outs = ["u"]} : (!x, tensor<4x8xf32>) -> tensor<2x5x8xf32>
  %s = onnx.Slice(%u, %three, %eight, %two) {onnx.outs = ["s"]} : (tensor<2x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x5x5xf32>
  onnx.node "Sink" (%s) {} : (tensor<2x5x5xf32>) -> ()
  // expected-remark@+1 {{'overlap' is not smoothed: 'u' is also read by Slice 's'}}
  %y = onnx.Slice(%u, %zero, %four, %two) {onnx.outs = ["overlap"]} : (tensor<2x5x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Values of an earlier run come first.
onnx.graph @no_match_cached_values #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.cached_values" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.cached_values" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %r = sink.attention %q, %k, %vt past %e, %e {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> tensor<2x2x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'cached_values' is not smoothed: the attention 'r' has a cache of values}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["cached_values"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Constant rows of values join those of the tokens.
onnx.graph @no_match_sink_rows #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.sink_rows" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.sink_rows" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %sk = sink.parameter "sk.sink_rows" : tensor<2x1x2xf32> = dense<1.0> : tensor<2x1x2xf32>
  %r = sink.attention %q, %k, %vt sink_kv %sk, %sk {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x1x2xf32>, tensor<2x1x2xf32>) -> tensor<2x2x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'sink_rows' is not smoothed: the attention 'r' has constant rows of values}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["sink_rows"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// The values are also the keys.
onnx.graph @no_match_value_is_key #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.value_is_key" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.value_is_key" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %r = sink.attention %q, %vt, %vt {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> tensor<2x2x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'value_is_key' is not smoothed: 'vt' is also read by attention 'r'}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["value_is_key"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Something else reads the values, as a cache does.
onnx.graph @no_match_value_output #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.value_output" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.value_output" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %c = onnx.Relu(%vt) {onnx.outs = ["c"]} : (tensor<2x2x5x2xf32>) -> tensor<2x2x5x2xf32>
  onnx.node "Sink" (%c) {} : (tensor<2x2x5x2xf32>) -> ()
  %r = sink.attention %q, %k, %vt {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> tensor<2x2x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'value_output' is not smoothed: 'vt' is also read by Relu 'c'}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["value_output"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// Another result may depend on the values.
onnx.graph @no_match_inner_result #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.inner_result" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.inner_result" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %r, %more = sink.attention %q, %k, %vt {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r", "more"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'inner_result' is not smoothed: the attention 'r' has the result 'more', which may depend on its values}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["inner_result"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.node "Sink" (%more) {} : (tensor<2x2x5x2xf32>) -> ()
  onnx.return
}

// Each head of the values is normalized.
onnx.graph @no_match_value_norm #g {
  %x, %q, %k, %e = onnx.node "Source" () {} : () -> (!x, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>)
  %w0 = onnx.initializer "wv.value_norm" : !m = dense<1.0> : !m
  %w = onnx.initializer "w.value_norm" : !m = dense<1.0> : !m
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %w0) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>, onnx.outs = ["vt"]} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %hw = onnx.initializer "hw.value_norm" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  %vn = sink.rms_norm %vt weight %hw {epsilon = 1.0e-5, onnx.outs = ["vn"]} : (tensor<2x2x5x2xf32>, tensor<2xf32>) -> tensor<2x2x5x2xf32>
  %r = sink.attention %q, %k, %vn {num_heads = 2, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> tensor<2x2x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x2x5x2xf32>) -> tensor<2x5x2x2xf32>
  // expected-remark@+1 {{'value_norm' is not smoothed: the norm 'vn' is not over all of its channels}}
  %y = onnx.Reshape(%rt, %join) {onnx.outs = ["value_norm"]} : (tensor<2x5x2x2xf32>, tensor<3xi64>) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}
