// RUN: basin-opt %s --sink-replace-swiglu-with-glu --split-input-file | FileCheck %s

!u = !onnx.unknown
!x = tensor<2x5x4xf32>
!w = tensor<4x8xf32>
!p = tensor<2x5x8xf32>
!v = tensor<8x4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 24}]}} {

// The sigmoid that is there takes the place of its product with g, which nothing else reads.
// CHECK-LABEL: onnx.graph @base
// CHECK: %[[G:.*]] = onnx.MatMul
// CHECK: %[[U:.*]] = onnx.MatMul
// CHECK-NEXT: %[[S:.*]] = onnx.Sigmoid(%[[G]])
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[S]], %[[U]]) {onnx.outs = ["p"]}
// CHECK-NEXT: onnx.MatMul(%[[P]]
onnx.graph @base #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w1 = onnx.initializer "w1" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%s, %g) : (!p, !p) -> !p
  %p = onnx.Mul(%u, %a) {onnx.outs = ["p"]} : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}

// The three factors in two other orders: g (sigmoid(g) u) and sigmoid(g) (g u).
// CHECK-LABEL: onnx.graph @orders
// CHECK: %[[G:.*]] = onnx.MatMul
// CHECK: %[[U:.*]] = onnx.MatMul
// CHECK-NEXT: %[[S:.*]] = onnx.Sigmoid(%[[G]])
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[S]], %[[U]])
// CHECK-NEXT: onnx.MatMul(%[[P]]
// CHECK-NEXT: %[[Q:.*]] = onnx.Mul(%[[S]], %[[U]])
// CHECK-NEXT: onnx.MatMul(%[[Q]]
onnx.graph @orders #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w1 = onnx.initializer "w1.o" : !w = dense<2.0> : !w
  %w2 = onnx.initializer "w2.o" : !w = dense<3.0> : !w
  %w3 = onnx.initializer "w3.o" : !v = dense<3.0> : !v
  %g = onnx.MatMul(%x, %w1) : (!x, !w) -> !p
  %u = onnx.MatMul(%x, %w2) : (!x, !w) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%s, %u) : (!p, !p) -> !p
  %p = onnx.Mul(%g, %a) : (!p, !p) -> !p
  %y = onnx.MatMul(%p, %w3) : (!p, !v) -> !x
  %b = onnx.Mul(%u, %g) : (!p, !p) -> !p
  %q = onnx.Mul(%b, %s) : (!p, !p) -> !p
  %z = onnx.MatMul(%q, %w3) : (!p, !v) -> !x
  onnx.node "Sink" (%y, %z) {} : (!x, !x) -> ()
  onnx.return
}

// Operators for silu, biases, halves of one projection, and a reshape before the next.
// CHECK-LABEL: onnx.graph @operators
// CHECK: %[[H:.*]]:2 = onnx.Split
// CHECK-NEXT: %[[S:.*]] = onnx.Sigmoid(%[[H]]#0)
// CHECK-NEXT: %[[P:.*]] = onnx.Mul(%[[S]], %[[H]]#1)
// CHECK: onnx.Reshape(%[[P]]
// CHECK: %[[T:.*]] = onnx.Sigmoid(%[[H]]#1)
// CHECK-NEXT: %[[Q:.*]] = onnx.Mul(%[[T]], %[[H]]#0)
// CHECK-NEXT: onnx.Gemm(%[[Q]]
// CHECK-NOT: onnx.Swish
// CHECK-NOT: onnx.ms.QuickGelu
onnx.graph @operators #g {
  %x, %n = onnx.node "Source" () {} : () -> (tensor<10x4xf32>, tensor<3xi64>)
  %w1 = onnx.initializer "w1.p" : tensor<4x16xf32> = dense<2.0> : tensor<4x16xf32>
  %c = onnx.initializer "c.p" : tensor<16xf32> = dense<2.0> : tensor<16xf32>
  %w3 = onnx.initializer "w3.p" : !v = dense<3.0> : !v
  %h = onnx.MatMul(%x, %w1) : (tensor<10x4xf32>, tensor<4x16xf32>) -> tensor<10x16xf32>
  %b = onnx.Add(%h, %c) : (tensor<10x16xf32>, tensor<16xf32>) -> tensor<10x16xf32>
  %g, %u = onnx.Split(%b) {axis = -1 : i64, num_outputs = 2 : i64} : (tensor<10x16xf32>) -> (tensor<10x8xf32>, tensor<10x8xf32>)
  %a = onnx.Swish(%g) : (tensor<10x8xf32>) -> tensor<10x8xf32>
  %p = onnx.Mul(%a, %u) : (tensor<10x8xf32>, tensor<10x8xf32>) -> tensor<10x8xf32>
  %r = onnx.Reshape(%p, %n) : (tensor<10x8xf32>, tensor<3xi64>) -> !p
  %y = onnx.MatMul(%r, %w3) : (!p, !v) -> !x
  %k = onnx.ms.QuickGelu(%u) {alpha = 1.0 : f32} : (tensor<10x8xf32>) -> tensor<10x8xf32>
  %q = onnx.Mul(%g, %k) : (tensor<10x8xf32>, tensor<10x8xf32>) -> tensor<10x8xf32>
  %z = onnx.Gemm(%q, %w3) : (tensor<10x8xf32>, !v) -> tensor<10x4xf32>
  onnx.node "Sink" (%y, %z) {} : (!x, tensor<10x4xf32>) -> ()
  onnx.return
}

// The silu is computed in f32 between casts, and read elsewhere, too: that reader keeps it.
// CHECK-LABEL: onnx.graph @casts
// CHECK: onnx.MatMul
// CHECK: %[[U:.*]] = onnx.MatMul
// CHECK: %[[G:.*]] = onnx.Cast
// CHECK: %[[S:.*]] = onnx.Sigmoid(%[[G]])
// CHECK: %[[A:.*]] = onnx.Mul(%[[G]], %[[S]])
// CHECK: %[[C:.*]] = onnx.Cast(%[[S]]) {{.*}}to = 10
// CHECK: %[[P:.*]] = onnx.Mul(%[[C]], %[[U]])
// CHECK: onnx.MatMul(%[[P]]
// CHECK: onnx.node "Reader"(%[[A]])
onnx.graph @casts #g {
  %x = onnx.node "Source" () {} : () -> tensor<2x5x4xf16>
  %w1 = onnx.initializer "w1.c" : tensor<4x8xf16> = dense<2.0> : tensor<4x8xf16>
  %w2 = onnx.initializer "w2.c" : tensor<4x8xf16> = dense<3.0> : tensor<4x8xf16>
  %w3 = onnx.initializer "w3.c" : tensor<8x4xf16> = dense<3.0> : tensor<8x4xf16>
  %g16 = onnx.MatMul(%x, %w1) : (tensor<2x5x4xf16>, tensor<4x8xf16>) -> tensor<2x5x8xf16>
  %u = onnx.MatMul(%x, %w2) : (tensor<2x5x4xf16>, tensor<4x8xf16>) -> tensor<2x5x8xf16>
  %g = onnx.Cast(%g16) {to = 1 : i64} : (tensor<2x5x8xf16>) -> !p
  %s = onnx.Sigmoid(%g) : (!p) -> !p
  %a = onnx.Mul(%g, %s) : (!p, !p) -> !p
  %a16 = onnx.Cast(%a) {to = 10 : i64} : (!p) -> tensor<2x5x8xf16>
  %p = onnx.Mul(%a16, %u) : (tensor<2x5x8xf16>, tensor<2x5x8xf16>) -> tensor<2x5x8xf16>
  %y = onnx.MatMul(%p, %w3) : (tensor<2x5x8xf16>, tensor<8x4xf16>) -> tensor<2x5x4xf16>
  onnx.node "Reader" (%a) {} : (!p) -> ()
  onnx.node "Sink" (%y) {} : (tensor<2x5x4xf16>) -> ()
  onnx.return
}
}
