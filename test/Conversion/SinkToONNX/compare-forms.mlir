// RUN: basin-opt %s --sink-compare-forms=exact=true --split-input-file | FileCheck %s

// Form, decomposition and the decomposition in f64 read the same operand; all
// three are outputs, behind the graph's own.
// CHECK-LABEL: module
// CHECK-SAME: "basin.forms"
// CHECK-SAME: \22exact\22:[\22basin.exact.0.0\22]
// CHECK-SAME: \22form\22:[\22basin.form.0.0\22]
// CHECK-SAME: \22kind\22:\22rms_norm\22
// CHECK-SAME: \22meaning\22:[\22basin.meaning.0.0\22]
// CHECK-SAME: \22name\22:\22y\22
// CHECK: onnx.graph @main <{{.*}}outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>, #onnx.value<"basin.form.0.0", !onnx.unknown, {}>, #onnx.value<"basin.meaning.0.0", !onnx.unknown, {}>, #onnx.value<"basin.exact.0.0", !onnx.unknown, {}>]
// CHECK: ^bb0(%[[X:[^:]*]]: tensor<?x8xf32>
// CHECK: onnx.Mul(%[[X]], %[[X]])
// CHECK: %[[MEANING:.*]] = onnx.Mul({{.*}}) {{.*}}: (tensor<?x8xf32>, tensor<8xf32>)
// CHECK: %[[WIDE:.*]] = onnx.Cast(%[[X]]) {{.*}}-> tensor<?x8xf64>
// CHECK: onnx.Mul(%[[WIDE]], %[[WIDE]])
// CHECK: %[[FORM:.*]] = onnx.SimplifiedLayerNormalization(%[[X]], %{{.*}}) {{.*}}onnx.outs = ["y"]
// CHECK: %[[F:.*]] = onnx.Identity(%[[FORM]]) {{.*}}"basin.form.0.0"
// CHECK: %[[M:.*]] = onnx.Identity(%[[MEANING]]) {{.*}}"basin.meaning.0.0"
// CHECK: %[[E:.*]] = onnx.Identity({{.*}}) {{.*}}"basin.exact.0.0"
// CHECK: onnx.return %[[FORM]], %[[F]], %[[M]], %[[E]]
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x8xf32>, {}>, #onnx.value<"w", tensor<8xf32>, {}>], outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%x: tensor<?x8xf32>, %w: tensor<8xf32>):
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %n = onnx.SimplifiedLayerNormalization(%a, %w) {epsilon = 1.0e-5 : f32, onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n : tensor<?x8xf32>
  }
  onnx.return %0 : tensor<?x8xf32>
}
}

// -----

// An op without a decomposition is named with its reason, and lowered by its form.
// CHECK-LABEL: module
// CHECK-SAME: "basin.forms"
// CHECK-SAME: \22kind\22:\22layer_norm\22
// CHECK-SAME: \22reason\22:\22{{.*}}expected opset 13 or later to be decomposed, but got 12\22
// CHECK: outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>]
// CHECK: %[[Y:.*]] = onnx.LayerNormalization
// CHECK-NEXT: onnx.return %[[Y]] :
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 12 : i64}]}} {
onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x8xf32>, {}>, #onnx.value<"w", tensor<8xf32>, {}>], outputs = [#onnx.value<"y", tensor<?x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%x: tensor<?x8xf32>, %w: tensor<8xf32>):
  %0 = sink.layer_norm %x weight %w {epsilon = 1.0e-5} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %n = onnx.LayerNormalization(%a, %w) {onnx.outs = ["y"]} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    sink.yield %n : tensor<?x8xf32>
  }
  onnx.return %0 : tensor<?x8xf32>
}
}

// -----

// A form that rounds runs without its rounding: that is what its op means.
// CHECK-LABEL: module
// CHECK-SAME: \22quantized\22:true
// CHECK: onnx.QuantizeLinear(%[[SQUARE:[^,]*]],
// CHECK: onnx.ReduceMean(%[[SQUARE]])
module attributes {onnx.model = {ir_version = 10 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main #onnx.graph_info<inputs = [#onnx.value<"x", tensor<2x64xf32>, {}>, #onnx.value<"w", tensor<64xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x64xf32>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%x: tensor<2x64xf32>, %w: tensor<64xf32>):
  %s = onnx.initializer "s" : tensor<f32> = dense<0.1> : tensor<f32>
  %z = onnx.initializer "z" : tensor<ui8> = dense<0> : tensor<ui8>
  %0 = sink.rms_norm %x weight %w {epsilon = 1.0e-5} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32> {
  ^bb0(%a: tensor<2x64xf32>):
    %sq = onnx.Mul(%a, %a) : (tensor<2x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
    %q = onnx.QuantizeLinear(%sq, %s, %z) : (tensor<2x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x64xui8>
    %d = onnx.DequantizeLinear(%q, %s, %z) : (tensor<2x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x64xf32>
    %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (tensor<2x64xf32>) -> tensor<2x1xf32>
    %e = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> tensor<f32>
    %b = onnx.Add(%m, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
    %r = onnx.Sqrt(%b) : (tensor<2x1xf32>) -> tensor<2x1xf32>
    %n = onnx.Div(%a, %r) : (tensor<2x64xf32>, tensor<2x1xf32>) -> tensor<2x64xf32>
    %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
    sink.yield %y : tensor<2x64xf32>
  }
  onnx.return %0 : tensor<2x64xf32>
}
}
