// RUN: basin-opt %s --sink-instrument-prefix=ids=3,5 --split-input-file -verify-diagnostics

// What a prefix cannot be absorbed into. sink-absorb-prefix proves the same, by the same code.

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A mean over all tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  // expected-error @+1 {{it looks at all tokens; so attention 'r' may depend on the prefix}}
  %mean = onnx.ReduceMean(%x, %axis) {keepdims = 1 : i64} : (!x, tensor<1xi64>) -> tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
  %x1 = onnx.Add(%x, %mean) : (!x, tensor<?x1x8xf32, #onnx.dims<"b", "", "">>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A softmax over the tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  // expected-error @+1 {{it looks at all tokens; so}}
  %x1 = onnx.Softmax(%x) {axis = 1 : i64} : (!x) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// The number of tokens as a factor: the prefix's keys depend on it.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %count = onnx.Cast(%n) {to = 1 : i64} : (tensor<i64>) -> tensor<f32>
  // expected-error @+1 {{depends on the number of tokens, or on later ones; so}}
  %x1 = onnx.Mul(%x, %count) : (!x, tensor<f32>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// Tokens in the other order.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %begin = onnx.Constant() {value_ints = array<i64: -9223372036854775807>} : () -> tensor<1xi64>
  // expected-error @+1 {{it chooses among the tokens; so}}
  %x1 = onnx.Slice(%x, %last, %begin, %axis, %last) : (!x, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// The last token is added to all others.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> tensor<1xi64>
  %tip = onnx.Slice(%x, %last, %end, %axis) : (!x, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
  // expected-error @+1 {{it joins the last token with others; so}}
  %x1 = onnx.Add(%x, %tip) : (!x, tensor<?x1x8xf32, #onnx.dims<"b", "", "">>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// An operator without a rule.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %xt = onnx.Transpose(%x) {perm = array<i64: 0, 2, 1>} : (!x) -> tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>
  %taps = onnx.initializer "taps" : tensor<8x1x1xf32> = dense<1.0> : tensor<8x1x1xf32>
  // expected-error @+1 {{Conv may look at all tokens; so}}
  %c = onnx.Conv(%xt, %taps) {group = 8 : i64} : (tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>, tensor<8x1x1xf32>) -> tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>
  %x1 = onnx.Transpose(%c) {perm = array<i64: 0, 2, 1>} : (tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A product of all pairs of tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %xt = onnx.Transpose(%x) {perm = array<i64: 0, 2, 1>} : (!x) -> tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>
  // expected-error @+1 {{both operands depend on the tokens; so}}
  %gram = onnx.MatMul(%x, %xt) : (!x, tensor<?x8x?xf32, #onnx.dims<"b", "", "s">>) -> tensor<?x?x?xf32, #onnx.dims<"b", "s", "s">>
  %x1 = onnx.MatMul(%gram, %x) : (tensor<?x?x?xf32, #onnx.dims<"b", "s", "s">>, !x) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// An op along tokens and dimensions as one axis.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %flat = onnx.Flatten(%x) {axis = 1 : i64} : (!x) -> tensor<?x?xf32, #onnx.dims<"b", "?(8 * s)">>
  // expected-error @+1 {{it looks at all tokens; so}}
  %same = onnx.Softmax(%flat) {axis = 1 : i64} : (tensor<?x?xf32, #onnx.dims<"b", "?(8 * s)">>) -> tensor<?x?xf32, #onnx.dims<"b", "?(8 * s)">>
  %xs = onnx.Shape(%x) : (!x) -> tensor<3xi64>
  %x1 = onnx.Reshape(%same, %xs) : (tensor<?x?xf32, #onnx.dims<"b", "?(8 * s)">>, tensor<3xi64>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// Sequence and batch as one axis, the sequence first, are parted as if the batch were first.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %turned = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2>} : (!x) -> tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>
  %flat8 = onnx.Constant() {value_ints = array<i64: -1, 8>} : () -> tensor<2xi64>
  %rows = onnx.Reshape(%turned, %flat8) : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %xs = onnx.Shape(%x) : (!x) -> tensor<3xi64>
  // expected-error @+1 {{the axis of the tokens is not proven among [?(b * s), 8] and [b, s, 8]; so}}
  %x1 = onnx.Reshape(%rows, %xs) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<3xi64>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// One axis with the sequence first is added to one with the batch first.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %turned = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2>} : (!x) -> tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>
  %flat8 = onnx.Constant() {value_ints = array<i64: -1, 8>} : () -> tensor<2xi64>
  %rows = onnx.Reshape(%turned, %flat8) : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %other = onnx.Reshape(%x, %flat8) : (!x, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  // expected-error @+1 {{tokens lie along different axes of}}
  %sum = onnx.Add(%rows, %other) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %xs = onnx.Shape(%x) : (!x) -> tensor<3xi64>
  %x1 = onnx.Reshape(%sum, %xs) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<3xi64>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// The same sum in a norm.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %turned = onnx.Transpose(%x) {perm = array<i64: 1, 0, 2>} : (!x) -> tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>
  %flat8 = onnx.Constant() {value_ints = array<i64: -1, 8>} : () -> tensor<2xi64>
  %rows = onnx.Reshape(%turned, %flat8) : (tensor<?x?x8xf32, #onnx.dims<"s", "b", "">>, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %other = onnx.Reshape(%x, %flat8) : (!x, tensor<2xi64>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  // expected-error @+1 {{depends on the tokens in another way}}
  %sum = sink.rms_norm %rows residual %other {epsilon = 1.0e-5 : f64} : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>) -> tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>
  %xs = onnx.Shape(%x) : (!x) -> tensor<3xi64>
  %x1 = onnx.Reshape(%sum, %xs) : (tensor<?x8xf32, #onnx.dims<"?(b * s)", "">>, tensor<3xi64>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// Attention that is not proven to be causal.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %x1 = onnx.Identity(%x) : (!x) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  // expected-error @+1 {{attention 'r' is not proven to be causal, so the prefix's keys may depend on later tokens}}
  %r = sink.attention %q, %k, %v mask %mask {mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#c = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"past", !h, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A cache.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #c {
^bb0(%ids: !ids, %past: !h):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %x1 = onnx.Identity(%x) : (!x) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k2 = onnx.Concat(%past, %k) {axis = 2 : i64} : (!h, !h) -> tensor<?x2x?x4xf32, #onnx.dims<"b", "", "t", "">>
  // expected-error @+1 {{attention 'r' has a cache; write the prefix to an initial past instead: OUT is a file that ends in .npz}}
  %r = sink.attention %q, %k2, %k2 {causal, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, tensor<?x2x?x4xf32, #onnx.dims<"b", "", "t", "">>, tensor<?x2x?x4xf32, #onnx.dims<"b", "", "t", "">>) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#c = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"style", tensor<8xf32>, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// Keys that depend on another input.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #c {
^bb0(%ids: !ids, %style: tensor<8xf32>):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %x1 = onnx.Add(%x, %style) : (!x, tensor<8xf32>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  // expected-error @+1 {{attention 'r' reads the input 'style', so the prefix's keys and values may differ between runs}}
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// An output that looks at all tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %x1 = onnx.Identity(%x) : (!x) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  // expected-error @+1 {{it looks at all tokens; so output 'y' may depend on the prefix}}
  %mean = onnx.ReduceMean(%o, %axis) {keepdims = 1 : i64, onnx.outs = ["y"]} : (!x, tensor<1xi64>) -> tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
  onnx.return %mean : tensor<?x1x8xf32, #onnx.dims<"b", "", "">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// No attention at all.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
  // expected-error @+1 {{expected a causal attention among tokens, but there is none}}
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64} : (tensor<16x8xf32>, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// An id outside of the vocabulary.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
  // expected-error @+1 {{option 'ids': the id 5 is outside of the vocabulary, which has 4 ids}}
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64} : (tensor<4x8xf32>, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A number of tokens that is fixed.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
  // expected-error @+1 {{expected an input 'input_ids' with a number of tokens that is not fixed, but got [b, 7]}}
onnx.graph @f #i {
^bb0(%ids: tensor<?x7xi64, #onnx.dims<"b", "">>):
  onnx.return %ids : tensor<?x7xi64, #onnx.dims<"b", "">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// No input with ids.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
  // expected-error @+1 {{option 'tokens': expected a graph input with token ids, integers of one or two axes, but there is none}}
onnx.graph @f #onnx.graph_info<inputs = [#onnx.value<"x", !x, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%x: !x):
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A mask with more axes than the ids.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
  // expected-error @+1 {{option 'mask': expected a graph input 'attention_mask' with one element for each token, of a number that is not fixed, but got [b, 1, s, s]}}
onnx.graph @f #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"attention_mask", !u, {}>], outputs = [#onnx.value<"y", !ids, {}>], valueInfo = [], info = {}> {
^bb0(%ids: !ids, %m: tensor<?x1x?x?xf32, #onnx.dims<"b", "", "s", "s">>):
  onnx.return %ids : !ids
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// An old opset.
module attributes {onnx.model = {opset_import = [{domain = "", version = 9}]}} {
// expected-error @+1 {{expected opset 10 or later for tokens in front of sequences, but got 9}}
onnx.graph @f #i {
^bb0(%ids: !ids):
  onnx.return %ids : !ids
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x8xf32, #onnx.dims<"b", "s", "">>
!h = tensor<?x2x?x4xf32, #onnx.dims<"b", "", "s", "">>
!m = tensor<?x?xi1, #onnx.dims<"s", "s">>
!b = tensor<?x?xf32, #onnx.dims<"s", "s">>
!w = tensor<8x8xf32>
!u = !onnx.unknown
#i = #onnx.graph_info<inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
// A type that a file declares and that contradicts the operands: it lacks the axis of the tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f #i {
^bb0(%ids: !ids):
  %table = onnx.initializer "table" : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  %w = onnx.initializer "w" : !w = dense<0.5> : !w
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 2, 4>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value_ints = array<i64: 0, 0, 8>} : () -> tensor<3xi64>
  %zero = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %one = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %axis = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%ids) : (!ids) -> tensor<2xi64>
  %n = onnx.Gather(%shape, %one) : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %range = onnx.Range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64, #onnx.dims<"s">>
  %row = onnx.Unsqueeze(%range, %axis) : (tensor<?xi64, #onnx.dims<"s">>, tensor<1xi64>) -> tensor<?x1xi64, #onnx.dims<"s", "">>
  %mask = onnx.LessOrEqual(%range, %row) : (tensor<?xi64, #onnx.dims<"s">>, tensor<?x1xi64, #onnx.dims<"s", "">>) -> !m
  %x = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x"]} : (tensor<16x8xf32>, !ids) -> !x
  %bias = onnx.initializer "bias" : tensor<1x1x8xf32> = dense<2.0> : tensor<1x1x8xf32>
  // expected-error @+1 {{its tokens lie along axis 1, but its type has only 1; so attention 'r' may depend on the prefix}}
  %flat = onnx.Add(%x, %x) {onnx.outs = ["flat"]} : (!x, !x) -> tensor<8xf32>
  %x1 = onnx.Add(%flat, %bias) : (tensor<8xf32>, tensor<1x1x8xf32>) -> !x
  %q0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %q1 = onnx.Reshape(%q0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %q = onnx.Transpose(%q1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %k0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %k1 = onnx.Reshape(%k0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %k = onnx.Transpose(%k1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %v0 = onnx.MatMul(%x1, %w) : (!x, !w) -> !x
  %v1 = onnx.Reshape(%v0, %heads) : (!x, tensor<4xi64>) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %v = onnx.Transpose(%v1) {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>) -> !h
  %r = sink.attention %q, %k, %v mask %mask {causal, causal_in_mask, mask_kind = #sink.mask_kind<keep>, num_heads = 2 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (!h, !h, !h, !m) -> !h
  %t = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (!h) -> tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>
  %o = onnx.Reshape(%t, %join) : (tensor<?x?x2x4xf32, #onnx.dims<"b", "s", "", "">>, tensor<3xi64>) -> !x
  onnx.return %o : !x
}
}
