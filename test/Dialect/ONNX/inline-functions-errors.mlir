// RUN: basin-opt %s --onnx-inline-functions --split-input-file -verify-diagnostics

// More operands than the function has inputs.
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @g #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected at most 1 inputs and 1 outputs as function 'F' has, but got 2 and 1}}
  %r = onnx.node "F" domain "d" (%x, %x) {} : (tensor<2xf32>, tensor<2xf32>) -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// More results than it has outputs.
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"y", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @g #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected at most 1 inputs and 1 outputs as function 'F' has, but got 1 and 2}}
  %r:2 = onnx.node "F" domain "d" (%x) {} : (tensor<2xf32>) -> (!u, !u)
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  %y = onnx.Relu(%x) : (!u) -> !u
  onnx.return %y : !u
}
}

// -----

// Nothing stands for what a call leaves out and the function returns.
!u = !onnx.unknown
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
#xy = #onnx.graph_info<inputs = [#onnx.value<"x", !u, {}>], outputs = [#onnx.value<"x", !u, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "d", version = 1}]}} {
onnx.graph @returned #none {
  // expected-error@+1 {{function 'F' returns an input that the call leaves out}}
  %r = onnx.node "F" domain "d" () {} : () -> !u
  onnx.return
}
onnx.function @f #xy attributes {name = "F", domain = "d", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 21}]} {
^bb0(%x: !u):
  onnx.return %x : !u
}
}
