// RUN: basin-opt %s | basin-opt | FileCheck %s
// RUN: basin-opt %s --emit-bytecode | basin-opt | FileCheck %s

// A name, a type and the elements.
// CHECK-LABEL: func.func @parameter
func.func @parameter() -> tensor<2xf32> {
  // CHECK: sink.parameter "layers.0.lambda" : tensor<2xf32> = dense<1.000000e+00> : tensor<2xf32>
  %0 = sink.parameter "layers.0.lambda" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  return %0 : tensor<2xf32>
}

// Every operand of a norm, and none.
// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: tensor<?x8xf32>, %v: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: sink.rms_norm %{{.*}} {epsilon = 1.000000e-05 : f64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: sink.rms_norm %{{.*}} residual %{{.*}} pre_affine %{{.*}} weight %{{.*}} {epsilon = 1.000000e-05 : f64} : {{.*}} -> (tensor<?x8xf32>, tensor<?x8xf32>)
  %1:2 = sink.rms_norm %0 residual %x pre_affine %v weight %v {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  return %1#0 : tensor<?x8xf32>
}

// A form takes x and captures what else it needs.
// CHECK-LABEL: func.func @form
func.func @form(%x: tensor<?x8xf32>, %v: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: sink.layer_norm %{{.*}} weight %[[W:.*]] bias %{{.*}} {epsilon = 1.000000e-05 : f64} : {{.*}} {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x8xf32>):
  // CHECK-NEXT: %[[N:.*]] = onnx.LayerNormalization(%[[A]], %[[W]], %{{.*}})
  // CHECK-NEXT: sink.yield %[[N]] : tensor<?x8xf32>
  %0 = sink.layer_norm %x weight %v bias %v {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %n = onnx.LayerNormalization(%a, %v, %v) {epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @pointwise
func.func @pointwise(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x1xf32>, %b: tensor<2xf32>) -> tensor<?x8xf32> {
  // CHECK: sink.dyt %{{.*}} alpha %{{.*}} gamma %{{.*}} beta %{{.*}} :
  %0 = sink.dyt %x alpha %a gamma %v beta %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} {activation = #sink.activation<tanh>}
  %1 = sink.gate %0 down %d up %u {activation = #sink.activation<tanh>} : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x1xf32>) -> tensor<?x8xf32>
  // CHECK: sink.dyt %{{.*}} alpha %{{.*}} gamma %{{.*}} shift %{{.*}} {squash = #sink.squash<erf>} :
  %2 = sink.dyt %1 alpha %a gamma %v shift %a {squash = #sink.squash<erf>} : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  // CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} bias_down %{{.*}} bias_up %{{.*}} :
  %3 = sink.gate %2 down %d up %u bias_down %b bias_up %a : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x1xf32>, tensor<2xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  // CHECK: sink.gate %{{.*}} down %{{.*}} up %{{.*}} bias_up %{{.*}} :
  %4 = sink.gate %3 down %d up %u bias_up %a : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x1xf32>, tensor<1xf32>) -> tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// Forms of the pointwise ops take x and capture the parameters.
// CHECK-LABEL: func.func @pointwise_forms
func.func @pointwise_forms(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) -> tensor<?x8xf32> {
  // CHECK: sink.dyt %{{.*}} alpha %[[A:.*]] gamma %[[G:.*]] : {{.*}} {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x8xf32>):
  // CHECK-NEXT: %[[S:.*]] = onnx.Mul(%[[A]], %[[X]])
  // CHECK: sink.yield
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>):
    %s = onnx.Mul(%a, %b) : (tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %t = onnx.Tanh(%s) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %r = onnx.Mul(%v, %t) : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    sink.yield %r : tensor<?x8xf32>
  }
  // CHECK: sink.gate %{{.*}} down %[[D:.*]] up %{{.*}} {activation = #sink.activation<identity>} : {{.*}} {
  // CHECK-NEXT: ^bb0(%[[Y:.*]]: tensor<?x8xf32>):
  // CHECK-NEXT: onnx.MatMul(%[[Y]], %[[D]])
  // CHECK: sink.yield
  %1 = sink.gate %0 down %d up %u {activation = #sink.activation<identity>} : (tensor<?x8xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>):
    %l = onnx.MatMul(%b, %d) : (tensor<?x8xf32>, tensor<8x2xf32>) -> tensor<?x2xf32>
    %w = onnx.Swish(%l) : (tensor<?x2xf32>) -> tensor<?x2xf32>
    %c = onnx.MatMul(%w, %u) : (tensor<?x2xf32>, tensor<2x8xf32>) -> tensor<?x8xf32>
    %r = onnx.Mul(%c, %b) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    sink.yield %r : tensor<?x8xf32>
  }
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @rotary
func.func @rotary(%x: tensor<?x2x?x8xf32>, %t: tensor<16x2xf32>, %p: tensor<?x?xi64>) -> tensor<?x2x?x8xf32> {
  // CHECK: sink.rotary %{{.*}} cos %{{.*}} sin %{{.*}} positions %{{.*}} {half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 4 : i64}
  %0 = sink.rotary %x cos %t sin %t positions %p {half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 4 : i64} : (tensor<?x2x?x8xf32>, tensor<16x2xf32>, tensor<16x2xf32>, tensor<?x?xi64>) -> tensor<?x2x?x8xf32>
  return %0 : tensor<?x2x?x8xf32>
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>, %m: tensor<?x1x?x?xf32>, %l: tensor<4xf32>, %s: tensor<2x1x8xf32>) -> tensor<?x4x?x8xf32> {
  // CHECK: sink.attention %{{.*}}, %{{.*}}, %{{.*}} {key_layout
  %0 = sink.attention %q, %k, %k {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
  // CHECK: sink.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} past %{{.*}}, %{{.*}} sink_logit %{{.*}} sink_kv %{{.*}}, %{{.*}} gate %{{.*}} {causal, has_present
  %1:3 = sink.attention %q, %k, %k mask %m past %k, %k sink_logit %l sink_kv %s, %s gate %q {causal, has_present, mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, scale = 0.5, softcap = 3.0, window = 4 : i64, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x1x?x?xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<4xf32>, tensor<2x1x8xf32>, tensor<2x1x8xf32>, tensor<?x4x?x8xf32>) -> (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>)
  return %1#0 : tensor<?x4x?x8xf32>
}

// One score a head; the form holds the product with it.
// CHECK-LABEL: func.func @attention_gate
func.func @attention_gate(%q: tensor<?x?x4x8xf32>, %g: tensor<?x?x4x1xf32>) -> tensor<?x?x4x8xf32> {
  // CHECK: sink.attention %{{.*}}, %{{.*}}, %{{.*}} gate %[[G:[^ ]*]] {
  // CHECK: onnx.Mul(%{{.*}}, %[[G]]) {sink.slot = #sink.slot<gate>}
  // CHECK-NEXT: sink.yield
  %0 = sink.attention %q, %q, %q gate %g {query_layout = #sink.layout<bshd>, key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bshd>, result_layout = #sink.layout<bshd>} : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) -> tensor<?x?x4x8xf32> {
  ^bb0(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x4x8xf32>, %c: tensor<?x?x4x8xf32>):
    %n = onnx.node "Attn" domain "x" (%a, %b, %c) {} : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32>
    %r = onnx.Mul(%n, %g) {sink.slot = #sink.slot<gate>} : (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) -> tensor<?x?x4x8xf32>
    sink.yield %r : tensor<?x?x4x8xf32>
  }
  return %0 : tensor<?x?x4x8xf32>
}
