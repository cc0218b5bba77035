// RUN: basin-opt %s --sink-rotate-residual | FileCheck %s
// RUN: basin-opt %s --sink-rotate-residual=seed=1 | FileCheck %s --check-prefix=SEED
// RUN: basin-opt %s --sink-rotate-residual=kind=orthogonal | FileCheck %s --check-prefix=ORTHOGONAL

!x = tensor<2x5x4xf32>
!h = tensor<2x5x2xf32>
!v = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {

// The table of rows e_j becomes Q. What writes the stream is multiplied by Q: a matrix, its bias and
// positions. What reads it gets Q^T, after the norm's weights. The head has the same table, but
// with the last norm's weights, so it gets a copy.
// CHECK-LABEL: onnx.graph @rotate
// CHECK: %[[HEAD:.*]] = onnx.initializer "table" : {{.*}} = dense<{{\[\[}}5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01], [-5.000000e-01, 5.000000e-01, -5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00, -2.000000e+00, -2.000000e+00], [-5.000000e-01, 5.000000e-01, 5.000000e-01, -5.000000e-01]]>
// CHECK: %[[Q:.*]] = onnx.initializer "table.rotated" : {{.*}} = dense<{{\[\[}}5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01], [-5.000000e-01, 5.000000e-01, -5.000000e-01, 5.000000e-01], [5.000000e-01, 5.000000e-01, -5.000000e-01, -5.000000e-01], [-5.000000e-01, 5.000000e-01, 5.000000e-01, -5.000000e-01]]>
// CHECK: onnx.initializer "pos" : {{.*}} = dense<2.000000e+00>
// CHECK: onnx.initializer "n1" : {{.*}} = dense<1.000000e+00>
// CHECK: onnx.initializer "n2" : {{.*}} = dense<1.000000e+00>
// CHECK: onnx.initializer "up" : {{.*}} = dense<{{\[\[}}5.000000e-01, -1.000000e+00], [5.000000e-01, 1.000000e+00], [5.000000e-01, -1.000000e+00], [5.000000e-01, 1.000000e+00]]>
// CHECK: onnx.initializer "down" : {{.*}} = dense<{{\[\[}}1.000000e+00, 1.000000e+00, -1.000000e+00, -1.000000e+00], [-1.000000e+00, 1.000000e+00, 1.000000e+00, -1.000000e+00]]>
// CHECK: onnx.initializer "bias" : {{.*}} = dense<[-1.000000e+00, 1.000000e+00, -1.000000e+00, 1.000000e+00]>
// CHECK: onnx.Gather(%[[Q]]
// CHECK: onnx.Transpose(%[[HEAD]])
// Another seed draws other signs, and a random matrix has other numbers.
// SEED: onnx.initializer "bias"
// SEED-NOT: dense<[-1.000000e+00, 1.000000e+00, -1.000000e+00, 1.000000e+00]>
// SEED: onnx.Gather
// ORTHOGONAL: onnx.initializer "bias"
// ORTHOGONAL-NOT: dense<[-1.000000e+00, 1.000000e+00, -1.000000e+00, 1.000000e+00]>
// ORTHOGONAL: onnx.Gather
onnx.graph @rotate #g {
  %ids = onnx.node "Source" () {} : () -> tensor<2x5xi64>
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %pos = onnx.initializer "pos" : tensor<1x1x4xf32> = dense<[[[4.0, 0.0, 0.0, 0.0]]]> : tensor<1x1x4xf32>
  %n1 = onnx.initializer "n1" : !v = dense<[1.0, 2.0, 1.0, 1.0]> : !v
  %n2 = onnx.initializer "n2" : !v = dense<[1.0, 1.0, 4.0, 1.0]> : !v
  %up = onnx.initializer "up" : tensor<4x2xf32> = dense<[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]> : tensor<4x2xf32>
  %down = onnx.initializer "down" : tensor<2x4xf32> = dense<[[0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 2.0]]> : tensor<2x4xf32>
  %bias = onnx.initializer "bias" : !v = dense<[0.0, 2.0, 0.0, 0.0]> : !v
  %e = onnx.Gather(%table, %ids) : (tensor<4x4xf32>, tensor<2x5xi64>) -> !x
  %x = onnx.Add(%e, %pos) {onnx.outs = ["x"]} : (!x, tensor<1x1x4xf32>) -> !x
  %y = sink.rms_norm %x weight %n1 {epsilon = 1.0e-5} : (!x, !v) -> !x
  %u = onnx.MatMul(%y, %up) : (!x, tensor<4x2xf32>) -> !h
  %d0 = onnx.MatMul(%u, %down) : (!h, tensor<2x4xf32>) -> !x
  %d = onnx.Add(%bias, %d0) : (!v, !x) -> !x
  %r = onnx.Add(%x, %d) : (!x, !x) -> !x
  %z = sink.rms_norm %r weight %n2 {epsilon = 1.0e-5} : (!x, !v) -> !x
  %t = onnx.Transpose(%table) {perm = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %l = onnx.MatMul(%z, %t) : (!x, tensor<4x4xf32>) -> !x
  onnx.node "Sink" (%l) {} : (!x) -> ()
  onnx.return
}

// The norm has no weights, so the table and the head are changed alike and stay one. A Gemm's bias
// and a matrix that is stored transposed are changed, too.
// CHECK-LABEL: onnx.graph @tied
// CHECK: onnx.initializer "table.tied"
// CHECK-NOT: rotated
// CHECK: onnx.initializer "w.tied" : {{.*}} = dense<{{\[\[}}5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01], [5.000000e-01, -5.000000e-01, 5.000000e-01, -5.000000e-01], [5.000000e-01, 5.000000e-01, -5.000000e-01, -5.000000e-01], [5.000000e-01, -5.000000e-01, -5.000000e-01, 5.000000e-01]]>
// CHECK: onnx.initializer "b.tied" : {{.*}} = dense<[1.000000e+00, 1.000000e+00, -1.000000e+00, -1.000000e+00]>
// CHECK: onnx.initializer "o.tied" : {{.*}} = dense<{{\[\[}}2.000000e+00, 2.000000e+00, 2.000000e+00, 2.000000e+00], [0.000000e+00, {{.*}}], [0.000000e+00, {{.*}}], [0.000000e+00, {{.*}}]]>
onnx.graph @tied #g {
  %ids = onnx.node "Source" () {} : () -> tensor<5xi64>
  %table = onnx.initializer "table.tied" : tensor<4x4xf32> = dense<[[2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %w = onnx.initializer "w.tied" : tensor<4x4xf32> = dense<[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %b = onnx.initializer "b.tied" : !v = dense<[0.0, 0.0, 2.0, 0.0]> : !v
  %o = onnx.initializer "o.tied" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %x = onnx.Gather(%table, %ids) : (tensor<4x4xf32>, tensor<5xi64>) -> tensor<5x4xf32>
  %y = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<5x4xf32>) -> tensor<5x4xf32>
  %a = onnx.Gemm(%y, %o) : (tensor<5x4xf32>, tensor<4x4xf32>) -> tensor<5x4xf32>
  %s = onnx.Sigmoid(%a) : (tensor<5x4xf32>) -> tensor<5x4xf32>
  %d = onnx.Gemm(%s, %w, %b) {transB = 1 : i64} : (tensor<5x4xf32>, tensor<4x4xf32>, !v) -> tensor<5x4xf32>
  %r = onnx.Add(%x, %d) : (tensor<5x4xf32>, tensor<5x4xf32>) -> tensor<5x4xf32>
  %z = sink.rms_norm %r {epsilon = 1.0e-5} : (tensor<5x4xf32>) -> tensor<5x4xf32>
  %l = onnx.Gemm(%z, %table) {transB = 1 : i64} : (tensor<5x4xf32>, tensor<4x4xf32>) -> tensor<5x4xf32>
  onnx.node "Sink" (%l) {} : (tensor<5x4xf32>) -> ()
  onnx.return
}
}
