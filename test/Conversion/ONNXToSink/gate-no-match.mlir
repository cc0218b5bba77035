// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What is no self-gate. The first is one; each of the others changes it in one place.

!u = !onnx.unknown
!x = tensor<2x5x8xf32>
!d = tensor<8x3xf32>
!p = tensor<3x8xf32>
!t = tensor<3x1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that is raised.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.gate
onnx.graph @base #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The scores are of another value than the one they scale.
// CHECK-LABEL: onnx.graph @another_value_scaled
// CHECK-NOT: sink.gate
// CHECK: onnx.Mul({{.*}}sink.miss = "it scales another value than its scores are computed from"
onnx.graph @another_value_scaled #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %o = onnx.Relu(%x) : (!x) -> !x
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: it scales another value than its scores are computed from}}
  %y = onnx.Mul(%g, %o) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A bias on the way down that has elements for each row.
// CHECK-LABEL: onnx.graph @down_bias
// CHECK-NOT: sink.gate
onnx.graph @down_bias #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %k = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %b = onnx.initializer "b.down" : tensor<5x3xf32> = dense<1.0> : tensor<5x3xf32>
  %l = onnx.Add(%k, %b) : (!u, tensor<5x3xf32>) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: the bias of one of its projections is no vector as long as its matrix has columns}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A bias on the way up that adds an axis.
// CHECK-LABEL: onnx.graph @up_bias
// CHECK-NOT: sink.gate
onnx.graph @up_bias #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %k = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %b = onnx.initializer "b.up" : tensor<1x1x1x8xf32> = dense<1.0> : tensor<1x1x1x8xf32>
  %c = onnx.Add(%b, %k) : (tensor<1x1x1x8xf32>, !u) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: the bias of one of its projections is no vector as long as its matrix has columns}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The matrix of a Gemm is not the operand as it stands.
// CHECK-LABEL: onnx.graph @gemm_transposed
// CHECK-NOT: sink.gate
onnx.graph @gemm_transposed #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, tensor<3x8xf32>, !p)
  %l = onnx.Gemm(%x, %d) {transB = 1 : i64} : (tensor<5x8xf32>, tensor<3x8xf32>) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.Gemm(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: one of its projections is a Gemm with a factor or a transposed operand}}
  %y = onnx.Mul(%g, %x) : (!u, tensor<5x8xf32>) -> !u
  onnx.return
}

// A factor of a Gemm is none of a gate's.
// CHECK-LABEL: onnx.graph @gemm_factor
// CHECK-NOT: sink.gate
onnx.graph @gemm_factor #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, !d, !p)
  %l = onnx.Gemm(%x, %d) {alpha = 2.0 : f32} : (tensor<5x8xf32>, !d) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.Gemm(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: one of its projections is a Gemm with a factor or a transposed operand}}
  %y = onnx.Mul(%g, %x) : (!u, tensor<5x8xf32>) -> !u
  onnx.return
}

// Whether a score is for one element or for all is not known.
// CHECK-LABEL: onnx.graph @unknown_sizes
// CHECK-NOT: sink.gate
onnx.graph @unknown_sizes #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, tensor<3x?xf32>)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, tensor<3x?xf32>) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: the weights of its projections are not matrices of known sizes}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A matrix for each element of the batch.
// CHECK-LABEL: onnx.graph @batched_matrices
// CHECK-NOT: sink.gate
onnx.graph @batched_matrices #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, tensor<2x8x3xf32>, !p)
  %l = onnx.MatMul(%x, %d) : (!x, tensor<2x8x3xf32>) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: the weights of its projections are not matrices of known sizes}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The result is broadcast to the scores.
// CHECK-LABEL: onnx.graph @wider
// CHECK-NOT: sink.gate
onnx.graph @wider #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (tensor<2x5x1xf32>, tensor<1x3xf32>, !p)
  %l = onnx.MatMul(%x, %d) : (tensor<2x5x1xf32>, tensor<1x3xf32>) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: it computes 8 scores for 1 elements; expected one, or one for each element}}
  %y = onnx.Mul(%g, %x) : (!u, tensor<2x5x1xf32>) -> !u
  onnx.return
}

// t sigmoid(2 t) is no swish.
// CHECK-LABEL: onnx.graph @swish_of_another_factor
// CHECK-NOT: sink.gate
onnx.graph @swish_of_another_factor #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %w = onnx.Swish(%l) {alpha = 2.0 : f32} : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// com.microsoft's factor is 1.702 by default.
// CHECK-LABEL: onnx.graph @quick_gelu_by_default
// CHECK-NOT: sink.gate
onnx.graph @quick_gelu_by_default #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %w = onnx.ms.QuickGelu(%l) : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// HardSwish is another function.
// CHECK-LABEL: onnx.graph @hard_swish
// CHECK-NOT: sink.gate
onnx.graph @hard_swish #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %w = onnx.HardSwish(%l) : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A feed-forward's product: the value that is scaled is another projection.
// CHECK-LABEL: onnx.graph @swiglu
// CHECK-NOT: sink.gate
onnx.graph @swiglu #g {
  %x, %d, %u, %o = onnx.node "Source" () {} : () -> (!x, !d, !d, tensor<3x8xf32>)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%x, %u) : (!x, !d) -> !u
  %y = onnx.Mul(%w, %c) : (!u, !u) -> !u
  %z = onnx.MatMul(%y, %o) : (!u, tensor<3x8xf32>) -> !u
  onnx.return
}

// The way up is computed from what came down.
// CHECK-LABEL: onnx.graph @matrix_of_an_inner_value
// CHECK-NOT: sink.gate
onnx.graph @matrix_of_an_inner_value #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %o = onnx.Constant() {value_ints = array<i64: 3, -1>} : () -> !u
  %f = onnx.Reshape(%l, %o) : (!u, !u) -> !u
  %i0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> !u
  %i8 = onnx.Constant() {value_ints = array<i64: 8>} : () -> !u
  %i1 = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %k = onnx.Slice(%f, %i0, %i8, %i1) : (!u, !u, !u, !u) -> !u
  %c = onnx.MatMul(%w, %k) : (!u, !u) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: one of its own ops computes one of its inputs}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The scores are read elsewhere too.
// CHECK-LABEL: onnx.graph @inner_value_used
// CHECK-NOT: sink.gate
onnx.graph @inner_value_used #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: an op outside it uses one of its inner values}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  %r = onnx.Relu(%g) : (!u) -> !u
  onnx.return
}
// The bias makes a score for each element of the one that the matrix makes.
// CHECK-LABEL: onnx.graph @tensorwise_with_wide_bias
// CHECK-NOT: sink.gate
onnx.graph @tensorwise_with_wide_bias #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, tensor<3x1xf32>)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %k = onnx.MatMul(%w, %u) : (!u, tensor<3x1xf32>) -> !u
  %b = onnx.initializer "b.wide" : tensor<8xf32> = dense<1.0> : tensor<8xf32>
  %c = onnx.Add(%b, %k) : (tensor<8xf32>, !u) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: the bias of one of its projections is no vector as long as its matrix has columns}}
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  onnx.return
}

// A bias that is computed is none.
// CHECK-LABEL: onnx.graph @computed_bias
// CHECK-NOT: sink.gate
onnx.graph @computed_bias #g {
  %x, %d, %u, %b = onnx.node "Source" () {} : () -> (!x, !d, !p, tensor<3xf32>)
  %k = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %l = onnx.Add(%k, %b) : (!u, tensor<3xf32>) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  onnx.return
}

// A Gemm multiplies its bias by a factor.
// CHECK-LABEL: onnx.graph @gemm_bias_factor
// CHECK-NOT: sink.gate
onnx.graph @gemm_bias_factor #g {
  %x, %d, %u, %b = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, !d, !p, tensor<3xf32>)
  %l = onnx.Gemm(%x, %d, %b) {beta = 0.5 : f32} : (tensor<5x8xf32>, !d, tensor<3xf32>) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.Gemm(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  // expected-remark@+1 {{gate '' not raised: one of its projections is a Gemm with a factor or a transposed operand}}
  %y = onnx.Mul(%g, %x) : (!u, tensor<5x8xf32>) -> !u
  onnx.return
}
}
