// RUN: split-file %s %t
// RUN: basin-opt %t/unknown.mlir --sink-quantize="scheme=int9" --verify-diagnostics
// RUN: basin-opt %t/nothing.mlir --sink-quantize --verify-diagnostics
// RUN: basin-opt %t/residual.mlir --sink-quantize="residual=int9" --verify-diagnostics
// RUN: basin-opt %t/per.mlir --sink-quantize="residual=int8 residual-scale=row" --verify-diagnostics
// RUN: basin-opt %t/nodes.mlir --sink-quantize="scheme=int8-token nodes=onnx" --verify-diagnostics
// RUN: basin-opt %t/nbits.mlir --sink-quantize="scheme=int8-token nodes=nbits" --verify-diagnostics
// RUN: basin-opt %t/both.mlir --sink-quantize="scheme=int8-token scheme-file=%t/scheme.yaml" --verify-diagnostics
// RUN: basin-opt %t/yaml.mlir --sink-quantize="scheme-file=%t/bad.yaml" --verify-diagnostics
// RUN: basin-opt %t/absent.mlir --sink-quantize="scheme-file=%t/absent.yaml" --verify-diagnostics
// RUN: basin-opt %t/pattern.mlir --sink-quantize="scheme=int8-token exclude=other*" --verify-diagnostics
// RUN: basin-opt %t/auto.mlir --sink-quantize="scheme=int8-token exclude=auto:2" --verify-diagnostics
// RUN: basin-opt %t/static.mlir --sink-quantize="scheme=int8-static" --verify-diagnostics
// RUN: basin-opt %t/stream.mlir --sink-quantize="residual=int8" --verify-diagnostics
// RUN: basin-opt %t/raise.mlir --sink-quantize="scheme=int8-token" --verify-diagnostics
// RUN: basin-opt %t/finite.mlir --sink-quantize="scheme=int8-token" --verify-diagnostics
// RUN: basin-opt %t/half.mlir --sink-quantize="scheme=int4-weights nodes=nbits" --verify-diagnostics
// RUN: basin-opt %t/caches.mlir --sink-quantize="kv-cache=int8 nodes=simulate" --split-input-file --verify-diagnostics

//--- scheme.yaml
name: mine
weights: {format: int16, granularity: tensor}
//--- bad.yaml
name: mine
weights: {format: int16, granularity: rows}
//--- unknown.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error-re @below {{option 'scheme': expected none, fp8-block, {{.*}}, but got 'int9'}}
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
//--- nothing.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{expected one of the options 'scheme', 'scheme-file', 'residual' and 'kv-cache' to say what is quantized}}
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
//--- residual.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'residual': expected none, int4, int8, int16 or fp8, but got 'int9'}}
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
//--- per.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'residual-scale': expected tensor or token, but got 'row'}}
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
//--- nodes.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'nodes': expected qdq, simulate or nbits, but got 'onnx'}}
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
//--- nbits.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'nodes': nbits needs a scheme of weights alone, but 'int8-token' is none}}
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
//--- both.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{options 'scheme' and 'scheme-file' exclude each other}}
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
//--- yaml.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error-re @below {{option 'scheme-file': '{{.*}}bad.yaml': line 2: unknown enumerated scalar}}
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
//--- absent.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error-re @below {{option 'scheme-file': '{{.*}}absent.yaml': No such file or directory}}
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
//--- pattern.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'exclude': no projection, weight or node is called 'other*'}}
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
//--- auto.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'exclude': expected the excluded products in the file of 'calibration', which basin rewrite makes by runs of the model}}
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
//--- static.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'calibration': expected a file with the largest magnitude of 'n', which basin rewrite makes from 'stats' or 'data'}}
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
//--- stream.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{option 'calibration': expected a file with the largest magnitude of 's', which basin rewrite makes from 'stats' or 'data'}}
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
//--- raise.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
// expected-error @below {{expected opset 21 or later for what is quantized, but got 17, and it cannot be raised: node 'odd': Resize of opset 17 is not known to mean the same in opset 21}}
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
  onnx.node "Resize" (%n) {} attributes {onnx.name = "odd"} : (tensor<2x5x4xf32>) -> ()
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf32>) -> ()
  onnx.return
}
}
//--- finite.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @g #g {
  // expected-error @below {{weight 'w': expected finite elements to quantize it}}
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<0x7FC00000> : tensor<4x4xf32>
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
//--- half.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @g #g {
  %w = onnx.initializer "w" : tensor<4x4xf16> = dense<2.0> : tensor<4x4xf16>
  %table = onnx.initializer "table" : tensor<9x4xf16> = dense<2.0> : tensor<9x4xf16>
  %ids = onnx.node "Source" domain "test" () {} : () -> tensor<2x5xi64>
  %e = onnx.Gather(%table, %ids) {onnx.outs = ["e"]} : (tensor<9x4xf16>, tensor<2x5xi64>) -> tensor<2x5x4xf16>
  %n = sink.rms_norm %e {epsilon = 1.0, onnx.outs = ["n"]} : (tensor<2x5x4xf16>) -> tensor<2x5x4xf16>
  // expected-error @below {{projection 'd': MatMulNBits would round the scales to the product's type}}
  %d = onnx.MatMul(%n, %w) {onnx.outs = ["d"]} : (tensor<2x5x4xf16>, tensor<4x4xf16>) -> tensor<2x5x4xf16>
  %s = onnx.Add(%e, %d) {onnx.outs = ["s"]} : (tensor<2x5x4xf16>, tensor<2x5x4xf16>) -> tensor<2x5x4xf16>
  %y = sink.rms_norm %s {epsilon = 1.0, onnx.outs = ["y"]} : (tensor<2x5x4xf16>) -> tensor<2x5x4xf16>
  onnx.node "Sink" domain "test" (%y) {} : (tensor<2x5x4xf16>) -> ()
  onnx.return
}
}
//--- caches.mlir
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 17}], ir_version = 8}} {
onnx.graph @g #g {
  %q, %k, %v = onnx.node "Source" domain "test" () {} : () -> (tensor<1x2x5x4xf32>, tensor<1x2x?x?xf32>, tensor<1x2x5x4xf32>)
  // expected-error @below {{attention 'r': expected a static size of its heads to quantize keys and values}}
  %r = sink.attention %q, %k, %v {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, onnx.outs = ["r"]} : (tensor<1x2x5x4xf32>, tensor<1x2x?x?xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
  onnx.return
}
}
