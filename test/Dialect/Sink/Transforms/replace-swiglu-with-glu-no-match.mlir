// RUN: basin-opt %s --sink-replace-swiglu-with-glu --verify-diagnostics | FileCheck %s

// What is no SwiGLU feed-forward. The first is one; each of the others changes it in one place.

!u = !onnx.unknown
!x = tensor<2x5x4xf32>
!w = tensor<4x8xf32>
!p = tensor<2x5x8xf32>
!v = tensor<8x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}]}} {

// The feed-forward that is replaced.
// CHECK-LABEL: onnx.graph @base
// CHECK: %[[S:.*]] = onnx.Sigmoid
// CHECK-NEXT: onnx.Mul(%[[S]]
onnx.graph @base #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.base" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.base" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.base" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The sigmoid is that of another value.
// CHECK-LABEL: onnx.graph @no_match_sigmoid_of_other
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_sigmoid_of_other #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_sigmoid_of_other" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_sigmoid_of_other" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_sigmoid_of_other" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%h) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// QuickGelu without alpha 1 is x sigmoid(1.702 x), and so is Swish with another alpha.
// CHECK-LABEL: onnx.graph @no_match_alpha
// CHECK: %[[A:.*]] = onnx.ms.QuickGelu
// CHECK: onnx.Mul(%[[A]]
// CHECK: %[[B:.*]] = onnx.Swish
// CHECK: onnx.Mul(%[[B]]
onnx.graph @no_match_alpha #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_alpha" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_alpha" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_alpha" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %a = onnx.ms.QuickGelu(%g) : (!p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  %b = onnx.Swish(%g) {alpha = 2.0 : f32} : (!p) -> !p
  %q = onnx.Mul(%b, %u) : (!p, !p) -> !p
  %z = onnx.MatMul(%q, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%z) {} : (!x) -> ()
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// HardSwish is another function.
// CHECK-LABEL: onnx.graph @no_match_hard_swish
// CHECK: %[[A:.*]] = onnx.HardSwish
// CHECK: onnx.Mul(%[[A]]
onnx.graph @no_match_hard_swish #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_hard_swish" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_hard_swish" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_hard_swish" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %a = onnx.HardSwish(%g) : (!p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// What is gated is no projection, as a scan's or an attention's result is none.
// CHECK-LABEL: onnx.graph @no_match_other_computed
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_other_computed #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_other_computed" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_other_computed" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_other_computed" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.Relu(%h) : (!p) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The gate is no projection.
// CHECK-LABEL: onnx.graph @no_match_gate_computed
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_gate_computed #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_gate_computed" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_gate_computed" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_gate_computed" : !v = dense<3.0> : !v
  %g = onnx.Relu(%h) : (!p) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The product of two computed values is no projection.
// CHECK-LABEL: onnx.graph @no_match_computed_matrix
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_computed_matrix #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_computed_matrix" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_computed_matrix" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_computed_matrix" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %c = onnx.node "Source" () {} : () -> !w
  %u = onnx.MatMul(%x, %c) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// A projection that gates itself has one factor less.
// CHECK-LABEL: onnx.graph @no_match_self
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_self #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_self" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_self" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_self" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %g) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The result is normalized before the next projection.
// CHECK-LABEL: onnx.graph @no_match_no_projection_after
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_no_projection_after #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_no_projection_after" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_no_projection_after" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_no_projection_after" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %n = sink.rms_norm %p {epsilon = 1.0} : (!p) -> !p
  %y = onnx.MatMul(%n, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// Something besides a projection reads the result.
// CHECK-LABEL: onnx.graph @no_match_read_elsewhere
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_read_elsewhere #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_read_elsewhere" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_read_elsewhere" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_read_elsewhere" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Reader" (%p) {} : (!p) -> ()
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The result is the matrix of a product.
// CHECK-LABEL: onnx.graph @no_match_matrix_operand
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[A]]
onnx.graph @no_match_matrix_operand #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_matrix_operand" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_matrix_operand" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_matrix_operand" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %p = onnx.Mul(%a, %u) : (!p, !p) -> !p
  %k = onnx.initializer "k" : tensor<2x4x5xf32> = dense<3.0> : tensor<2x4x5xf32>
  %t = onnx.MatMul(%k, %p) : (tensor<2x4x5xf32>, !p) -> tensor<2x4x8xf32>
  %y = onnx.MatMul(%t, %w3) : (tensor<2x4x8xf32>, !v) -> tensor<2x4x4xf32>
  onnx.node "Sink" (%y) {} : (tensor<2x4x4xf32>) -> ()
  onnx.return
}

// The product of u and the sigmoid is read elsewhere, so it stays, and so does the last product.
// CHECK-LABEL: onnx.graph @no_match_inner_used
// CHECK: %[[A:.*]] = onnx.Mul
// CHECK-NEXT: onnx.Mul(%{{.*}}, %[[A]])
onnx.graph @no_match_inner_used #g {
  %x, %h = onnx.node "Source" () {} : () -> (!x, !p)
  %w1 = onnx.initializer "w1.no_match_inner_used" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.no_match_inner_used" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.no_match_inner_used" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%s, %u) : (!p, !p) -> !p
  %p = onnx.Mul(%g, %a) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Reader" (%a) {} : (!p) -> ()
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
