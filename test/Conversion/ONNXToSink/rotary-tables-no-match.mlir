// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// Tables of rotary embedding: what they vary by has to be known.

!u = !onnx.unknown
!x = tensor<2x4x5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// A row a position.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rotary {{.*}}layout = #sink.layout<bhsd>
onnx.graph @base #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<5x8xf32>, tensor<5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (!x) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, tensor<5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Of three axes the first is the heads'.
// CHECK-LABEL: onnx.graph @one_for_all_heads
// CHECK: sink.rotary
onnx.graph @one_for_all_heads #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<1x5x8xf32>, tensor<1x5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (!x) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<1x5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, tensor<1x5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// A table a head is none that batch elements have.
// CHECK-LABEL: onnx.graph @one_a_head
// CHECK-NOT: = sink.
onnx.graph @one_a_head #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<4x5x8xf32>, tensor<4x5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (!x) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its tables of rank 3 may differ from head to head: their first axis is not known to have size 1}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<4x5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, tensor<4x5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// x is [batch, sequence, heads, dim], and the tables vary by its second axis.
// CHECK-LABEL: onnx.graph @heads_after_sequence
// CHECK-NOT: = sink.
onnx.graph @heads_after_sequence #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x5x4x8xf32>, tensor<5x1x8xf32>, tensor<5x1x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (tensor<2x5x4x8xf32>) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its tables of rank 3 may differ from head to head: their first axis is not known to have size 1}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<5x1x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<2x5x4x8xf32>, tensor<5x1x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// So they do where heads and sequence are of one size.
// CHECK-LABEL: onnx.graph @square
// CHECK-NOT: = sink.
onnx.graph @square #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<2x4x4x8xf32>, tensor<4x1x8xf32>, tensor<4x1x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (tensor<2x4x4x8xf32>) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its tables of rank 3 may differ from head to head: their first axis is not known to have size 1}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<4x1x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<2x4x4x8xf32>, tensor<4x1x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// With x's rank they are broadcast as they are.
// CHECK-LABEL: onnx.graph @own_rank
// CHECK: sink.rotary
onnx.graph @own_rank #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<2x1x5x8xf32>, tensor<2x1x5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (!x) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<2x1x5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, tensor<2x1x5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Batch and heads are one axis.
// CHECK-LABEL: onnx.graph @rank_three
// CHECK: sink.rotary {{.*}}layout = #sink.layout<hsd>
onnx.graph @rank_three #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<8x5x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (tensor<8x5x8xf32>) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<8x5x8xf32>, tensor<5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// No heads at all.
// CHECK-LABEL: onnx.graph @rank_two
// CHECK-NOT: = sink.
onnx.graph @rank_two #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, tensor<5x8xf32>, tensor<5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (tensor<5x8xf32>) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its input has rank 2; expected rank 4 [batch, heads, sequence, head dim] or rank 3 [heads, sequence, head dim]}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<5x8xf32>, tensor<5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// A table of unknown rank.
// CHECK-LABEL: onnx.graph @unknown_table
// CHECK-NOT: = sink.
onnx.graph @unknown_table #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<*xf32>, tensor<*xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (!x) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: one of its tables has an unknown rank; expected rank 2 [sequence, n] up to rank 4, which its input has}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<*xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (!x, tensor<*xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}

// Tables for two elements of a batch repeat the one element of x.
// CHECK-LABEL: onnx.graph @tables_of_larger_batch
// CHECK-NOT: = sink.
onnx.graph @tables_of_larger_batch #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<1x4x5x8xf32>, tensor<2x1x5x8xf32>, tensor<2x1x5x8xf32>)
  %a, %b = onnx.Split(%x) {axis = -1, num_outputs = 2 : i64} : (tensor<1x4x5x8xf32>) -> (!u, !u)
  %n = onnx.Neg(%b) : (!u) -> !u
  // expected-remark@+1 {{rotary embedding '' not raised: its result has another shape than its input}}
  %r = onnx.Concat(%n, %a) {axis = -1} : (!u, !u) -> !u
  %rs = onnx.Mul(%r, %sin) : (!u, tensor<2x1x5x8xf32>) -> !u
  %xc = onnx.Mul(%x, %cos) : (tensor<1x4x5x8xf32>, tensor<2x1x5x8xf32>) -> !u
  %y = onnx.Add(%xc, %rs) : (!u, !u) -> !u
  onnx.return
}
}
