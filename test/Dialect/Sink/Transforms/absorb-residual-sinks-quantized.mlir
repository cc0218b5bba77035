// RUN: basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:8 --split-input-file | FileCheck %s

// A scale for each column takes the factors of the dimensions.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @columns
// CHECK: onnx.initializer "s" : tensor<4xf32> = dense<[1.600000e+01, 2.000000e+00, 1.600000e+01, 1.600000e+01]>
// CHECK-NOT: ".scaled"
onnx.graph @columns #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : !d = dense<16.0> : !d
  %w = onnx.DequantizeLinear(%q, %s) {axis = 1 : i64} : (!q, !d) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// The matrix is transposed behind its scale, so the columns are rows of the integers.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @transposed
// CHECK: onnx.initializer "s" {{.*}}2.000000e+00
onnx.graph @transposed #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : !d = dense<16.0> : !d
  %t = onnx.DequantizeLinear(%q, %s) {axis = 0 : i64} : (!q, !d) -> !w
  %w = onnx.Transpose(%t) {perm = array<i64: 1, 0>} : (!w) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// Blocks along the rows have a scale for each column.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @blocks
// CHECK{LITERAL}: onnx.initializer "s" : tensor<2x4xf32> = dense<[[1.600000e+01, 2.000000e+00, 1.600000e+01, 1.600000e+01], [1.600000e+01, 2.000000e+00, 1.600000e+01, 1.600000e+01]]>
onnx.graph @blocks #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : tensor<2x4xf32> = dense<16.0> : tensor<2x4xf32>
  %w = onnx.DequantizeLinear(%q, %s) {axis = 0 : i64, block_size = 2 : i64} : (!q, tensor<2x4xf32>) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// MatMulNBits has its scales by column, each with two blocks, in one vector.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @nbits
// CHECK: onnx.initializer "s" : tensor<8xf32> = dense<[1.600000e+01, 1.600000e+01, 2.000000e+00, 2.000000e+00, 1.600000e+01, 1.600000e+01, 1.600000e+01, 1.600000e+01]>
onnx.graph @nbits #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : tensor<8xf32> = dense<16.0> : tensor<8xf32>
  %b = onnx.initializer "b" : tensor<4x2x8xui8> = dense<7> : tensor<4x2x8xui8>
  %p = onnx.ms.MatMulNBits(%x, %b, %s) {K = 4 : i64, N = 4 : i64, bits = 4 : i64, block_size = 16 : i64} : (!x, tensor<4x2x8xui8>, tensor<8xf32>) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// An integer product is multiplied by the scales of its input and of the weight.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @integers
// CHECK: onnx.initializer "s" {{.*}}2.000000e+00
onnx.graph @integers #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : !d = dense<16.0> : !d
  %a:3 = onnx.DynamicQuantizeLinear(%x) : (!x) -> (tensor<2x5x4xui8>, tensor<f32>, tensor<ui8>)
  %i = onnx.MatMulInteger(%a#0, %q, %a#2) : (tensor<2x5x4xui8>, !q, tensor<ui8>) -> tensor<2x5x4xi32>
  %c = onnx.Cast(%i) {to = 1 : i64} : (tensor<2x5x4xi32>) -> !x
  %f = onnx.Mul(%a#1, %s) : (tensor<f32>, !d) -> !d
  %p = onnx.Mul(%c, %f) : (!x, !d) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// One scale for all columns takes no factor for each: the product is multiplied.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @one_scale
// CHECK: onnx.initializer "s" {{.*}}dense<1.600000e+01>
// CHECK: %[[P:.*]] = onnx.MatMul
// CHECK: onnx.Mul(%[[P]]
onnx.graph @one_scale #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : tensor<f32> = dense<16.0> : tensor<f32>
  %w = onnx.DequantizeLinear(%q, %s) : (!q, tensor<f32>) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// A scale for each row takes none, either.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @rows
// CHECK: onnx.initializer "s" {{.*}}dense<1.600000e+01>
// CHECK: %[[P:.*]] = onnx.MatMul
// CHECK: onnx.Mul(%[[P]]
onnx.graph @rows #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : !d = dense<16.0> : !d
  %w = onnx.DequantizeLinear(%q, %s) {axis = 0 : i64} : (!q, !d) -> !w
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}

// -----

// Something else reads the dequantized matrix.
!x = tensor<2x5x4xf32>
!w = tensor<4x4xf32>
!q = tensor<4x4xi8>
!d = tensor<4xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
// CHECK-LABEL: onnx.graph @other_reader
// CHECK: onnx.initializer "s" {{.*}}dense<1.600000e+01>
// CHECK: %[[P:.*]] = onnx.MatMul
// CHECK: onnx.Mul(%[[P]]
onnx.graph @other_reader #g {
  %x = onnx.node "Source" () {} : () -> !x
  %q = onnx.initializer "q" : !q = dense<3> : !q
  %s = onnx.initializer "s" : !d = dense<16.0> : !d
  %w = onnx.DequantizeLinear(%q, %s) {axis = 1 : i64} : (!q, !d) -> !w
  onnx.node "Reader" (%w) {} : (!w) -> ()
  %p = onnx.MatMul(%x, %w) : (!x, !w) -> !x
  %0 = onnx.Add(%x, %p) : (!x, !x) -> !x
  %y = sink.rms_norm %0 {epsilon = 1.0} : (!x) -> !x
  onnx.node "Sink" (%y) {} : (!x) -> ()
  onnx.return
}
}
