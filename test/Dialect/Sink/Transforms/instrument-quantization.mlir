// RUN: basin-opt %s --sink-instrument-quantization="scheme=int8-static residual=int8" | FileCheck %s --check-prefix=CALIBRATE
// RUN: basin-opt %s --sink-instrument-quantization="scheme=int8-token residual=int8 residual-scale=token kv-cache=int8 trials=true" | FileCheck %s --check-prefix=TRIALS

// Values that need a static scale are outputs, flat and in f32. A value that two products multiply is one output.
// CALIBRATE-LABEL: onnx.graph @g
// CALIBRATE: outputs = [#onnx.value<"basin.0.value", tensor<?xf32>, {}>, #onnx.value<"basin.1.value", {{[^#]*}}>]
// CALIBRATE: %[[E:.*]] = onnx.Gather
// CALIBRATE: %[[N:.*]] = sink.rms_norm %[[E]]
// CALIBRATE: %[[N1:.*]] = onnx.Reshape(%[[N]]
// CALIBRATE: %[[S:.*]] = onnx.Add
// CALIBRATE: %[[S1:.*]] = onnx.Reshape(%[[S]]
// CALIBRATE: onnx.return %[[S1]], %[[N1]]

// Flags choose between a value and the same value quantized, and between weights.
// TRIALS-LABEL: onnx.graph @g
// TRIALS-DAG: %[[B:.*]] = sink.parameter "basin.quantize.b" : tensor<i1> = dense<false>
// TRIALS-DAG: %[[A:.*]] = sink.parameter "basin.quantize.a" : tensor<i1> = dense<false>
// TRIALS-DAG: %[[R:.*]] = sink.parameter "basin.quantize.residual" : tensor<i1> = dense<false>
// TRIALS-DAG: %[[W:.*]] = onnx.initializer "w" :
// TRIALS-DAG: %[[WQ:.*]] = onnx.initializer "w.quantized" :
// TRIALS: %[[N:.*]] = sink.rms_norm
// TRIALS: %[[NQ:.*]] = onnx.Reshape({{.*}} -> tensor<2x5x4xf32>
// TRIALS: %[[X:.*]] = onnx.Where(%[[A]], %[[NQ]], %[[N]])
// TRIALS: %[[AW:.*]] = onnx.Where(%[[A]], %[[WQ]], %[[W]])
// TRIALS: onnx.MatMul(%[[X]], %[[AW]])
// TRIALS: %[[Y:.*]] = onnx.Where(%[[B]], %[[NQ]], %[[N]])
// TRIALS: %[[BW:.*]] = onnx.Where(%[[B]], %[[WQ]], %[[W]])
// TRIALS: onnx.MatMul(%[[Y]], %[[BW]])
// TRIALS: onnx.Where(%[[R]]
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @g #g {
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<2.0> : tensor<4x4xf32>
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %a = onnx.MatMul(%n, %w) {onnx.outs = ["a"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %b = onnx.MatMul(%n, %w) {onnx.outs = ["b"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %ab = onnx.Mul(%a, %b) : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %s = onnx.Add(%e, %ab) {onnx.outs = ["s"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf32>) -> ()
  onnx.return
}
}
