// RUN: basin-opt %s --pass-pipeline='builtin.module(sink-instrument-outliers{taps=norm,residual})' | FileCheck %s
// RUN: basin-opt %s --pass-pipeline='builtin.module(sink-instrument-outliers{taps=projection})' | FileCheck %s --check-prefix=PROJECTION

// Only taps of the chosen kinds are made. Their ids count from 0, and the metadata lists the kinds in
// the order of the taps. A kind does not change the layers or names of another.
// CHECK-LABEL: module attributes
// CHECK-SAME: \22kinds\22:[\22residual\22,\22norm\22]
// CHECK-SAME: \22kind\22:\22residual\22,\22layer\22:0,\22name\22:\22x0\22
// CHECK-SAME: \22kind\22:\22residual\22,\22layer\22:0,\22name\22:\22x1\22
// CHECK-SAME: \22id\22:2,{{.*}}\22kind\22:\22norm\22,\22layer\22:0,\22name\22:\22h\22
// CHECK-NOT: \22kind\22:\22projection\22
// CHECK: outputs = [#onnx.value<"y"
// CHECK-SAME: "basin.0.max_abs"
// CHECK-SAME: "basin.3.output_rms"
// CHECK-NOT: basin.4
// CHECK-NOT: onnx.GreaterOrEqual

// PROJECTION-LABEL: module attributes
// PROJECTION-SAME: \22kinds\22:[\22projection\22]
// PROJECTION-NOT: \22kind\22:\22{{residual|norm}}\22
// PROJECTION-SAME: \22kind\22:\22projection\22,\22layer\22:0,\22name\22:\22h\22
// PROJECTION-NOT: \22kind\22:\22{{residual|norm}}\22
// PROJECTION: outputs = [#onnx.value<"y"
// PROJECTION-SAME: "basin.0.outliers"
// PROJECTION-NOT: onnx.ScatterElements
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"ids", tensor<2x5xi64>, {}>], outputs = [#onnx.value<"y", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%ids: tensor<2x5xi64>):
    %table = onnx.initializer "table" : tensor<7x4xf32> = dense<1.0> : tensor<7x4xf32>
    %g = onnx.initializer "g" : tensor<4xf32> = dense<1.0> : tensor<4xf32>
    %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
    %x0 = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x0"]} : (tensor<7x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
    %h = sink.rms_norm %x0 weight %g {epsilon = 1.0e-5, onnx.outs = ["h"]} : (tensor<2x5x4xf32>, tensor<4xf32>) -> tensor<2x5x4xf32>
    %m = onnx.MatMul(%h, %w) {onnx.outs = ["m"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
    %x1 = onnx.Add(%x0, %m) {onnx.outs = ["x1"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
    %y = sink.rms_norm %x1 weight %g {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<2x5x4xf32>, tensor<4xf32>) -> tensor<2x5x4xf32>
    onnx.return %y : tensor<2x5x4xf32>
  }
}
