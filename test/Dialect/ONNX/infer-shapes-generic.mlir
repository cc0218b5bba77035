// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false | FileCheck %s

module attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {

// Windows: what a transposed convolution, a pool and a convolution of integers
// give; channels of a grouped one.
// CHECK-LABEL: onnx.graph @windows
onnx.graph @windows #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source"() {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %w = onnx.node "Source"() {} : () -> tensor<4x3x5xf32>
  // CHECK: "ConvTranspose"{{.*}} -> tensor<?x6x23xf32, #onnx.dims<"N", "", "">>
  %0 = onnx.node "ConvTranspose" (%x, %w) {group = 2 : i64, strides = array<i64: 2>, output_padding = array<i64: 1>, pads = array<i64: 1, 0>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<4x3x5xf32>) -> !onnx.unknown
  // CHECK: "MaxPool"{{.*}} -> (tensor<?x4x5xf32, #onnx.dims<"N", "", "">>, tensor<?x4x5xi64, #onnx.dims<"N", "", "">>)
  %1:2 = onnx.node "MaxPool" (%x) {kernel_shape = array<i64: 3>, strides = array<i64: 2>, ceil_mode = 1 : i64} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}

// A rule says nothing, and refuses nothing, where a node is not as it expects.
// CHECK-LABEL: onnx.graph @odd
onnx.graph @odd #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source"() {} : () -> tensor<2x3x4xf32>
  // CHECK: "ConvTranspose"{{.*}} : () -> !onnx.unknown
  %0 = onnx.node "ConvTranspose" () {} : () -> !onnx.unknown
  // CHECK: "MaxPool"{{.*}} -> tensor<2x3x?xf32>
  %1 = onnx.node "MaxPool" (%x) {kernel_shape = "three"} : (tensor<2x3x4xf32>) -> !onnx.unknown
  // CHECK: "Resize"{{.*}} -> tensor<?x?x?xf32>
  %2 = onnx.node "Resize" (%x) {} : (tensor<2x3x4xf32>) -> !onnx.unknown
  // CHECK: "LRN"{{.*}} : (tensor<2x3x4xf32>) -> ()
  onnx.node "LRN" (%x) {} : (tensor<2x3x4xf32>) -> ()
  // What the caller of a function gives is not known.
  // CHECK: "ReduceL1"{{.*}} -> !onnx.unknown
  %r = onnx.node "ReduceL1" (%x) {keepdims = #onnx.ref<"keep", 2>} : (tensor<2x3x4xf32>) -> !onnx.unknown
  // An overload is a function's, whatever its name.
  // CHECK: "LRN"{{.*}} -> !onnx.unknown
  %3 = onnx.node "LRN" overload "o" (%x) {} : (tensor<2x3x4xf32>) -> !onnx.unknown
  onnx.return
}

// What ONNX Runtime's fusions write.
// CHECK-LABEL: onnx.graph @microsoft
onnx.graph @microsoft #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %ids = onnx.node "Source"() {} : () -> tensor<?x?xi32, #onnx.dims<"B", "S">>
  %table = onnx.node "Source"() {} : () -> tensor<30x16xf32>
  %v = onnx.node "Source"() {} : () -> tensor<16xf32>
  // CHECK: onnx.ms.EmbedLayerNormalization{{.*}} -> (tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>, tensor<?xi32, #onnx.dims<"B">>)
  %e:2 = onnx.ms.EmbedLayerNormalization(%ids, %ids, %table, %table, %table, %v, %v) : (tensor<?x?xi32, #onnx.dims<"B", "S">>, tensor<?x?xi32, #onnx.dims<"B", "S">>, tensor<30x16xf32>, tensor<30x16xf32>, tensor<30x16xf32>, tensor<16xf32>, tensor<16xf32>) -> (!onnx.unknown, !onnx.unknown)
  %a = onnx.node "Source"() {} : () -> tensor<2x8x5x16xf32>
  %b = onnx.node "Source"() {} : () -> tensor<2x8x7x16xf32>
  // CHECK: onnx.ms.FusedMatMul{{.*}} -> tensor<2x8x5x7xf32>
  %m = onnx.ms.FusedMatMul(%a, %b) {transB = 1 : i64} : (tensor<2x8x5x16xf32>, tensor<2x8x7x16xf32>) -> !onnx.unknown
  %c = onnx.node "Source"() {} : () -> tensor<8x5x16x7xf32>
  // CHECK: onnx.ms.FusedMatMul{{.*}} -> tensor<8x5x2x7xf32>
  %t = onnx.ms.FusedMatMul(%a, %c) {transBatchA = 1 : i64} : (tensor<2x8x5x16xf32>, tensor<8x5x16x7xf32>) -> !onnx.unknown
  %q = onnx.node "Source"() {} : () -> tensor<30x8xui8>
  %s = onnx.node "Source"() {} : () -> tensor<30x1xf16>
  // CHECK: "GatherBlockQuantized"{{.*}} -> tensor<?x?x16xf16, #onnx.dims<"B", "S", "">>
  %g = onnx.node "GatherBlockQuantized" domain "com.microsoft" (%q, %ids, %s) {bits = 4 : i64} : (tensor<30x8xui8>, tensor<?x?xi32, #onnx.dims<"B", "S">>, tensor<30x1xf16>) -> !onnx.unknown
  onnx.return
}
}
