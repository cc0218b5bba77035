// RUN: basin-opt %s "--onnx-infer-shapes=strict=true name-unknown-dims=false" -split-input-file -verify-diagnostics

// A broadcast needs equal sizes or a 1.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<?x3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<4xf32>
  // expected-error@+1 {{expected shapes that broadcast, but got [?, 3] and [4]}}
  %r = onnx.Add(%a, %b) : (tensor<?x3xf32>, tensor<4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Operands of one type.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<3xf16>
  // expected-error@+1 {{expected operands of one element type, but got 'f32' and 'f16'}}
  %r = onnx.Mul(%a, %b) : (tensor<3xf32>, tensor<3xf16>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Compare too.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<3xi64>
  // expected-error@+1 {{expected operands of one element type, but got 'f32' and 'i64'}}
  %r = onnx.Equal(%a, %b) : (tensor<3xf32>, tensor<3xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A condition is boolean.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3xi64>
  %b = onnx.node "Source" () {} : () -> tensor<3xf32>
  // expected-error@+1 {{expected a condition of element type i1, but got 'i64'}}
  %r = onnx.Where(%a, %b, %b) : (tensor<3xi64>, tensor<3xf32>, tensor<3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A code that ONNX does not define.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3xf32>
  // expected-error@+1 {{expected 'to' to be an element type, but got 99}}
  %r = onnx.Cast(%a) {to = 99} : (tensor<3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Contraction.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<?x3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<4x2xf32>
  // expected-error@+1 {{expected equal contraction dims, but got 3 and 4}}
  %r = onnx.MatMul(%a, %b) : (tensor<?x3xf32>, tensor<4x2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Scalars do not multiply as matrices.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<f32>
  %b = onnx.node "Source" () {} : () -> tensor<4x2xf32>
  // expected-error@+1 {{expected operands of rank 1 or more, but got a scalar}}
  %r = onnx.MatMul(%a, %b) : (tensor<f32>, tensor<4x2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Batches broadcast.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3x4xf32>
  %b = onnx.node "Source" () {} : () -> tensor<5x4x2xf32>
  // expected-error@+1 {{expected shapes that broadcast, but got [2] and [5]}}
  %r = onnx.MatMul(%a, %b) : (tensor<2x3x4xf32>, tensor<5x4x2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Gemm takes matrices.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3x4xf32>
  %b = onnx.node "Source" () {} : () -> tensor<4x2xf32>
  // expected-error@+1 {{expected a matrix A of rank 2, but got [2, 3, 4]}}
  %r = onnx.Gemm(%a, %b) : (tensor<2x3x4xf32>, tensor<4x2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// With transposes.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3x2xf32>
  %b = onnx.node "Source" () {} : () -> tensor<5x4xf32>
  // expected-error@+1 {{expected equal contraction dims, but got 3 and 4}}
  %r = onnx.Gemm(%a, %b) {transA = 1, transB = 1} : (tensor<3x2xf32>, tensor<5x4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// C is broadcast to the product, never the reverse.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<1x3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<3x4xf32>
  %c = onnx.node "Source" () {} : () -> tensor<2x4xf32>
  // expected-error@+1 {{expected C to broadcast to [1, 4], but got [2, 4]}}
  %r = onnx.Gemm(%a, %b, %c) : (tensor<1x3xf32>, tensor<3x4xf32>, tensor<2x4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Axis out of range.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected an axis from -2 to 1, but got 2}}
  %r = onnx.Softmax(%a) {axis = 2} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Axis of a scalar.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<f32>
  %b = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected an axis from 0 to -1, but got 0}}
  %r = onnx.ReduceSum(%a, %b) : (tensor<f32>, tensor<1xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Repeated axes.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %b = onnx.Constant() {value_ints = array<i64: 1, -1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected distinct axes, but got -1 twice}}
  %r = onnx.ReduceMean(%a, %b) : (tensor<2x3xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// TopK of more than there is.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %b = onnx.Constant() {value_ints = array<i64: 4>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected k of at most 3, but got 4}}
  %r:2 = onnx.TopK(%a, %b) : (tensor<2x3xf32>, tensor<1xi64>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Elements are neither made nor lost.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %s = onnx.Constant() {value_ints = array<i64: 4, 2>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected 6 elements as in the data, but got 8}}
  %r = onnx.Reshape(%a, %s) : (tensor<2x3xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Equal names cancel: 64 elements for each of N and 32 are compared.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<?x64xf32, #onnx.dims<"N", "">>
  %s = onnx.Constant() {value_ints = array<i64: 0, 32>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected 64 elements as in the data, but got 32}}
  %r = onnx.Reshape(%a, %s) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The rest must divide.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %s = onnx.Constant() {value_ints = array<i64: -1, 4>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected an element count that divides by 4, but got 6}}
  %r = onnx.Reshape(%a, %s) : (tensor<2x3xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// One -1.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %s = onnx.Constant() {value_ints = array<i64: -1, -1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected sizes of at least 0 and one -1 at most, but got -1 at index 1}}
  %r = onnx.Reshape(%a, %s) : (tensor<2x3xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A 0 copies the dim of its index.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6xf32>
  %s = onnx.Constant() {value_ints = array<i64: 2, 0>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected a dim to copy at index 1, but got [6]}}
  %r = onnx.Reshape(%a, %s) : (tensor<6xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// With allowzero a 0 is a size.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6xf32>
  %s = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected 6 elements as in the data, but got 0}}
  %r = onnx.Reshape(%a, %s) {allowzero = 1} : (tensor<6xf32>, tensor<1xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Flatten.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6x2xf32>
  // expected-error@+1 {{expected an axis from -2 to 2, but got 3}}
  %r = onnx.Flatten(%a) {axis = 3} : (tensor<6x2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Only a 1 can be squeezed.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<?x2xf32>
  %s = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected a dim of 1 at axis 1, but got 2}}
  %r = onnx.Squeeze(%a, %s) : (tensor<?x2xf32>, tensor<1xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Axes of Unsqueeze count in the result.
module attributes {onnx.model = {opset_import = [{domain = "", version = 11}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected an axis from -2 to 1, but got 2}}
  %r = onnx.Unsqueeze(%a) {axes = array<i64: 2>} : (tensor<2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A permutation names each axis once.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected distinct axes, but got 0 twice}}
  %r = onnx.Transpose(%a) {perm = array<i64: 0, 0>} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Its length is the rank.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3x4xf32>
  // expected-error@+1 {{expected data of rank 2, but got [2, 3, 4]}}
  %r = onnx.Transpose(%a) {perm = array<i64: 1, 0>} : (tensor<2x3x4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Expand broadcasts.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<3xf32>
  %s = onnx.Constant() {value_ints = array<i64: 4>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected shapes that broadcast, but got [3] and [4]}}
  %r = onnx.Expand(%a, %s) : (tensor<3xf32>, tensor<1xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Concat: other dims are equal.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<2x4xf32>
  // expected-error@+1 {{expected equal dims off the joined axis, but got 3 and 4}}
  %r = onnx.Concat(%a, %b) {axis = 0} : (tensor<2x3xf32>, tensor<2x4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Concat: one rank.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %b = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected operands of one rank, but got [2, 3] and [2]}}
  %r = onnx.Concat(%a, %b) {axis = 0} : (tensor<2x3xf32>, tensor<2xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Equal parts before `num_outputs`.
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<5xf32>
  // expected-error@+1 {{expected a dim that divides into 2 parts, but got 5}}
  %r:2 = onnx.Split(%a) {axis = 0} : (tensor<5xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Split sizes sum to the dim.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<5xf32>
  %s = onnx.Constant() {value_ints = array<i64: 2, 2>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected split sizes that sum to 5, but got 4}}
  %r:2 = onnx.Split(%a, %s) {axis = 0} : (tensor<5xf32>, tensor<2xi64>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// One split size for each result.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<5xf32>
  %s = onnx.Constant() {value_ints = array<i64: 2, 2, 1>} : () -> tensor<3xi64>
  // expected-error@+1 {{expected 2 split sizes, but got 3}}
  %r:2 = onnx.Split(%a, %s) {axis = 0} : (tensor<5xf32>, tensor<3xi64>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// `num_outputs` counts the results.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6xf32>
  // expected-error@+1 {{expected 3 results, but got 2}}
  %r:2 = onnx.Split(%a) {axis = 0, num_outputs = 3} : (tensor<6xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Slice: a step of 0.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6xf32>
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %o = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  // expected-error@+1 {{expected steps other than 0, but got 0 at index 0}}
  %r = onnx.Slice(%a, %z, %o, %z, %z) : (tensor<6xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Slice: counts.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6xf32>
  %z = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %o = onnx.Constant() {value_ints = array<i64: 1, 2>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected as many ends, axes and steps as starts, but got 2, 1 and 1 for 1}}
  %r = onnx.Slice(%a, %z, %o) : (tensor<6xf32>, tensor<1xi64>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Pad: both ends of each axis.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<6x2xf32>
  %p = onnx.Constant() {value_ints = array<i64: 0, 1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected 4 pads, but got 2}}
  %r = onnx.Pad(%a, %p) : (tensor<6x2xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Pad: negative pads cut.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2xf32>
  %p = onnx.Constant() {value_ints = array<i64: -2, -1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected pads that leave a size of at least 0, but got -1 at axis 0}}
  %r = onnx.Pad(%a, %p) : (tensor<2xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Tile.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2xf32>
  %p = onnx.Constant() {value_ints = array<i64: 2, 1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected 1 repeats, but got 2}}
  %r = onnx.Tile(%a, %p) : (tensor<2xf32>, tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// ConstantOfShape.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %p = onnx.Constant() {value_ints = array<i64: 2, -1>} : () -> tensor<2xi64>
  // expected-error@+1 {{expected sizes of at least 0, but got -1}}
  %r = onnx.ConstantOfShape(%p) : (tensor<2xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// GatherND.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %i = onnx.node "Source" () {} : () -> tensor<5x3xi64>
  // expected-error@+1 {{expected index tuples of at most 2 entries, but got 3}}
  %r = onnx.GatherND(%a, %i) : (tensor<2x3xf32>, tensor<5x3xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// GatherElements.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %i = onnx.node "Source" () {} : () -> tensor<5xi64>
  // expected-error@+1 {{expected indices of rank 2, but got [5]}}
  %r = onnx.GatherElements(%a, %i) : (tensor<2x3xf32>, tensor<5xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Attention: head sizes.
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %q = onnx.node "Source" () {} : () -> tensor<1x4x5x8xf32>
  %k = onnx.node "Source" () {} : () -> tensor<1x4x5x16xf32>
  // expected-error@+1 {{expected equal head sizes of queries and keys, but got 8 and 16}}
  %r = onnx.Attention(%q, %k, %k) : (tensor<1x4x5x8xf32>, tensor<1x4x5x16xf32>, tensor<1x4x5x16xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Attention: whole heads.
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %q = onnx.node "Source" () {} : () -> tensor<1x5x30xf32>
  // expected-error@+1 {{expected a hidden size that divides by 4 heads, but got 30}}
  %r = onnx.Attention(%q, %q, %q) {q_num_heads = 4, kv_num_heads = 4} : (tensor<1x5x30xf32>, tensor<1x5x30xf32>, tensor<1x5x30xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// BatchNormalization: channels.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<1x4x2xf32>
  %s = onnx.node "Source" () {} : () -> tensor<3xf32>
  // expected-error@+1 {{expected equal channel counts, but got 4 and 3}}
  %r:2 = onnx.BatchNormalization(%x, %s, %s, %s, %s) : (tensor<1x4x2xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// The zero point has the type of the data.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<3xi8>
  %s = onnx.node "Source" () {} : () -> tensor<f32>
  %z = onnx.node "Source" () {} : () -> tensor<ui8>
  // expected-error@+1 {{expected a zero point of element type 'i8', but got 'ui8'}}
  %r = onnx.DequantizeLinear(%x, %s, %z) : (tensor<3xi8>, tensor<f32>, tensor<ui8>) -> !onnx.unknown
  onnx.return
}
}

// -----

// MatMulNBits.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<3x8xf32>
  %w = onnx.node "Source" () {} : () -> tensor<4xui8>
  // expected-error@+1 {{expected equal contraction dims, but got 8 and 16}}
  %r = onnx.ms.MatMulNBits(%x, %w, %w) {K = 16, N = 4} : (tensor<3x8xf32>, tensor<4xui8>, tensor<4xui8>) -> !onnx.unknown
  onnx.return
}
}

// -----

// What the model states of a value does not hold.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4xf32>
  // expected-error@+1 {{expected 'y' of node 'act' to be 'tensor<?x5xf32>' as the model states, but got 'tensor<?x4xf32>'}}
  %y = onnx.Relu(%x) {onnx.name = "act", onnx.outs = ["y"]} : (tensor<?x4xf32>) -> tensor<?x5xf32>
  onnx.return
}
}

// -----

// Neither in rank.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4xf32>
  // expected-error@+1 {{expected 'y' of node 'y' to be 'tensor<?xf32>' as the model states, but got 'tensor<?x4xf32>'}}
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<?x4xf32>) -> tensor<?xf32>
  onnx.return
}
}

// -----

// Nor in an output's declaration.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [#onnx.value<"y", tensor<4xf16>, {}>], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<4xf32>
  // expected-error@+1 {{expected 'y' of node 'y' to be 'tensor<4xf16>' as the output is declared, but got 'tensor<4xf32>'}}
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<4xf32>) -> !onnx.unknown
  onnx.return %y : !onnx.unknown
}
}

// -----

// An input that is returned is checked where it is returned.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [#onnx.value<"x", tensor<4xf32>, {}>], outputs = [#onnx.value<"x", tensor<5xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<4xf32>):
  // expected-error@+1 {{expected output 'x' to be 'tensor<5xf32>' as declared, but got 'tensor<4xf32>'}}
  onnx.return %x : tensor<4xf32>
}
}

// -----

// Branches of one element type.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %y = onnx.node "Source" () {} : () -> tensor<2xf16>
  // expected-error@+1 {{expected branches of one element type, but got 'f32' and 'f16' for result 0}}
  %r = onnx.If(%c) {
    onnx.return %x : tensor<2xf32>
  }, {
    onnx.return %y : tensor<2xf16>
  } : (tensor<i1>) -> !onnx.unknown
  onnx.return
}
}
