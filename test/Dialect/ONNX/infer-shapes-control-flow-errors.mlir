// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file -verify-diagnostics

// A carried value has one element type.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected carried value 0 to be of one element type, but got 'f32' and 'f16'}}
  %r = onnx.Loop(%m, %c, %x) {
  ^bb0(%i: !onnx.unknown, %g: !onnx.unknown, %a: !onnx.unknown):
    onnx.return %g, %y : !onnx.unknown, tensor<5x3xf16>
  } : (tensor<i64>, tensor<i1>, tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The body takes two values and the carried ones.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected a body of 3 inputs and 2 outputs, but got 2 and 2}}
  %r = onnx.Loop(%m, %c, %x) {
  ^bb0(%i: !onnx.unknown, %g: !onnx.unknown):
    onnx.return %g, %x : !onnx.unknown, tensor<7x3xf32>
  } : (tensor<i64>, tensor<i1>, tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The body yields a condition and the results.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected a body of 3 inputs and 3 outputs, but got 3 and 2}}
  %r:2 = onnx.Loop(%m, %c, %x) {
  ^bb0(%i: !onnx.unknown, %g: !onnx.unknown, %a: !onnx.unknown):
    onnx.return %g, %a : !onnx.unknown, !onnx.unknown
  } : (tensor<i64>, tensor<i1>, tensor<7x3xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Each carried value is a result.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected a result for each of 2 carried values, but got 1}}
  %r = onnx.Loop(%m, %c, %x, %x) {
  ^bb0(%i: !onnx.unknown, %g: !onnx.unknown, %a: !onnx.unknown, %b: !onnx.unknown):
    onnx.return %g, %a : !onnx.unknown, !onnx.unknown
  } : (tensor<i64>, tensor<i1>, tensor<7x3xf32>, tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// A state has one element type.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected carried value 0 to be of one element type, but got 'f32' and 'f16'}}
  %r:2 = onnx.Scan(%x, %y) {
  ^bb0(%s: !onnx.unknown, %a: !onnx.unknown):
    onnx.return %a, %a : !onnx.unknown, !onnx.unknown
  } attributes {num_scan_inputs = 1 : i64} : (tensor<7x3xf32>, tensor<5x3xf16>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// One length for all scanned inputs.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected equal lengths of scanned inputs, but got 7 and 5}}
  %r = onnx.Scan(%x, %y) {
  ^bb0(%a: !onnx.unknown, %b: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  } attributes {num_scan_inputs = 2 : i64} : (tensor<7x3xf32>, tensor<5x3xf16>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An axis of the scanned input.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected an axis from -2 to 1, but got 2}}
  %r = onnx.Scan(%x) {
  ^bb0(%a: !onnx.unknown):
    onnx.return %x : tensor<7x3xf32>
  } attributes {num_scan_inputs = 1 : i64, scan_input_axes = array<i64: 2>} : (tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An axis of the stacked output.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected an axis from -2 to 1, but got 2}}
  %r = onnx.Scan(%x) {
  ^bb0(%a: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  } attributes {num_scan_inputs = 1 : i64, scan_output_axes = array<i64: 2>} : (tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An axis for each scanned input.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected 2 scan_input_axes, but got 1}}
  %r = onnx.Scan(%x, %y) {
  ^bb0(%a: !onnx.unknown, %b: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  } attributes {num_scan_inputs = 2 : i64, scan_input_axes = array<i64: 0>} : (tensor<7x3xf32>, tensor<5x3xf16>) -> !onnx.unknown
  onnx.return
}
}

// -----

// An axis for each stacked output.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected 1 scan_output_axes, but got 2}}
  %r = onnx.Scan(%x) {
  ^bb0(%a: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  } attributes {num_scan_inputs = 1 : i64, scan_output_axes = array<i64: 0, 0>} : (tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Something is scanned.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected num_scan_inputs from 1 to 1, but got 2}}
  %r = onnx.Scan(%x) {
  ^bb0(%a: !onnx.unknown):
    onnx.return %a : !onnx.unknown
  } attributes {num_scan_inputs = 2 : i64} : (tensor<7x3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The body takes what the Scan does.
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %m = onnx.node "Source" () {} : () -> tensor<i64>
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<7x3xf32>
  %y = onnx.node "Source" () {} : () -> tensor<5x3xf16>
  // expected-error@+1 {{expected a body of 2 inputs and 2 outputs, but got 1 and 2}}
  %r:2 = onnx.Scan(%x, %x) {
  ^bb0(%a: !onnx.unknown):
    onnx.return %a, %a : !onnx.unknown, !onnx.unknown
  } attributes {num_scan_inputs = 1 : i64} : (tensor<7x3xf32>, tensor<7x3xf32>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}
