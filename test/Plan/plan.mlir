// RUN: basin-compile %s --emit plan -o - | FileCheck %s

// A product of a batch is one product with more rows, and adds the bias. The transposed result is a
// view, which the second product reads by its strides. Values that one op reads are no steps.

// CHECK-LABEL: plan @main(%x: f32 [batch, seq, 8], %past: f32 [batch, old, 8]) -> (y = %y, all = %all)
// CHECK-NEXT: %sum: f32 [batch, seq, 8] = product %x [batch * seq, 8] strides [8, 1] * %w [8, 8] strides [8, 1] + %b
// CHECK-NEXT: %scores: f32 [batch, seq, seq] = product %sum [batch, seq, 8] strides [8 * seq, 8, 1] * %sum [batch, 8, seq] strides [8 * seq, 1, 8]
// CHECK-NEXT: %scores: f32 [batch, seq, seq] = kernel @softmax_f32_nanrows(scores = %scores) {batch = 1, heads = batch, queries = seq, keys = seq, row_stride = seq}
// CHECK-NEXT: %y: f32 [batch, seq, 8] = product %scores [batch, seq, seq] strides [seq * seq, seq, 1] * %sum [batch, seq, 8] strides [8 * seq, 8, 1]
// CHECK-NEXT: %all: f32 [batch, old + seq, 8] = kernel @pointwise_{{[0-9a-f]+}}(t0 = %past, t1 = %x, y = %all)
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{version = 17 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, {}>, #onnx.value<"past", tensor<?x?x8xf32, #onnx.dims<"batch", "old", "">>, {}>], outputs = [#onnx.value<"y", tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, {}>, #onnx.value<"all", tensor<?x?x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, %past: tensor<?x?x8xf32, #onnx.dims<"batch", "old", "">>):
    %w = onnx.initializer "w" : tensor<8x8xf32> = dense<0.5> : tensor<8x8xf32>
    %b = onnx.initializer "b" : tensor<8xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
    %0 = onnx.MatMul(%x, %w) {onnx.outs = ["m"]} : (tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, tensor<8x8xf32>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>
    %1 = onnx.Add(%b, %0) {onnx.outs = ["sum"]} : (tensor<8xf32>, tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>
    %2 = onnx.Transpose(%1) {onnx.outs = ["t"], perm = array<i64: 0, 2, 1>} : (tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x8x?xf32, #onnx.dims<"batch", "", "seq">>
    %3 = onnx.MatMul(%1, %2) {onnx.outs = ["scores"]} : (tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, tensor<?x8x?xf32, #onnx.dims<"batch", "", "seq">>) -> tensor<?x?x?xf32, #onnx.dims<"batch", "seq", "seq">>
    %4 = onnx.Softmax(%3) {onnx.outs = ["p"], axis = -1 : i64} : (tensor<?x?x?xf32, #onnx.dims<"batch", "seq", "seq">>) -> tensor<?x?x?xf32, #onnx.dims<"batch", "seq", "seq">>
    %5 = onnx.MatMul(%4, %1) {onnx.outs = ["y"]} : (tensor<?x?x?xf32, #onnx.dims<"batch", "seq", "seq">>, tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>
    %6 = onnx.Exp(%x) {onnx.outs = ["e"]} : (tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>
    %7 = onnx.Neg(%6) {onnx.outs = ["n"]} : (tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>
    %8 = onnx.Concat(%past, %7) {onnx.outs = ["all"], axis = 1 : i64} : (tensor<?x?x8xf32, #onnx.dims<"batch", "old", "">>, tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>) -> tensor<?x?x8xf32, #onnx.dims<"batch", "?(old + seq)", "">>
    onnx.return %5, %8 : tensor<?x?x8xf32, #onnx.dims<"batch", "seq", "">>, tensor<?x?x8xf32, #onnx.dims<"batch", "?(old + seq)", "">>
  }
}
