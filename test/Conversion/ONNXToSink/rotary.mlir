// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Forms of rotary embedding that are raised, and without a remark.

!u = !onnx.unknown
!x = tensor<2x4x5x8xf32>
!t = tensor<5x8xf32>
!h = tensor<5x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// Two halves of the last axis by Slice. The slices go inside, the bounds need not.
// CHECK-LABEL: onnx.graph @halves_by_slice
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: %[[Y:.*]] = sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 {layout = #sink.layout<bhsd>, rotary_dim = 8 : i64} :
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x4x5x8xf32>):
// CHECK-DAG: %[[A:.*]] = onnx.Slice(%[[X]],
// CHECK-DAG: %[[B:.*]] = onnx.Slice(%[[X]],
// CHECK: %[[N:.*]] = onnx.Neg(%[[B]])
// CHECK: %[[R:.*]] = onnx.Concat(%[[N]], %[[A]])
// CHECK: onnx.Mul(%[[R]], %[[S]]#2)
// CHECK: onnx.Mul(%[[X]], %[[S]]#1)
// CHECK: %[[O:.*]] = onnx.Add
// CHECK: sink.yield %[[O]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @halves_by_slice #g {
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
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// By Split, factors and summands the other way round.
// CHECK-LABEL: onnx.graph @halves_by_split
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 {layout = #sink.layout<bhsd>, rotary_dim = 8 : i64} :
onnx.graph @halves_by_split #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %sizes = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %a, %b = onnx.Split(%x, %sizes) {axis = 3} : (!x, !u) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = 3} : (!u, !u) -> !u
  %rs = onnx.Mul(%sin, %r) : (!t, !u) -> !u
  %xc = onnx.Mul(%cos, %x) : (!t, !x) -> !u
  %y = onnx.Add(%rs, %xc) : (!u, !u) -> !u
  onnx.return
}

// Negative by a product with -1.
// CHECK-LABEL: onnx.graph @negative_by_product
// CHECK: sink.rotary
// CHECK: onnx.Concat
// CHECK: sink.yield
onnx.graph @negative_by_product #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!x, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!x, !u, !u, !u) -> !u
  %minus = onnx.Constant() {value_float = -1.0 : f32} : () -> !u
  %n = onnx.Mul(%b, %minus) : (!u, !u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Casts and identities on the way.
// CHECK-LABEL: onnx.graph @casts
// CHECK: sink.rotary {{.*}} rotary_dim = 8 : i64
// CHECK: sink.yield
onnx.graph @casts #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %x1 = onnx.Identity(%x) : (!x) -> !u
  %a = onnx.Slice(%x1, %zero, %mid, %axis) : (!u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x1, %mid, %end, %axis) : (!u, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %r1 = onnx.Cast(%r) {to = 1} : (!u) -> !u
  %rs = onnx.Mul(%r1, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x1, %cos) : (!u, !t) -> !u
  %xc1 = onnx.Cast(%xc) {to = 1} : (!u) -> !u
  %y = onnx.Add(%xc1, %rs) : (!u, !u) -> !u
  onnx.return
}

// Even and odd elements, stacked and put side by side again.
// CHECK-LABEL: onnx.graph @interleaved
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 {interleaved, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64} :
// CHECK: onnx.Reshape
// CHECK: sink.yield
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

// Each half of the result on its own; tables have half the width.
// CHECK-LABEL: onnx.graph @by_parts
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 {half_tables, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64} :
// CHECK: sink.yield
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

// The same, factors and summands the other way round.
// CHECK-LABEL: onnx.graph @by_parts_commuted
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 {half_tables, layout
onnx.graph @by_parts_commuted #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %sizes = onnx.Constant() {value_ints = array<i64: 4, 4>} : () -> !u
  %a, %b = onnx.Split(%x, %sizes) {axis = -1} : (!x, !u) -> (!u, !u)
  %ac = onnx.Mul(%cos, %a) : (!h, !u) -> !u
  %bs = onnx.Mul(%sin, %b) : (!h, !u) -> !u
  %f = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%cos, %b) : (!h, !u) -> !u
  %as = onnx.Mul(%sin, %a) : (!h, !u) -> !u
  %g = onnx.Add(%as, %bc) : (!u, !u) -> !u
  %y = onnx.Concat(%f, %g) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// By parts, of even and odd elements.
// CHECK-LABEL: onnx.graph @interleaved_by_parts
// CHECK: sink.rotary {{.*}} {half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 8 : i64} :
onnx.graph @interleaved_by_parts #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !h, !h)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 3>} : () -> !u
  %a = onnx.Slice(%x, %zero, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %one, %end, %axis, %two) : (!x, !u, !u, !u, !u) -> !u
  %ac = onnx.Mul(%a, %cos) : (!u, !h) -> !u
  %bs = onnx.Mul(%b, %sin) : (!u, !h) -> !u
  %f = onnx.Sub(%ac, %bs) : (!u, !u) -> !u
  %bc = onnx.Mul(%b, %cos) : (!u, !h) -> !u
  %as = onnx.Mul(%a, %sin) : (!u, !h) -> !u
  %g = onnx.Add(%bc, %as) : (!u, !u) -> !u
  %new = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %f1 = onnx.Unsqueeze(%f, %new) : (!u, !u) -> !u
  %g1 = onnx.Unsqueeze(%g, %new) : (!u, !u) -> !u
  %c = onnx.Concat(%f1, %g1) {axis = -1} : (!u, !u) -> !u
  %shape = onnx.Constant() {value_ints = array<i64: 2, 4, 5, 8>} : () -> !u
  %r = onnx.Reshape(%c, %shape) : (!u, !u) -> !u
  onnx.return
}

// The first elements alone are rotated: they are sliced before and joined with
// the others after, both outside.
// CHECK-LABEL: onnx.graph @partial
// CHECK: %[[X:.*]] = onnx.Slice
// CHECK: %[[REST:.*]] = onnx.Slice
// CHECK: %[[Y:.*]] = sink.rotary %[[X]] cos {{.*}} rotary_dim = 8 : i64}
// CHECK: sink.yield
// CHECK: onnx.Concat(%[[Y]], %[[REST]])
onnx.graph @partial #g {
  %w, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x5x12xf32>, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: 4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %eight = onnx.Constant() {value_ints = array<i64: 8>} : () -> !u
  %x = onnx.Slice(%w, %zero, %eight, %axis) : (tensor<2x4x5x12xf32>, !u, !u, !u) -> !u
  %rest = onnx.Slice(%w, %eight, %end, %axis) : (tensor<2x4x5x12xf32>, !u, !u, !u) -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (!u, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (!u, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!u, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  %o = onnx.Concat(%y, %rest) {axis = -1} : (!u, !u) -> !u
  onnx.return
}

// Rank 3 is as good, and bounds counted from the end.
// CHECK-LABEL: onnx.graph @rank_three
// CHECK: sink.rotary {{.*}} rotary_dim = 8 : i64
onnx.graph @rank_three #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, !t, !t)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %mid = onnx.Constant() {value_ints = array<i64: -4>} : () -> !u
  %end = onnx.Constant() {value_ints = array<i64: 8>} : () -> !u
  %axis = onnx.Constant() {value_ints = array<i64: 2>} : () -> !u
  %a = onnx.Slice(%x, %zero, %mid, %axis) : (tensor<8x5x8xf32>, !u, !u, !u) -> !u
  %b = onnx.Slice(%x, %mid, %end, %axis) : (tensor<8x5x8xf32>, !u, !u, !u) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<8x5x8xf32>, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}
}

module attributes {onnx.model = {opset_import = [{domain = "", version = 9}]}} {

// Before opset 10 a Slice has attributes.
// CHECK-LABEL: onnx.graph @slice_attributes
// CHECK: sink.rotary {{.*}} rotary_dim = 8 : i64
onnx.graph @slice_attributes #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, !t, !t)
  %a = onnx.Slice(%x) {starts = array<i64: 0>, ends = array<i64: 4>, axes = array<i64: 3>} : (!x) -> !u
  %b = onnx.Slice(%x) {starts = array<i64: 4>, ends = array<i64: 8>, axes = array<i64: 3>} : (!x) -> !u
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = 3} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, !t) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, !t) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}
}
