// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file | FileCheck %s

// Names survive, 1 gives way to a name, unequal names give an unnamed dim; a
// dynamic dim beside a static one other than 1 is that size or 1.
// CHECK-LABEL: @elementwise
module @elementwise attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %n = onnx.node "Source" () {} : () -> tensor<?x64xf32, #onnx.dims<"N", "">>
  %m = onnx.node "Source" () {} : () -> tensor<?x1xf32, #onnx.dims<"M", "">>
  %v = onnx.node "Source" () {} : () -> tensor<64xf32>
  %one = onnx.node "Source" () {} : () -> tensor<1x1xf32>
  %dyn = onnx.node "Source" () {} : () -> tensor<?x?xf32>
  %seven = onnx.node "Source" () {} : () -> tensor<7x1xf32>
  %star = onnx.node "Source" () {} : () -> tensor<*xf32>
  %u = onnx.node "Source" () {} : () -> !onnx.unknown
  %e = onnx.node "Source" () {} : () -> tensor<i32>
  %scalar = onnx.node "Source" () {} : () -> tensor<f32>
  // CHECK: onnx.Add({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r16 = onnx.Add(%n, %v) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.Mul({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r18 = onnx.Mul(%n, %n) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<?x64xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  // CHECK: onnx.Sub({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r20 = onnx.Sub(%one, %n) : (tensor<1x1xf32>, tensor<?x64xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  // CHECK: onnx.Div({{.*}} -> tensor<?x64xf32>{{$}}
  %r22 = onnx.Div(%n, %m) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<?x1xf32, #onnx.dims<"M", "">>) -> !onnx.unknown
  // CHECK: onnx.Add({{.*}} -> tensor<7x?xf32>{{$}}
  %r24 = onnx.Add(%dyn, %seven) : (tensor<?x?xf32>, tensor<7x1xf32>) -> !onnx.unknown
  // CHECK: onnx.Add({{.*}} -> tensor<*xf32>{{$}}
  %r26 = onnx.Add(%n, %star) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.Add({{.*}} -> tensor<*xf32>{{$}}
  %r28 = onnx.Add(%u, %v) : (!onnx.unknown, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.Add({{.*}} -> !onnx.unknown{{$}}
  %r30 = onnx.Add(%u, %u) : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
  // The exponent has a type of its own.
  // CHECK: onnx.Pow({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r33 = onnx.Pow(%n, %e) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<i32>) -> !onnx.unknown
  // CHECK: onnx.Max({{.*}} -> tensor<1x64xf32>{{$}}
  %r35 = onnx.Max(%scalar, %one, %v) : (tensor<f32>, tensor<1x1xf32>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.Sigmoid({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r37 = onnx.Sigmoid(%n) : (tensor<?x64xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  // CHECK: onnx.Clip({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r39 = onnx.Clip(%n, %scalar) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<f32>) -> !onnx.unknown
  // CHECK: onnx.IsNaN({{.*}} -> tensor<?x64xi1, #onnx.dims<"N", "">>{{$}}
  %r41 = onnx.IsNaN(%n) : (tensor<?x64xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  // CHECK: onnx.Less({{.*}} -> tensor<?x64xi1, #onnx.dims<"N", "">>{{$}}
  %less = onnx.Less(%n, %v) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.Where({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r45 = onnx.Where(%less, %scalar, %v) : (!onnx.unknown, tensor<f32>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.Cast({{.*}} -> tensor<?x64xbf16, #onnx.dims<"N", "">>{{$}}
  %r47 = onnx.Cast(%n) {to = 16} : (tensor<?x64xf32, #onnx.dims<"N", "">>) -> !onnx.unknown
  // CHECK: onnx.Cast({{.*}} -> tensor<*xi64>{{$}}
  %r49 = onnx.Cast(%u) {to = 7} : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.CastLike({{.*}} -> tensor<?x64xi32, #onnx.dims<"N", "">>{{$}}
  %r51 = onnx.CastLike(%n, %e) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<i32>) -> !onnx.unknown
  // CHECK: onnx.ms.BiasGelu({{.*}} -> tensor<?x64xf32, #onnx.dims<"N", "">>{{$}}
  %r53 = onnx.ms.BiasGelu(%n, %v) : (tensor<?x64xf32, #onnx.dims<"N", "">>, tensor<64xf32>) -> !onnx.unknown
  %seq = onnx.node "Source" () {} : () -> !onnx.seq<tensor<?xf32>>
  // CHECK: onnx.Identity({{.*}} -> !onnx.seq<tensor<?xf32>>{{$}}
  %r56 = onnx.Identity(%seq) : (!onnx.seq<tensor<?xf32>>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Statistics have the type of `stash_type` and 1 for each normalized dim.
// CHECK-LABEL: @normalization
module @normalization attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4x8xf16, #onnx.dims<"N", "", "">>
  %w = onnx.node "Source" () {} : () -> tensor<8xf16>
  %wf = onnx.node "Source" () {} : () -> tensor<8xf32>
  %star = onnx.node "Source" () {} : () -> tensor<*xf16>
  %none = onnx.absent
  // CHECK: onnx.Softmax({{.*}} -> tensor<?x4x8xf16, #onnx.dims<"N", "", "">>{{$}}
  %r10 = onnx.Softmax(%x) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.LayerNormalization({{.*}} -> (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<?x4x1xf32, #onnx.dims<"N", "", "">>, tensor<?x4x1xf32, #onnx.dims<"N", "", "">>){{$}}
  %r12:3 = onnx.LayerNormalization(%x, %w) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf16>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  // CHECK: onnx.LayerNormalization({{.*}} -> (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<?x1x1xf16, #onnx.dims<"N", "", "">>){{$}}
  %r14:2 = onnx.LayerNormalization(%x, %w) {axis = 1, stash_type = 10} : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf16>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.LayerNormalization({{.*}} -> tensor<*xf16>{{$}}
  %r16 = onnx.LayerNormalization(%star, %w) : (tensor<*xf16>, tensor<8xf16>) -> !onnx.unknown
  // CHECK: onnx.RMSNormalization({{.*}} -> tensor<?x4x8xf16, #onnx.dims<"N", "", "">>{{$}}
  %r18 = onnx.RMSNormalization(%x, %w) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf16>) -> !onnx.unknown
  // Runtimes disagree on which of the two gives the type.
  // CHECK: onnx.RMSNormalization({{.*}} -> !onnx.unknown{{$}}
  %r21 = onnx.RMSNormalization(%x, %wf) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf32>) -> !onnx.unknown
  // CHECK: onnx.SimplifiedLayerNormalization({{.*}} -> (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<?x4x1xf32, #onnx.dims<"N", "", "">>){{$}}
  %r23:2 = onnx.SimplifiedLayerNormalization(%x, %w) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf16>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.ms.SkipSimplifiedLayerNormalization({{.*}} -> (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, none, none, tensor<?x4x8xf16, #onnx.dims<"N", "", "">>){{$}}
  %r25:4 = onnx.ms.SkipSimplifiedLayerNormalization(%x, %x, %w) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<8xf16>) -> (!onnx.unknown, none, none, !onnx.unknown)
  %c = onnx.node "Source" () {} : () -> tensor<4xf32>
  %img = onnx.node "Source" () {} : () -> tensor<?x4x?xf32>
  // CHECK: onnx.BatchNormalization({{.*}} -> (tensor<?x4x?xf32>, tensor<4xf32>, tensor<4xf32>){{$}}
  %r29:3 = onnx.BatchNormalization(%img, %c, %c, %c, %c) {training_mode = 1} : (tensor<?x4x?xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Dropout({{.*}} -> (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>, tensor<?x4x8xi1, #onnx.dims<"N", "", "">>){{$}}
  %r31:2 = onnx.Dropout(%x) : (tensor<?x4x8xf16, #onnx.dims<"N", "", "">>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// The mask had the type of the data before opset 10; 1 was the default axis of Softmax.
// CHECK-LABEL: @dropout_opset7
module @dropout_opset7 attributes {onnx.model = {opset_import = [{domain = "", version = 7}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4xf32>
  %v = onnx.node "Source" () {} : () -> tensor<3xf32>
  // CHECK: onnx.Dropout({{.*}} -> (tensor<?x4xf32>, tensor<?x4xf32>){{$}}
  %r7:2 = onnx.Dropout(%x) : (tensor<?x4xf32>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Softmax({{.*}} -> tensor<3xf32>{{$}}
  %r9 = onnx.Softmax(%v) : (tensor<3xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Axes come as an attribute or an operand; without them all are meant, unless `noop_with_empty_axes`.
// CHECK-LABEL: @reduction
module @reduction attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
  %star = onnx.node "Source" () {} : () -> tensor<*xf32>
  %axes = onnx.node "Source" () {} : () -> tensor<2xi64>
  %someaxes = onnx.node "Source" () {} : () -> tensor<?xi64>
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %none0 = onnx.Constant() {value = dense<> : tensor<0xi64>} : () -> tensor<0xi64>
  // CHECK: onnx.ReduceMean({{.*}} -> tensor<?x4x1xf32, #onnx.dims<"N", "", "">>{{$}}
  %r11 = onnx.ReduceMean(%x, %last) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.ReduceMax({{.*}} -> tensor<4x8xf32>{{$}}
  %r13 = onnx.ReduceMax(%x) {axes = array<i64: 0>, keepdims = 0} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<1x1x1xf32>{{$}}
  %r15 = onnx.ReduceSum(%x) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<f32>{{$}}
  %r17 = onnx.ReduceSum(%x) {keepdims = 0} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<f32>{{$}}
  %r19 = onnx.ReduceSum(%star) {keepdims = 0} : (tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<*xf32>{{$}}
  %r21 = onnx.ReduceSum(%star) : (tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r23 = onnx.ReduceSum(%x, %none0) {noop_with_empty_axes = 1} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<0xi64>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<?xf32>{{$}}
  %r25 = onnx.ReduceSum(%x, %axes) {keepdims = 0} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<?x?x?xf32>{{$}}
  %r27 = onnx.ReduceSum(%x, %someaxes) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?xi64>) -> !onnx.unknown
  // CHECK: onnx.ReduceSum({{.*}} -> tensor<*xf32>{{$}}
  %r29 = onnx.ReduceSum(%x, %someaxes) {keepdims = 0} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?xi64>) -> !onnx.unknown
  // CHECK: onnx.ArgMax({{.*}} -> tensor<?x4xi64, #onnx.dims<"N", "">>{{$}}
  %r31 = onnx.ArgMax(%x) {axis = -1, keepdims = 0} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.CumSum({{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r33 = onnx.CumSum(%x, %last) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>) -> !onnx.unknown
  %k = onnx.Constant() {value_ints = array<i64: 3>} : () -> tensor<1xi64>
  // CHECK: onnx.TopK({{.*}} -> (tensor<?x4x3xf32, #onnx.dims<"N", "", "">>, tensor<?x4x3xi64, #onnx.dims<"N", "", "">>){{$}}
  %r36:2 = onnx.TopK(%x, %k) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.TopK({{.*}} -> (tensor<?x4x?xf32, #onnx.dims<"N", "", "">>, tensor<?x4x?xi64, #onnx.dims<"N", "", "">>){{$}}
  %r38:2 = onnx.TopK(%x, %someaxes) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?xi64>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Batches broadcast, vectors lose the dim they were given.
// CHECK-LABEL: @matmul
module @matmul attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %a = onnx.node "Source" () {} : () -> tensor<?x1x?x64xf32, #onnx.dims<"N", "", "S", "">>
  %b = onnx.node "Source" () {} : () -> tensor<6x64x32xf32>
  %v = onnx.node "Source" () {} : () -> tensor<64xf32>
  %star = onnx.node "Source" () {} : () -> tensor<*xf32>
  %q = onnx.node "Source" () {} : () -> tensor<2x3xui8>
  %p = onnx.node "Source" () {} : () -> tensor<3x5xi8>
  // CHECK: onnx.MatMul({{.*}} -> tensor<?x6x?x32xf32, #onnx.dims<"N", "", "S", "">>{{$}}
  %r11 = onnx.MatMul(%a, %b) : (tensor<?x1x?x64xf32, #onnx.dims<"N", "", "S", "">>, tensor<6x64x32xf32>) -> !onnx.unknown
  // CHECK: onnx.MatMul({{.*}} -> tensor<?x1x?xf32, #onnx.dims<"N", "", "S">>{{$}}
  %r13 = onnx.MatMul(%a, %v) : (tensor<?x1x?x64xf32, #onnx.dims<"N", "", "S", "">>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.MatMul({{.*}} -> tensor<6x32xf32>{{$}}
  %r15 = onnx.MatMul(%v, %b) : (tensor<64xf32>, tensor<6x64x32xf32>) -> !onnx.unknown
  // CHECK: onnx.MatMul({{.*}} -> tensor<f32>{{$}}
  %r17 = onnx.MatMul(%v, %v) : (tensor<64xf32>, tensor<64xf32>) -> !onnx.unknown
  // CHECK: onnx.MatMul({{.*}} -> tensor<*xf32>{{$}}
  %r19 = onnx.MatMul(%a, %star) : (tensor<?x1x?x64xf32, #onnx.dims<"N", "", "S", "">>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.MatMulInteger({{.*}} -> tensor<2x5xi32>{{$}}
  %r21 = onnx.MatMulInteger(%q, %p) : (tensor<2x3xui8>, tensor<3x5xi8>) -> !onnx.unknown
  %m = onnx.node "Source" () {} : () -> tensor<64x?xf32, #onnx.dims<"", "M">>
  %w = onnx.node "Source" () {} : () -> tensor<10x64xf32>
  %bias = onnx.node "Source" () {} : () -> tensor<10xf32>
  // CHECK: onnx.Gemm({{.*}} -> tensor<?x10xf32, #onnx.dims<"M", "">>{{$}}
  %r26 = onnx.Gemm(%m, %w, %bias) {transA = 1, transB = 1} : (tensor<64x?xf32, #onnx.dims<"", "M">>, tensor<10x64xf32>, tensor<10xf32>) -> !onnx.unknown
  // CHECK: onnx.Gemm({{.*}} -> tensor<?x64xf32>{{$}}
  %r28 = onnx.Gemm(%star, %w) : (tensor<*xf32>, tensor<10x64xf32>) -> !onnx.unknown
  %packed = onnx.node "Source" () {} : () -> tensor<32x2x16xui8>
  %scales = onnx.node "Source" () {} : () -> tensor<64xf32>
  // CHECK: onnx.ms.MatMulNBits({{.*}} -> tensor<?x1x?x32xf32, #onnx.dims<"N", "", "S", "">>{{$}}
  %r32 = onnx.ms.MatMulNBits(%a, %packed, %scales) {K = 64, N = 32} : (tensor<?x1x?x64xf32, #onnx.dims<"N", "", "S", "">>, tensor<32x2x16xui8>, tensor<64xf32>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The zero point or `output_dtype` gives the type, bytes by default.
// CHECK-LABEL: @quantization
module @quantization attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x4xf32, #onnx.dims<"N", "">>
  %s = onnx.node "Source" () {} : () -> tensor<f32>
  %z = onnx.node "Source" () {} : () -> tensor<i8>
  %q = onnx.node "Source" () {} : () -> tensor<?x4xi8, #onnx.dims<"N", "">>
  %h = onnx.node "Source" () {} : () -> tensor<f16>
  // CHECK: onnx.QuantizeLinear({{.*}} -> tensor<?x4xui8, #onnx.dims<"N", "">>{{$}}
  %r10 = onnx.QuantizeLinear(%x, %s) : (tensor<?x4xf32, #onnx.dims<"N", "">>, tensor<f32>) -> !onnx.unknown
  // CHECK: onnx.QuantizeLinear({{.*}} -> tensor<?x4xi8, #onnx.dims<"N", "">>{{$}}
  %r12 = onnx.QuantizeLinear(%x, %s, %z) : (tensor<?x4xf32, #onnx.dims<"N", "">>, tensor<f32>, tensor<i8>) -> !onnx.unknown
  // CHECK: onnx.QuantizeLinear({{.*}} -> tensor<?x4xf8E4M3FN, #onnx.dims<"N", "">>{{$}}
  %r14 = onnx.QuantizeLinear(%x, %s) {output_dtype = 17} : (tensor<?x4xf32, #onnx.dims<"N", "">>, tensor<f32>) -> !onnx.unknown
  // CHECK: onnx.DequantizeLinear({{.*}} -> tensor<?x4xf16, #onnx.dims<"N", "">>{{$}}
  %r16 = onnx.DequantizeLinear(%q, %h, %z) : (tensor<?x4xi8, #onnx.dims<"N", "">>, tensor<f16>, tensor<i8>) -> !onnx.unknown
  // CHECK: onnx.DynamicQuantizeLinear({{.*}} -> (tensor<?x4xui8, #onnx.dims<"N", "">>, tensor<f32>, tensor<ui8>){{$}}
  %r18:3 = onnx.DynamicQuantizeLinear(%x) : (tensor<?x4xf32, #onnx.dims<"N", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// Dims of the indices take the place of the axis.
// CHECK-LABEL: @gather
module @gather attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %t = onnx.node "Source" () {} : () -> tensor<100x64xf32>
  %ids = onnx.node "Source" () {} : () -> tensor<?x?xi64, #onnx.dims<"B", "S">>
  %star = onnx.node "Source" () {} : () -> tensor<*xi64>
  %i = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %nd = onnx.node "Source" () {} : () -> tensor<?x2xi64, #onnx.dims<"K", "">>
  %x = onnx.node "Source" () {} : () -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
  // CHECK: onnx.Gather({{.*}} -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>{{$}}
  %r11 = onnx.Gather(%t, %ids) : (tensor<100x64xf32>, tensor<?x?xi64, #onnx.dims<"B", "S">>) -> !onnx.unknown
  // CHECK: onnx.Gather({{.*}} -> tensor<?x8xf32, #onnx.dims<"N", "">>{{$}}
  %r13 = onnx.Gather(%x, %i) {axis = -2} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Gather({{.*}} -> tensor<*xf32>{{$}}
  %r15 = onnx.Gather(%t, %star) : (tensor<100x64xf32>, tensor<*xi64>) -> !onnx.unknown
  // CHECK: onnx.GatherElements({{.*}} -> tensor<?x?xf32, #onnx.dims<"B", "S">>{{$}}
  %r17 = onnx.GatherElements(%t, %ids) : (tensor<100x64xf32>, tensor<?x?xi64, #onnx.dims<"B", "S">>) -> !onnx.unknown
  // CHECK: onnx.GatherND({{.*}} -> tensor<?x8xf32, #onnx.dims<"K", "">>{{$}}
  %r19 = onnx.GatherND(%x, %nd) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?x2xi64, #onnx.dims<"K", "">>) -> !onnx.unknown
  // CHECK: onnx.ScatterND({{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r21 = onnx.ScatterND(%x, %nd, %t) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?x2xi64, #onnx.dims<"K", "">>, tensor<100x64xf32>) -> !onnx.unknown
  %vals = onnx.node "Source" () {} : () -> tensor<2xf16>
  // CHECK: onnx.OneHot({{.*}} -> tensor<?x1x?xf16, #onnx.dims<"B", "", "S">>{{$}}
  %r24 = onnx.OneHot(%ids, %i, %vals) {axis = 1} : (tensor<?x?xi64, #onnx.dims<"B", "S">>, tensor<i64>, tensor<2xf16>) -> !onnx.unknown
  // CHECK: onnx.NonZero({{.*}} -> tensor<3x?xi64>{{$}}
  %r26 = onnx.NonZero(%x) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Concat adds static sizes only; bounds of Slice are clamped.
// CHECK-LABEL: @cut_and_join
module @cut_and_join attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x10x8xf32, #onnx.dims<"N", "", "">>
  %y = onnx.node "Source" () {} : () -> tensor<?x6x8xf32>
  %z = onnx.node "Source" () {} : () -> tensor<?x?x?xf32, #onnx.dims<"", "P", "">>
  %e = onnx.node "Source" () {} : () -> tensor<?x0x8xf32>
  %star = onnx.node "Source" () {} : () -> tensor<*xf32>
  // CHECK: onnx.Concat({{.*}} -> tensor<?x16x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r10 = onnx.Concat(%y, %x) {axis = 1} : (tensor<?x6x8xf32>, tensor<?x10x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  // CHECK: onnx.Concat({{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "?(P + 10)", "">>{{$}}
  %r12 = onnx.Concat(%x, %z) {axis = -2} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<?x?x?xf32, #onnx.dims<"", "P", "">>) -> !onnx.unknown
  // CHECK: onnx.Concat({{.*}} -> tensor<?x?x8xf32, #onnx.dims<"", "P", "">>{{$}}
  %r14 = onnx.Concat(%e, %z) {axis = 1} : (tensor<?x0x8xf32>, tensor<?x?x?xf32, #onnx.dims<"", "P", "">>) -> !onnx.unknown
  // CHECK: onnx.Concat({{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r16 = onnx.Concat(%x, %star) {axis = 1} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: onnx.Split({{.*}} -> (tensor<?x5x8xf32, #onnx.dims<"N", "", "">>, tensor<?x5x8xf32, #onnx.dims<"N", "", "">>){{$}}
  %r18:2 = onnx.Split(%x) {axis = 1} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Split({{.*}} -> (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?x4x8xf32, #onnx.dims<"N", "", "">>, tensor<?x2x8xf32, #onnx.dims<"N", "", "">>){{$}}
  %r20:3 = onnx.Split(%x) {axis = 1, num_outputs = 3} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  %sizes = onnx.Constant() {value_ints = array<i64: 1, 7>} : () -> tensor<2xi64>
  // CHECK: onnx.Split({{.*}} -> (tensor<?x10x1xf32, #onnx.dims<"N", "", "">>, tensor<?x10x7xf32, #onnx.dims<"N", "", "">>){{$}}
  %r23:2 = onnx.Split(%x, %sizes) {axis = 2} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<2xi64>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Split({{.*}} -> (tensor<?x?x?xf32>, tensor<?x?x?xf32>){{$}}
  %r25:2 = onnx.Split(%z) {axis = 1} : (tensor<?x?x?xf32, #onnx.dims<"", "P", "">>) -> (!onnx.unknown, !onnx.unknown)
  %zero = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> tensor<1xi64>
  %m1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %m3 = onnx.Constant() {value_ints = array<i64: -3>} : () -> tensor<1xi64>
  %m100 = onnx.Constant() {value_ints = array<i64: -100>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value_ints = array<i64: 2>} : () -> tensor<1xi64>
  %dynb = onnx.node "Source" () {} : () -> tensor<1xi64>
  // CHECK: onnx.Slice({{.*}} -> tensor<?x3x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r35 = onnx.Slice(%x, %m3, %end, %one) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r37 = onnx.Slice(%x, %one, %m1, %one, %two) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<?x10x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r39 = onnx.Slice(%x, %end, %m100, %one, %m1) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // All of a dynamic dim keeps its name; a part of it may be shorter than asked.
  // CHECK: onnx.Slice({{.*}} -> tensor<?x10x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r42 = onnx.Slice(%x, %zero, %end, %zero) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<?x10x8xf32>{{$}}
  %r44 = onnx.Slice(%x, %zero, %two, %zero) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r46 = onnx.Slice(%x, %dynb, %end, %one) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<?x2x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r48 = onnx.Slice(%x) {axes = array<i64: 1>, starts = array<i64: 0>, ends = array<i64: 2>} : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  %pads = onnx.Constant() {value_ints = array<i64: 0, 1, 0, 0, 2, 0>} : () -> tensor<6xi64>
  // CHECK: onnx.Pad({{.*}} -> tensor<?x13x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r51 = onnx.Pad(%x, %pads) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<6xi64>) -> !onnx.unknown
  %none = onnx.absent
  %p2 = onnx.Constant() {value_ints = array<i64: 1, 1>} : () -> tensor<2xi64>
  // CHECK: onnx.Pad({{.*}} -> tensor<?x10x8xf32>{{$}}
  %r55 = onnx.Pad(%x, %p2, %none, %zero) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<2xi64>, none, tensor<1xi64>) -> !onnx.unknown
  %reps = onnx.Constant() {value_ints = array<i64: 1, 3, 2>} : () -> tensor<3xi64>
  // CHECK: onnx.Tile({{.*}} -> tensor<?x30x16xf32, #onnx.dims<"N", "", "">>{{$}}
  %r58 = onnx.Tile(%x, %reps) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>, tensor<3xi64>) -> !onnx.unknown
  // CHECK: onnx.Trilu({{.*}} -> tensor<?x10x8xf32, #onnx.dims<"N", "", "">>{{$}}
  %r60 = onnx.Trilu(%x) : (tensor<?x10x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The -1 is solved for through equal names.
// CHECK-LABEL: @reshape
module @reshape attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>
  %y = onnx.node "Source" () {} : () -> tensor<?x4x8xf32>
  %star = onnx.node "Source" () {} : () -> tensor<*xf32>
  %t = onnx.node "Source" () {} : () -> tensor<3xi64>
  %tt = onnx.node "Source" () {} : () -> tensor<?xi64>
  %heads = onnx.Constant() {value_ints = array<i64: 0, 0, 8, -1>} : () -> tensor<4xi64>
  %flat = onnx.Constant() {value_ints = array<i64: -1, 64>} : () -> tensor<2xi64>
  %nameless = onnx.Constant() {value_ints = array<i64: 0, -1>} : () -> tensor<2xi64>
  %zeros = onnx.Constant() {value_ints = array<i64: 0, -1, 64>} : () -> tensor<3xi64>
  %st = onnx.Constant() {value_ints = array<i64: 2, -1>} : () -> tensor<2xi64>
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x8x8xf32, #onnx.dims<"B", "S", "", "">>{{$}}
  %r15 = onnx.Reshape(%x, %heads) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<4xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x64xf32, #onnx.dims<"?(B * S)", "">>{{$}}
  %r17 = onnx.Reshape(%x, %flat) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>{{$}}
  %r19 = onnx.Reshape(%x, %zeros) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<3xi64>) -> !onnx.unknown
  // A copied dim without a name is as unknown as the count.
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?xf32>{{$}}
  %r22 = onnx.Reshape(%y, %nameless) : (tensor<?x4x8xf32>, tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x8x?xf32>{{$}}
  %r24 = onnx.Reshape(%star, %heads) : (tensor<*xf32>, tensor<4xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x?xf32>{{$}}
  %r26 = onnx.Reshape(%x, %t) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<3xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<*xf32>{{$}}
  %r28 = onnx.Reshape(%x, %tt) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<?xi64>) -> !onnx.unknown
  %e = onnx.node "Source" () {} : () -> tensor<0x4xf32>
  %allow = onnx.Constant() {value_ints = array<i64: 0, 7>} : () -> tensor<2xi64>
  // CHECK: onnx.Reshape({{.*}} -> tensor<0x7xf32>{{$}}
  %r32 = onnx.Reshape(%e, %allow) {allowzero = 1} : (tensor<0x4xf32>, tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x8xf32, #onnx.dims<"?(8 * B * S)", "">>{{$}}
  %r34 = onnx.Reshape(%x) {shape = array<i64: -1, 8>} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Flatten({{.*}} -> tensor<?x32xf32>{{$}}
  %r36 = onnx.Flatten(%y) : (tensor<?x4x8xf32>) -> !onnx.unknown
  // CHECK: onnx.Flatten({{.*}} -> tensor<1x?xf32, #onnx.dims<"", "?(64 * B * S)">>{{$}}
  %r38 = onnx.Flatten(%x) {axis = 0} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Flatten({{.*}} -> tensor<?x?xf32>{{$}}
  %r40 = onnx.Flatten(%star) : (tensor<*xf32>) -> !onnx.unknown
  %one = onnx.node "Source" () {} : () -> tensor<1x?x1xf32, #onnx.dims<"", "S", "">>
  %m1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %a02 = onnx.Constant() {value_ints = array<i64: 0, 2>} : () -> tensor<2xi64>
  // CHECK: onnx.Squeeze({{.*}} -> tensor<?xf32, #onnx.dims<"S">>{{$}}
  %r45 = onnx.Squeeze(%one, %a02) : (tensor<1x?x1xf32, #onnx.dims<"", "S", "">>, tensor<2xi64>) -> !onnx.unknown
  // The dynamic dim may be a 1 too.
  // CHECK: onnx.Squeeze({{.*}} -> tensor<*xf32>{{$}}
  %r48 = onnx.Squeeze(%one) : (tensor<1x?x1xf32, #onnx.dims<"", "S", "">>) -> !onnx.unknown
  %stat = onnx.node "Source" () {} : () -> tensor<1x3x1xf32>
  // CHECK: onnx.Squeeze({{.*}} -> tensor<3xf32>{{$}}
  %r51 = onnx.Squeeze(%stat) : (tensor<1x3x1xf32>) -> !onnx.unknown
  // CHECK: onnx.Unsqueeze({{.*}} -> tensor<1x?x1x1xf32, #onnx.dims<"", "S", "", "">>{{$}}
  %r53 = onnx.Unsqueeze(%one, %m1) : (tensor<1x?x1xf32, #onnx.dims<"", "S", "">>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Unsqueeze({{.*}} -> tensor<1x?x?x64xf32, #onnx.dims<"", "B", "S", "">>{{$}}
  %r55 = onnx.Unsqueeze(%x) {axes = array<i64: 0>} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Transpose({{.*}} -> tensor<?x64x?xf32, #onnx.dims<"S", "", "B">>{{$}}
  %r57 = onnx.Transpose(%x) {perm = array<i64: 1, 2, 0>} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Transpose({{.*}} -> tensor<64x?x?xf32, #onnx.dims<"", "S", "B">>{{$}}
  %r59 = onnx.Transpose(%x) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Transpose({{.*}} -> tensor<?x?xf32>{{$}}
  %r61 = onnx.Transpose(%star) {perm = array<i64: 1, 0>} : (tensor<*xf32>) -> !onnx.unknown
  %ex = onnx.Constant() {value_ints = array<i64: 3, 1, 1>} : () -> tensor<3xi64>
  // CHECK: onnx.Expand({{.*}} -> tensor<3x?x1xf32, #onnx.dims<"", "S", "">>{{$}}
  %r64 = onnx.Expand(%one, %ex) : (tensor<1x?x1xf32, #onnx.dims<"", "S", "">>, tensor<3xi64>) -> !onnx.unknown
  // CHECK: onnx.Expand({{.*}} -> tensor<?x?x?xf32>{{$}}
  %r66 = onnx.Expand(%one, %t) : (tensor<1x?x1xf32, #onnx.dims<"", "S", "">>, tensor<3xi64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Values made from attributes and shapes.
// CHECK-LABEL: @constants
module @constants attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>
  %m = onnx.node "Source" () {} : () -> tensor<3x4xf32>
  // CHECK: onnx.Constant({{.*}} -> tensor<2xf16>{{$}}
  %r7 = onnx.Constant() {value = dense<[1.0, 2.0]> : tensor<2xf16>} : () -> !onnx.unknown
  // CHECK: onnx.Constant({{.*}} -> tensor<2x!onnx.string>{{$}}
  %r9 = onnx.Constant() {value_strings = ["a", "b"]} : () -> !onnx.unknown
  // CHECK: onnx.Constant({{.*}} -> tensor<f32>{{$}}
  %r11 = onnx.Constant() {value_float = 1.0 : f32} : () -> !onnx.unknown
  // CHECK: onnx.Constant({{.*}} -> tensor<4xi64>{{$}}
  %r13 = onnx.Constant() {value = #onnx.sparse<dense<1> : tensor<1xi64>, indices = dense<2> : tensor<1xi64>, dims = [4]>} : () -> !onnx.unknown
  %dims = onnx.Constant() {value_ints = array<i64: 2, 3>} : () -> tensor<2xi64>
  // CHECK: onnx.ConstantOfShape({{.*}} -> tensor<2x3xf32>{{$}}
  %r16 = onnx.ConstantOfShape(%dims) : (tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.ConstantOfShape({{.*}} -> tensor<2x3xi64>{{$}}
  %r18 = onnx.ConstantOfShape(%dims) {value = dense<1> : tensor<1xi64>} : (tensor<2xi64>) -> !onnx.unknown
  // CHECK: onnx.EyeLike({{.*}} -> tensor<3x4xf64>{{$}}
  %r20 = onnx.EyeLike(%m) {dtype = 11} : (tensor<3x4xf32>) -> !onnx.unknown
  // CHECK: onnx.Shape({{.*}} -> tensor<2xi64>{{$}}
  %r22 = onnx.Shape(%x) {start = 1} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Shape({{.*}} -> tensor<1xi64>{{$}}
  %r24 = onnx.Shape(%x) {start = -2, end = -1} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Size({{.*}} -> tensor<i64>{{$}}
  %r26 = onnx.Size(%x) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  %a = onnx.Constant() {value_int = 10} : () -> tensor<i64>
  %b = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %c = onnx.Constant() {value_int = -3} : () -> tensor<i64>
  %dynk = onnx.node "Source" () {} : () -> tensor<i64>
  // CHECK: onnx.Range({{.*}} -> tensor<4xi64>{{$}}
  %r32 = onnx.Range(%a, %b, %c) : (tensor<i64>, tensor<i64>, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Range({{.*}} -> tensor<?xi64>{{$}}
  %r34 = onnx.Range(%b, %dynk, %c) : (tensor<i64>, tensor<i64>, tensor<i64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Targets that the graph computes keep their static and symbolic sizes.
// CHECK-LABEL: @computed_shapes
module @computed_shapes attributes {onnx.model = {opset_import = [{domain = "", version = 21}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>
  %i0 = onnx.Constant() {value_int = 0} : () -> tensor<i64>
  %i1 = onnx.Constant() {value_int = 1} : () -> tensor<i64>
  %a0 = onnx.Constant() {value_ints = array<i64: 0>} : () -> tensor<1xi64>
  %h = onnx.Constant() {value_ints = array<i64: 8>} : () -> tensor<1xi64>
  %m1 = onnx.Constant() {value_ints = array<i64: -1>} : () -> tensor<1xi64>
  %one = onnx.Constant() {value_ints = array<i64: 1>} : () -> tensor<1xi64>
  %end = onnx.Constant() {value_ints = array<i64: 9223372036854775807>} : () -> tensor<1xi64>
  // CHECK: onnx.Shape({{.*}} -> tensor<3xi64>{{$}}
  %shape = onnx.Shape(%x) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>) -> !onnx.unknown
  // CHECK: onnx.Gather({{.*}} -> tensor<i64>{{$}}
  %b = onnx.Gather(%shape, %i0) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Gather({{.*}} -> tensor<i64>{{$}}
  %sq = onnx.Gather(%shape, %i1) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Unsqueeze({{.*}} -> tensor<1xi64>{{$}}
  %b1 = onnx.Unsqueeze(%b, %a0) : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Unsqueeze({{.*}} -> tensor<1xi64>{{$}}
  %s1 = onnx.Unsqueeze(%sq, %a0) : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Concat({{.*}} -> tensor<4xi64>{{$}}
  %target = onnx.Concat(%b1, %s1, %h, %m1) {axis = 0} : (!onnx.unknown, !onnx.unknown, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x8x8xf32, #onnx.dims<"B", "S", "", "">>{{$}}
  %r25 = onnx.Reshape(%x, %target) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, !onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Slice({{.*}} -> tensor<1xi64>{{$}}
  %last = onnx.Slice(%shape, %m1, %end) : (!onnx.unknown, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  %two = onnx.Constant() {value_int = 2} : () -> tensor<i64>
  // CHECK: onnx.Div({{.*}} -> tensor<1xi64>{{$}}
  %half = onnx.Div(%last, %two) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Cast({{.*}} -> tensor<1xi64>{{$}}
  %half64 = onnx.Cast(%half) {to = 7} : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Concat({{.*}} -> tensor<4xi64>{{$}}
  %t2 = onnx.Concat(%b1, %s1, %half64, %m1) {axis = 0} : (!onnx.unknown, !onnx.unknown, !onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Reshape({{.*}} -> tensor<?x?x32x2xf32, #onnx.dims<"B", "S", "", "">>{{$}}
  %r36 = onnx.Reshape(%x, %t2) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, !onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Range({{.*}} -> tensor<?xi64, #onnx.dims<"S">>{{$}}
  %r38 = onnx.Range(%i0, %sq, %i1) : (tensor<i64>, !onnx.unknown, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.ConstantOfShape({{.*}} -> tensor<?xf32, #onnx.dims<"S">>{{$}}
  %r40 = onnx.ConstantOfShape(%s1) : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.ConstantOfShape({{.*}} -> tensor<32xf32>{{$}}
  %r42 = onnx.ConstantOfShape(%half64) : (!onnx.unknown) -> !onnx.unknown
  // Cut to the length it has.
  // CHECK: onnx.Slice({{.*}} -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>{{$}}
  %r45 = onnx.Slice(%x, %a0, %s1, %one) : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, tensor<1xi64>, !onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %mask = onnx.node "Source" () {} : () -> tensor<1x1x1x1xf32>
  // CHECK: onnx.Concat({{.*}} -> tensor<4xi64>{{$}}
  %full = onnx.Concat(%b1, %one, %s1, %s1) {axis = 0} : (!onnx.unknown, tensor<1xi64>, !onnx.unknown, !onnx.unknown) -> !onnx.unknown
  %four = onnx.Constant() {value_ints = array<i64: 4>} : () -> tensor<1xi64>
  // CHECK: onnx.ConstantOfShape({{.*}} -> tensor<4xi64>{{$}}
  %ones = onnx.ConstantOfShape(%four) {value = dense<1> : tensor<1xi64>} : (tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Equal({{.*}} -> tensor<4xi1>{{$}}
  %eq = onnx.Equal(%full, %m1) : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  // CHECK: onnx.Where({{.*}} -> tensor<4xi64>{{$}}
  %w = onnx.Where(%eq, %ones, %full) : (!onnx.unknown, !onnx.unknown, !onnx.unknown) -> !onnx.unknown
  // A size is never -1, so the placeholder test is settled.
  // CHECK: onnx.Expand({{.*}} -> tensor<?x1x?x?xf32, #onnx.dims<"B", "", "S", "S">>{{$}}
  %r58 = onnx.Expand(%mask, %w) : (tensor<1x1x1x1xf32>, !onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Add({{.*}} -> tensor<i64>{{$}}
  %sum = onnx.Add(%b, %sq) : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
  // The name of a sum of two names spells it.
  // CHECK: onnx.Range({{.*}} -> tensor<?xi64, #onnx.dims<"?(S + B)">>{{$}}
  %r63 = onnx.Range(%i0, %sum, %i1) : (tensor<i64>, !onnx.unknown, tensor<i64>) -> !onnx.unknown
  // A range from one size to a sum with it has the rest of that. From the sum on, it may be empty.
  // CHECK: onnx.Range({{.*}} -> tensor<?xi64, #onnx.dims<"S">>{{$}}
  %r64 = onnx.Range(%b, %sum, %i1) : (!onnx.unknown, !onnx.unknown, tensor<i64>) -> !onnx.unknown
  // CHECK: onnx.Range({{.*}} -> tensor<?xi64{{(, #onnx.dims<"\?[0-9]+">)?}}>{{$}}
  %r65 = onnx.Range(%sum, %b, %i1) : (!onnx.unknown, !onnx.unknown, tensor<i64>) -> !onnx.unknown
  onnx.return
}
}

// -----

// Heads packed or apart; keys are those of the cache and the new ones.
// CHECK-LABEL: @attention
module @attention attributes {onnx.model = {opset_import = [{domain = "", version = 23}, {domain = "com.microsoft", version = 1}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %q = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>
  %kk = onnx.node "Source" () {} : () -> tensor<?x2x5x8xf16, #onnx.dims<"B", "", "", "">>
  %v = onnx.node "Source" () {} : () -> tensor<?x2x5x16xf16, #onnx.dims<"B", "", "", "">>
  %past = onnx.node "Source" () {} : () -> tensor<?x2x3x8xf16, #onnx.dims<"B", "", "", "">>
  %pastv = onnx.node "Source" () {} : () -> tensor<?x2x?x16xf16, #onnx.dims<"B", "", "P", "">>
  %none = onnx.absent
  // CHECK: onnx.Attention({{.*}} -> (tensor<?x4x?x16xf16, #onnx.dims<"B", "", "S", "">>, tensor<?x2x5x8xf16, #onnx.dims<"B", "", "", "">>, tensor<?x2x5x16xf16, #onnx.dims<"B", "", "", "">>){{$}}
  %r11:3 = onnx.Attention(%q, %kk, %v) : (tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>, tensor<?x2x5x8xf16, #onnx.dims<"B", "", "", "">>, tensor<?x2x5x16xf16, #onnx.dims<"B", "", "", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Attention({{.*}} -> (tensor<?x4x?x16xf16, #onnx.dims<"B", "", "S", "">>, tensor<?x2x8x8xf16, #onnx.dims<"B", "", "", "">>, tensor<?x2x?x16xf16, #onnx.dims<"B", "", "?(P + 5)", "">>, tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>){{$}}
  %r13:4 = onnx.Attention(%q, %kk, %v, %none, %past, %pastv) : (tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>, tensor<?x2x5x8xf16, #onnx.dims<"B", "", "", "">>, tensor<?x2x5x16xf16, #onnx.dims<"B", "", "", "">>, none, tensor<?x2x3x8xf16, #onnx.dims<"B", "", "", "">>, tensor<?x2x?x16xf16, #onnx.dims<"B", "", "P", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown)
  %q3 = onnx.node "Source" () {} : () -> tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>
  %k3 = onnx.node "Source" () {} : () -> tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>
  %u = onnx.node "Source" () {} : () -> !onnx.unknown
  // CHECK: onnx.Attention({{.*}} -> (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x2x?x8xf32, #onnx.dims<"B", "", "S", "">>){{$}}
  %r18:2 = onnx.Attention(%q3, %k3, %k3) {q_num_heads = 4, kv_num_heads = 2} : (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Attention({{.*}} -> tensor<?x?x?xf32, #onnx.dims<"B", "S", "">>{{$}}
  %r20 = onnx.Attention(%q3, %u, %u) {q_num_heads = 4, kv_num_heads = 2} : (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, !onnx.unknown, !onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.RotaryEmbedding({{.*}} -> tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>{{$}}
  %r22 = onnx.RotaryEmbedding(%q, %u, %u) : (tensor<?x4x?x8xf16, #onnx.dims<"B", "", "S", "">>, !onnx.unknown, !onnx.unknown) -> !onnx.unknown
  %w = onnx.node "Source" () {} : () -> tensor<32x96xf32>
  %bias = onnx.node "Source" () {} : () -> tensor<96xf32>
  // CHECK: onnx.ms.Attention({{.*}} -> (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<2x?x4x?x8xf32, #onnx.dims<"", "B", "", "S", "">>){{$}}
  %r26:2 = onnx.ms.Attention(%q3, %w, %bias) {num_heads = 4} : (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<32x96xf32>, tensor<96xf32>) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.ms.MultiHeadAttention({{.*}} -> (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x4x?x8xf32, #onnx.dims<"B", "", "S", "">>){{$}}
  %r28:2 = onnx.ms.MultiHeadAttention(%q3, %q3, %q3) {num_heads = 4} : (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>) -> (!onnx.unknown, !onnx.unknown)
  %gp = onnx.node "Source" () {} : () -> tensor<?x2x?x8xf32>
  %i32 = onnx.node "Source" () {} : () -> tensor<?xi32>
  %tot = onnx.node "Source" () {} : () -> tensor<1xi32>
  // CHECK: onnx.ms.GroupQueryAttention({{.*}} -> (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x2x?x8xf32, #onnx.dims<"B", "", "", "">>, tensor<?x2x?x8xf32, #onnx.dims<"B", "", "", "">>){{$}}
  %r33:3 = onnx.ms.GroupQueryAttention(%q3, %k3, %k3, %gp, %gp, %i32, %tot) {num_heads = 4, kv_num_heads = 2} : (tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"B", "S", "">>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?xi32>, tensor<1xi32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  %q64 = onnx.node "Source" () {} : () -> tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>
  // CHECK: onnx.ms.GroupQueryAttention({{.*}} -> tensor<?x?x32xf32, #onnx.dims<"B", "S", "">>{{$}}
  %r36 = onnx.ms.GroupQueryAttention(%q64, %none, %none) {num_heads = 4, kv_num_heads = 2} : (tensor<?x?x64xf32, #onnx.dims<"B", "S", "">>, none, none) -> !onnx.unknown
  onnx.return
}
}

// -----

// What holds of both branches holds of an If; a subgraph's nodes are visited too.
// CHECK-LABEL: @branches
module @branches attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<?x3x8xf32, #onnx.dims<"N", "", "">>
  %y = onnx.node "Source" () {} : () -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
  // CHECK: onnx.If
  %r:2 = onnx.If(%c) {
    // CHECK: onnx.Relu{{.*}} -> tensor<?x3x8xf32, #onnx.dims<"N", "", "">>
    %a = onnx.Relu(%x) : (tensor<?x3x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
    onnx.return %a, %a : !onnx.unknown, !onnx.unknown
  }, {
    // CHECK: onnx.Relu{{.*}} -> tensor<?x4x8xf32, #onnx.dims<"N", "", "">>
    %b = onnx.Relu(%y) : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
    %s = onnx.ReduceSum(%y) {keepdims = 0 : i64} : (tensor<?x4x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
    onnx.return %b, %s : !onnx.unknown, !onnx.unknown
  // CHECK: -> (tensor<?x?x8xf32, #onnx.dims<"N", "", "">>, tensor<*xf32>)
  } : (tensor<i1>) -> (!onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// The condition is known: the results are those of the branch that is taken, also where they are a shape.
// CHECK-LABEL: @known_branches
module @known_branches attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x3x8xf32, #onnx.dims<"N", "", "">>
  %y = onnx.node "Source" () {} : () -> tensor<?x3xf32, #onnx.dims<"N", "">>
  %zero = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %two = onnx.Constant() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %rank = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = onnx.Shape(%x) : (tensor<?x3x8xf32, #onnx.dims<"N", "", "">>) -> !onnx.unknown
  %size = onnx.Size(%shape) : (!onnx.unknown) -> !onnx.unknown
  %more = onnx.Sub(%size, %two) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %isMore = onnx.Greater(%more, %zero) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %r, %wide = onnx.If(%isMore) {
    %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %target = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %each = onnx.Expand(%one, %target) : (tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
    %last = onnx.Constant() {value = dense<[2, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
    %all = onnx.Concat(%each, %last) {axis = 0 : i64} : (!onnx.unknown, tensor<2xi64>) -> !onnx.unknown
    onnx.return %x, %all : tensor<?x3x8xf32, #onnx.dims<"N", "", "">>, !onnx.unknown
  }, {
    onnx.return %y, %rank : tensor<?x3xf32, #onnx.dims<"N", "">>, tensor<1xi64>
  // CHECK: -> (tensor<?x3x8xf32, #onnx.dims<"N", "", "">>, tensor<3xi64>)
  } : (!onnx.unknown) -> (!onnx.unknown, !onnx.unknown)
  // CHECK: onnx.Tile{{.*}} -> tensor<?x6x32xf32, #onnx.dims<"N", "", "">>
  %t = onnx.Tile(%x, %wide) : (tensor<?x3x8xf32, #onnx.dims<"N", "", "">>, !onnx.unknown) -> !onnx.unknown
  %less = onnx.Less(%more, %zero) : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %s = onnx.If(%less) {
    onnx.return %x : tensor<?x3x8xf32, #onnx.dims<"N", "", "">>
  }, {
    onnx.return %y : tensor<?x3xf32, #onnx.dims<"N", "">>
  // CHECK: -> tensor<?x3xf32, #onnx.dims<"N", "">>
  } : (!onnx.unknown) -> !onnx.unknown
  onnx.return
}
}

// Exporters guard a Squeeze by the dim's size: the branch not taken contradicts
// itself in a valid model, so only the main graph's contradictions are errors.
// CHECK-LABEL: @guarded_squeeze
module @guarded_squeeze attributes {onnx.model = {opset_import = [{domain = "", version = 11}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %c = onnx.node "Source" () {} : () -> tensor<i1>
  %x = onnx.node "Source" () {} : () -> tensor<?x3xf32>
  %r = onnx.If(%c) {
    // CHECK: onnx.Squeeze{{.*}} -> !onnx.unknown
    %a = onnx.Squeeze(%x) {axes = array<i64: 1>} : (tensor<?x3xf32>) -> !onnx.unknown
    onnx.return %a : !onnx.unknown
  }, {
    // CHECK: onnx.Identity{{.*}} -> tensor<?x3xf32>
    %b = onnx.Identity(%x) : (tensor<?x3xf32>) -> !onnx.unknown
    onnx.return %b : !onnx.unknown
  // CHECK: (tensor<i1>) -> !onnx.unknown
  } : (tensor<i1>) -> !onnx.unknown
  onnx.return
}
}

// Of what the model states and what is inferred, the more precise dims stay. An
// output's declared type holds before its consumers are visited.
// CHECK-LABEL: @stated
module @stated attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [#onnx.value<"x", tensor<?x?xf32, #onnx.dims<"N", "">>, {}>], outputs = [#onnx.value<"z", tensor<?x7xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<?x?xf32, #onnx.dims<"N", "">>):
  // CHECK: onnx.Relu{{.*}} -> tensor<?x5xf32, #onnx.dims<"N", "">>
  %y = onnx.Relu(%x) {onnx.outs = ["y"]} : (tensor<?x?xf32, #onnx.dims<"N", "">>) -> tensor<?x5xf32>
  // CHECK: onnx.node "Foo"{{.*}} -> tensor<?x7xf32>
  %z = onnx.node "Foo" (%y) {} : (tensor<?x5xf32>) -> !onnx.unknown
  // CHECK: onnx.Exp{{.*}} -> tensor<?x7xf32>
  %e = onnx.Exp(%z) : (!onnx.unknown) -> !onnx.unknown
  onnx.return %z : !onnx.unknown
}

// Nothing is known of a function's inputs; the opset is the function's own.
// CHECK-LABEL: onnx.function @f
onnx.function @f #onnx.graph_info<inputs = [#onnx.value<"x", !onnx.unknown, {}>], outputs = [#onnx.value<"y", !onnx.unknown, {}>], valueInfo = [], info = {}> attributes {name = "f", attr_names = [], attr_defaults = [], opsets = [{domain = "", version = 9}]} {
^bb0(%x: !onnx.unknown):
  // CHECK: onnx.Shape{{.*}} -> tensor<?xi64>
  %s = onnx.Shape(%x) : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Dropout{{.*}} -> (tensor<?xi64>, tensor<?xi64>)
  %d:2 = onnx.Dropout(%s) : (!onnx.unknown) -> (!onnx.unknown, !onnx.unknown)
  onnx.return %d#0 : !onnx.unknown
}
}
