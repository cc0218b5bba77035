// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no rotary embedding for what becomes of the rotated value.

!u = !onnx.unknown
!x = tensor<2x4x5x8xf32>
!t = tensor<5x8xf32>
!h = tensor<5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that the next three change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rotary
onnx.graph @base #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// What is rotated is read by another too.
// CHECK-LABEL: onnx.graph @rotated_used
// CHECK-NOT: sink.rotary
onnx.graph @rotated_used #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its rotated value must go to a product with the sine and nowhere else}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  %z = onnx.Relu(%r) : (!u) -> !u
  onnx.return
}

// No product with a sine follows.
// CHECK-LABEL: onnx.graph @no_sine
// CHECK-NOT: sink.rotary
onnx.graph @no_sine #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its rotated value must go to a product with the sine and nowhere else}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %y = onnx.Add(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// The cosine's product is subtracted from.
// CHECK-LABEL: onnx.graph @difference
// CHECK-NOT: sink.rotary
onnx.graph @difference #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its product with the sine must go to a sum with a product with the cosine and nowhere else}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Sub(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// The cosine is missing.
// CHECK-LABEL: onnx.graph @no_cosine
// CHECK-NOT: sink.rotary
onnx.graph @no_cosine #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its product with the sine must go to a sum with a product with the cosine and nowhere else}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %y = onnx.Add(%x, %rs) : (!x, !u) -> !u
  onnx.return
}

// The cosine multiplies another value than the one that is rotated.
// CHECK-LABEL: onnx.graph @cosine_of_another
// CHECK-NOT: sink.rotary
onnx.graph @cosine_of_another #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %x2 = onnx.node "Source" () {} : () -> !x
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: it multiplies another value by the cosine than it rotates}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x2, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// One half is read by somebody else, who stays outside.
// CHECK-LABEL: onnx.graph @half_used
// CHECK-NOT: sink.rotary
onnx.graph @half_used #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: an op outside it uses one of its inner values}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  %z = onnx.Relu(%a) : (!u) -> !u
  onnx.return
}

// Even and odd elements side by side again. The base of the next three.
// CHECK-LABEL: onnx.graph @interleaved
// CHECK: sink.rotary
onnx.graph @interleaved #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %new = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %n1 = onnx.Unsqueeze(%n, %new) : (!u, !u) -> !u
  %a1 = onnx.Unsqueeze(%a, %new) : (!u, !u) -> !u
  %c = onnx.Concat(%n1, %a1) {axis = -1} : (!u, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %r = onnx.Reshape(%c, %shape) : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Stacked, and never put side by side.
// CHECK-LABEL: onnx.graph @not_unstacked
// CHECK-NOT: sink.rotary
onnx.graph @not_unstacked #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<5x4x2xf32>, tensor<5x4x2xf32>)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %new = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %n1 = onnx.Unsqueeze(%n, %new) : (!u, !u) -> !u
  %a1 = onnx.Unsqueeze(%a, %new) : (!u, !u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its pairs are stacked on a new axis, but no Reshape puts them side by side}}
  %r = onnx.Concat(%n1, %a1) {axis = -1} : (!u, !u) -> !u
  %z = onnx.Mul(%r, %sin) : (!u, tensor<5x4x2xf32>) -> !u
  onnx.return
}

// Halves stacked like pairs.
// CHECK-LABEL: onnx.graph @halves_stacked
// CHECK-NOT: sink.rotary
onnx.graph @halves_stacked #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %new = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %n1 = onnx.Unsqueeze(%n, %new) : (!u, !u) -> !u
  %a1 = onnx.Unsqueeze(%a, %new) : (!u, !u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %c = onnx.Concat(%n1, %a1) {axis = -1} : (!u, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %r = onnx.Reshape(%c, %shape) : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Pairs joined like halves.
// CHECK-LABEL: onnx.graph @pairs_not_stacked
// CHECK-NOT: sink.rotary
onnx.graph @pairs_not_stacked #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// The odd elements first.
// CHECK-LABEL: onnx.graph @pairs_exchanged
// CHECK-NOT: sink.rotary
onnx.graph @pairs_exchanged #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %new = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %n = onnx.Neg(%a) : (!u) -> !u
  %n1 = onnx.Unsqueeze(%n, %new) : (!u, !u) -> !u
  %b1 = onnx.Unsqueeze(%b, %new) : (!u, !u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %c = onnx.Concat(%n1, %b1) {axis = -1} : (!u, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %r = onnx.Reshape(%c, %shape) : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// By parts. The base of the next.
// CHECK-LABEL: onnx.graph @by_parts
// CHECK: sink.rotary
onnx.graph @by_parts #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %f = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %g = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%f, %g) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// The second part is of another sine.
// CHECK-LABEL: onnx.graph @by_parts_two_sines
// CHECK-NOT: sink.rotary
onnx.graph @by_parts_two_sines #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %sin2 = onnx.node "Source" () {} : () -> !h
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %f = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin2) : (!u, !h) -> !u
  %g = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%f, %g) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// Both parts are sums, or both are differences.
// CHECK-LABEL: onnx.graph @by_parts_two_sums
// CHECK-NOT: sink.rotary
onnx.graph @by_parts_two_sums #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %f = onnx.Add(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %g = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%f, %g) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// Sine and cosine exchanged in one of them.
// CHECK-LABEL: onnx.graph @by_parts_exchanged
// CHECK-NOT: sink.rotary
onnx.graph @by_parts_exchanged #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %f = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %g = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %y = onnx.Concat(%f, %g) {axis = -1} : (!u, !u) -> !u
  onnx.return
}
}
