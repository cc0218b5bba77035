// RUN: split-file %s %t
// RUN: %python %S/Inputs/make_fit.py %t/range.onnx lowest/n=-51 highest/n=204
// RUN: %python %S/Inputs/make_fit.py %t/half.onnx lowest/n=-51
// RUN: %python %S/Inputs/make_fit.py %t/sign.onnx lowest/n=51 highest/n=204
// RUN: %python %S/Inputs/make_fit.py %t/word.onnx middle/n=51
// RUN: basin-opt %t/g.mlir --sink-quantize="scheme=int8-static-asymmetric calibration=%t/range.onnx" | FileCheck %s --check-prefix=QDQ
// RUN: basin-opt %t/g.mlir --sink-quantize="scheme=int8-static-asymmetric nodes=simulate calibration=%t/range.onnx" | FileCheck %s --check-prefix=SIM
// RUN: basin-opt %t/g.mlir --sink-quantize=scheme=int4-weights-full | FileCheck %s --check-prefix=FULL
// RUN: not basin-opt %t/g.mlir --sink-quantize="scheme=int8-static-asymmetric calibration=%t/half.onnx" 2>&1 | FileCheck %s --check-prefix=HALF
// RUN: not basin-opt %t/g.mlir --sink-quantize="scheme=int8-static calibration=%t/range.onnx" 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not basin-opt %t/g.mlir --sink-quantize="scheme=int8-static-asymmetric calibration=%t/sign.onnx" 2>&1 | FileCheck %s --check-prefix=SIGN
// RUN: not basin-opt %t/g.mlir --sink-quantize="scheme=int8-static-asymmetric calibration=%t/word.onnx" 2>&1 | FileCheck %s --check-prefix=WORD

// From -51 to 204 there are 255 steps of 1, and zero is the code 51.
// QDQ: %[[S:.*]] = onnx.Constant() {{.*}}dense<1.000000e+00> : tensor<f32>
// QDQ: %[[Z:.*]] = onnx.Constant() {{.*}}dense<51> : tensor<ui8>
// QDQ: %[[C:.*]] = onnx.QuantizeLinear(%{{.*}}, %[[S]], %[[Z]])
// QDQ: onnx.DequantizeLinear(%[[C]], %[[S]], %[[Z]])

// SIM: %[[Z:.*]] = onnx.Constant() {{.*}}dense<5.100000e+01> : tensor<f32>
// SIM: %[[R:.*]] = onnx.Round
// SIM: %[[A:.*]] = onnx.Add(%[[R]], %[[Z]])
// SIM: %[[C:.*]] = onnx.Clip(%[[A]],
// SIM: onnx.Sub(%[[C]], %[[Z]])

// 2 becomes the code -8, so that the scale is -1/4.
// FULL: onnx.initializer "w.codes" : tensor<4x4xi4>
// FULL: onnx.initializer "w.scale" : {{.*}} = dense<-2.500000e-01>

// HALF: error: option 'calibration': expected a file with the range of 'n', which basin rewrite makes from 'stats' or 'data'
// OTHER: error: option 'calibration': expected a file with the largest magnitude of 'n'
// SIGN: error: option 'calibration': the lowest of 'n' is 5.100000e+01
// WORD: error: option 'calibration': expected f32 scalars 'largest/NAME', 'lowest/NAME', 'highest/NAME' and 'exclude/NAME', but got 'middle/n'

//--- g.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @g #g {
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<2.0> : tensor<4x4xf32>
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %d = onnx.MatMul(%n, %w) {onnx.outs = ["d"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %s = onnx.Add(%e, %d) {onnx.outs = ["s"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf32>) -> ()
  onnx.return
}
}
