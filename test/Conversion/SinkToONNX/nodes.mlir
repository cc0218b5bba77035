// RUN: basin-opt %s --convert-sink-to-onnx=form=nodes 2>%t.said | FileCheck %s
// RUN: FileCheck %s --check-prefix=SAID < %t.said

#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
!x = tensor<2x8xf32>
!d = tensor<8xf32>
!q = tensor<1x2x3x4xf32>
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 23 : i64}, {domain = "com.microsoft", version = 1 : i64}]}} {

// An operator for several nodes becomes these nodes, with the name of its result.
// CHECK-LABEL: onnx.graph @operator
// CHECK-NOT: Normalization
// CHECK: onnx.ReduceMean
// CHECK: %[[Y:.*]] = onnx.Mul({{.*}}onnx.outs = ["y"]
// CHECK: onnx.node "Sink" domain "test"(%[[Y]])
onnx.graph @operator #g {
  %x = onnx.node "Source" domain "test" () {} : () -> !x
  %w = onnx.initializer "w" : !d = dense<2.0> : !d
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (!x, !d) -> !x {
  ^bb0(%a: !x):
    %n = onnx.RMSNormalization(%a, %w) {epsilon = 1.0e-5 : f32, onnx.name = "n1", onnx.outs = ["y"]} : (!x, !d) -> !x
    sink.yield %n : !x
  }
  onnx.node "Sink" domain "test" (%0) {} : (!x) -> ()
  onnx.return
}

// The exporter's own nodes stay.
// CHECK-LABEL: onnx.graph @written
// CHECK: onnx.Identity({{.*}}onnx.name = "mine"
// CHECK-NOT: ReduceMean
// CHECK: onnx.return
onnx.graph @written #g {
  %x = onnx.node "Source" domain "test" () {} : () -> !x
  %w = onnx.initializer "w" : !d = dense<2.0> : !d
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (!x, !d) -> !x {
  ^bb0(%a: !x):
    %m = onnx.Identity(%a) {onnx.name = "mine", onnx.outs = ["m"]} : (!x) -> !x
    %n = onnx.Mul(%m, %w) {onnx.outs = ["z"]} : (!x, !d) -> !x
    sink.yield %n : !x
  }
  onnx.node "Sink" domain "test" (%0) {} : (!x) -> ()
  onnx.return
}

// CHECK-LABEL: onnx.graph @attention
// CHECK-NOT: onnx.Attention
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: %[[A:.*]] = onnx.MatMul(%[[P]]
// CHECK: onnx.node "Sink" domain "test"(%[[A]])
onnx.graph @attention #g {
  %q, %k, %v = onnx.node "Source" domain "test" () {} : () -> (!q, !q, !q)
  %0 = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (!q, !q, !q) -> !q {
  ^bb0(%a: !q, %b: !q, %c: !q):
    %n = onnx.Attention(%a, %b, %c) {onnx.outs = ["a"]} : (!q, !q, !q) -> !q
    sink.yield %n : !q
  }
  onnx.node "Sink" domain "test" (%0) {} : (!q) -> ()
  onnx.return
}

// Packed projections can only be read from their operator.
// CHECK-LABEL: onnx.graph @packed
// CHECK: onnx.ms.Attention
// SAID: remark: Attention 'p' is left as an operator: its meaning has no decomposition
onnx.graph @packed #g {
  %x = onnx.node "Source" domain "test" () {} : () -> tensor<1x3x8xf32>
  %w = onnx.initializer "w" : tensor<8x24xf32> = dense<0.5> : tensor<8x24xf32>
  %b = onnx.initializer "b" : tensor<24xf32> = dense<0.5> : tensor<24xf32>
  %0 = sink.attention %x, %x, %x {num_heads = 2 : i64, query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>} : (tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32> {
  ^bb0(%a: tensor<1x3x8xf32>, %c: tensor<1x3x8xf32>, %d: tensor<1x3x8xf32>):
    %n = onnx.ms.Attention(%a, %w, %b) {num_heads = 2 : i64, onnx.outs = ["p"]} : (tensor<1x3x8xf32>, tensor<8x24xf32>, tensor<24xf32>) -> tensor<1x3x8xf32>
    sink.yield %n : tensor<1x3x8xf32>
  }
  onnx.node "Sink" domain "test" (%0) {} : (tensor<1x3x8xf32>) -> ()
  onnx.return
}
}
