// RUN: basin-opt %s -split-input-file -verify-diagnostics

// A typed op has all operands and results that its schema requires.
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
onnx.graph @operands #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected 2 operands and 1 results, but got 1 and 1}}
  %y = onnx.Mul(%x) : (tensor<2xf32>) -> tensor<2xf32>
  onnx.return
}

// -----

#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
onnx.graph @results #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  // expected-error@+1 {{expected 3 to 5 operands and 1 to 4 results, but got 3 and 0}}
  onnx.ms.SkipLayerNormalization(%x, %x, %x) : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> ()
  onnx.return
}

// -----

// A list is never empty.
#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
onnx.graph @list #none {
  // expected-error@+1 {{expected 1 or more operands and 1 results, but got 0 and 1}}
  %y = onnx.Concat() {axis = 0 : i64} : () -> tensor<2xf32>
  onnx.return
}

// -----

#none = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
onnx.graph @absent #none {
  %x = onnx.node "Source" () {} : () -> tensor<2xf32>
  %none = onnx.absent
  // expected-error@+1 {{expected operand 'B' to be there, but it is absent}}
  %y = onnx.Mul(%x, %none) : (tensor<2xf32>, none) -> tensor<2xf32>
  onnx.return
}
