// RUN: basin-opt %s --sink-replace-norm-with-dyt --split-input-file | FileCheck %s
// RUN: basin-opt %s --sink-replace-norm-with-dyt="norms=all function=erf alpha=0.75" --split-input-file | FileCheck %s --check-prefix=ERF

// Norms that read the stream are replaced: weight and bias stay, and a bias that is missing starts at zero. The norm of
// other rows stays, unless all are replaced. Without a weight there is one of ones.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @replaced
// CHECK-DAG: %[[A1:.*]] = sink.parameter "first.alpha" : tensor<1xf32> = dense<5.000000e-01>
// CHECK-DAG: %[[B1:.*]] = sink.parameter "first.beta" : tensor<4xf32> = dense<0.000000e+00>
// CHECK-DAG: %[[A2:.*]] = sink.parameter "b.alpha" : tensor<1xf32> = dense<5.000000e-01>
// CHECK-NOT: sink.parameter "c
// CHECK: %[[W:.*]] = onnx.initializer "first.weight"
// CHECK: %[[V:.*]] = onnx.initializer "v"
// CHECK: %[[BIAS:.*]] = onnx.initializer "bias"
// CHECK: sink.dyt %[[X:.*]] alpha %[[A1]] gamma %[[W]] beta %[[B1]] {onnx.outs = ["a"]}
// CHECK: %[[S:.*]] = onnx.Add(%[[X]]
// CHECK: %[[Y:.*]] = sink.dyt %[[S]] alpha %[[A2]] gamma %[[V]] beta %[[BIAS]] {onnx.outs = ["b"]}
// CHECK: %[[C:.*]] = sink.rms_norm
// CHECK: onnx.node "Sink"(%[[Y]], %[[C]])
// ERF-LABEL: onnx.graph @replaced
// ERF-DAG: %[[A:.*]] = sink.parameter "c.alpha" : tensor<1xf32> = dense<7.500000e-01>
// ERF-DAG: %[[S:.*]] = sink.parameter "c.shift" : tensor<1xf32> = dense<0.000000e+00>
// ERF-DAG: %[[B:.*]] = sink.parameter "c.beta" : tensor<4xf32> = dense<0.000000e+00>
// ERF-DAG: %[[G:.*]] = sink.parameter "c.gamma" : tensor<4xf32> = dense<1.000000e+00>
// ERF: sink.dyt %{{.*}} alpha %[[A]] gamma %[[G]] beta %[[B]] shift %[[S]] {onnx.outs = ["c"], squash = #sink.squash<erf>}
// ERF-NOT: sink.rms_norm
onnx.graph @replaced #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "first.weight" : !d = dense<2.0> : !d
  %v = onnx.initializer "v" : !d = dense<3.0> : !d
  %bias = onnx.initializer "bias" : !d = dense<0.5> : !d
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  %t = onnx.node "Branch" (%a) {} : (!x) -> !x
  %s = onnx.Add(%x, %t) : (!x, !x) -> !x
  %b = sink.layer_norm %s weight %v bias %bias {epsilon = 1.0, onnx.outs = ["b"]} : (!x, !d, !d) -> !x
  %r = onnx.node "Branch" (%b) {} : (!x) -> !x
  %c = sink.rms_norm %r {epsilon = 1.0, onnx.outs = ["c"]} : (!x) -> !x
  onnx.node "Sink" (%b, %c) {} : (!x, !x) -> ()
  onnx.return
}
}

// -----

// Sums with a residual stand before the function, and the sum that the norm returns is one of them. The pre-affine
// vector multiplies what is squashed, in x's type. A weight of one element is repeated.
!x = tensor<2x5x4xf16>
!d = tensor<4xf16>
!f = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @parts
// CHECK-DAG: sink.parameter "y.alpha" : tensor<1xf16>
// CHECK-DAG: sink.parameter "y.beta" : tensor<4xf16>
// CHECK: %[[X:.*]]:5 = onnx.node "Source"
// CHECK: %[[S:.*]] = onnx.Add(%[[X]]#0, %[[X]]#1)
// CHECK: %[[H:.*]] = onnx.Add(%[[S]], %[[X]]#2) {onnx.outs = ["h"]}
// CHECK: %[[P:.*]] = onnx.Cast(%[[X]]#3)
// CHECK: %[[U:.*]] = onnx.Mul(%[[H]], %[[P]])
// CHECK: %[[G:.*]] = onnx.Expand(%[[X]]#4
// CHECK: %[[Y:.*]] = sink.dyt %[[U]] alpha %{{.*}} gamma %[[G]] beta %{{.*}} {onnx.outs = ["y"]}
// CHECK: onnx.node "Sink"(%[[Y]], %[[H]])
// ERF-LABEL: onnx.graph @parts
onnx.graph @parts #g {
  %x, %r, %d, %p, %one = onnx.node "Source" () {} : () -> (!x, !x, !d, !f, tensor<f16>)
  %y, %h = sink.rms_norm %x residual %r pre_affine %p weight %one residual_bias %d {epsilon = 1.0, onnx.outs = ["y", "h"]} : (!x, !x, !f, tensor<f16>, !d) -> (!x, !x)
  onnx.node "Sink" (%y, %h) {} : (!x, !x) -> ()
  onnx.return
}
}
