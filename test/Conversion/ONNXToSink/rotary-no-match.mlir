// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no rotation: the parts and how they are put together.

!u = !onnx.unknown
!x = tensor<2x4x5x8xf32>
!t = tensor<5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that many of the others change in one place.
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

// The parts are of 3 and 5 elements.
// CHECK-LABEL: onnx.graph @unequal_parts
// CHECK-NOT: sink.rotary
onnx.graph @unequal_parts #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %sizes = onnx.Constant() {value_ints = array<i64: 3, 5>} : () -> !u
  %a, %b = onnx.Split(%x, %sizes) {axis = -1} : (!x, !u) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Halves that overlap.
// CHECK-LABEL: onnx.graph @overlapping
// CHECK-NOT: sink.rotary
onnx.graph @overlapping #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %six = onnx.Constant() {value_ints = array<i64: 6>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %two, %six, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// The first half is negated and put first: nothing is rotated.
// CHECK-LABEL: onnx.graph @in_order
// CHECK-NOT: sink.rotary
onnx.graph @in_order #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%a) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %b) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Halves of two values.
// CHECK-LABEL: onnx.graph @two_values
// CHECK-NOT: sink.rotary
onnx.graph @two_values #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %x2 = onnx.node "Source" () {} : () -> !x
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x2, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Every third element.
// CHECK-LABEL: onnx.graph @step_three
// CHECK-NOT: sink.rotary
onnx.graph @step_three #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x6xf32>, tensor<5x4xf32>, tensor<5x4xf32>)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %three = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %three) : (tensor<2x4x5x6xf32>, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %three) : (tensor<2x4x5x6xf32>, !u, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are neither the halves of one value side by side nor its even and odd elements stacked}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %x4 = onnx.node "Source" () {} : () -> tensor<2x4x5x4xf32>
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<5x4xf32>) -> !u
  %xc = onnx.Mul(%x4, %cos) : (tensor<2x4x5x4xf32>, tensor<5x4xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Backwards.
// CHECK-LABEL: onnx.graph @step_negative
// CHECK-NOT: sink.rotary
onnx.graph @step_negative #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %back = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %three = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %end, %three, %axis, %back) : (!x, !u, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are not known slices, or a split, of the last axis}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// A bound that is not known.
// CHECK-LABEL: onnx.graph @bound_computed
// CHECK-NOT: sink.rotary
onnx.graph @bound_computed #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %cut = onnx.node "Source" () {} : () -> tensor<1xi64>
  %a = onnx.Slice(%x, %zero, %cut, %axis) : (!x, !u, tensor<1xi64>, !u) -> !u
  %b = onnx.Slice(%x, %cut, %end, %axis) : (!x, tensor<1xi64>, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are not known slices, or a split, of the last axis}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Of an unknown width no half is known.
// CHECK-LABEL: onnx.graph @width_unknown
// CHECK-NOT: sink.rotary
onnx.graph @width_unknown #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x?xf32>, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (tensor<2x4x5x?xf32>, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (tensor<2x4x5x?xf32>, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are not known slices, or a split, of the last axis}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<2x4x5x?xf32>, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Parts of another axis, joined on the last.
// CHECK-LABEL: onnx.graph @sliced_on_another_axis
// CHECK-NOT: sink.rotary
onnx.graph @sliced_on_another_axis #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x8x8xf32>, tensor<4x16xf32>, tensor<4x16xf32>)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 8>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (tensor<2x4x8x8xf32>, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (tensor<2x4x8x8xf32>, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its two parts are not known slices, or a split, of the last axis}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %z = onnx.Mul(%r, %sin) : (!u, tensor<4x16xf32>) -> !u
  onnx.return
}

// Joined on another axis: no rotation of the last, and no remark either.
// CHECK-LABEL: onnx.graph @joined_on_another_axis
// CHECK-NOT: sink.rotary
onnx.graph @joined_on_another_axis #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 8>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (tensor<2x4x8x8xf32>, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (tensor<2x4x8x8xf32>, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = 2} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<8x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<2x4x8x8xf32>, tensor<8x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Nothing is negated: an exchange of halves.
// CHECK-LABEL: onnx.graph @no_negation
// CHECK-NOT: sink.rotary
onnx.graph @no_negation #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %r = onnx.Concat(%b, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Three parts.
// CHECK-LABEL: onnx.graph @three_parts
// CHECK-NOT: sink.rotary
onnx.graph @three_parts #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x4xf32>, !t, !t)
  %x8 = onnx.node "Source" () {} : () -> !x
  %n = onnx.Neg(%x) : (tensor<2x4x5x4xf32>) -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2, 2>} : () -> !u
  %a, %b = onnx.Split(%x, %two) {axis = -1} : (tensor<2x4x5x4xf32>, !u) -> (!u, !u)
  %r = onnx.Concat(%n, %a, %b) {axis = -1} : (!u, !u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x8, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Multiplied by -2.
// CHECK-LABEL: onnx.graph @other_factor
// CHECK-NOT: sink.rotary
onnx.graph @other_factor #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %minus = onnx.Constant() {value_float = -2.0 : f32} : () -> !u
  %n = onnx.Mul(%b, %minus) : (!u, !u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}
}
