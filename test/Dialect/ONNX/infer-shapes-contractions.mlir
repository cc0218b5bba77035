// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file | FileCheck %s

// Equations with labels, an ellipsis, repeated labels and no output.
// CHECK-LABEL: @einsum
module @einsum attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<64x?xf32, #onnx.dims<"", "M">>
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x64xf32, #onnx.dims<"M", "">>{{$}}
  %r1 = onnx.Einsum(%v0) {equation = "ij->ji"} : (tensor<64x?xf32, #onnx.dims<"", "M">>) -> !onnx.unknown
  %v1 = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf32, #onnx.dims<"B", "", "S", "">>
  %v2 = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf32, #onnx.dims<"B", "", "L", "">>
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x4x?x?xf32, #onnx.dims<"B", "", "S", "L">>{{$}}
  %r2 = onnx.Einsum(%v1, %v2) {equation = "bhid,bhjd->bhij"} : (tensor<?x4x?x8xf32, #onnx.dims<"B", "", "S", "">>, tensor<?x4x?x8xf32, #onnx.dims<"B", "", "L", "">>) -> !onnx.unknown
  %v3 = onnx.node "Source" () {} : () -> tensor<?x3xf32, #onnx.dims<"N", "">>
  %v4 = onnx.node "Source" () {} : () -> tensor<3x5xf32>
  // Spaces mean nothing.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x5xf32, #onnx.dims<"N", "">>{{$}}
  %r3 = onnx.Einsum(%v3, %v4) {equation = " i j , j k -> i k "} : (tensor<?x3xf32, #onnx.dims<"N", "">>, tensor<3x5xf32>) -> !onnx.unknown
  // Without an output: the labels that occur once, in order.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x5xf32, #onnx.dims<"N", "">>{{$}}
  %r4 = onnx.Einsum(%v3, %v4) {equation = "ij,jk"} : (tensor<?x3xf32, #onnx.dims<"N", "">>, tensor<3x5xf32>) -> !onnx.unknown
  // CHECK: onnx.Einsum({{.*}} -> tensor<3x?xf32, #onnx.dims<"", "N">>{{$}}
  %r5 = onnx.Einsum(%v3) {equation = "ba"} : (tensor<?x3xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  %v5 = onnx.node "Source" () {} : () -> tensor<3x3xf32>
  // A trace and a diagonal.
  // CHECK: onnx.Einsum({{.*}} -> tensor<f32>{{$}}
  %r6 = onnx.Einsum(%v5) {equation = "ii"} : (tensor<3x3xf32>) -> !onnx.unknown
  // CHECK: onnx.Einsum({{.*}} -> tensor<3xf32>{{$}}
  %r7 = onnx.Einsum(%v3) {equation = "ii->i"} : (tensor<?x3xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  %v6 = onnx.node "Source" () {} : () -> tensor<?x1x4x3xf32, #onnx.dims<"B", "", "", "">>
  %v7 = onnx.node "Source" () {} : () -> tensor<6x3x5xf32>
  // Dims under the ellipsis broadcast.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x6x4x5xf32, #onnx.dims<"B", "", "", "">>{{$}}
  %r8 = onnx.Einsum(%v6, %v7) {equation = "...ij,...jk->...ik"} : (tensor<?x1x4x3xf32, #onnx.dims<"B", "", "", "">>, tensor<6x3x5xf32>) -> !onnx.unknown
  %v8 = onnx.node "Source" () {} : () -> tensor<?x2x3xf32, #onnx.dims<"B", "", "">>
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x2x5xf32, #onnx.dims<"B", "", "">>{{$}}
  %r9 = onnx.Einsum(%v8, %v4) {equation = "...j,jk"} : (tensor<?x2x3xf32, #onnx.dims<"B", "", "">>, tensor<3x5xf32>) -> !onnx.unknown
  // CHECK: onnx.Einsum({{.*}} -> tensor<2x3xf32>{{$}}
  %r10 = onnx.Einsum(%v8) {equation = "i...->..."} : (tensor<?x2x3xf32, #onnx.dims<"B", "", "">>) -> !onnx.unknown
  // An ellipsis may cover nothing.
  // CHECK: onnx.Einsum({{.*}} -> tensor<3x?xf32, #onnx.dims<"", "N">>{{$}}
  %r11 = onnx.Einsum(%v3) {equation = "i...j->j...i"} : (tensor<?x3xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  %v9 = onnx.node "Source" () {} : () -> tensor<1xf32>
  %v10 = onnx.node "Source" () {} : () -> tensor<?xf32, #onnx.dims<"N">>
  // A 1 gives way, two names say nothing.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?xf32, #onnx.dims<"N">>{{$}}
  %r12 = onnx.Einsum(%v9, %v10) {equation = "i,i->i"} : (tensor<1xf32>, tensor<?xf32, #onnx.dims<"N">>) -> !onnx.unknown
  %v11 = onnx.node "Source" () {} : () -> tensor<?xf32, #onnx.dims<"M">>
  // CHECK: onnx.Einsum({{.*}} -> tensor<?xf32>{{$}}
  %r13 = onnx.Einsum(%v10, %v11) {equation = "i,i->i"} : (tensor<?xf32, #onnx.dims<"N">>, tensor<?xf32, #onnx.dims<"M">>) -> !onnx.unknown
  %v12 = onnx.node "Source" () {} : () -> tensor<*xf32>
  // An unknown rank leaves the output its rank, and may let a 1 give way.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x5xf32>{{$}}
  %r14 = onnx.Einsum(%v12, %v4) {equation = "ij,jk->ik"} : (tensor<*xf32>, tensor<3x5xf32>) -> !onnx.unknown
  // CHECK: onnx.Einsum({{.*}} -> tensor<?xf32>{{$}}
  %r15 = onnx.Einsum(%v12, %v9) {equation = "ij,j->j"} : (tensor<*xf32>, tensor<1xf32>) -> !onnx.unknown
  // Near miss: nor is the ellipsis known.
  // CHECK: onnx.Einsum({{.*}} -> tensor<*xf32>{{$}}
  %r16 = onnx.Einsum(%v12, %v4) {equation = "...j,jk->...k"} : (tensor<*xf32>, tensor<3x5xf32>) -> !onnx.unknown
  // Near miss: runtimes differ on which of "a" and "B" is first.
  // CHECK: onnx.Einsum({{.*}} -> tensor<?x?xf32>{{$}}
  %r17 = onnx.Einsum(%v3) {equation = "aB"} : (tensor<?x3xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  %v13 = onnx.node "Source" () {} : () -> !onnx.unknown
  // Near miss: no element type, no tensor type.
  // CHECK: onnx.Einsum({{.*}} -> !onnx.unknown{{$}}
  %r18 = onnx.Einsum(%v13) {equation = "ij->ji"} : (!onnx.unknown) -> !onnx.unknown
  onnx.return
}
}

// -----

// Each spatial size is the number of places of its window.
// CHECK-LABEL: @conv
module @conv attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>
  %v1 = onnx.node "Source" () {} : () -> tensor<8x4x3xf32>
  // One to three spatial axes.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?xf32, #onnx.dims<"N", "", "">>{{$}}
  %r1 = onnx.Conv(%v0, %v1) {} : (tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>, tensor<8x4x3xf32>) -> !onnx.unknown
  %v2 = onnx.node "Source" () {} : () -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>
  %v3 = onnx.node "Source" () {} : () -> tensor<8xf32>
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r2 = onnx.Conv(%v2, %v1, %v3) {} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>, tensor<8xf32>) -> !onnx.unknown
  %v4 = onnx.node "Source" () {} : () -> tensor<?x3x224x224xf32, #onnx.dims<"N", "", "", "">>
  %v5 = onnx.node "Source" () {} : () -> tensor<768x3x16x16xf32>
  // CHECK: onnx.Conv({{.*}} -> tensor<?x768x14x14xf32, #onnx.dims<"N", "", "", "">>{{$}}
  %r3 = onnx.Conv(%v4, %v5) {kernel_shape = array<i64: 16, 16>, strides = array<i64: 16, 16>} : (tensor<?x3x224x224xf32, #onnx.dims<"N", "", "", "">>, tensor<768x3x16x16xf32>) -> !onnx.unknown
  %v6 = onnx.node "Source" () {} : () -> tensor<2x4x9x10x11xf32>
  %v7 = onnx.node "Source" () {} : () -> tensor<8x4x3x3x3xf32>
  // CHECK: onnx.Conv({{.*}} -> tensor<2x8x9x5x4xf32>{{$}}
  %r4 = onnx.Conv(%v6, %v7) {pads = array<i64: 1, 0, 1, 1, 1, 0>, strides = array<i64: 1, 2, 3>} : (tensor<2x4x9x10x11xf32>, tensor<8x4x3x3x3xf32>) -> !onnx.unknown
  // A dilated kernel is 7 wide.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x4xf32, #onnx.dims<"N", "", "">>{{$}}
  %r5 = onnx.Conv(%v2, %v1) {dilations = array<i64: 3>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  %v8 = onnx.node "Source" () {} : () -> tensor<4x1x3xf32>
  // Depthwise, padded as a causal one.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x4x10xf32, #onnx.dims<"N", "", "">>{{$}}
  %r6 = onnx.Conv(%v2, %v8) {group = 4, pads = array<i64: 2, 0>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<4x1x3xf32>) -> !onnx.unknown
  // Pads that make up for the kernel keep a name, others do not.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>{{$}}
  %r7 = onnx.Conv(%v0, %v8) {group = 4, pads = array<i64: 2, 0>} : (tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>, tensor<4x1x3xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<?x4x?xf32, #onnx.dims<"N", "", "">>{{$}}
  %r8 = onnx.Conv(%v0, %v8) {group = 4, pads = array<i64: 2, 2>} : (tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>, tensor<4x1x3xf32>) -> !onnx.unknown
  %v9 = onnx.node "Source" () {} : () -> tensor<?x4x?x10xf32, #onnx.dims<"N", "", "L", "">>
  %v10 = onnx.node "Source" () {} : () -> tensor<8x4x3x3xf32>
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?x4xf32, #onnx.dims<"N", "", "L", "">>{{$}}
  %r9 = onnx.Conv(%v9, %v10) {auto_pad = "SAME_UPPER", strides = array<i64: 1, 3>} : (tensor<?x4x?x10xf32, #onnx.dims<"N", "", "L", "">>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?x10xf32, #onnx.dims<"N", "", "", "">>{{$}}
  %r10 = onnx.Conv(%v9, %v10) {auto_pad = "SAME_LOWER", strides = array<i64: 2, 1>} : (tensor<?x4x?x10xf32, #onnx.dims<"N", "", "L", "">>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  // Only NOTSET reads the pads.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?x8xf32, #onnx.dims<"N", "", "", "">>{{$}}
  %r11 = onnx.Conv(%v9, %v10) {auto_pad = "VALID", pads = array<i64: 1, 1, 1, 1>} : (tensor<?x4x?x10xf32, #onnx.dims<"N", "", "L", "">>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  %v11 = onnx.node "Source" () {} : () -> tensor<8x4x1xf32>
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?xf32, #onnx.dims<"N", "", "L">>{{$}}
  %r12 = onnx.Conv(%v0, %v11) {} : (tensor<?x4x?xf32, #onnx.dims<"N", "", "L">>, tensor<8x4x1xf32>) -> !onnx.unknown
  %v12 = onnx.node "Source" () {} : () -> tensor<?x4x0xf32, #onnx.dims<"N", "", "">>
  // What a kernel gives on nothing is the runtime's choice.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?xf32, #onnx.dims<"N", "", "">>{{$}}
  %r13 = onnx.Conv(%v12, %v1) {pads = array<i64: 1, 1>} : (tensor<?x4x0xf32, #onnx.dims<"N", "", "">>, tensor<8x4x3xf32>) -> !onnx.unknown
  %v13 = onnx.node "Source" () {} : () -> tensor<*xf32>
  // Near misses: the rank comes from any operand or the attribute, or is unknown.
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?xf32>{{$}}
  %r14 = onnx.Conv(%v13, %v1) {} : (tensor<*xf32>, tensor<8x4x3xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r15 = onnx.Conv(%v2, %v13) {kernel_shape = array<i64: 3>} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<?x8x?xf32, #onnx.dims<"N", "", "">>{{$}}
  %r16 = onnx.Conv(%v2, %v13, %v3) {} : (tensor<?x4x10xf32, #onnx.dims<"N", "", "">>, tensor<*xf32>, tensor<8xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<?x?x?x?xf32>{{$}}
  %r17 = onnx.Conv(%v13, %v13) {kernel_shape = array<i64: 3, 3>} : (tensor<*xf32>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.Conv({{.*}} -> tensor<*xf32>{{$}}
  %r18 = onnx.Conv(%v13, %v13) {} : (tensor<*xf32>, tensor<*xf32>) -> !onnx.unknown
  onnx.return
}
}
