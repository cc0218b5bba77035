// RUN: split-file %s %t
// RUN: basin-opt %t/token.mlir --sink-quantize=scheme=int8-token --split-input-file | FileCheck %s --check-prefix=TOKEN
// RUN: basin-opt %t/token.mlir --sink-quantize="scheme=int8-token nodes=simulate" --split-input-file | FileCheck %s --check-prefix=SIM
// RUN: basin-opt %t/token.mlir --sink-quantize=scheme=int8-dynamic --split-input-file | FileCheck %s --check-prefix=DYNAMIC
// RUN: basin-opt %t/token.mlir --sink-quantize=scheme=nvfp4 --split-input-file | FileCheck %s --check-prefix=NVFP4
// RUN: basin-opt %t/token.mlir --sink-quantize="scheme=int4-weights nodes=nbits" --split-input-file | FileCheck %s --check-prefix=NBITS
// RUN: basin-opt %t/token.mlir --sink-quantize=scheme-file=%t/scheme.yaml --split-input-file | FileCheck %s --check-prefix=FILE
// RUN: basin-opt %t/token.mlir --sink-quantize="residual=int8 residual-scale=token nodes=simulate" --split-input-file | FileCheck %s --check-prefix=RESIDUAL
// RUN: basin-opt %t/shared.mlir --sink-quantize="scheme=int8-token nodes=simulate" --split-input-file | FileCheck %s --check-prefix=SHARED
// RUN: basin-opt %t/cache.mlir --sink-quantize="kv-cache=int8 nodes=simulate" --split-input-file | FileCheck %s --check-prefix=CACHE

// Weights are codes with a scale for each channel (axis 1), and each token has the scale of a block as long as the last
// axis. The opset is raised to the first one with blocks, and the format with it.
// TOKEN: ir_version = 10 : i64, opset_import = [{domain = "", version = 21 : i64}]
// TOKEN-LABEL: onnx.graph @token
// TOKEN-DAG: %[[C:.*]] = onnx.initializer "w.codes" : tensor<4x4xi8>
// TOKEN-DAG: %[[S:.*]] = onnx.initializer "w.scale" : tensor<4xf32> = dense<1.000000e+00>
// TOKEN-NOT: onnx.initializer "w"
// TOKEN: %[[W:.*]] = onnx.DequantizeLinear(%[[C]], %[[S]]) {axis = 1 : i64
// TOKEN: %[[N:.*]] = sink.rms_norm
// TOKEN: %[[A:.*]] = onnx.Abs
// TOKEN: %[[MAX:.*]] = onnx.ReduceMax(%[[A]]
// TOKEN: onnx.QuantizeLinear({{.*}}) {axis = 3 : i64, block_size = 4 : i64, {{.*}}output_dtype = 3
// TOKEN: onnx.DequantizeLinear({{.*}}) {axis = 3 : i64, block_size = 4 : i64
// TOKEN: %[[X:.*]] = onnx.Reshape
// TOKEN: onnx.MatMul(%[[X]], %[[W]])

// Arithmetic in floats needs no other opset.
// SIM: version = 17
// SIM-LABEL: onnx.graph @token
// SIM: %[[W:.*]] = onnx.initializer "w.quantized" : tensor<4x4xf32>
// SIM-NOT: QuantizeLinear
// SIM: onnx.Div
// SIM: onnx.Round
// SIM: onnx.Clip
// SIM: onnx.Mul
// SIM: %[[X:.*]] = onnx.Reshape
// SIM: onnx.MatMul(%[[X]], %[[W]])

// DYNAMIC-LABEL: onnx.graph @token
// DYNAMIC: %[[Q:.*]]:3 = onnx.DynamicQuantizeLinear
// DYNAMIC: %[[X:.*]] = onnx.DequantizeLinear(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2)
// DYNAMIC: onnx.MatMul(%[[X]]

// E4M3 scales are dequantized by their second scale. E2M1 comes with opset 23.
// NVFP4: ir_version = 11 : i64, opset_import = [{domain = "", version = 23 : i64}]
// NVFP4-LABEL: onnx.graph @token
// NVFP4-DAG: %[[C:.*]] = onnx.initializer "w.codes" : tensor<4x4xf4E2M1FN>
// NVFP4-DAG: %[[S1:.*]] = onnx.initializer "w.scale" : tensor<1x4xf8E4M3FN>
// NVFP4-DAG: %[[S2:.*]] = onnx.initializer "w.scale_2" : tensor<f32>
// NVFP4: %[[S:.*]] = onnx.DequantizeLinear(%[[S1]], %[[S2]])
// NVFP4: onnx.DequantizeLinear(%[[C]], %[[S]]) {axis = 0 : i64, block_size = 16 : i64
// NVFP4: onnx.QuantizeLinear({{.*}}block_size = 16 : i64, {{.*}}output_dtype = 23

// NBITS: {domain = "com.microsoft", version = 1 : i64}
// NBITS-LABEL: onnx.graph @token
// NBITS: %[[C:.*]] = onnx.initializer "w.codes" : tensor<4x1x16xui8>
// NBITS: %[[S:.*]] = onnx.initializer "w.scale" : tensor<4xf32>
// NBITS: onnx.ms.MatMulNBits({{.*}}, %[[C]], %[[S]]) {K = 4 : i64, N = 4 : i64, bits = 4 : i64, block_size = 32 : i64

// FILE-LABEL: onnx.graph @token
// FILE: onnx.initializer "w.codes" : tensor<4x4xi16>
// FILE: onnx.initializer "w.scale" : tensor<f32>
// FILE-NOT: QuantizeLinear({{.*}}block_size

// The sum is quantized where it is read. The embedding, weights and inputs of products are not.
// RESIDUAL-LABEL: onnx.graph @token
// RESIDUAL: %[[W:.*]] = onnx.initializer "w" :
// RESIDUAL: %[[E:.*]] = onnx.Gather
// RESIDUAL-NOT: Round
// RESIDUAL: %[[N:.*]] = sink.rms_norm %[[E]]
// RESIDUAL: %[[D:.*]] = onnx.MatMul(%[[N]], %[[W]])
// RESIDUAL: onnx.Add(%[[E]], %[[D]])
// RESIDUAL: %[[S:.*]] = onnx.Reshape({{.*}}onnx.outs = ["s.quantized"]
// RESIDUAL: sink.rms_norm %[[S]]

//--- scheme.yaml
name: mine
weights: {format: int16, granularity: tensor}
//--- token.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @token #g {
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<127.0> : tensor<4x4xf32>
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %d = onnx.MatMul(%n, %w) {onnx.name = "/down/MatMul", onnx.outs = ["d"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %s = onnx.Add(%e, %d) {onnx.outs = ["s"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf32>) -> ()
  onnx.return
}
}
//--- shared.mlir
// Two products of one value share its quantized value, and a matrix that something else reads stays. One matrix that two
// products have in other layouts is quantized for each.
// SHARED-LABEL: onnx.graph @shared
// SHARED-DAG: %[[W:.*]] = onnx.initializer "w" :
// SHARED-DAG: %[[WQ:.*]] = onnx.initializer "w.quantized" :
// SHARED-DAG: %[[WT:.*]] = onnx.initializer "w.quantized_1" :
// SHARED: onnx.node "Reader" domain "test"(%[[W]])
// SHARED: %[[X:.*]] = onnx.Reshape({{.*}} : (tensor<2x5x1x4xf32>, tensor<3xi64>) -> tensor<2x5x4xf32>
// SHARED: %[[A:.*]] = onnx.MatMul(%[[X]], %[[WQ]])
// SHARED: %[[B:.*]] = onnx.MatMul(%[[X]], %[[WT]])
// SHARED-NOT: onnx.Transpose
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @shared #g {
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<127.0> : tensor<4x4xf32>
  %table = onnx.initializer "table" : tensor<9x4xf32> = dense<2.0> : tensor<9x4xf32>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf32>, tensor<2x5xi64>) -> tensor<2x5x4xf32>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  onnx.node "Reader" domain "test" (%w) {} : (tensor<4x4xf32>) -> ()
  %t = onnx.Transpose(%w) {perm = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %a = onnx.MatMul(%n, %w) {onnx.outs = ["a"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %b = onnx.MatMul(%n, %t) {onnx.outs = ["b"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
  %d = onnx.Add(%a, %b) {onnx.outs = ["d"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %s = onnx.Add(%e, %d) {onnx.outs = ["s"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf32>) -> ()
  onnx.return
}
}
//--- cache.mlir
// Keys that are stored transposed are turned, so that each head and token has a scale. Heads side by side are blocks.
// CACHE-LABEL: onnx.graph @cache
// CACHE: %[[S:.*]]:3 = onnx.node "Source" domain "test"
// CACHE: %[[T:.*]] = onnx.Transpose(%[[S]]#1) {{.*}}perm = array<i64: 0, 1, 3, 2>
// CACHE: %[[KQ:.*]] = onnx.Transpose({{.*}}perm = array<i64: 0, 1, 3, 2>
// CACHE: onnx.Reshape(%[[S]]#2{{.*}} -> tensor<1x5x2x4xf32>
// CACHE: %[[VQ:.*]] = onnx.Reshape({{.*}} -> tensor<1x5x8xf32>
// CACHE: sink.attention %[[S]]#0, %[[KQ]], %[[VQ]]
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @cache #g {
  %q, %k, %v = onnx.node "Source" domain "test" () {} : () -> (tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32>, tensor<1x5x8xf32>)
  %r = sink.attention %q, %k, %v {num_heads = 2 : i64, kv_num_heads = 2 : i64, key_layout = #sink.layout<bhds>, query_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32>, tensor<1x5x8xf32>) -> tensor<1x2x5x4xf32>
  onnx.node "Sink" domain "test" (%r) {} : (tensor<1x2x5x4xf32>) -> ()
  onnx.return
}
}
