// RUN: basin-opt %s --sink-quantize="scheme=int8-token nodes=simulate exclude=kept*" --split-input-file --verify-diagnostics | FileCheck %s

// Each of these products stays, and a remark says why. The last one is quantized.
#g = #onnx.graph_info<inputs = [], outputs = [#onnx.value<"head", tensor<2x5x9xf32>, {}>], valueInfo = [], info = {}>
// expected-remark @unknown {{kept 1 product ('angles'): what it multiplies is computed from positions alone}}
// expected-remark @unknown {{kept 1 product ('dead'): neither the residual stream nor an attention nor an output reads it}}
// expected-remark @unknown {{kept 1 product ('vector'): its matrix is a vector}}
// expected-remark @unknown {{kept 1 product ('experts'): its matrix has 3 axes}}
// expected-remark @unknown {{kept 1 product ('packed'): its matrix is not stored as floats}}
// expected-remark @unknown {{kept 1 product ('integers'): it is quantized already}}
// expected-remark @unknown {{kept 1 product ('head'): it writes an output of the model, which 'head' would quantize}}
// expected-remark @unknown {{kept 1 product ('kept'): it is excluded}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
// CHECK-LABEL: onnx.graph @near_misses
// CHECK: %[[Q:.*]] = onnx.initializer "w.quantized"
// CHECK-NOT: quantized"
// CHECK: onnx.MatMul({{.*}}onnx.outs = ["angles"]
// CHECK: onnx.MatMul({{.*}}onnx.outs = ["dead"]
// CHECK: onnx.MatMul({{.*}}onnx.outs = ["kept"]
// CHECK: onnx.MatMul({{.*}}, %[[Q]]) {onnx.outs = ["taken"]}
onnx.graph @near_misses #g {
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<2.0> : tensor<4x4xf32>
  %one = onnx.initializer "one" : tensor<1x4xf32> = dense<2.0> : tensor<1x4xf32>
  %many = onnx.initializer "many" : tensor<5x4x4xf32> = dense<2.0> : tensor<5x4x4xf32>
  %codes = onnx.initializer "codes" : tensor<4x4xi8> = dense<2> : tensor<4x4xi8>
  %scale = onnx.initializer "scale" : tensor<f32> = dense<2.0> : tensor<f32>
  %last = onnx.initializer "last" : tensor<4x9xf32> = dense<2.0> : tensor<4x9xf32>
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %u = onnx.Unsqueeze(%ids) {axes = array<i64: 2>} : (tensor<2x5xi64>) -> tensor<2x5x1xi64>
  %x = onnx.Expand(%u, %ids) : (tensor<2x5x1xi64>, tensor<2x5xi64>) -> tensor<2x5x4xi64>
  %p = onnx.Cast(%x) {to = 1 : i64} : (tensor<2x5x4xi64>) -> tensor<2x5x4xf32>
  %angles = onnx.MatMul(%p, %w) {onnx.outs = ["angles"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %dead = onnx.MatMul(%n, %w) {onnx.outs = ["dead"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %nu = onnx.Slice(%n, %ids, %ids) : (tensor<2x5x4xf32>, tensor<2x5xi64>, tensor<2x5xi64>) -> tensor<2x5x1xf32>
  %vector = onnx.MatMul(%nu, %one) {onnx.outs = ["vector"]} : (tensor<2x5x1xf32>, tensor<1x4xf32>) -> tensor<2x5x4xf32>
  %n3 = onnx.Reshape(%n, %ids) : (tensor<2x5x4xf32>, tensor<2x5xi64>) -> tensor<5x2x4xf32>
  %experts = onnx.MatMul(%n3, %many) {onnx.outs = ["experts"]} : (tensor<5x2x4xf32>, tensor<5x4x4xf32>) -> tensor<5x2x4xf32>
  %back = onnx.Reshape(%experts, %ids) : (tensor<5x2x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %dq = onnx.DequantizeLinear(%codes, %scale) : (tensor<4x4xi8>, tensor<f32>) -> tensor<4x4xf32>
  %packed = onnx.MatMul(%n, %dq) {onnx.outs = ["packed"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %q, %qs, %qz = onnx.DynamicQuantizeLinear(%n) : (tensor<2x5x4xf32>) -> (tensor<2x5x4xui8>, tensor<f32>, tensor<ui8>)
  %integers = onnx.MatMulInteger(%q, %codes, %qz) {onnx.outs = ["integers"]} : (tensor<2x5x4xui8>, tensor<4x4xi8>, tensor<ui8>) -> tensor<2x5x4xi32>
  %floats = onnx.Cast(%integers) {to = 1 : i64} : (tensor<2x5x4xi32>) -> tensor<2x5x4xf32>
  %kept = onnx.MatMul(%n, %w) {onnx.outs = ["kept"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %taken = onnx.MatMul(%n, %w) {onnx.outs = ["taken"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %s = onnx.Sum(%e, %angles, %vector, %back, %packed, %floats, %kept, %taken) : (tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %head = onnx.MatMul(%y, %last) {onnx.outs = ["head"]} : (tensor<2x5x4xf32>, tensor<4x9xf32>) -> tensor<2x5x9xf32>
  onnx.return %head : tensor<2x5x9xf32>
}
}
