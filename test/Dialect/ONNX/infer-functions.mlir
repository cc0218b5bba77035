// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --split-input-file | FileCheck %s

// A call has the types of the body with the call's; the body has them too.
// CHECK-LABEL: onnx.graph @one_call
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<?x8xf32, #onnx.dims<"N", "">>
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x8xf32, #onnx.dims<"N", "">>):
// CHECK-NEXT: onnx.Relu({{.*}} -> tensor<?x8xf32, #onnx.dims<"N", "">>
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @one_call #none {
  %x = onnx.node "Source" () {} : () -> tensor<?x8xf32, #onnx.dims<"N", "">>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<?x8xf32, #onnx.dims<"N", "">>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Each call has its own types; the body's own values what holds in both: a name
// of one of them is none of the body's, an equal size is.
// CHECK-LABEL: onnx.graph @two_calls
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<?x8xf32, #onnx.dims<"N", "">>
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<3x8xf32>
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x8xf32>):
// CHECK-NEXT: onnx.Relu({{.*}} -> tensor<?x8xf32>{{$}}
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @two_calls #none {
  %x = onnx.node "Source" () {} : () -> tensor<?x8xf32, #onnx.dims<"N", "">>
  %z = onnx.node "Source" () {} : () -> tensor<3x8xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<?x8xf32, #onnx.dims<"N", "">>) -> !u
  %s = onnx.node "F" domain "d" (%z) {} : (tensor<3x8xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Ranks that differ leave the body none, while each call has its own.
// CHECK-LABEL: onnx.graph @two_ranks
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<2x3xf32>
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<4xf32>
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<*xf32>):
// CHECK-NEXT: onnx.Relu({{.*}} -> tensor<*xf32>
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @two_ranks #none {
  %x = onnx.node "Source" () {} : () -> tensor<2x3xf32>
  %z = onnx.node "Source" () {} : () -> tensor<4xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2x3xf32>) -> !u
  %s = onnx.node "F" domain "d" (%z) {} : (tensor<4xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Through a call in a body, twice with types of its own.
// CHECK-LABEL: onnx.graph @nested
// CHECK: onnx.node "G" domain "d"{{.*}} -> tensor<8x3xf32>
// CHECK: onnx.function @g
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<3x8xf32>):
// CHECK-NEXT: onnx.node "F" domain "d"{{.*}} -> tensor<8x3xf32>
// CHECK-NEXT: onnx.node "F" domain "d"{{.*}} -> tensor<3x8xf32>
// CHECK-NEXT: onnx.node "F" domain "d"{{.*}} -> tensor<8x3xf32>
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?xf32>):
// CHECK-NEXT: onnx.Transpose({{.*}} -> tensor<?x?xf32>
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @nested #none {
  %x = onnx.node "Source" () {} : () -> tensor<3x8xf32>
  %r = onnx.node "G" domain "d" (%x) {} : (tensor<3x8xf32>) -> !u
  onnx.return
}
onnx.function @g #xy attributes {name = "G", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %a = onnx.node "F" domain "d" (%x) {} : (!u) -> !u
  %b = onnx.node "F" domain "d" (%a) {} : (!u) -> !u
  %y = onnx.node "F" domain "d" (%b) {} : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.Transpose(%x) {perm = array<i64: 1, 0>} : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// An input that a call leaves out may be anything in the body.
// CHECK-LABEL: onnx.graph @missing_operand
// CHECK: onnx.node "F" domain "d"{{.*}} -> tensor<2xf32>
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<2xf32>, %{{.*}}: !onnx.unknown):
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xzy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>, #onnx.value<"z", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @missing_operand #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xzy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u, %z: !u):
  %y = onnx.Clip(%x, %z) : (!u, !u) -> !u
  onnx.return %y : !u
}
}

// -----

// A function that calls itself is none: nothing is known of the call.
// CHECK-LABEL: onnx.graph @recursive
// CHECK: onnx.node "F" domain "d"{{.*}} -> !onnx.unknown
// CHECK: onnx.function @f
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @recursive #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.node "F" domain "d" (%x) {} : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// What nothing calls knows nothing of its inputs.
// CHECK-LABEL: onnx.graph @no_call
// CHECK: onnx.function @f
// CHECK-NEXT: ^bb0(%{{.*}}: !onnx.unknown):
// CHECK-NEXT: onnx.Relu({{.*}} -> !onnx.unknown
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @no_call #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}, {domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}
