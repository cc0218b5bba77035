// RUN: %python %S/Inputs/make_fit.py %t.onnx y=2,0.5,1,4 h=0.25,8 o=2,4,2,4,8,1,8,1 part=2,4 view=2,1,1,0.5 shared=1,2,1,1 same=1,1,1,1 learned=1,2,1,1
// RUN: basin-opt %s --sink-smooth=fit=%t.onnx | FileCheck %s

!x = tensor<2x5x4xf32>
!h = tensor<2x5x2xf32>
!m = tensor<4x4xf32>
!v = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {

// The weight and the bias of the norm are divided, and the rows of both matrices multiplied. The
// second matrix is stored transposed.
// CHECK-LABEL: onnx.graph @norm
// CHECK: onnx.initializer "nw.norm" : {{.*}} = dense<[1.000000e+00, 4.000000e+00, 2.000000e+00, 5.000000e-01]>
// CHECK: onnx.initializer "nb.norm" : {{.*}} = dense<[5.000000e-01, 2.000000e+00, 1.000000e+00, 2.500000e-01]>
// CHECK: onnx.initializer "wq.norm" : {{.*}} = dense<{{\[\[}}2.000000e+00, 2.000000e+00, 2.000000e+00, 2.000000e+00], [5.000000e-01, {{.*}}], [1.000000e+00, {{.*}}], [4.000000e+00, {{.*}}]]>
// CHECK: onnx.initializer "wk.norm" : {{.*}} = dense<{{\[\[}}2.000000e+00, 5.000000e-01, 1.000000e+00, 4.000000e+00], [2.000000e+00, {{.*}}
onnx.graph @norm #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.norm" : !v = dense<2.0> : !v
  %nb = onnx.initializer "nb.norm" : !v = dense<1.0> : !v
  %wq = onnx.initializer "wq.norm" : !m = dense<1.0> : !m
  %wk = onnx.initializer "wk.norm" : !m = dense<1.0> : !m
  %y = sink.layer_norm %x weight %nw bias %nb {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v, !v) -> !x
  %q = onnx.MatMul(%y, %wq) : (!x, !m) -> !x
  %t = onnx.Transpose(%wk) {perm = array<i64: 1, 0>} : (!m) -> !m
  %k = onnx.MatMul(%y, %t) : (!x, !m) -> !x
  %s = onnx.Shape(%y) : (!x) -> tensor<3xi64>
  onnx.node "Sink" (%q, %k, %s) {} : (!x, !x, tensor<3xi64>) -> ()
  onnx.return
}

// A gated feed-forward is linear in its second factor: that matrix' columns and bias are divided,
// over a bias and a constant divisor.
// CHECK-LABEL: onnx.graph @product
// CHECK: onnx.initializer "up.product" : {{.*}} = dense<{{\[\[}}4.000000e+00, 1.250000e-01], [4.000000e+00, 1.250000e-01]
// CHECK: onnx.initializer "ub.product" : {{.*}} = dense<[8.000000e+00, 2.500000e-01]>
// CHECK: onnx.initializer "down.product" : {{.*}} = dense<{{\[\[}}2.500000e-01, {{.*}}], [8.000000e+00, {{.*}}]]>
onnx.graph @product #g {
  %x, %g = onnx.node "Source" () {} : () -> (!x, !h)
  %up = onnx.initializer "up.product" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %ub = onnx.initializer "ub.product" : tensor<2xf32> = dense<2.0> : tensor<2xf32>
  %down = onnx.initializer "down.product" : tensor<2x4xf32> = dense<1.0> : tensor<2x4xf32>
  %third = onnx.initializer "third.product" : tensor<f32> = dense<3.0> : tensor<f32>
  %u0 = onnx.MatMul(%x, %up) : (!x, tensor<4x2xf32>) -> !h
  %u1 = onnx.Add(%ub, %u0) : (tensor<2xf32>, !h) -> !h
  %u2 = onnx.Div(%u1, %third) : (!h, tensor<f32>) -> !h
  %s = onnx.Sigmoid(%g) : (!h) -> !h
  %a = onnx.Mul(%g, %s) : (!h, !h) -> !h
  %h = onnx.Mul(%a, %u2) {onnx.outs = ["h"]} : (!h, !h) -> !h
  %d = onnx.MatMul(%h, %down) : (!h, tensor<2x4xf32>) -> !x
  onnx.node "Sink" (%d) {} : (!x) -> ()
  onnx.return
}

// Two heads of two elements share each value, so their factors are equal, and each column of the
// value's matrix takes one. Another value multiplies the attention's result.
// CHECK-LABEL: onnx.graph @attention
// CHECK: onnx.initializer "wv.attention" : {{.*}} = dense<{{\[\[}}5.000000e-01, 2.500000e-01, 1.250000e-01, 1.000000e+00], [
// CHECK: onnx.initializer "wo.attention" : {{.*}} = dense<{{\[\[}}2.000000e+00, {{.*}}], [4.000000e+00, {{.*}}], [2.000000e+00, {{.*}}], [4.000000e+00, {{.*}}], [8.000000e+00, {{.*}}], [1.000000e+00, {{.*}}], [8.000000e+00, {{.*}}], [1.000000e+00, {{.*}}]]>
onnx.graph @attention #g {
  %x, %q, %k, %g = onnx.node "Source" () {} : () -> (!x, tensor<2x4x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x5x8xf32>)
  %wv = onnx.initializer "wv.attention" : !m = dense<1.0> : !m
  %wo = onnx.initializer "wo.attention" : tensor<8x2xf32> = dense<1.0> : tensor<8x2xf32>
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %v = onnx.MatMul(%x, %wv) : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x2xf32>) -> tensor<2x2x5x2xf32>
  %r = sink.attention %q, %k, %vt {num_heads = 4, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<2x4x5x2xf32>, tensor<2x2x5x2xf32>, tensor<2x2x5x2xf32>) -> tensor<2x4x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x4x5x2xf32>) -> tensor<2x5x4x2xf32>
  %flat = onnx.Reshape(%rt, %join) : (tensor<2x5x4x2xf32>, tensor<3xi64>) -> tensor<2x5x8xf32>
  %o = onnx.Mul(%g, %flat) {onnx.outs = ["o"]} : (tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  %y = onnx.MatMul(%o, %wo) : (tensor<2x5x8xf32>, tensor<8x2xf32>) -> !h
  onnx.node "Sink" (%y) {} : (!h) -> ()
  onnx.return
}

// One matrix makes both factors. Only the columns of the second one are divided, and those of its
// bias.
// CHECK-LABEL: onnx.graph @part
// CHECK: onnx.initializer "both.part" : {{.*}} = dense<{{\[\[}}1.000000e+00, 1.000000e+00, 5.000000e-01, 2.500000e-01], [
// CHECK: onnx.initializer "bias.part" : {{.*}} = dense<[1.000000e+00, 1.000000e+00, 5.000000e-01, 2.500000e-01]>
onnx.graph @part #g {
  %x = onnx.node "Source" () {} : () -> tensor<5x4xf32>
  %w = onnx.initializer "both.part" : !m = dense<1.0> : !m
  %b = onnx.initializer "bias.part" : !v = dense<1.0> : !v
  %down = onnx.initializer "down.part" : tensor<2x4xf32> = dense<1.0> : tensor<2x4xf32>
  %p = onnx.Gemm(%x, %w, %b) {alpha = 1.0 : f32} : (tensor<5x4xf32>, !m, !v) -> tensor<5x4xf32>
  %g, %u = onnx.Split(%p) {axis = -1 : i64, num_outputs = 2 : i64} : (tensor<5x4xf32>) -> (tensor<5x2xf32>, tensor<5x2xf32>)
  %s = onnx.Sigmoid(%g) : (tensor<5x2xf32>) -> tensor<5x2xf32>
  %h = onnx.Mul(%s, %u) {onnx.outs = ["part"]} : (tensor<5x2xf32>, tensor<5x2xf32>) -> tensor<5x2xf32>
  %d = onnx.MatMul(%h, %down) : (tensor<5x2xf32>, tensor<2x4xf32>) -> tensor<5x4xf32>
  onnx.node "Sink" (%d) {} : (tensor<5x4xf32>) -> ()
  onnx.return
}

// Products may read views and casts of the value. A matrix that reads it twice is multiplied once.
// CHECK-LABEL: onnx.graph @view
// CHECK: onnx.initializer "nw.view" : {{.*}} = dense<[5.000000e-01, 1.000000e+00, 1.000000e+00, 2.000000e+00]>
// CHECK: onnx.initializer "w.view" : {{.*}} = dense<{{\[\[}}2.000000e+00, {{.*}}], [1.000000e+00, {{.*}}], [1.000000e+00, {{.*}}], [5.000000e-01, {{.*}}]]>
onnx.graph @view #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.view" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.view" : !m = dense<1.0> : !m
  %rows = onnx.Constant() {value = dense<[10, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["view"]} : (!x, !v) -> !x
  %c = onnx.Cast(%y) {to = 1 : i64} : (!x) -> !x
  %r = onnx.Reshape(%c, %rows) : (!x, tensor<2xi64>) -> tensor<10x4xf32>
  %a = onnx.Gemm(%r, %w) : (tensor<10x4xf32>, !m) -> tensor<10x4xf32>
  %b = onnx.MatMul(%c, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a, %b) {} : (tensor<10x4xf32>, !x) -> ()
  onnx.return
}

// A vector with another reader is copied.
// CHECK-LABEL: onnx.graph @shared
// CHECK: %[[W:.*]] = onnx.initializer "nw.shared" : {{.*}} = dense<1.000000e+00>
// CHECK: %[[C:.*]] = onnx.initializer "nw.shared.scaled" : {{.*}} = dense<[1.000000e+00, 5.000000e-01, 1.000000e+00, 1.000000e+00]>
// CHECK: sink.rms_norm %{{.*}} weight %[[C]]
// CHECK: sink.rms_norm %{{.*}} weight %[[W]]
onnx.graph @shared #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.shared" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.shared" : !m = dense<1.0> : !m
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["shared"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %z = sink.rms_norm %a weight %nw {epsilon = 1.0e-5} : (!x, !v) -> !x
  onnx.node "Sink" (%z) {} : (!x) -> ()
  onnx.return
}

// Factors of one change nothing.
// CHECK-LABEL: onnx.graph @same
// CHECK: onnx.initializer "w.same" : {{.*}} = dense<1.000000e+00>
onnx.graph @same #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.same" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.same" : !m = dense<1.0> : !m
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["same"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}

// A parameter that a step inserted before is a matrix like others.
// CHECK-LABEL: onnx.graph @learned
// CHECK: sink.parameter "p.learned" : {{.*}} = dense<{{\[\[}}1.000000e+00, {{.*}}], [2.000000e+00, {{.*}}], [1.000000e+00, {{.*}}
onnx.graph @learned #g {
  %x = onnx.node "Source" () {} : () -> !x
  %nw = onnx.initializer "nw.learned" : !v = dense<1.0> : !v
  %w = onnx.initializer "w.learned" : !m = dense<1.0> : !m
  %p = sink.parameter "p.learned" : !m = dense<1.0> : !m
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["learned"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %b = onnx.MatMul(%y, %p) : (!x, !m) -> !x
  onnx.node "Sink" (%a, %b) {} : (!x, !x) -> ()
  onnx.return
}
}
