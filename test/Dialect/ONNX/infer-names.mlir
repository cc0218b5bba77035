// RUN: basin-opt %s --onnx-infer-shapes --split-input-file | FileCheck %s
// RUN: basin-opt %s --onnx-infer-shapes --onnx-infer-shapes --split-input-file | FileCheck %s

// A dim without a name gets one of its own. A value that inherits it has that
// name too; two that are not known to be equal have different ones.
// CHECK-LABEL: onnx.graph @inherited
// CHECK: onnx.node "Source"{{.*}} -> tensor<?x8xf32, #onnx.dims<"?0", "">>
// CHECK-NEXT: onnx.node "Source"{{.*}} -> tensor<?x?xf32, #onnx.dims<"?1", "?2">>
// CHECK-NEXT: onnx.Relu({{.*}} -> tensor<?x8xf32, #onnx.dims<"?0", "">>{{$}}
// CHECK-NEXT: onnx.Transpose({{.*}} -> tensor<?x?xf32, #onnx.dims<"?2", "?1">>{{$}}
// CHECK-NEXT: onnx.NonZero({{.*}} -> tensor<2x?xi64, #onnx.dims<"", "?3">>{{$}}
// CHECK-NEXT: onnx.NonZero({{.*}} -> tensor<2x?xi64, #onnx.dims<"", "?4">>{{$}}
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @inherited #none {
  %x = onnx.node "Source" () {} : () -> tensor<?x8xf32>
  %y = onnx.node "Source" () {} : () -> tensor<?x?xf32>
  %r = onnx.Relu(%x) : (tensor<?x8xf32>) -> !u
  %t = onnx.Transpose(%y) {perm = array<i64: 1, 0>} : (tensor<?x?xf32>) -> !u
  %a = onnx.NonZero(%x) : (tensor<?x8xf32>) -> !u
  %b = onnx.NonZero(%x) : (tensor<?x8xf32>) -> !u
  onnx.return
}
}

// -----

// Names that the model has stay, and a number that it uses is not used again.
// CHECK-LABEL: onnx.graph @taken
// CHECK: ^bb0(%{{.*}}: tensor<?x?xf32, #onnx.dims<"N", "?8">>):
// CHECK-NEXT: onnx.node "Source"{{.*}} -> tensor<?x?xf32, #onnx.dims<"?7", "?9">>
!u = !onnx.unknown
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @taken #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x?xf32, #onnx.dims<"N", "">>, {}>], outputs = [], valueInfo = [], info = {}> {
^bb0(%x: tensor<?x?xf32, #onnx.dims<"N", "">>):
  %y = onnx.node "Source" () {} : () -> tensor<?x?xf32, #onnx.dims<"?7", "">>
  onnx.return
}
}

// -----

// A call's result that inherits a dim has the caller's name for it; what the
// body makes has one for each call, since each may be of another size.
// CHECK-LABEL: onnx.graph @calls
// CHECK: onnx.node "Source"{{.*}} -> tensor<?x8xf32, #onnx.dims<"[[A:\?[0-9]+]]", "">>
// CHECK-NEXT: onnx.node "Source"{{.*}} -> tensor<?x8xf32, #onnx.dims<"[[B:\?[0-9]+]]", "">>
// CHECK-NEXT: onnx.node "F"{{.*}} -> (tensor<?x8xf32, #onnx.dims<"[[A]]", "">>, tensor<2x?xi64, #onnx.dims<"", "[[C:\?[0-9]+]]">>)
// CHECK-NEXT: onnx.node "F"{{.*}} -> (tensor<?x8xf32, #onnx.dims<"[[B]]", "">>, tensor<2x?xi64, #onnx.dims<"", "[[D:\?[0-9]+]]">>)
// CHECK-NEXT: onnx.Add({{.*}} -> tensor<?x8xf32, #onnx.dims<"[[A]]", "">>{{$}}
// CHECK-NEXT: onnx.Relu({{.*}}, #onnx.dims<"", "[[C]]">>) ->
// CHECK-NEXT: onnx.Relu({{.*}}, #onnx.dims<"", "[[D]]">>) ->
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @calls #none {
  %x = onnx.node "Source" () {} : () -> tensor<?x8xf32>
  %z = onnx.node "Source" () {} : () -> tensor<?x8xf32>
  %a, %na = onnx.node "F" domain "d" (%x) {} : (tensor<?x8xf32>) -> (!u, !u)
  %b, %nb = onnx.node "F" domain "d" (%z) {} : (tensor<?x8xf32>) -> (!u, !u)
  %s = onnx.Add(%a, %x) : (!u, tensor<?x8xf32>) -> !u
  %ra = onnx.Relu(%na) : (!u) -> !u
  %rb = onnx.Relu(%nb) : (!u) -> !u
  onnx.return
}
onnx.function @f #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>, #onnx.value<"n", !u, {}>], valueInfo = [], info = {}> attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  %n = onnx.NonZero(%x) : (!u) -> !u
  onnx.return %y, %n : !u, !u
}
}
