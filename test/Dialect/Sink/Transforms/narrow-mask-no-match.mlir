// RUN: basin-opt %s --sink-narrow-mask=bound=10 --split-input-file --verify-diagnostics | FileCheck %s

// The base, whose mask changes. Each of the others is not it in one place.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @base
// CHECK: -1.000000e+04
onnx.graph @base #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
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

// The mask hides what an input says, so a query may see no key.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @padding
// CHECK-NOT: -1.000000e+04
onnx.graph @padding #g {
  %q = onnx.node "Source" () {} : () -> !h
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x3xi1>
  %zero = onnx.initializer "zero" : tensor<f32> = dense<0.0> : tensor<f32>
  %low = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38> : tensor<f32>
  %m = onnx.Where(%pad, %zero, %low) : (tensor<2x1x1x3xi1>, tensor<f32>, tensor<f32>) -> tensor<2x1x1x3xf32>
  // expected-warning @below {{attention 'a' keeps its mask: a query may see no key, and its row would get other numbers; padding=true allows that}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<2x1x1x3xf32>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: tensor<2x1x1x3xf32>):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, tensor<2x1x1x3xf32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The diagonal is hidden: the first query sees no key.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @diagonal
// CHECK-NOT: -1.000000e+04
onnx.graph @diagonal #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[-3.40282347E+38, -3.40282347E+38, -3.40282347E+38], [0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38]]> : !m
  // expected-warning @below {{attention 'a' keeps its mask: a query may see no key, and its row would get other numbers; padding=true allows that}}
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

// A Trilu with the diagonal hides each query's own key.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @triangle
// CHECK-NOT: -1.000000e+04
onnx.graph @triangle #g {
  %q = onnx.node "Source" () {} : () -> !h
  %full = onnx.initializer "full" : !m = dense<-3.40282347E+38> : !m
  %m = onnx.Trilu(%full) {upper = 1 : i64} : (!m) -> !m
  // expected-warning @below {{attention 'a' keeps its mask: a query may see no key, and its row would get other numbers; padding=true allows that}}
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

// Something else reads the mask.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @other_reader
// CHECK-NOT: -1.000000e+04
onnx.graph @other_reader #g {
  %q = onnx.node "Source" () {} : () -> !h
  %low = onnx.initializer "low" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %m = onnx.Identity(%low) {onnx.outs = ["m"]} : (!m) -> !m
  onnx.node "Reader" (%m) {} : (!m) -> ()
  // expected-warning @below {{attention 'a' keeps its mask: 'm', a part of its mask, is read by something else}}
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

// What the form reads besides the sum is no mask.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @reader_in_form
// CHECK-NOT: -1.000000e+04
onnx.graph @reader_in_form #g {
  %q = onnx.node "Source" () {} : () -> !h
  %low = onnx.initializer "low" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %m = onnx.Identity(%low) {onnx.outs = ["m"]} : (!m) -> !m
  // expected-warning @below {{attention 'a' keeps its mask: an argument, a part of its mask, is read by something else}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %abs = onnx.Abs(%3) : (!m) -> !m
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A number that only a run knows is added to the mask.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @unknown_summand
// CHECK-NOT: -1.000000e+04
onnx.graph @unknown_summand #g {
  %q = onnx.node "Source" () {} : () -> !h
  %low = onnx.initializer "low" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %given = onnx.node "Source" () {} : () -> !m
  %slopes = onnx.Abs(%given) {onnx.outs = ["slopes"]} : (!m) -> !m
  %m = onnx.Add(%low, %slopes) : (!m, !m) -> !m
  // expected-warning @below {{attention 'a' keeps its mask: the numbers of 'slopes' are not known}}
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

// -inf times zero is NaN, and a number after the change.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @product_with_infinity
// CHECK-NOT: -1.000000e+04
onnx.graph @product_with_infinity #g {
  %q = onnx.node "Source" () {} : () -> !h
  %pad = onnx.node "Source" () {} : () -> tensor<2x1x1x3xi1>
  %zero = onnx.initializer "zero" : tensor<f32> = dense<0.0> : tensor<f32>
  %low = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38> : tensor<f32>
  %inf = onnx.initializer "inf" : tensor<f32> = dense<0xFF800000> : tensor<f32>
  %f = onnx.Cast(%pad) {to = 1 : i64} : (tensor<2x1x1x3xi1>) -> tensor<2x1x1x3xf32>
  %m = onnx.Mul(%f, %inf) : (tensor<2x1x1x3xf32>, tensor<f32>) -> tensor<2x1x1x3xf32>
  // expected-warning @below {{attention 'a' keeps its mask: it multiplies -inf by zeros}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<2x1x1x3xf32>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: tensor<2x1x1x3xf32>):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, tensor<2x1x1x3xf32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A scale behind the mask changes what hides a key.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @scale_after_mask
// CHECK-NOT: -1.000000e+04
onnx.graph @scale_after_mask #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %half = onnx.initializer "half" : tensor<f32> = dense<0.5> : tensor<f32>
  // expected-warning @below {{attention 'a' keeps its mask: a scale or a cap follows its mask}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %sm = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %s1 = onnx.Mul(%sm, %half) : (!s, tensor<f32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A quantizer behind the mask has a scale for the old numbers.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @quantized_scores
// CHECK-NOT: -1.000000e+04
onnx.graph @quantized_scores #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %step = onnx.initializer "step" : tensor<f32> = dense<0.5> : tensor<f32>
  %origin = onnx.initializer "origin" : tensor<ui8> = dense<0> : tensor<ui8>
  // expected-warning @below {{attention 'a' keeps its mask: the way of its scores to the Softmax is not understood}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %sm = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %sq = onnx.QuantizeLinear(%sm, %step, %origin) : (!s, tensor<f32>, tensor<ui8>) -> tensor<2x2x3x3xui8>
    %s1 = onnx.DequantizeLinear(%sq, %step, %origin) : (tensor<2x2x3x3xui8>, tensor<f32>, tensor<ui8>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The masked scores are read besides the Softmax.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @masked_scores
// CHECK-NOT: -1.000000e+04
onnx.graph @masked_scores #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  // expected-warning @below {{attention 'a' keeps its mask: something besides the Softmax reads its masked scores}}
  %a, %z = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> (!h, !s) {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y, %s1 : !h, !s
  }
  onnx.node "Sink" (%a, %z) {} : (!h, !s) -> ()
  onnx.return
}
}

// -----

// A floor of the scores.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @floor
// CHECK-NOT: -1.000000e+04
onnx.graph @floor #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %least = onnx.initializer "least" : tensor<f32> = dense<-2.0e4> : tensor<f32>
  // expected-warning @below {{attention 'a' keeps its mask: its scores have a floor}}
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, floor = -2.0e4 : f64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %sm = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %s1 = onnx.Max(%sm, %least) : (!s, tensor<f32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A bias of -500 hides no key, however low it is beside the option's value.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @low_bias
// CHECK-NOT: -1.000000e+04
onnx.graph @low_bias #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -5.0e2, -5.0e2], [0.0, 0.0, -5.0e2], [0.0, 0.0, 0.0]]> : !m
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

// Numbers that are not below the option's value stay.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @near_enough
// CHECK-NOT: -1.000000e+04
onnx.graph @near_enough #g {
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
