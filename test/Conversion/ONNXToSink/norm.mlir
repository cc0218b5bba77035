// RUN: basin-opt %s --convert-onnx-to-sink --split-input-file | FileCheck %s

// The root by Sqrt and Div, the weight a vector.
// CHECK-LABEL: onnx.graph @div_by_root
// CHECK: %[[Y:.*]] = sink.rms_norm %arg0 weight %{{.*}} {epsilon = 9.99{{.*}}}
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x3x8xf32>):
// CHECK: onnx.Div(%[[X]],
// CHECK: sink.yield
// CHECK: onnx.return %[[Y]]
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @div_by_root <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%x, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// A square by Mul, the inverse root by Pow.
// CHECK-LABEL: onnx.graph @pow_minus_half
// CHECK: sink.rms_norm %arg0 weight
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @pow_minus_half <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %h = onnx.initializer "h" : tensor<f32> = dense<-0.5> : tensor<f32>
  %sq = onnx.Mul(%x, %x) : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%eps, %m) : (tensor<f32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %s = onnx.Pow(%a, %h) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %n = onnx.Mul(%s, %x) : (tensor<2x3x1xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// x - mean(x) makes it a LayerNorm; the last Add is its bias.
// CHECK-LABEL: onnx.graph @layer
// CHECK: sink.layer_norm %arg0 weight %{{.*}} bias
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @layer <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %mu = onnx.ReduceMean(%x) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %c = onnx.Sub(%x, %mu) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %sq = onnx.Pow(%c, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%c, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %v = onnx.Mul(%n, %w) : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Add(%v, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// The mean of another axis is no norm over features.
// CHECK-LABEL: onnx.graph @no_match_axis
// CHECK-NOT: sink.rms_norm
// CHECK: onnx.ReduceMean{{.*}}sink.miss = "its mean of squares is not known to be over the last axis alone"
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @no_match_axis <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: 1>} : (tensor<2x3x8xf32>) -> tensor<2x1x8xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x1x8xf32>, tensor<f32>) -> tensor<2x1x8xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x1x8xf32>) -> tensor<2x1x8xf32>
  %n = onnx.Div(%x, %s) : (tensor<2x3x8xf32>, tensor<2x1x8xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// A gate of the activations' own shape is no weight: the norm ends before it.
// CHECK-LABEL: onnx.graph @gate_is_no_weight
// CHECK: %[[N:.*]] = sink.rms_norm %arg0 {epsilon
// CHECK: onnx.Mul(%[[N]], %arg1)
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @gate_is_no_weight <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%x, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %g) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// The root is read by somebody else too.
// CHECK-LABEL: onnx.graph @no_match_inner_use
// CHECK-NOT: sink.rms_norm
// CHECK: sink.miss = "the result of its Sqrt is used 2 times instead of once"
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @no_match_inner_use <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>, #onnx.value<"s", tensor<2x3x1xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%x, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y, %s : tensor<2x3x8xf32>, tensor<2x3x1xf32>
}
}

// -----

// What is scaled is not what was squared.
// CHECK-LABEL: onnx.graph @no_match_other_input
// CHECK-NOT: sink.rms_norm
// CHECK: sink.miss = "it scales another value than it squares"
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @no_match_other_input <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %eps) : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%g, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}

// -----

// An epsilon that is computed from the input is none.
// CHECK-LABEL: onnx.graph @no_match_epsilon
// CHECK-NOT: sink.rms_norm
// CHECK: sink.miss = "the epsilon that it adds to its mean of squares is not one constant number"
module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @no_match_epsilon <inputs = [#onnx.value<"x", tensor<2x3x8xf32>, {}>, #onnx.value<"g", tensor<2x3x8xf32>, {}>], outputs = [#onnx.value<"y", tensor<2x3x8xf32>, {}>], valueInfo = [], info = {}> {
^bb0(%x: tensor<2x3x8xf32>, %g: tensor<2x3x8xf32>):
  %two = onnx.initializer "two" : tensor<f32> = dense<2.0> : tensor<f32>
  %one = onnx.initializer "one" : tensor<f32> = dense<1.0> : tensor<f32>
  %eps = onnx.initializer "eps" : tensor<f32> = dense<1.0e-5> : tensor<f32>
  %w = onnx.initializer "w" : tensor<8xf32> = dense<0.5> : tensor<8xf32>
  %m2 = onnx.ReduceMax(%x) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %sq = onnx.Pow(%x, %two) : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %m = onnx.ReduceMean(%sq) {axes = array<i64: -1>} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %a = onnx.Add(%m, %m2) : (tensor<2x3x1xf32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %s = onnx.Sqrt(%a) : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = onnx.Div(%x, %s) : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %y = onnx.Mul(%n, %w) {onnx.outs = ["y"]} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  onnx.return %y : tensor<2x3x8xf32>
}
}
