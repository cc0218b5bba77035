// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics -split-input-file | FileCheck %s

// Pairs of QuantizeLinear and DequantizeLinear are no obstacle. Those between an op's steps stand in
// its form, and those at its operands and results outside.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// CHECK-LABEL: onnx.graph @inside_norm
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: sink.rms_norm %[[X]] weight
// CHECK: ^bb0(%[[A:.*]]: tensor<2x3x8xf32>):
// CHECK: %[[SQ:.*]] = onnx.Mul(%[[A]], %[[A]])
// CHECK: %[[Q:.*]] = onnx.QuantizeLinear(%[[SQ]]
// CHECK: %[[D:.*]] = onnx.DequantizeLinear(%[[Q]]
// CHECK: onnx.ReduceMean(%[[D]])
onnx.graph @inside_norm #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<0> : tensor<ui8>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %d = onnx.DequantizeLinear(%c, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  %y = onnx.Mul(%n, %w) : (!u, tensor<8xf32>) -> !u
  onnx.return
}

// The operand, the weight and the result are rounded outside, and epsilon is the dequantized one.
// CHECK-LABEL: onnx.graph @outside_norm
// CHECK: %[[X:.*]] = onnx.node "Source"
// CHECK: %[[W:.*]] = onnx.node "Source"
// CHECK: %[[QX:.*]] = onnx.QuantizeLinear(%[[X]]
// CHECK: %[[DX:.*]] = onnx.DequantizeLinear(%[[QX]]
// CHECK: %[[QW:.*]] = onnx.QuantizeLinear(%[[W]]
// CHECK: %[[DW:.*]] = onnx.DequantizeLinear(%[[QW]]
// CHECK: %[[Y:.*]] = sink.rms_norm %[[DX]] weight %[[DW]] {epsilon = 3.0{{0*[eE]\+00}}
// CHECK: ^bb0(%[[A:.*]]: tensor<2x3x8xf32>):
// CHECK-NEXT: onnx.Mul(%[[A]], %[[A]])
// CHECK-NOT: onnx.QuantizeLinear
// CHECK: sink.yield
// CHECK: %[[QY:.*]] = onnx.QuantizeLinear(%[[Y]]
// CHECK: onnx.DequantizeLinear(%[[QY]]
onnx.graph @outside_norm #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.node "Source" () {} : () -> tensor<8xf32>
  %s = onnx.initializer "s" : tensor<f32> = dense<0.5> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<1> : tensor<ui8>
  %e = onnx.initializer "e" : tensor<ui8> = dense<7> : tensor<ui8>
  %eps = onnx.DequantizeLinear(%e, %s, %z) : (tensor<ui8>, tensor<f32>, tensor<ui8>) -> !u
  %qx = onnx.QuantizeLinear(%x, %s, %z) : (!x, tensor<f32>, tensor<ui8>) -> !u
  %dx = onnx.DequantizeLinear(%qx, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %qw = onnx.QuantizeLinear(%w, %s, %z) : (tensor<8xf32>, tensor<f32>, tensor<ui8>) -> !u
  %dw = onnx.DequantizeLinear(%qw, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %sq = onnx.Mul(%dx, %dx) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%dx, %r) : (!u, !u) -> !u
  %y = onnx.Mul(%n, %dw) : (!u, !u) -> !u
  %qy = onnx.QuantizeLinear(%y, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %dy = onnx.DequantizeLinear(%qy, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %out = onnx.node "Sink" (%dy) {} : (!u) -> !u
  onnx.return
}

// Only the squares are rounded: the form has the pair behind its own argument.
// CHECK-LABEL: onnx.graph @half_of_the_uses
// CHECK: sink.rms_norm
// CHECK: ^bb0(%[[A:.*]]: tensor<2x3x8xf32>):
// CHECK: %[[Q:.*]] = onnx.QuantizeLinear(%[[A]]
// CHECK: %[[D:.*]] = onnx.DequantizeLinear(%[[Q]]
// CHECK: onnx.Mul(%[[D]], %[[D]])
// CHECK: onnx.Div(%[[A]]
onnx.graph @half_of_the_uses #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.initializer "s" : tensor<f32> = dense<0.5> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<1> : tensor<ui8>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %qx = onnx.QuantizeLinear(%x, %s, %z) : (!x, tensor<f32>, tensor<ui8>) -> !u
  %dx = onnx.DequantizeLinear(%qx, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %sq = onnx.Mul(%dx, %dx) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// One pair serves the norm and another reader: nothing is copied.
// CHECK-LABEL: onnx.graph @shared
// CHECK: %[[D:.*]] = onnx.DequantizeLinear
// CHECK-NOT: onnx.QuantizeLinear
// CHECK-DAG: onnx.node "Sink"(%[[D]])
// CHECK-DAG: sink.rms_norm %[[D]]
// CHECK: onnx.return
onnx.graph @shared #g {
  %x = onnx.node "Source" () {} : () -> !x
  %s = onnx.initializer "s" : tensor<f32> = dense<0.5> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<1> : tensor<ui8>
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %qx = onnx.QuantizeLinear(%x, %s, %z) : (!x, tensor<f32>, tensor<ui8>) -> !u
  %dx = onnx.DequantizeLinear(%qx, %s, %z) : (!u, tensor<f32>, tensor<ui8>) -> !u
  %o = onnx.node "Sink" (%dx) {} : (!u) -> !u
  %sq = onnx.Mul(%dx, %dx) : (!u, !u) -> !u
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%dx, %r) : (!u, !u) -> !u
  onnx.return
}
}

// -----

// Attention with pairs on every edge: the scores' and the probabilities' stay inside. The mask is
// a quantized constant, whose lowest value hides.

!u = !onnx.unknown
!h = tensor<2x4x3x8xf32>
!f = tensor<f32>
!i = tensor<i8>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @attention
// CHECK: %[[Q:.*]] = onnx.DequantizeLinear
// CHECK: sink.attention
// CHECK-SAME: causal
// CHECK: ^bb0
// CHECK: %[[S:.*]] = onnx.MatMul
// CHECK: onnx.QuantizeLinear(%[[S]]
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: onnx.QuantizeLinear(%[[P]]
// CHECK: sink.yield
onnx.graph @attention #g {
  %q0 = onnx.node "Source" () {} : () -> !h
  %k0 = onnx.node "Source" () {} : () -> !h
  %v0 = onnx.node "Source" () {} : () -> !h
  %s = onnx.initializer "s" : !f = dense<0.1> : !f
  %z = onnx.initializer "z" : !i = dense<3> : !i
  %big = onnx.initializer "big" : !f = dense<80.0> : !f
  %up = onnx.initializer "up" : !i = dense<127> : !i
  %m8 = onnx.initializer "mask" : tensor<3x3xi8> = dense<[[127, -128, -128], [127, 127, -128], [127, 127, 127]]> : tensor<3x3xi8>
  %mask = onnx.DequantizeLinear(%m8, %big, %up) : (tensor<3x3xi8>, !f, !i) -> !u
  %qq = onnx.QuantizeLinear(%q0, %s, %z) : (!h, !f, !i) -> !u
  %q = onnx.DequantizeLinear(%qq, %s, %z) : (!u, !f, !i) -> !u
  %kt0 = onnx.Transpose(%k0) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !u
  %qk = onnx.QuantizeLinear(%kt0, %s, %z) : (!u, !f, !i) -> !u
  %kt = onnx.DequantizeLinear(%qk, %s, %z) : (!u, !f, !i) -> !u
  %s0 = onnx.MatMul(%q, %kt) : (!u, !u) -> !u
  %qs = onnx.QuantizeLinear(%s0, %s, %z) : (!u, !f, !i) -> !u
  %s1 = onnx.DequantizeLinear(%qs, %s, %z) : (!u, !f, !i) -> !u
  %s2 = onnx.Add(%s1, %mask) : (!u, !u) -> !u
  %qm = onnx.QuantizeLinear(%s2, %big, %up) : (!u, !f, !i) -> !u
  %s3 = onnx.DequantizeLinear(%qm, %big, %up) : (!u, !f, !i) -> !u
  %p0 = onnx.Softmax(%s3) {axis = -1} : (!u) -> !u
  %qp = onnx.QuantizeLinear(%p0, %s, %z) : (!u, !f, !i) -> !u
  %p = onnx.DequantizeLinear(%qp, %s, %z) : (!u, !f, !i) -> !u
  %qv = onnx.QuantizeLinear(%v0, %s, %z) : (!h, !f, !i) -> !u
  %v = onnx.DequantizeLinear(%qv, %s, %z) : (!u, !f, !i) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, !u) -> !u
  onnx.return
}
}

// -----

// A mask that is computed: where a pair rounds a hidden score to one that hides, causality holds.

!u = !onnx.unknown
!h = tensor<2x4x3x8xf32>
!f = tensor<f32>
!i = tensor<i8>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @hides
// CHECK: sink.attention
// CHECK-SAME: causal
onnx.graph @hides #g {
  %q = onnx.node "Source" () {} : () -> !h
  %k = onnx.node "Source" () {} : () -> tensor<2x4x8x3xf32>
  %keep = onnx.initializer "keep" : tensor<3x3xi1> = dense<[[1, 0, 0], [1, 1, 0], [1, 1, 1]]> : tensor<3x3xi1>
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %m = onnx.Where(%keep, %zero, %low) : (tensor<3x3xi1>, !u, !u) -> !u
  %s = onnx.initializer "s" : !f = dense<40.0> : !f
  %z = onnx.initializer "z" : !i = dense<127> : !i
  %qm = onnx.QuantizeLinear(%m, %s, %z) : (!u, !f, !i) -> !u
  %dm = onnx.DequantizeLinear(%qm, %s, %z) : (!u, !f, !i) -> !u
  %s0 = onnx.MatMul(%q, %k) : (!h, tensor<2x4x8x3xf32>) -> !u
  %s1 = onnx.Add(%s0, %dm) : (!u, !u) -> !u
  %p = onnx.Softmax(%s1) {axis = -1} : (!u) -> !u
  %y = onnx.MatMul(%p, %q) : (!u, !h) -> !u
  onnx.return
}

// The range of the pair ends before a hidden score.
// CHECK-LABEL: onnx.graph @short_range
// CHECK: sink.attention
// CHECK-NOT: causal
onnx.graph @short_range #g {
  %q = onnx.node "Source" () {} : () -> !h
  %k = onnx.node "Source" () {} : () -> tensor<2x4x8x3xf32>
  %keep = onnx.initializer "keep" : tensor<3x3xi1> = dense<[[1, 0, 0], [1, 1, 0], [1, 1, 1]]> : tensor<3x3xi1>
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %m = onnx.Where(%keep, %zero, %low) : (tensor<3x3xi1>, !u, !u) -> !u
  %s = onnx.initializer "s" : !f = dense<1.0> : !f
  %z = onnx.initializer "z" : !i = dense<127> : !i
  %qm = onnx.QuantizeLinear(%m, %s, %z) : (!u, !f, !i) -> !u
  %dm = onnx.DequantizeLinear(%qm, %s, %z) : (!u, !f, !i) -> !u
  %s0 = onnx.MatMul(%q, %k) : (!h, tensor<2x4x8x3xf32>) -> !u
  %s1 = onnx.Add(%s0, %dm) : (!u, !u) -> !u
  %p = onnx.Softmax(%s1) {axis = -1} : (!u) -> !u
  // expected-remark@+1 {{causality or window of attention '' not raised: values of its mask are quantized, so that keys which it hides are not known to stay hidden}}
  %y = onnx.MatMul(%p, %q) : (!u, !h) -> !u
  onnx.return
}

// Steps so large that a hidden score may be rounded to 0.
// CHECK-LABEL: onnx.graph @large_steps
// CHECK: sink.attention
// CHECK-NOT: causal
onnx.graph @large_steps #g {
  %q = onnx.node "Source" () {} : () -> !h
  %k = onnx.node "Source" () {} : () -> tensor<2x4x8x3xf32>
  %keep = onnx.initializer "keep" : tensor<3x3xi1> = dense<[[1, 0, 0], [1, 1, 0], [1, 1, 1]]> : tensor<3x3xi1>
  %zero = onnx.Constant() {value_float = 0.0 : f32} : () -> !u
  %low = onnx.Constant() {value_float = -10000.0 : f32} : () -> !u
  %m = onnx.Where(%keep, %zero, %low) : (tensor<3x3xi1>, !u, !u) -> !u
  %s = onnx.initializer "s" : !f = dense<1.0e+36> : !f
  %z = onnx.initializer "z" : !i = dense<127> : !i
  %qm = onnx.QuantizeLinear(%m, %s, %z) : (!u, !f, !i) -> !u
  %dm = onnx.DequantizeLinear(%qm, %s, %z) : (!u, !f, !i) -> !u
  %s0 = onnx.MatMul(%q, %k) : (!h, tensor<2x4x8x3xf32>) -> !u
  %s1 = onnx.Add(%s0, %dm) : (!u, !u) -> !u
  %p = onnx.Softmax(%s1) {axis = -1} : (!u) -> !u
  // expected-remark@+1 {{causality or window of attention '' not raised: values of its mask are quantized, so that keys which it hides are not known to stay hidden}}
  %y = onnx.MatMul(%p, %q) : (!u, !h) -> !u
  onnx.return
}
}

// -----

// A mask that is cut to the shape of its own scores is made again, and reads the pair as the first
// one did.

!u = !onnx.unknown
!f = tensor<f32>
!i = tensor<i8>
!m = tensor<1x1x64x64xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
// CHECK-LABEL: onnx.graph @made_mask
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %[[Q:.*]] = onnx.QuantizeLinear(%[[S]]#3
// CHECK: %[[D:.*]] = onnx.DequantizeLinear(%[[Q]]
// CHECK: %[[ROWS:.*]] = onnx.Slice(%[[D]], {{.*}}) {sink.made}
// CHECK: %[[M:.*]] = onnx.Slice(%[[ROWS]], {{.*}}) {sink.made}
// CHECK: sink.attention %[[S]]#0, %[[S]]#1, %[[S]]#2 mask %[[M]] {
// CHECK: onnx.Slice(%[[D]]
// CHECK: sink.yield
onnx.graph @made_mask #g {
  %q, %kt, %v, %m0 = onnx.node "Source" () {} : () -> (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "k">>, tensor<2x4x?x16xf32, #onnx.dims<"", "", "k", "">>, !m)
  %c = onnx.initializer "c" : !f = dense<0.1> : !f
  %o = onnx.initializer "o" : !i = dense<3> : !i
  %qm = onnx.QuantizeLinear(%m0, %c, %o) : (!m, !f, !i) -> !u
  %m = onnx.DequantizeLinear(%qm, %c, %o) : (!u, !f, !i) -> !u
  %s = onnx.MatMul(%q, %kt) : (tensor<2x4x?x8xf32, #onnx.dims<"", "", "s", "">>, tensor<2x4x8x?xf32, #onnx.dims<"", "", "", "k">>) -> !u
  %shape = onnx.Shape(%s) : (!u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i2 = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %i3 = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %rows = onnx.Gather(%shape, %i2) : (!u, !u) -> !u
  %columns = onnx.Gather(%shape, %i3) : (!u, !u) -> !u
  %m2 = onnx.Slice(%m, %i0, %rows, %i2) : (!u, !u, !u, !u) -> !u
  %m3 = onnx.Slice(%m2, %i0, %columns, %i3) : (!u, !u, !u, !u) -> !u
  %t = onnx.Add(%s, %m3) : (!u, !u) -> !u
  %p = onnx.Softmax(%t) {axis = -1 : i64} : (!u) -> !u
  %y = onnx.MatMul(%p, %v) : (!u, tensor<2x4x?x16xf32, #onnx.dims<"", "", "k", "">>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
}
