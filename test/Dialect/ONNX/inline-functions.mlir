// RUN: basin-opt %s --onnx-inline-functions --split-input-file | FileCheck %s

// A call becomes the body: names get the call's before them, a result takes the
// call's name, and the function goes when nothing calls it.
// CHECK-LABEL: onnx.graph @body
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK-NEXT: %[[W:.*]] = onnx.initializer "call/w"
// CHECK-NEXT: %[[T:.*]] = onnx.Mul(%[[X]], %[[W]]) {onnx.name = "call/mul", onnx.outs = ["call/t"]}
// CHECK-NEXT: %[[Y:.*]] = onnx.Relu(%[[T]]) {onnx.name = "call/relu", onnx.outs = ["r"]}
// CHECK-NEXT: onnx.Neg(%[[Y]])
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @body #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} attributes {onnx.name = "call", onnx.outs = ["r"]} : (tensor<2xf32>) -> !u
  %n = onnx.Neg(%r) : (!u) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %w = onnx.initializer "w" : tensor<2xf32> = dense<2.0> : tensor<2xf32>
  %t = onnx.Mul(%x, %w) {onnx.name = "mul", onnx.outs = ["t"]} : (!u, tensor<2xf32>) -> !u
  %y = onnx.Relu(%t) {onnx.name = "relu", onnx.outs = ["y"]} : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// A reference to an attribute becomes the call's value, else the default, else
// it is left out. A node without a reference left is the typed op of its kind.
// CHECK-LABEL: onnx.graph @attributes
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK-NEXT: onnx.LeakyRelu(%[[X]]) {alpha = 5.000000e-01 : f32}
// CHECK-NEXT: onnx.Softmax(%[[X]]) {axis = 0 : i64}
// CHECK-NEXT: onnx.LeakyRelu(%[[X]]) {alpha = 2.500000e-01 : f32}
// CHECK-NEXT: onnx.Softmax(%[[X]]) :
// CHECK-NOT: #onnx.ref
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xyz = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>, #onnx.value<"z", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @attributes #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %a:2 = onnx.node "F" domain "d" (%x) {a = 0.5 : f32, b = 0} : (tensor<2xf32>) -> (!u, !u)
  %c:2 = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> (!u, !u)
  onnx.return
}
onnx.function @f #xyz attributes {name = "F", domain = "d", attr_names = ["b"], attr_defaults = [{name = "a", value = 0.25 : f32}], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.node "LeakyRelu" (%x) {alpha = #onnx.ref<"a", 1>} : (!u) -> !u
  %z = onnx.node "Softmax" (%x) {axis = #onnx.ref<"b", 2>} : (!u) -> !u
  onnx.return %y, %z : !u, !u
}
}

// -----

// A function that calls another: both go, names and attributes are those of
// the whole way.
// CHECK-LABEL: onnx.graph @nested
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK-NEXT: onnx.LeakyRelu(%[[X]]) {alpha = 5.000000e-01 : f32, onnx.name = "outer/inner/leaky", onnx.outs = ["r"]}
// CHECK-NEXT: onnx.return
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @nested #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "G" domain "d" (%x) {b = 0.5 : f32} attributes {onnx.name = "outer", onnx.outs = ["r"]} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @g #xy attributes {name = "G", domain = "d", attr_names = ["b"], attr_defaults = [], opsets = [{domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.node "F" domain "d" (%x) {a = #onnx.ref<"b", 1>} attributes {onnx.name = "inner", onnx.outs = ["y"]} : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = ["a"], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.node "LeakyRelu" (%x) {alpha = #onnx.ref<"a", 1>} attributes {onnx.name = "leaky", onnx.outs = ["y"]} : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// A call in a subgraph, and a subgraph in a body: references are bound there too.
// CHECK-LABEL: onnx.graph @subgraphs
// CHECK: onnx.If
// CHECK: %[[D:.*]] = onnx.node "Source"
// CHECK-NEXT: onnx.If(%[[D]])
// CHECK: onnx.LeakyRelu({{.*}}) {alpha = 5.000000e-01 : f32, onnx.name = "call/leaky"}
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"c", !u, {}>, #onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @subgraphs #none {
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.If(%c) {
    %d = onnx.node "Source" () {} : () -> tensor<i1>
    %y = onnx.node "F" domain "d" (%d, %x) {a = 0.5 : f32} attributes {onnx.name = "call"} : (tensor<i1>, tensor<2xf32>) -> !u
    onnx.return %y : !u
  }, {
    onnx.return %x : tensor<2xf32>
  } : (tensor<i1>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = ["a"], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%c: !u, %x: !u):
  %y = onnx.If(%c) {
    %z = onnx.node "LeakyRelu" (%x) {alpha = #onnx.ref<"a", 1>} attributes {onnx.name = "leaky"} : (!u) -> !u
    onnx.return %z : !u
  }, {
    onnx.return %x : !u
  } : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// A trailing operand that the call leaves out is absent.
// CHECK-LABEL: onnx.graph @missing_operand
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: %[[NONE:.*]] = onnx.absent
// CHECK: onnx.Clip(%[[X]], %[[NONE]], %[[X]]) : (tensor<f32>, none, tensor<f32>)
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xly = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>, #onnx.value<"low", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @missing_operand #none {
  %x = onnx.node "Source" () {} : () -> tensor<f32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<f32>) -> !u
  onnx.return
}
onnx.function @f #xly attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u, %low: !u):
  %y = onnx.Clip(%x, %low, %x) : (!u, !u, !u) -> !u
  onnx.return %y : !u
}
}

// -----

// A body of another version of an operator set stays, and so does what it calls.
// CHECK-LABEL: onnx.graph @other_opset
// CHECK: onnx.node "F" domain "d"
// CHECK: onnx.function @f
// CHECK: onnx.node "G" domain "d"
// CHECK: onnx.function @g
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @other_opset #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 12}]} {
^bb0(%x: !u):
  %y = onnx.node "G" domain "d" (%x) {} : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @g #xy attributes {name = "G", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// An operator set that the model does not import is imported.
// CHECK: module attributes {onnx.model = {opset_import = [{domain = "", version = 21 : i64}, {domain = "d", version = 1 : i64}, {domain = "com.microsoft", version = 1 : i64}]}}
// CHECK-LABEL: onnx.graph @new_opset
// CHECK: onnx.ms.Gelu
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @new_opset #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "com.microsoft", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.ms.Gelu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Functions that call each other stay. One that nothing calls goes.
// CHECK-LABEL: onnx.graph @recursive
// CHECK: onnx.node "F" domain "d"
// CHECK: onnx.function @f
// CHECK: onnx.function @g
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @recursive #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.node "G" domain "d" (%x) {} : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @g #xy attributes {name = "G", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "d", version = 1}]} {
^bb0(%x: !u):
  %y = onnx.node "F" domain "d" (%x) {} : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @unused #xy attributes {name = "Unused", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Overloads are functions of their own; an operator of another domain is no call.
// CHECK-LABEL: onnx.graph @overloads
// CHECK: onnx.Neg
// CHECK: onnx.Relu
// CHECK: onnx.node "F" domain "other"
// CHECK-NOT: onnx.function
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @overloads #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %a = onnx.node "F" domain "d" overload "neg" (%x) {} : (tensor<2xf32>) -> !u
  %b = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> !u
  %c = onnx.node "F" domain "other" (%x) {} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
onnx.function @fneg #xy attributes {name = "F", domain = "d", overload = "neg", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Neg(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// What a call leaves out a node of the body may require: that node is no typed
// op any more, in a branch neither, and keeps its names. One that it does not
// require stays what it was.
// CHECK-LABEL: onnx.graph @left_out
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: %[[NONE:.*]] = onnx.absent
// CHECK-NEXT: onnx.node "Mul"(%[[X]], %[[NONE]]) {} attributes {onnx.name = "call/mul", onnx.outs = ["call/t"]}
// CHECK-NEXT: onnx.Gemm(%[[X]], %[[X]], %[[NONE]])
// CHECK-NEXT: onnx.If
// CHECK-NEXT: onnx.node "Relu"(%[[NONE]]) {}
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>, #onnx.value<"b", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @left_out #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %r = onnx.node "F" domain "d" (%x) {} attributes {onnx.name = "call", onnx.outs = ["r"]} : (tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u, %b: !u):
  %t = onnx.Mul(%x, %b) {onnx.name = "mul", onnx.outs = ["t"]} : (!u, !u) -> !u
  %g = onnx.Gemm(%x, %x, %b) : (!u, !u, !u) -> !u
  %y = onnx.If(%t) {
    %z = onnx.Relu(%b) : (!u) -> !u
    onnx.return %z : !u
  }, {
    onnx.return %g : !u
  } : (!u) -> !u
  onnx.return %y : !u
}
}
