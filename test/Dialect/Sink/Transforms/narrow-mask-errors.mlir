// RUN: basin-opt %s --sink-narrow-mask="value=-200 bound=64" --split-input-file --verify-diagnostics

// -200 does not hide scores from -64 to 64: 104 is missing, and a little for rounding.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @too_high #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  // expected-error @below {{attention 'a': option 'value': expected at most -233, so that scores from -64 to 64 leave hidden keys hidden, but got -200}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// What is added to visible scores counts, too.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @bias #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %bias = onnx.initializer "bias" : !m = dense<[[-16.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]> : !m
  // expected-error @below {{attention 'a': option 'value': expected at most -249, so that scores from -64 to 64 leave hidden keys hidden, but got -200}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %sb = onnx.Add(%s0, %bias) : (!s, !m) -> !s
    %s1 = onnx.Add(%sb, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// f64 has smaller numbers, so hidden keys must be farther away.
!h = tensor<2x2x3x4xf64>
!t = tensor<2x2x4x3xf64>
!s = tensor<2x2x3x3xf64>
!m = tensor<3x3xf64>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f64 #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -1.0e300, -1.0e300], [0.0, 0.0, -1.0e300], [0.0, 0.0, 0.0]]> : !m
  // expected-error @below {{attention 'a': option 'value': expected at most -875, so that scores from -64 to 64 leave hidden keys hidden, but got -200}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// f16 rounds sums of such numbers to steps of 0.25, which count several times.
!h = tensor<2x2x3x4xf16>
!t = tensor<2x2x4x3xf16>
!s = tensor<2x2x3x3xf16>
!m = tensor<3x3xf16>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @f16 #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -6.5504e4, -6.5504e4], [0.0, 0.0, -6.5504e4], [0.0, 0.0, 0.0]]> : !m
  // expected-error @below {{attention 'a': option 'value': expected at most -233, so that scores from -64 to 64 leave hidden keys hidden, but got -200}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
