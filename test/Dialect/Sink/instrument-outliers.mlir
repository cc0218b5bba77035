// RUN: basin-opt %s --pass-pipeline='builtin.module(sink-instrument-outliers{sink-length=16})' --split-input-file | FileCheck %s

// The nodes that are there stay, their outputs come first, and the model says what each further
// output is. Padding is the mask's.
// CHECK-LABEL: module attributes
// CHECK-SAME: meta =
// CHECK-SAME: "basin.statistics"
// CHECK-SAME: \22sink_length\22:16
// CHECK-SAME: \22kind\22:\22residual\22,\22layer\22:0,\22name\22:\22x0\22
// CHECK-SAME: \22token_ids\22:\22ids\22,\22token_mask\22:\22attention_mask\22
// CHECK: outputs = [#onnx.value<"y"
// CHECK-SAME: #onnx.value<"basin.0.max_abs", tensor<?x?xf32>, {}>
// CHECK-SAME: #onnx.value<"basin.0.max_position", tensor<?x?xi64>, {}>
// CHECK: ^bb0(%[[IDS:.*]]: tensor<2x5xi64>, %[[MASK:.*]]: tensor<2x5xi64>):
// CHECK: %[[KEEP:.*]] = onnx.Cast(%[[MASK]])
// CHECK: %[[X0:.*]] = onnx.Gather
// CHECK: %[[H:.*]] = sink.rms_norm %[[X0]]
// CHECK: %[[M:.*]] = onnx.MatMul(%[[H]]
// CHECK: %[[X1:.*]] = onnx.Add(%[[X0]], %[[M]])
// CHECK: %[[Y:.*]] = sink.rms_norm %[[X1]]
// The statistics of the last tensor come first, and those of the first one last.
// CHECK: onnx.Mul(%[[Y]], %[[Y]]) {onnx.name = "basin.4_
// CHECK: onnx.Abs(%[[X1]]) {onnx.name = "basin.1_
// CHECK: onnx.Abs(%[[H]]) {onnx.name = "basin.2_
// CHECK: %[[TOKENS:.*]] = onnx.Unsqueeze(%[[KEEP]], {{.*}}) {onnx.name = "basin.0_
// CHECK: %[[ABS:.*]] = onnx.Abs(%[[X0]])
// CHECK: %[[A:.*]] = onnx.Where(%[[TOKENS]], %[[ABS]]
// Maxima over tokens are those of blocks of 16 tokens, and the first block that has the largest tells
// the position. Sums over tokens are products with ones.
// CHECK: %[[PADDED:.*]] = onnx.Pad(%[[A]]
// CHECK: %[[BLOCKS:.*]] = onnx.Reshape(%[[PADDED]]{{.*}} -> tensor<2x?x16x4xf32>
// CHECK: %[[EACH:.*]] = onnx.ReduceMax(%[[BLOCKS]]
// CHECK: %[[MAX:.*]] = onnx.ReduceMax(%[[EACH]]
// CHECK: %[[BLOCK:.*]] = onnx.ArgMax(%[[EACH]]) {axis = 1
// CHECK: %[[ROWS:.*]] = onnx.GatherElements(%[[BLOCKS]]
// CHECK: %[[WITHIN:.*]] = onnx.ArgMax(%[[ROWS]]) {axis = 2
// CHECK: %[[SUM:.*]] = onnx.Add(%{{.*}}, %[[WITHIN]])
// CHECK: %[[POSITION:.*]] = onnx.Squeeze(%[[SUM]]
// CHECK: %[[ONES:.*]] = onnx.Expand
// CHECK: onnx.MatMul(%[[ONES]], %[[A]])
// CHECK: onnx.ScatterElements({{.*}}reduction = "add"
// CHECK: onnx.return %[[Y]], %[[MAX]], %[[POSITION]],
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"ids", tensor<2x5xi64>, {}>, #onnx.value<"attention_mask", tensor<2x5xi64>, {}>], outputs = [#onnx.value<"y", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%ids: tensor<2x5xi64>, %mask: tensor<2x5xi64>):
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

// -----

// Attention with a learned sink: the probability that it takes, and that of the keys alone.
// CHECK-LABEL: module attributes
// CHECK-SAME: \22causal\22:true,\22heads\22:4
// CHECK-SAME: \22kv_heads\22:2,\22layer\22:1,\22name\22:\22o\22
// CHECK-SAME: \22sinks\22:1
// CHECK: "basin.0.learned"
// CHECK: %[[O:.*]] = sink.attention
// CHECK: %[[ALL:.*]] = onnx.Softmax({{.*}}) {axis = -1 : i64
// CHECK: %[[P:.*]] = onnx.Slice(%[[ALL]]
// CHECK: onnx.ReduceSum(%[[P]]
#b = #sink.layout<bhsd>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"q", tensor<2x4x5x8xf32>, {}>, #onnx.value<"k", tensor<2x2x5x8xf32>, {}>, #onnx.value<"s", tensor<4xf32>, {}>], outputs = [#onnx.value<"o", tensor<2x4x5x8xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%q: tensor<2x4x5x8xf32>, %k: tensor<2x2x5x8xf32>, %s: tensor<4xf32>):
    %o = sink.attention %q, %k, %k sink_logit %s {causal, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["o"]} : (tensor<2x4x5x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>, tensor<4xf32>) -> tensor<2x4x5x8xf32>
    onnx.return %o : tensor<2x4x5x8xf32>
  }
}

// -----

// Before opset 16 nothing adds while it scatters: a count an edge, and one bin an octave.
// CHECK-LABEL: module attributes
// CHECK-SAME: \22histogram\22:{\22bins\22:45,\22first\22:-24,\22octave\22:1}
// CHECK-NOT: onnx.ScatterElements
// CHECK: onnx.GreaterOrEqual
// CHECK: onnx.ReduceMax({{.*}}) {axes = array<i64: 2>
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 15 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x5x4xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x5x4xf32>):
    %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
    %m = onnx.MatMul(%x, %w) {onnx.outs = ["m"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
    %x1 = onnx.Add(%x, %m) {onnx.outs = ["x1"]} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
    %y = sink.rms_norm %x1 {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
    onnx.return %y : tensor<2x5x4xf32>
  }
}

// -----

// Each branch of an If yields its statistics, and nothing for the other's.
// CHECK-LABEL: module attributes
// CHECK-SAME: \22branch\22:\22then_branch\22
// CHECK-NOT: else_branch\22
// CHECK: %[[IF:.*]]:[[N:[0-9]+]] = onnx.If
// CHECK: onnx.ReduceMax
// CHECK: onnx.return
// CHECK: value = dense<> : tensor<0x0xf32>
// CHECK: onnx.return
// CHECK: onnx.return %[[IF]]#0, %[[IF]]#1,
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x5x4xf32>, {}>, #onnx.value<"c", tensor<i1>, {}>], outputs = [#onnx.value<"y", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x5x4xf32>, %c: tensor<i1>):
    %y = onnx.If(%c) {
      %h = sink.rms_norm %x {epsilon = 1.0e-5, onnx.outs = ["h"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
      onnx.return %h : tensor<2x5x4xf32>
    }, {
      %z = onnx.Neg(%x) {onnx.outs = ["z"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
      onnx.return %z : tensor<2x5x4xf32>
    } attributes {onnx.outs = ["y"], onnx.subgraphs = [#onnx.graph_info<inputs = [], outputs = [#onnx.value<"h", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "t"}>, #onnx.graph_info<inputs = [], outputs = [#onnx.value<"z", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "e"}>]} : (tensor<i1>) -> tensor<2x5x4xf32>
    onnx.return %y : tensor<2x5x4xf32>
  }
}

// -----

// A norm that reads the stream through a Cast is a reader of it, and says what it squares in.
// CHECK-LABEL: module attributes
// CHECK-SAME: \22kind\22:\22norm\22,\22layer\22:0,\22name\22:\22h\22
// CHECK-SAME: \22squares\22:\22f32\22,\22stream\22:0
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 18 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"ids", tensor<2x5xi64>, {}>], outputs = [#onnx.value<"y", tensor<2x5x4xf16>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%ids: tensor<2x5xi64>):
    %table = onnx.initializer "table" : tensor<7x4xf16> = dense<1.0> : tensor<7x4xf16>
    %w = onnx.initializer "w" : tensor<4x4xf16> = dense<1.0> : tensor<4x4xf16>
    %x0 = onnx.Gather(%table, %ids) {axis = 0 : i64, onnx.outs = ["x0"]} : (tensor<7x4xf16>, tensor<2x5xi64>) -> tensor<2x5x4xf16>
    %wide = onnx.Cast(%x0) {to = 1 : i64, onnx.outs = ["wide"]} : (tensor<2x5x4xf16>) -> tensor<2x5x4xf32>
    %h = sink.rms_norm %wide {epsilon = 1.0e-5, onnx.outs = ["h"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf32>
    %n = onnx.Cast(%h) {to = 10 : i64, onnx.outs = ["n"]} : (tensor<2x5x4xf32>) -> tensor<2x5x4xf16>
    %m = onnx.MatMul(%n, %w) {onnx.outs = ["m"]} : (tensor<2x5x4xf16>, tensor<4x4xf16>) -> tensor<2x5x4xf16>
    %x1 = onnx.Add(%x0, %m) {onnx.outs = ["x1"]} : (tensor<2x5x4xf16>, tensor<2x5x4xf16>) -> tensor<2x5x4xf16>
    onnx.return %x1 : tensor<2x5x4xf16>
  }
}

// -----

// Opset 11 has no GreaterOrEqual.
// CHECK-LABEL: module attributes
// CHECK: onnx.graph
// CHECK-NOT: onnx.GreaterOrEqual
// CHECK: onnx.Not
module attributes {onnx.model = {ir_version = 6 : i64, opset_import = [{domain = "", version = 11 : i64}]}} {
  onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x5x4xf32>, {}>], outputs = [#onnx.value<"m", tensor<2x5x4xf32>, {}>], valueInfo = [], info = {name = "g"}> {
  ^bb0(%x: tensor<2x5x4xf32>):
    %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
    %m = onnx.MatMul(%x, %w) {onnx.outs = ["m"]} : (tensor<2x5x4xf32>, tensor<4x4xf32>) -> tensor<2x5x4xf32>
    onnx.return %m : tensor<2x5x4xf32>
  }
}
