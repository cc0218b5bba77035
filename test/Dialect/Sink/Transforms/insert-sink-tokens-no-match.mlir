// RUN: basin-opt %s --sink-insert-sink-tokens=ids=3,5 --split-input-file -verify-diagnostics

// Models that get no tokens. sink-instrument-prefix with keys=false proves the same, by the same code.

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// Two embeddings of the same ids.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  // expected-error @+1 {{expected one embedding by the ids 'input_ids', but got 'x2' and 'x'}}
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  %x2 = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x2"]} : (!t, !ids) -> !x
  %y = onnx.Add(%x, %x2) : (!x, !x) -> !x
  onnx.return %y : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// No embedding.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{expected a Gather of a table by the ids 'input_ids', but there is none}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", tensor<?x?xf32, #onnx.dims<"b", "s">>, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Cast(%input_ids) {to = 1 : i64} : (!ids) -> tensor<?x?xf32, #onnx.dims<"b", "s">>
  onnx.return %x : tensor<?x?xf32, #onnx.dims<"b", "s">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A table that is computed.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %w = onnx.Neg(%table) : (!t) -> !t
  // expected-error @+1 {{embedding 'x': expected rows of a constant table of f16, bf16, f32 or f64, but got axis 0 of computed}}
  %x = onnx.Gather(%w, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A table of which columns are taken.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", tensor<8x?x?xf32, #onnx.dims<"", "b", "s">>, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  // expected-error @+1 {{but got axis 1 of}}
  %x = onnx.Gather(%table, %input_ids) {axis = 1 : i64} : (!t, !ids) -> tensor<8x?x?xf32, #onnx.dims<"", "b", "s">>
  onnx.return %x : tensor<8x?x?xf32, #onnx.dims<"", "b", "s">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// Another input for each token.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{input 'hidden' may have an element for each token, and what it has for more tokens is not known: [b, s, 4]}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"hidden", !x, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids, %hidden: !x):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  %y = onnx.Add(%x, %hidden) : (!x, !x) -> !x
  onnx.return %y : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A cache by its name.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{input 'past' seems to be a cache}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"past", tensor<?x?x4xf32, #onnx.dims<"b", "p", "">>, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids, %past: tensor<?x?x4xf32, #onnx.dims<"b", "p", "">>):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A number of keys as GroupQueryAttention takes it.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{input 'lengths' has integers that may count tokens}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"lengths", tensor<?xi32, #onnx.dims<"b">>, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids, %lengths: tensor<?xi32, #onnx.dims<"b">>):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A fixed number of tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{expected an input 'input_ids' with a number of tokens that is not fixed}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", tensor<?x7xi64, #onnx.dims<"b", "">>, {}>], outputs = [#onnx.value<"y", tensor<?x7x4xf32, #onnx.dims<"b", "", "">>, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: tensor<?x7xi64, #onnx.dims<"b", "">>):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64} : (!t, tensor<?x7xi64, #onnx.dims<"b", "">>) -> tensor<?x7x4xf32, #onnx.dims<"b", "", "">>
  onnx.return %x : tensor<?x7x4xf32, #onnx.dims<"b", "", "">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// An old opset.
module attributes {onnx.model = {opset_import = [{domain = "", version = 9}]}} {
// expected-error @+1 {{expected opset 10 or later for tokens in front of sequences, but got 9}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  onnx.return %x : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// Batch and tokens are one axis of the output.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{output 'y' has batch and tokens as one axis}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", tensor<?x4xf32, #onnx.dims<"?(b * s)", "">>, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  %flat = onnx.Constant() {value_ints = array<i64: -1, 4>} : () -> tensor<2xi64>
  %y = onnx.Reshape(%x, %flat) {onnx.outs = ["y"]} : (!x, tensor<2xi64>) -> tensor<?x4xf32, #onnx.dims<"?(b * s)", "">>
  onnx.return %y : tensor<?x4xf32, #onnx.dims<"?(b * s)", "">>
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// An output that turns the tokens around.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// expected-error @+1 {{output 'y' is not proven to have a row for each token}}
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %back = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value_ints = array<i64: -9223372036854775807>} : () -> tensor<1xi64>
  %y = onnx.Slice(%x, %back, %end, %one, %back) {onnx.outs = ["y"]} : (!x, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !x
  onnx.return %y : !x
}
}

// -----

!ids = tensor<?x?xi64, #onnx.dims<"b", "s">>
!x = tensor<?x?x4xf32, #onnx.dims<"b", "s", "">>
!t = tensor<8x4xf32>
// A subgraph that sees tokens.
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f <inputs = [#onnx.value<"input_ids", !ids, {}>, #onnx.value<"flag", tensor<i1>, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}> {
^bb0(%input_ids: !ids, %flag: tensor<i1>):
  %table = onnx.initializer "table" : !t = dense<1.0> : !t
  %x = onnx.Gather(%table, %input_ids) {axis = 0 : i64, onnx.outs = ["x"]} : (!t, !ids) -> !x
  // expected-error @+1 {{'choice' has a subgraph that sees tokens}}
  %y = onnx.If(%flag) {
    onnx.return %x : !x
  }, {
    onnx.return %x : !x
  } attributes {onnx.name = "choice", onnx.outs = ["y"]} : (tensor<i1>) -> !x
  onnx.return %y : !x
}
}
