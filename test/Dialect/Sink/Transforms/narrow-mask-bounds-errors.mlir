// RUN: basin-opt %s --sink-narrow-mask --split-input-file --verify-diagnostics

// Nothing bounds the scores.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @no_bound #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  // expected-error @below {{attention 'a': expected the option 'bound' or 'stats', because nothing else bounds its scores}}
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

// A softcap bounds them: 50 leaves room.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @softcap #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %cap = onnx.initializer "cap" : tensor<f32> = dense<50.0> : tensor<f32>
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, softcap = 5.0e1 : f64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %d = onnx.Div(%s0, %cap) : (!s, tensor<f32>) -> !s
    %th = onnx.Tanh(%d) : (!s) -> !s
    %c = onnx.Mul(%th, %cap) : (!s, tensor<f32>) -> !s
    %s1 = onnx.Add(%c, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// One of 5000 does not.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @large_softcap #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %cap = onnx.initializer "cap" : tensor<f32> = dense<5000.0> : tensor<f32>
  // expected-error @below {{attention 'a': option 'value': expected at most -10105, so that scores from -5000 to 5000 leave hidden keys hidden, but got -10000}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, softcap = 5.0e3 : f64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %d = onnx.Div(%s0, %cap) : (!s, tensor<f32>) -> !s
    %th = onnx.Tanh(%d) : (!s) -> !s
    %c = onnx.Mul(%th, %cap) : (!s, tensor<f32>) -> !s
    %s1 = onnx.Add(%c, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A mask of flags that hides nothing by a number needs no bound.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @nothing_to_change #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -9.99e3, -9.99e3], [0.0, 0.0, -9.99e3], [0.0, 0.0, 0.0]]> : !m
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
