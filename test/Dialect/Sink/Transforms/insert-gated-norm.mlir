// RUN: basin-opt %s --sink-insert-gated-norm=rank=2 --split-input-file | FileCheck %s
// RUN: basin-opt %s --sink-insert-gated-norm="rank=3 granularity=tensor norms=all" --split-input-file | FileCheck %s --check-prefix=ALL
// RUN: basin-opt %s --sink-insert-gated-norm="rank=2 activation=identity norms=all" --split-input-file | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-insert-gated-norm="rank=2 activation=identity granularity=tensor norms=all" --split-input-file | FileCheck %s --check-prefix=TENSOR

// The norms of the stream give twice their results, by weights and biases that are doubled, and a gate takes each. The
// norm of other rows has no gate, unless all have.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @inserted
// CHECK-DAG: %[[DOWN:.*]] = sink.parameter "first.gate_down" : tensor<4x2xf32>
// CHECK-DAG: %[[UP:.*]] = sink.parameter "first.gate_up" : tensor<2x4xf32> = dense<0.000000e+00>
// CHECK-DAG: sink.parameter "b.gate_up" : tensor<2x4xf32> = dense<0.000000e+00>
// CHECK-NOT: sink.parameter "c.gate
// CHECK: %[[W:.*]] = onnx.initializer "first.weight" : tensor<4xf32> = dense<4.000000e+00>
// CHECK: %[[V:.*]] = onnx.initializer "v" : tensor<4xf32> = dense<3.000000e+00>
// CHECK: %[[V2:.*]] = onnx.initializer "v.scaled" : tensor<4xf32> = dense<6.000000e+00>
// CHECK: %[[BIAS:.*]] = onnx.initializer "bias" : tensor<4xf32> = dense<1.000000e+00>
// CHECK: %[[A:.*]] = sink.rms_norm %{{.*}} weight %[[W]]
// CHECK: %[[GA:.*]] = sink.gate %[[A]] down %[[DOWN]] up %[[UP]] {onnx.outs = ["a.gated"]}
// CHECK: onnx.node "Branch"(%[[GA]])
// CHECK: %[[B:.*]] = sink.layer_norm %{{.*}} weight %[[V2]] bias %[[BIAS]]
// CHECK: sink.gate %[[B]]
// CHECK: %[[C:.*]] = sink.rms_norm %{{.*}} weight %[[V]]
// CHECK-NOT: sink.gate
// CHECK: onnx.node "Sink"(%{{.*}}, %[[C]])
// ALL-LABEL: onnx.graph @inserted
// ALL-DAG: sink.parameter "c.gate_down" : tensor<4x3xf32>
// ALL-DAG: sink.parameter "c.gate_up" : tensor<3x1xf32> = dense<0.000000e+00>
// ALL-COUNT-3: sink.gate
// Gates that start at one double nothing.
// ONE-LABEL: onnx.graph @inserted
// ONE-DAG: %[[DOWN:.*]] = sink.parameter "c.gate_down" : tensor<4x2xf32>
// ONE-DAG: %[[UP:.*]] = sink.parameter "c.gate_up" : tensor<2x4xf32> = dense<0.000000e+00>
// ONE-DAG: %[[BIAS:.*]] = sink.parameter "c.gate_bias" : tensor<4xf32> = dense<1.000000e+00>
// ONE: onnx.initializer "first.weight" : tensor<4xf32> = dense<2.000000e+00>
// ONE: %[[C:.*]] = sink.rms_norm {{.*}}onnx.outs = ["c"]
// ONE-NEXT: sink.gate %[[C]] down %[[DOWN]] up %[[UP]] bias_up %[[BIAS]] {activation = #sink.activation<identity>, onnx.outs = ["c.gated"]}
// ONE-NOT: onnx.Mul
// TENSOR-LABEL: onnx.graph @inserted
// TENSOR-DAG: sink.parameter "c.gate_up" : tensor<2x1xf32> = dense<0.000000e+00>
// TENSOR-DAG: sink.parameter "c.gate_bias" : tensor<1xf32> = dense<1.000000e+00>
onnx.graph @inserted #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "first.weight" : !d = dense<2.0> : !d
  %v = onnx.initializer "v" : !d = dense<3.0> : !d
  %bias = onnx.initializer "bias" : !d = dense<0.5> : !d
  %a = sink.rms_norm %x weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  %t = onnx.node "Branch" (%a) {} : (!x) -> !x
  %s = onnx.Add(%x, %t) : (!x, !x) -> !x
  %b = sink.layer_norm %s weight %v bias %bias {epsilon = 1.0, onnx.outs = ["b"]} : (!x, !d, !d) -> !x
  %r = onnx.node "Branch" (%b) {} : (!x) -> !x
  %c = sink.rms_norm %r weight %v {epsilon = 1.0, onnx.outs = ["c"]} : (!x, !d) -> !x
  onnx.node "Sink" (%b, %c) {} : (!x, !x) -> ()
  onnx.return
}
}

// -----

// What cannot be doubled in place is doubled by a product: a norm without a weight, and one whose weight is computed.
!x = tensor<2x5x4xf32>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @by_products
// CHECK: %[[A:.*]] = sink.rms_norm
// CHECK: %[[TWO:.*]] = onnx.Constant() {{.*}}dense<2.000000e+00> : tensor<f32>
// CHECK: %[[A2:.*]] = onnx.Mul(%[[A]], %[[TWO]]) {onnx.outs = ["a.doubled"]}
// CHECK: %[[GA:.*]] = sink.gate %[[A2]]
// CHECK: onnx.Add(%{{.*}}, %[[GA]])
// CHECK: %[[B:.*]] = sink.rms_norm %{{.*}} weight
// CHECK: %[[B2:.*]] = onnx.Mul(%[[B]]
// CHECK: sink.gate %[[B2]]
// ALL-LABEL: onnx.graph @by_products
onnx.graph @by_products #g {
  %x = onnx.node "Source" () {} : () -> !x
  %a = sink.rms_norm %x {epsilon = 1.0, onnx.outs = ["a"]} : (!x) -> !x
  %s = onnx.Add(%x, %a) : (!x, !x) -> !x
  %w = onnx.node "Source" () {} : () -> !d
  %b = sink.rms_norm %s weight %w {epsilon = 1.0, onnx.outs = ["b"]} : (!x, !d) -> !x
  onnx.node "Sink" (%b) {} : (!x) -> ()
  onnx.return
}
}

// -----

// In f16, more bits may be left of a product by twice the weight, so the result is doubled.
!x = tensor<2x5x4xf16>
!d = tensor<4xf16>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @in_f16
// CHECK: onnx.initializer "w" : tensor<4xf16> = dense<3.000000e+00>
// CHECK: %[[A:.*]] = sink.rms_norm
// CHECK: onnx.Mul(%[[A]]
// ALL-LABEL: onnx.graph @in_f16
onnx.graph @in_f16 #g {
  %x = onnx.node "Source" () {} : () -> !x
  %w = onnx.initializer "w" : !d = dense<3.0> : !d
  %s = onnx.Add(%x, %x) : (!x, !x) -> !x
  %a = sink.rms_norm %s weight %w {epsilon = 1.0, onnx.outs = ["a"]} : (!x, !d) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}
