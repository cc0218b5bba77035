// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file | FileCheck %s

// A carried value may change its shape in each iteration: the body knows its
// element type alone, and the result keeps what first and last value share. What
// is stacked gets a new axis, of a size that the run decides.
// CHECK-LABEL: @loop
module @loop attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<?x3x8xf32, #onnx.dims<"N", "", "">>
  %y = onnx.node "Source" () {} : () -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
  // CHECK: onnx.Loop
  %r:4 = onnx.Loop(%m, %c, %x, %x) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %{{.*}}: tensor<*xf32>, %{{.*}}: tensor<*xf32>):
  ^bb0(%i: !onnx.unknown, %go: !onnx.unknown, %a: !onnx.unknown, %b: !onnx.unknown):
    // CHECK: onnx.Not{{.*}} -> tensor<i1>
    %n = onnx.Not(%go) : (!onnx.unknown) -> !onnx.unknown
    // CHECK: onnx.Relu{{.*}} -> tensor<*xf32>
    %u = onnx.Relu(%a) : (!onnx.unknown) -> !onnx.unknown
    // CHECK: onnx.Relu{{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
    %s = onnx.Relu(%y) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
    onnx.return %n, %u, %s, %s, %i : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
  // CHECK: -> (tensor<*xf32>, tensor<?x?x8xf32, #onnx.dims<"N", "", "">>, tensor<?x?x4x8xf32>, tensor<?xi64>)
  } : (tensor<i64>, tensor<i1>, tensor<?x3x8xf32, #onnx.dims<"N", "", "">>, tensor<?x3x8xf32, #onnx.dims<"N", "", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Where the model states the body's input, a dim that each iteration leaves as
// it finds it is the first value's; one that grows is unknown.
// CHECK-LABEL: @loop_stated
module @loop_stated attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<?x1xf32, #onnx.dims<"N", "">>
  // CHECK: onnx.Loop
  %r = onnx.Loop(%m, %c, %x) {
  // The iteration's number has the shape that the body says.
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<1xi64>, %{{.*}}: tensor<i1>, %{{.*}}: tensor<?x?xf32, #onnx.dims<"rows", "columns">>):
  ^bb0(%i: tensor<1xi64>, %go: tensor<*xi1>, %a: tensor<?x?xf32, #onnx.dims<"rows", "columns">>):
    // CHECK: onnx.Concat{{.*}} -> tensor<?x?xf32, #onnx.dims<"rows", "?(2 * columns)">>
    %d = onnx.Concat(%a, %a) {axis = 1} : (tensor<?x?xf32, #onnx.dims<"rows", "columns">>, tensor<?x?xf32, #onnx.dims<"rows", "columns">>) -> !onnx.unknown
    onnx.return %go, %d : tensor<*xi1>, !onnx.unknown
  // CHECK: -> tensor<?x?xf32, #onnx.dims<"N", "">>
  } : (tensor<i64>, tensor<i1>, tensor<?x1xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Neither count nor condition, and nothing known of the carried value: its type
// is the body's. A scalar is stacked to a vector, an unknown value to nothing.
// CHECK-LABEL: @loop_unknown
module @loop_unknown attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %none = onnx.absent
  %x = onnx.node "Source" () {} : () -> !onnx.unknown
  %y = onnx.node "Source" () {} : () -> tensor<2xf16>
  // CHECK: onnx.Loop
  %r:4 = onnx.Loop(%none, %none, %x) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %{{.*}}: !onnx.unknown):
  ^bb0(%i: !onnx.unknown, %go: !onnx.unknown, %a: !onnx.unknown):
    %s = onnx.node "Source" () {} : () -> tensor<*xf32>
    onnx.return %go, %y, %i, %s, %a : !onnx.unknown, tensor<2xf16>, !onnx.unknown, tensor<*xf32>, !onnx.unknown
  // CHECK: -> (tensor<*xf16>, tensor<?xi64>, tensor<*xf32>, !onnx.unknown)
  } : (none, none, !onnx.unknown) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// A Loop without operands has no carried value.
// CHECK-LABEL: @loop_bare
module @loop_bare attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  // CHECK: onnx.Loop
  %r = onnx.Loop() {
  ^bb0(%i: !onnx.unknown, %go: !onnx.unknown):
    onnx.return %go, %i : !onnx.unknown, !onnx.unknown
  // CHECK: () -> tensor<?xi64>
  } : () -> !onnx.unknown
  onnx.return
}
}

// -----

// The body sees scanned inputs without their axis; all have one length, which is
// the stacked outputs' too.
// CHECK-LABEL: @scan
module @scan attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %h = onnx.node "Source" () {} : () -> tensor<?x8xf32, #onnx.dims<"N", "">>
  %x = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"T", "N", "">>
  %w = onnx.node "Source" () {} : () -> tensor<?x?x4xf16, #onnx.dims<"N", "T", "">>
  // CHECK: onnx.Scan
  %r:4 = onnx.Scan(%h, %x, %w) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<*xf32>, %{{.*}}: tensor<?x8xf32, #onnx.dims<"N", "">>, %{{.*}}: tensor<?x4xf16, #onnx.dims<"N", "">>):
  ^bb0(%s: !onnx.unknown, %a: !onnx.unknown, %b: !onnx.unknown):
    // CHECK: onnx.Tanh{{.*}} -> tensor<?x8xf32, #onnx.dims<"N", "">>
    %t = onnx.Tanh(%a) : (!onnx.unknown) -> !onnx.unknown
    %k = onnx.ReduceSum(%b) {keepdims = 0 : i64} : (!onnx.unknown) -> !onnx.unknown
    onnx.return %t, %t, %b, %k : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
  // CHECK: -> (tensor<?x8xf32, #onnx.dims<"N", "">>, tensor<?x?x8xf32, #onnx.dims<"T", "", "">>, tensor<?x4x?xf16, #onnx.dims<"", "", "T">>, tensor<?xf16, #onnx.dims<"T">>)
  } attributes {num_scan_inputs = 2 : i64, scan_input_axes = array<i64: 0, -2>, scan_output_axes = array<i64: 0, -1, 0>} : (tensor<?x8xf32, #onnx.dims<"N", "">>, tensor<?x?x8xf32, #onnx.dims<"T", "N", "">>, tensor<?x?x4xf16, #onnx.dims<"N", "T", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Near miss: of an input of unknown rank nothing but its element type is known.
// CHECK-LABEL: @scan_unknown_rank
module @scan_unknown_rank attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<*xf32>
  %y = onnx.node "Source" () {} : () -> tensor<7x2xf32>
  // CHECK: onnx.Scan
  %r:2 = onnx.Scan(%x, %y) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<*xf32>, %{{.*}}: tensor<2xf32>):
  ^bb0(%a: !onnx.unknown, %b: !onnx.unknown):
    onnx.return %a, %b : !onnx.unknown, !onnx.unknown
  // CHECK: -> (tensor<*xf32>, tensor<7x2xf32>)
  } attributes {num_scan_inputs = 2 : i64} : (tensor<*xf32>, tensor<7x2xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Near miss: before opset 9 a Scan had a batch axis as well.
// CHECK-LABEL: @scan_opset8
module @scan_opset8 attributes {onnx.model = {opset_import = [{domain = "", version = 8}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %none = onnx.absent
  %x = onnx.node "Source" () {} : () -> tensor<2x7x3xf32>
  // CHECK: onnx.Scan
  %r = onnx.Scan(%none, %x) {
  // CHECK-NEXT: ^bb0(%{{.*}}: !onnx.unknown):
  ^bb0(%a: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  // CHECK: -> !onnx.unknown
  } attributes {num_scan_inputs = 1 : i64} : (none, tensor<2x7x3xf32>) -> !onnx.unknown
  onnx.return
}
}
