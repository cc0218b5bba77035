// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Rotations by the opposite angle, of pairs that a Reshape makes, of pairs that come out as halves, and of some
// elements among others.

!u = !onnx.unknown
!x = tensor<2x4x5x8xf32>
!t = tensor<5x8xf32>
!h = tensor<5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The other part is negated: a rotation by the opposite angle.
// CHECK-LABEL: onnx.graph @other_negated
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {inverse, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64}
onnx.graph @other_negated #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%a) : (!u) -> !u
  %r = onnx.Concat(%b, %n) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// A Reshape makes an axis of pairs: Meta's Llama without complex numbers.
// CHECK-LABEL: onnx.graph @pairs_by_reshape
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64}
onnx.graph @pairs_by_reshape #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %five = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 4, 2>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %r = onnx.Reshape(%x, %five) : (!x, !u) -> !u
  %i0 = onnx.Constant() {value_int = 0} : () -> !u
  %i1 = onnx.Constant() {value_int = 1} : () -> !u
  %a = onnx.Gather(%r, %i0) {axis = -1} : (!u, !u) -> !u
  %b = onnx.Gather(%r, %i1) {axis = 4} : (!u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %fu = onnx.Unsqueeze(%first, %last) : (!u, !u) -> !u
  %su = onnx.Unsqueeze(%second, %last) : (!u, !u) -> !u
  %c = onnx.Concat(%fu, %su) {axis = -1} : (!u, !u) -> !u
  %y = onnx.Reshape(%c, %four) : (!u, !u) -> !u
  onnx.return
}

// The elements of pairs by Split and Squeeze, and the other angle.
// CHECK-LABEL: onnx.graph @pairs_by_split
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {half_tables, interleaved, inverse, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64}
onnx.graph @pairs_by_split #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %five = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 4, 2>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %r = onnx.Reshape(%x, %five) : (!x, !u) -> !u
  %a1, %b1 = onnx.Split(%r) {axis = -1} : (!u) -> (!u, !u)
  %a = onnx.Squeeze(%a1, %last) : (!u, !u) -> !u
  %b = onnx.Squeeze(%b1, %last) : (!u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Add(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Sub(%bc, %as) : (!u, !u) -> !u
  %fu = onnx.Unsqueeze(%first, %last) : (!u, !u) -> !u
  %su = onnx.Unsqueeze(%second, %last) : (!u, !u) -> !u
  %c = onnx.Concat(%fu, %su) {axis = -1} : (!u, !u) -> !u
  %y = onnx.Reshape(%c, %four) : (!u, !u) -> !u
  onnx.return
}

// The shape of the stacked pairs tells the target of the Reshape: GPT-J.
// CHECK-LABEL: onnx.graph @stacked_shape
// CHECK: sink.rotary %0#0
onnx.graph @stacked_shape #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %five = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 4, 2>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %r = onnx.Reshape(%x, %five) : (!x, !u) -> !u
  %i0 = onnx.Constant() {value_int = 0} : () -> !u
  %i1 = onnx.Constant() {value_int = 1} : () -> !u
  %a = onnx.Gather(%r, %i0) {axis = -1} : (!u, !u) -> !u
  %b = onnx.Gather(%r, %i1) {axis = 4} : (!u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %fu = onnx.Unsqueeze(%first, %last) : (!u, !u) -> !u
  %su = onnx.Unsqueeze(%second, %last) : (!u, !u) -> !u
  %c = onnx.Concat(%fu, %su) {axis = -1} : (!u, !u) -> !u
  %shape = onnx.Shape(%c) {end = 3 : i64} : (!u) -> !u
  %target = onnx.Concat(%shape, %last) {axis = 0} : (!u, !u) -> !u
  %y = onnx.Reshape(%c, %target) : (!u, !u) -> !u
  onnx.return
}

// Pairs come in, and halves go out: DeepSeek.
// CHECK-LABEL: onnx.graph @pairs_to_halves
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {deinterleaves, half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64}
onnx.graph @pairs_to_halves #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %five = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 4, 2>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %r = onnx.Reshape(%x, %five) : (!x, !u) -> !u
  %i0 = onnx.Constant() {value_int = 0} : () -> !u
  %i1 = onnx.Constant() {value_int = 1} : () -> !u
  %a = onnx.Gather(%r, %i0) {axis = -1} : (!u, !u) -> !u
  %b = onnx.Gather(%r, %i1) {axis = 4} : (!u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%first, %second) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// The first elements are not rotated.
// CHECK-LABEL: onnx.graph @elements_before
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {half_tables, layout = #sink.layout<bhsd>, offset = 4 : i64, rotary_dim = 8 : i64}
onnx.graph @elements_before #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x12xf32>, !h, !h)
  %sizes = onnx.Constant() {value_ints = array<i64: 4, 8>} : () -> !u
  %rest, %turned = onnx.Split(%x, %sizes) {axis = -1} : (tensor<2x4x5x12xf32>, !u) -> (!u, !u)
  %a, %b = onnx.Split(%turned) {axis = -1} : (!u) -> (!u, !u)
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%rest, %first, %second) {axis = -1} : (!u, !u, !u) -> !u
  onnx.return
}

// The last elements are not rotated.
// CHECK-LABEL: onnx.graph @elements_after
// CHECK: sink.rotary %0#0 cos %0#1 sin %0#2 {half_tables, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64}
onnx.graph @elements_after #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x12xf32>, !h, !h)
  %sizes = onnx.Constant() {value_ints = array<i64: 8, 4>} : () -> !u
  %turned, %rest = onnx.Split(%x, %sizes) {axis = -1} : (tensor<2x4x5x12xf32>, !u) -> (!u, !u)
  %a, %b = onnx.Split(%turned) {axis = -1} : (!u) -> (!u, !u)
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%first, %second, %rest) {axis = -1} : (!u, !u, !u) -> !u
  onnx.return
}

// The elements that are not rotated change their place.
// CHECK-LABEL: onnx.graph @elements_moved
// CHECK-NOT: sink.rotary
onnx.graph @elements_moved #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x12xf32>, !h, !h)
  %sizes = onnx.Constant() {value_ints = array<i64: 4, 8>} : () -> !u
  %rest, %turned = onnx.Split(%x, %sizes) {axis = -1} : (tensor<2x4x5x12xf32>, !u) -> (!u, !u)
  %a, %b = onnx.Split(%turned) {axis = -1} : (!u) -> (!u, !u)
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: the elements beside its rotated ones are not known to come from the same value, in the same order}}
  %y = onnx.Concat(%first, %second, %rest) {axis = -1} : (!u, !u, !u) -> !u
  onnx.return
}

// The Reshape changes the other axes, too, along which the tables are broadcast.
// CHECK-LABEL: onnx.graph @axes_moved
// CHECK-NOT: sink.rotary
onnx.graph @axes_moved #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<4x4xf32>, tensor<4x4xf32>)
  %five = onnx.Constant() {value_ints = array<i64: 2, 5, 4, 4, 2>} : () -> !u
  %four = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %r = onnx.Reshape(%x, %five) : (!x, !u) -> !u
  %i0 = onnx.Constant() {value_int = 0} : () -> !u
  %i1 = onnx.Constant() {value_int = 1} : () -> !u
  %a = onnx.Gather(%r, %i0) {axis = -1} : (!u, !u) -> !u
  %b = onnx.Gather(%r, %i1) {axis = 4} : (!u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, tensor<4x4xf32>) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, tensor<4x4xf32>) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, tensor<4x4xf32>) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, tensor<4x4xf32>) -> !u
  %first = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %second = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %fu = onnx.Unsqueeze(%first, %last) : (!u, !u) -> !u
  %su = onnx.Unsqueeze(%second, %last) : (!u, !u) -> !u
  %c = onnx.Concat(%fu, %su) {axis = -1} : (!u, !u) -> !u
  %y = onnx.Reshape(%c, %four) : (!u, !u) -> !u
  onnx.return
}

}
