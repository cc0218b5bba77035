// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// act(swish(y W_down) W_up) y in its forms.

!u = !onnx.unknown
!x = tensor<2x5x8xf32>
!d = tensor<8x3xf32>
!p = tensor<3x8xf32>
!t = tensor<3x1xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The exporter's ops stand in the form, the value as its argument.
// CHECK-LABEL: onnx.graph @base
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK-NEXT: %[[Y:.*]] = sink.gate %[[S]]#0 down %[[S]]#1 up %[[S]]#2 : (tensor<2x5x8xf32>, tensor<8x3xf32>, tensor<3x8xf32>) -> tensor<2x5x8xf32> {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x5x8xf32>):
// CHECK-NEXT: %[[L:.*]] = onnx.MatMul(%[[X]], %[[S]]#1)
// CHECK-NEXT: %[[G:.*]] = onnx.Sigmoid(%[[L]])
// CHECK-NEXT: %[[W:.*]] = onnx.Mul(%[[L]], %[[G]])
// CHECK-NEXT: %[[C:.*]] = onnx.MatMul(%[[W]], %[[S]]#2)
// CHECK-NEXT: %[[A:.*]] = onnx.Sigmoid(%[[C]])
// CHECK-NEXT: %[[R:.*]] = onnx.Mul(%[[A]], %[[X]])
// CHECK-NEXT: sink.yield %[[R]]
// CHECK: onnx.Relu(%[[Y]])
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

// Every product the other way round.
// CHECK-LABEL: onnx.graph @commuted
// CHECK: sink.gate %{{.*}}#0 down %{{.*}}#1 up %{{.*}}#2 :
onnx.graph @commuted #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%s, %l) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%x, %g) : (!x, !u) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// One score for all elements, by tanh.
// CHECK-LABEL: onnx.graph @tensorwise_tanh
// CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} {activation = #sink.activation<tanh>} : (tensor<2x5x8xf32>, tensor<8x3xf32>, tensor<3x1xf32>)
onnx.graph @tensorwise_tanh #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !t)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !t) -> !u
  %g = onnx.Tanh(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// A swish of the scores; it is no gate of its own.
// CHECK-LABEL: onnx.graph @silu
// CHECK: sink.gate %{{.*}} {activation = #sink.activation<silu>}
// CHECK-NOT: sink.gate
onnx.graph @silu #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %k = onnx.Sigmoid(%c) : (!u) -> !u
  %g = onnx.Mul(%c, %k) : (!u, !u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The scores themselves.
// CHECK-LABEL: onnx.graph @identity
// CHECK: sink.gate %{{.*}} {activation = #sink.activation<identity>}
onnx.graph @identity #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %y = onnx.Mul(%c, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// The operator Swish, in both places.
// CHECK-LABEL: onnx.graph @swish_op
// CHECK: sink.gate %{{.*}} {activation = #sink.activation<silu>}
onnx.graph @swish_op #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Swish(%c) {alpha = 1.0 : f32} : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// com.microsoft's, which is a swish where its factor is one.
// CHECK-LABEL: onnx.graph @quick_gelu
// CHECK: sink.gate
onnx.graph @quick_gelu #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %l = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %w = onnx.ms.QuickGelu(%l) {alpha = 1.0 : f32} : (!u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Of a matrix the projections may be Gemms.
// CHECK-LABEL: onnx.graph @gemm
// CHECK: sink.gate
onnx.graph @gemm #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, !d, !p)
  %l = onnx.Gemm(%x, %d) : (tensor<5x8xf32>, !d) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.Gemm(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, tensor<5x8xf32>) -> !u
  onnx.return
}

// Scores in f32 of a value in f16: the cast that only they read belongs to it.
// CHECK-LABEL: onnx.graph @casts
// CHECK: sink.gate %{{.*}} : (tensor<2x5x8xf16>, tensor<8x3xf32>, tensor<3x8xf32>) -> tensor<2x5x8xf16> {
onnx.graph @casts #g {
  %h, %d, %u = onnx.node "Source" () {} : () -> (tensor<2x5x8xf16>, !d, !p)
  %x = onnx.Cast(%h) {to = 1 : i64} : (tensor<2x5x8xf16>) -> !u
  %l = onnx.MatMul(%x, %d) : (!u, !d) -> !u
  %s = onnx.Sigmoid(%l) : (!u) -> !u
  %w = onnx.Mul(%l, %s) : (!u, !u) -> !u
  %c = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %g16 = onnx.Cast(%g) {to = 10 : i64} : (!u) -> !u
  %y = onnx.Mul(%g16, %h) : (!u, tensor<2x5x8xf16>) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}
// Biases are added to the products, on either side. One number is one for all columns.
// CHECK-LABEL: onnx.graph @biases
// CHECK: %[[B:.*]] = onnx.initializer "b.3"
// CHECK: %[[N:.*]] = onnx.initializer "b.number"
// CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} bias_down %[[B]] bias_up %[[N]] : {{.*}} {
// CHECK: onnx.Add
// CHECK: onnx.Add
// CHECK: sink.yield
onnx.graph @biases #g {
  %x, %d, %u = onnx.node "Source" () {} : () -> (!x, !d, !p)
  %b = onnx.initializer "b.3" : tensor<3xf32> = dense<1.0> : tensor<3xf32>
  %n = onnx.initializer "b.number" : tensor<f32> = dense<1.0> : tensor<f32>
  %k = onnx.MatMul(%x, %d) : (!x, !d) -> !u
  %l = onnx.Add(%k, %b) : (!u, tensor<3xf32>) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %m = onnx.MatMul(%w, %u) : (!u, !p) -> !u
  %c = onnx.Add(%n, %m) : (tensor<f32>, !u) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, !x) -> !u
  onnx.return
}

// Gemms have them as an operand, which need not be constant.
// CHECK-LABEL: onnx.graph @gemm_biases
// CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} bias_down %{{.*}}#3 bias_up %{{.*}}#4
onnx.graph @gemm_biases #g {
  %x, %d, %u, %a, %b = onnx.node "Source" () {} : () -> (tensor<5x8xf32>, !d, !p, tensor<3xf32>, tensor<1x8xf32>)
  %l = onnx.Gemm(%x, %d, %a) : (tensor<5x8xf32>, !d, tensor<3xf32>) -> !u
  %w = onnx.Swish(%l) : (!u) -> !u
  %c = onnx.Gemm(%w, %u, %b) : (!u, !p, tensor<1x8xf32>) -> !u
  %g = onnx.Sigmoid(%c) : (!u) -> !u
  %y = onnx.Mul(%g, %x) : (!u, tensor<5x8xf32>) -> !u
  onnx.return
}
}
