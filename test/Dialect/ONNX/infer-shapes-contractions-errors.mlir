// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file -verify-diagnostics

// A label has one size.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x3xf32, #onnx.dims<"N", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<4x5xf32>
  // expected-error@+1 {{expected one size of label 'j', but got 3 and 4}}
  %r1 = onnx.Einsum(%v0, %v1) {equation = "ij,jk->ik"} : (tensor<?x3xf32, #onnx.dims<"N", "">>, tensor<4x5xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// In one operand as well.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected one size of label 'i', but got 2 and 3}}
  %r1 = onnx.Einsum(%v0) {equation = "ii"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// So have dims under an ellipsis.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %v1 = onnx.node "Source" () {} : () -> tensor<3x4xf32>
  // expected-error@+1 {{expected dims under the ellipsis that broadcast, but got [2] and [3]}}
  %r1 = onnx.Einsum(%v0, %v1) {equation = "...a,...b->...ab"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A term for each operand.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected an equation of 1 input terms, but got 2}}
  %r1 = onnx.Einsum(%v0) {equation = "ij,jk->ik"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A label for each dim.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected operand 0 of rank 3, but got [2, 3]}}
  %r1 = onnx.Einsum(%v0) {equation = "ijk->i"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An ellipsis covers no fewer than none.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected operand 0 of rank 3 or more, but got [2, 3]}}
  %r1 = onnx.Einsum(%v0) {equation = "...ijk->i"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An output label without a size.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected output labels to be distinct and of an input, but got 'k'}}
  %r1 = onnx.Einsum(%v0) {equation = "ij->ik"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An output is no diagonal.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected output labels to be distinct and of an input, but got 'i' twice}}
  %r1 = onnx.Einsum(%v0) {equation = "ij->ii"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Labels are letters.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected terms of letters and at most one ellipsis, but got 'i1'}}
  %r1 = onnx.Einsum(%v0) {equation = "i1->i"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// One ellipsis a term.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  // expected-error@+1 {{expected terms of letters and at most one ellipsis, but got '......'}}
  %r1 = onnx.Einsum(%v0) {equation = "......->i"} : (tensor<2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Operands of one type.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %v1 = onnx.node "Source" () {} : () -> tensor<3xf16>
  // expected-error@+1 {{expected operands of one element type, but got 'f32' and 'f16'}}
  %r1 = onnx.Einsum(%v0, %v1) {equation = "ij,j->i"} : (tensor<2x3xf32>, tensor<3xf16>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Channels.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x3x3xf32>
  // expected-error@+1 {{expected equal channels of X and of W in all groups, but got 4 and 3}}
  %r1 = onnx.Conv(%v0, %v1) {} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x3x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Channels of two groups.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected equal channels of X and of W in all groups, but got 4 and 8}}
  %r1 = onnx.Conv(%v0, %v1) {group = 2} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Groups of one size.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x6x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x2x3xf32>
  // expected-error@+1 {{expected output channels that divide into 3 groups, but got 8}}
  %r1 = onnx.Conv(%v0, %v1) {group = 3} : (tensor<?x6x10xf32, #onnx.dims<"N", "", "">>, tensor<8x2x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// No groups.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected a group of at least 1, but got 0}}
  %r1 = onnx.Conv(%v0, %v1) {group = 0} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A bias for each output channel.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  %v2 = onnx.node "Source" () {} : () -> tensor<7xf32>
  // expected-error@+1 {{expected equal sizes of W's first axis and the bias, but got 8 and 7}}
  %r1 = onnx.Conv(%v0, %v1, %v2) {} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>, tensor<7xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The kernel twice.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected equal sizes of kernel_shape and W, but got 5 and 3}}
  %r1 = onnx.Conv(%v0, %v1) {kernel_shape = array<i64: 5>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Ranks.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3x3xf32>
  // expected-error@+1 {{expected W of rank 3, but got [8, 4, 3, 3]}}
  %r1 = onnx.Conv(%v0, %v1) {} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// No spatial axis.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<4x10xf32>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected X and W of rank 3 or more, but got [4, 10]}}
  %r1 = onnx.Conv(%v0, %v1) {} : (tensor<4x10xf32>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A stride for each spatial axis.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected 1 strides, but got 2}}
  %r1 = onnx.Conv(%v0, %v1) {strides = array<i64: 1, 1>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A window that stands still.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected strides of at least 1, but got 0}}
  %r1 = onnx.Conv(%v0, %v1) {strides = array<i64: 0>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Pads before and after.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected 2 pads, but got 1}}
  %r1 = onnx.Conv(%v0, %v1) {pads = array<i64: 1>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A closed set.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // expected-error@+1 {{expected auto_pad to be NOTSET, SAME_UPPER, SAME_LOWER or VALID, but got 'SAME'}}
  %r1 = onnx.Conv(%v0, %v1) {auto_pad = "SAME"} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A kernel larger than what it slides over.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x2xf32, #onnx.dims<"N", "", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x5xf32>
  // expected-error@+1 {{expected a padded size of at least 5 under the kernel, but got 4}}
  %r1 = onnx.Conv(%v0, %v1) {pads = array<i64: 1, 1>} : (tensor<?x4x2xf32, #onnx.dims<"N", "", "">>, tensor<8x4x5xf32>) -> !onnx.unknown
  onnx.return
}
}
