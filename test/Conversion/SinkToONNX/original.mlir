// RUN: basin-opt %s --convert-sink-to-onnx | FileCheck %s

module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}, {domain = "com.microsoft", version = 1 : i64}]}} {

// A form comes back as it was: names, order and what it captures.
// CHECK-LABEL: func.func @form
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>)
func.func @form(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[N:.*]] = onnx.SimplifiedLayerNormalization(%[[X]], %[[W]]) {epsilon = 9.99999974E-6 : f32, onnx.name = "norm", onnx.outs = ["y"]}
  // CHECK-NEXT: return %[[N]]
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %n = onnx.SimplifiedLayerNormalization(%a, %w) {epsilon = 1.0e-5 : f32, onnx.name = "norm", onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// The vector is multiplied before the form, which stays.
// CHECK-LABEL: func.func @pre_affine_form
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[P:.*]]: tensor<8xf32>)
func.func @pre_affine_form(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %p: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[U:.*]] = onnx.Mul(%[[X]], %[[P]]) {onnx.name = "y_pre_affine", onnx.outs = ["y_pre_affine"]}
  // CHECK-NEXT: onnx.SimplifiedLayerNormalization(%[[U]], %[[W]]) {{.*}}onnx.outs = ["y"]
  %0 = sink.rms_norm %x pre_affine %p weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %n = onnx.SimplifiedLayerNormalization(%a, %w) {epsilon = 1.0e-5 : f32, onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// The form adds the residual in an Add: the norm reads the product, others of
// the sum read the sum.
// CHECK-LABEL: func.func @pre_affine_add
func.func @pre_affine_add(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>, %w: tensor<8xf32>, %p: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[H:.*]] = onnx.Add({{.*}}) {onnx.outs = ["h"]}
  // CHECK-NEXT: %[[U:.*]] = onnx.Mul(%[[H]], %{{.*}}) {{.*}}"y_pre_affine"
  // CHECK-NEXT: %[[N:.*]] = onnx.LayerNormalization(%[[U]], %{{.*}})
  // CHECK-NEXT: return %[[N]], %[[H]]
  %0:2 = sink.layer_norm %x residual %r pre_affine %p weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<?x8xf32>):
    %h = onnx.Add(%a, %b) {onnx.outs = ["h"]} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %n = onnx.LayerNormalization(%h, %w) {onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n, %h : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return %0#0, %0#1 : tensor<?x8xf32>, tensor<?x8xf32>
}

// A Skip operator stays and normalizes the product; negative zeros are its
// skip, and the sum, its bias included, is computed beside it.
// CHECK-LABEL: func.func @pre_affine_skip
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>, %[[R:.*]]: tensor<?x?x8xf32>, %[[W:[^:]*]]: tensor<8xf32>, %[[P:[^:]*]]: tensor<8xf32>, %[[B:[^:]*]]: tensor<8xf32>)
func.func @pre_affine_skip(%x: tensor<?x?x8xf32>, %r: tensor<?x?x8xf32>, %w: tensor<8xf32>, %p: tensor<8xf32>, %c: tensor<8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  // CHECK: %[[T:.*]] = onnx.Add(%[[X]], %[[R]])
  // CHECK-NEXT: %[[H:.*]] = onnx.Add(%[[T]], %[[B]]) {{.*}}onnx.outs = ["s"]
  // CHECK-NEXT: %[[U:.*]] = onnx.Mul(%[[H]], %[[P]]) {{.*}}"y_pre_affine"
  // CHECK-NEXT: %[[S:.*]] = onnx.Shape(%[[U]])
  // CHECK-NEXT: %[[Z:.*]] = onnx.ConstantOfShape(%[[S]]) {{.*}}value = dense<-0.000000e+00> : tensor<1xf32>
  // CHECK-NEXT: %[[N:.*]]:4 = onnx.ms.SkipSimplifiedLayerNormalization(%[[U]], %[[Z]], %[[W]]) {{.*}}onnx.outs = ["y", "", "", ""]
  // CHECK-NEXT: return %[[N]]#0, %[[H]]
  %0:2 = sink.rms_norm %x residual %r pre_affine %p weight %w {epsilon = 1.0e-5} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  ^bb0(%a: tensor<?x?x8xf32>, %b: tensor<?x?x8xf32>):
    %n:4 = onnx.ms.SkipSimplifiedLayerNormalization(%a, %b, %w, %c) {onnx.outs = ["y", "", "", "s"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x?x8xf32>, none, none, tensor<?x?x8xf32>)
    sink.yield %n#0, %n#3 : tensor<?x?x8xf32>, tensor<?x?x8xf32>
  }
  return %0#0, %0#1 : tensor<?x?x8xf32>, tensor<?x?x8xf32>
}

// No form: the decomposition, named after the result.
// CHECK-LABEL: func.func @decomposed
func.func @decomposed(%x: tensor<?x8xf16>, %w: tensor<8xf16>) -> tensor<?x8xf16> {
  // CHECK: %[[X:.*]] = onnx.Cast(%{{.*}}) {onnx.name = "y_Cast", onnx.outs = ["y_Cast"], to = 1 : i64}
  // CHECK-NEXT: %[[S:.*]] = onnx.Mul(%[[X]], %[[X]])
  // CHECK: %[[M:.*]] = onnx.ReduceMean(%[[S]]) {axes = array<i64: -1>
  // CHECK: onnx.Cast({{.*}}) {onnx.name = "y_Cast_3", onnx.outs = ["y"], to = 10 : i64}
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<?x8xf16>, tensor<8xf16>) -> tensor<?x8xf16>
  return %0 : tensor<?x8xf16>
}

// A gate multiplies what the form gives, and takes over its name.
// CHECK-LABEL: func.func @gated_form
func.func @gated_form(%q: tensor<?x?x8xf32>, %g: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[A:.*]] = onnx.node "Attn"{{.*}}onnx.outs = ["o_ungated"]
  // CHECK-NEXT: onnx.Mul(%[[A]], %{{.*}}) {{.*}}onnx.outs = ["o"]
  %0 = sink.attention %q, %q, %q gate %g {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: tensor<?x?x8xf32>, %b: tensor<?x?x8xf32>, %c: tensor<?x?x8xf32>):
    %n = onnx.node "Attn" domain "x" (%a, %b, %c) {} attributes {onnx.outs = ["o"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    sink.yield %n : tensor<?x?x8xf32>
  }
  return %0 : tensor<?x?x8xf32>
}
// A form that holds the product takes the gate that the op has now, and no other
// product; the role goes.
// CHECK-LABEL: func.func @gate_in_form
// CHECK-SAME: (%{{.*}}: tensor<?x?x8xf32>, %{{.*}}: tensor<?x?x8xf32>, %[[G:.*]]: tensor<?x?x8xf32>)
func.func @gate_in_form(%q: tensor<?x?x8xf32>, %old: tensor<?x?x8xf32>, %g: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: %[[A:.*]] = onnx.node "Attn"
  // CHECK-NEXT: %[[R:.*]] = onnx.Mul(%[[G]], %[[A]]) {onnx.outs = ["o"]}
  // CHECK-NEXT: return %[[R]]
  %0 = sink.attention %q, %q, %q gate %g {num_heads = 2 : i64, query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: tensor<?x?x8xf32>, %b: tensor<?x?x8xf32>, %c: tensor<?x?x8xf32>):
    %n = onnx.node "Attn" domain "x" (%a, %b, %c) {} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %r = onnx.Mul(%old, %n) {sink.slot = #sink.slot<gate>, onnx.outs = ["o"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    sink.yield %r : tensor<?x?x8xf32>
  }
  return %0 : tensor<?x?x8xf32>
}

// Forms of the pointwise ops come back as they were.
// CHECK-LABEL: func.func @pointwise_forms
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<1xf32>, %[[V:.*]]: tensor<8xf32>, %[[D:.*]]: tensor<8x2xf32>, %[[U:.*]]: tensor<2x8xf32>)
func.func @pointwise_forms(%x: tensor<?x8xf32>, %a: tensor<1xf32>, %v: tensor<8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[S:.*]] = onnx.Mul(%[[A]], %[[X]])
  // CHECK-NEXT: %[[T:.*]] = onnx.Tanh(%[[S]])
  // CHECK-NEXT: %[[Y:.*]] = onnx.Mul(%[[V]], %[[T]])
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf32>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%b: tensor<?x8xf32>):
    %s = onnx.Mul(%a, %b) : (tensor<1xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %t = onnx.Tanh(%s) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %r = onnx.Mul(%v, %t) : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    sink.yield %r : tensor<?x8xf32>
  }
  // CHECK-NEXT: %[[L:.*]] = onnx.MatMul(%[[Y]], %[[D]])
  // CHECK-NEXT: %[[W:.*]] = onnx.Swish(%[[L]])
  // CHECK-NEXT: %[[C:.*]] = onnx.MatMul(%[[W]], %[[U]])
  // CHECK-NEXT: %[[R:.*]] = onnx.Mul(%[[C]], %[[Y]])
  // CHECK-NEXT: return %[[R]]
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

// Parameters of another type than x's are cast, and the result where it is of
// another.
// CHECK-LABEL: func.func @pointwise_types
func.func @pointwise_types(%x: tensor<?x8xf16>, %a: tensor<1xf32>, %v: tensor<8xf32>, %d: tensor<8x2xf32>, %u: tensor<2x8xf16>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = onnx.Cast(%{{.*}}) {to = 10 : i64} : (tensor<1xf32>)
  // CHECK: onnx.Mul(%{{.*}}, %[[A]])
  // CHECK: %[[V:.*]] = onnx.Cast(%{{.*}}) {to = 10 : i64} : (tensor<8xf32>)
  // CHECK: onnx.Mul(%{{.*}}, %[[V]])
  %0 = sink.dyt %x alpha %a gamma %v : (tensor<?x8xf16>, tensor<1xf32>, tensor<8xf32>) -> tensor<?x8xf16>
  // CHECK: %[[D:.*]] = onnx.Cast(%{{.*}}) {to = 10 : i64} : (tensor<8x2xf32>)
  // CHECK: onnx.MatMul(%{{.*}}, %[[D]])
  // CHECK: %[[R:.*]] = onnx.Cast({{.*}}) {to = 1 : i64}
  // CHECK-NEXT: return %[[R]]
  %1 = sink.gate %0 down %d up %u : (tensor<?x8xf16>, tensor<8x2xf32>, tensor<2x8xf16>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
}
