// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink | FileCheck %s

// Norms and rotary embedding that already are one operator.

!u = !onnx.unknown
!x = tensor<2x5x32xf32>
!d = tensor<32xf32>
!q4 = tensor<2x4x5x8xf32>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 23}, {domain = "com.microsoft", version = 1}]}} {

// The operator is the op, and stands in its form.
// CHECK-LABEL: onnx.graph @layer_norm
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: %[[Y:.*]] = sink.layer_norm %[[S]]#0 weight %[[S]]#1 bias %[[S]]#2 {epsilon = 0.00100000004{{[0-9]*}} : f64} :
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x5x32xf32>):
// CHECK-NEXT: %[[N:.*]] = onnx.LayerNormalization(%[[X]], %[[S]]#1, %[[S]]#2)
// CHECK-NEXT: sink.yield %[[N]]
// CHECK: onnx.Relu(%[[Y]])
onnx.graph @layer_norm #g {
  %x, %w, %b = onnx.node "Source" () {} : () -> (!x, !d, !d)
  %y = onnx.LayerNormalization(%x, %w, %b) {axis = -1, epsilon = 1.0e-3 : f32} : (!x, !d, !d) -> !u
  %z = onnx.Relu(%y) : (!u) -> !u
  onnx.return
}

// Without bias; the default epsilon is the nearest f32 to 1e-5, the axis the last by its number.
// CHECK-LABEL: onnx.graph @layer_norm_defaults
// CHECK: sink.layer_norm %{{.*}} weight %{{[^ ]*}} {epsilon = 9.99999974{{[0-9]*}}E-6 : f64}
onnx.graph @layer_norm_defaults #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %y = onnx.LayerNormalization(%x, %w) {axis = 2} : (!x, !d) -> !u
  onnx.return
}

// Two axes.
// CHECK-LABEL: onnx.graph @layer_norm_axis
// CHECK-NOT: sink.layer_norm
// CHECK: onnx.LayerNormalization
onnx.graph @layer_norm_axis #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<5x32xf32>)
  %y = onnx.LayerNormalization(%x, %w) {axis = 1} : (!x, tensor<5x32xf32>) -> !u
  onnx.return
}

// Of an unknown rank axis 2 may be any but -1 is the last.
// CHECK-LABEL: onnx.graph @layer_norm_unknown_rank
// CHECK: sink.layer_norm
// CHECK: sink.yield
// CHECK-NOT: sink.layer_norm
// CHECK: onnx.LayerNormalization
onnx.graph @layer_norm_unknown_rank #g {
  %x, %w = onnx.node "Source" () {} : () -> (tensor<*xf32>, !d)
  %y = onnx.LayerNormalization(%x, %w) {axis = -1} : (tensor<*xf32>, !d) -> !u
  %z = onnx.LayerNormalization(%x, %w) {axis = 2} : (tensor<*xf32>, !d) -> !u
  onnx.return
}

// The mean is a result of its own, which the op has none of. Unused, it goes.
// CHECK-LABEL: onnx.graph @layer_norm_statistic
// CHECK: onnx.node "Source"
// CHECK-NEXT: onnx.LayerNormalization
// CHECK: sink.layer_norm
onnx.graph @layer_norm_statistic #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %y, %mean = onnx.LayerNormalization(%x, %w) : (!x, !d) -> (!u, !u)
  %y2, %mean2 = onnx.LayerNormalization(%x, %w) : (!x, !d) -> (!u, !u)
  %z = onnx.Relu(%mean) : (!u) -> !u
  onnx.return
}

// The same without centring.
// CHECK-LABEL: onnx.graph @rms_norm
// CHECK: %[[S:.*]]:2 = onnx.node "Source"
// CHECK: sink.rms_norm %[[S]]#0 weight %[[S]]#1 {epsilon = 9.99999997{{[0-9]*}}E-7 : f64} :
// CHECK: onnx.RMSNormalization
// CHECK: sink.yield
onnx.graph @rms_norm #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %y = onnx.RMSNormalization(%x, %w) {axis = -1, epsilon = 1.0e-6 : f32} : (!x, !d) -> !u
  onnx.return
}

// Two axes.
// CHECK-LABEL: onnx.graph @rms_norm_axis
// CHECK-NOT: sink.rms_norm
// CHECK: onnx.RMSNormalization
onnx.graph @rms_norm_axis #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, tensor<5x32xf32>)
  %y = onnx.RMSNormalization(%x, %w) {axis = 1} : (!x, tensor<5x32xf32>) -> !u
  onnx.return
}

// Of what is centred before it, if nothing else reads that: a layer norm.
// CHECK-LABEL: onnx.graph @rms_norm_of_centred
// CHECK: %[[S:.*]]:2 = onnx.node "Source"
// CHECK: sink.layer_norm %[[S]]#0 weight %[[S]]#1 {
// CHECK: onnx.ReduceMean
// CHECK: onnx.Sub
// CHECK: onnx.RMSNormalization
// CHECK: sink.yield
onnx.graph @rms_norm_of_centred #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %m = onnx.ReduceMean(%x, %last) : (!x, !u) -> !u
  %c = onnx.Sub(%x, %m) : (!x, !u) -> !u
  %y = onnx.RMSNormalization(%c, %w) {axis = -1, epsilon = 1.0e-6 : f32} : (!u, !d) -> !u
  onnx.return
}

// The centred value has a second reader, and the mean is over another axis: root mean squares of what they read.
// CHECK-LABEL: onnx.graph @rms_norm_of_read_centred
// CHECK-NOT: sink.layer_norm
// CHECK: sink.rms_norm
// CHECK: sink.rms_norm
onnx.graph @rms_norm_of_read_centred #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %last = onnx.Constant() {value_ints = array<i64: -1>} : () -> !u
  %other = onnx.Constant() {value_ints = array<i64: 1>} : () -> !u
  %m = onnx.ReduceMean(%x, %last) : (!x, !u) -> !u
  %c = onnx.Sub(%x, %m) : (!x, !u) -> !u
  %y = onnx.RMSNormalization(%c, %w) {axis = -1} : (!u, !d) -> !u
  %z = onnx.Relu(%c) : (!u) -> !u
  %m2 = onnx.ReduceMean(%x, %other) : (!x, !u) -> !u
  %c2 = onnx.Sub(%x, %m2) : (!x, !u) -> !u
  %y2 = onnx.RMSNormalization(%c2, %w) {axis = -1} : (!u, !d) -> !u
  onnx.return
}

// The runtime's own, in either domain.
// CHECK-LABEL: onnx.graph @simplified
// CHECK: sink.rms_norm %{{.*}} weight %{{[^ ]*}} {epsilon = 9.99999974{{[0-9]*}}E-6 : f64}
// CHECK: onnx.SimplifiedLayerNormalization
// CHECK: sink.yield
// CHECK: sink.rms_norm
// CHECK: onnx.ms.SimplifiedLayerNormalization
// CHECK: sink.yield
onnx.graph @simplified #g {
  %x, %w = onnx.node "Source" () {} : () -> (!x, !d)
  %y = onnx.SimplifiedLayerNormalization(%x, %w) : (!x, !d) -> !u
  %z = onnx.ms.SimplifiedLayerNormalization(%y, %w) : (!u, !d) -> !u
  onnx.return
}

// The norm of a sum; without a use or a name the sum is no result.
// CHECK-LABEL: onnx.graph @skip_layer
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: %{{[^,]*}} = sink.layer_norm %[[S]]#0 residual %[[S]]#1 weight %[[S]]#2 bias %[[S]]#3 {epsilon = 9.99999996{{[0-9]*}}E-13 : f64} : {{.*}} -> tensor<2x5x32xf32> {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x5x32xf32>, %[[R:.*]]: tensor<2x5x32xf32>):
// CHECK-NEXT: onnx.ms.SkipLayerNormalization(%[[X]], %[[R]],
onnx.graph @skip_layer #g {
  %x, %r, %w, %b = onnx.node "Source" () {} : () -> (!x, !x, !d, !d)
  %y, %m, %i, %s = onnx.ms.SkipLayerNormalization(%x, %r, %w, %b) : (!x, !x, !d, !d) -> (!u, !u, !u, !u)
  onnx.return
}

// A sum that is used is the second result.
// CHECK-LABEL: onnx.graph @skip_simplified
// CHECK: %[[S:.*]]:3 = onnx.node "Source"
// CHECK: %{{.*}}, %[[SUM:.*]] = sink.rms_norm %[[S]]#0 residual %[[S]]#1 weight %[[S]]#2 {epsilon = 9.99999997{{[0-9]*}}E-7 : f64}
// CHECK: onnx.Relu(%[[SUM]])
onnx.graph @skip_simplified #g {
  %x, %r, %w = onnx.node "Source" () {} : () -> (!x, !x, !d)
  %y, %m, %i, %s = onnx.ms.SkipSimplifiedLayerNormalization(%x, %r, %w) {epsilon = 1.0e-6 : f32} : (!x, !x, !d) -> (!u, !u, !u, !u)
  %z = onnx.Relu(%s) : (!u) -> !u
  onnx.return
}

// The bias of the sum is an operand of its own.
// CHECK-LABEL: onnx.graph @skip_bias
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.layer_norm %[[S]]#0 residual %[[S]]#1 weight %[[S]]#2 bias %[[S]]#3 residual_bias %[[S]]#3
// CHECK: sink.rms_norm %[[S]]#0 residual %[[S]]#1 weight %[[S]]#2 residual_bias %[[S]]#3
onnx.graph @skip_bias #g {
  %x, %r, %w, %b = onnx.node "Source" () {} : () -> (!x, !x, !d, !d)
  %y = onnx.ms.SkipLayerNormalization(%x, %r, %w, %b, %b) : (!x, !x, !d, !d, !d) -> !u
  %z = onnx.ms.SkipSimplifiedLayerNormalization(%x, %r, %w, %b) : (!x, !x, !d, !d) -> !u
  onnx.return
}

// A statistic that is used.
// CHECK-LABEL: onnx.graph @skip_statistic
// CHECK-NOT: sink.layer_norm
// CHECK: onnx.ms.SkipLayerNormalization
onnx.graph @skip_statistic #g {
  %x, %r, %w = onnx.node "Source" () {} : () -> (!x, !x, !d)
  %y, %m = onnx.ms.SkipLayerNormalization(%x, %r, %w) : (!x, !x, !d) -> (!u, !u)
  %z = onnx.Relu(%m) : (!u) -> !u
  onnx.return
}

// Tables are caches of half the width, which positions index.
// CHECK-LABEL: onnx.graph @rotary
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#1 sin %[[S]]#2 positions %[[S]]#3 {half_tables, interleaved, layout = #sink.layout<bhsd>, rotary_dim = 4 : i64} :
// CHECK: onnx.RotaryEmbedding
// CHECK: sink.yield
onnx.graph @rotary #g {
  %x, %cos, %sin, %pos = onnx.node "Source" () {} : () -> (!q4, tensor<9x2xf32>, tensor<9x2xf32>, tensor<2x5xi64>)
  %y = onnx.RotaryEmbedding(%x, %cos, %sin, %pos) {interleaved = 1, rotary_embedding_dim = 4} : (!q4, tensor<9x2xf32>, tensor<9x2xf32>, tensor<2x5xi64>) -> !u
  onnx.return
}

// Heads on the last axis: their number is an attribute. 0 dims is all of them.
// CHECK-LABEL: onnx.graph @rotary_flat
// CHECK: sink.rotary %{{.*}} {half_tables, layout = #sink.layout<bsd>, num_heads = 4 : i64} :
onnx.graph @rotary_flat #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<2x5x4xf32>, tensor<2x5x4xf32>)
  %y = onnx.RotaryEmbedding(%x, %cos, %sin) {num_heads = 4, rotary_embedding_dim = 0} : (!x, tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> !u
  onnx.return
}

// The runtime's own has the positions second.
// CHECK-LABEL: onnx.graph @rotary_ms
// CHECK: %[[S:.*]]:4 = onnx.node "Source"
// CHECK: sink.rotary %[[S]]#0 cos %[[S]]#2 sin %[[S]]#3 positions %[[S]]#1 {half_tables, layout = #sink.layout<bsd>, num_heads = 4 : i64} :
// CHECK: onnx.ms.RotaryEmbedding
// CHECK: sink.yield
onnx.graph @rotary_ms #g {
  %x, %pos, %cos, %sin = onnx.node "Source" () {} : () -> (!x, tensor<2x5xi64>, tensor<9x4xf32>, tensor<9x4xf32>)
  %y = onnx.ms.RotaryEmbedding(%x, %pos, %cos, %sin) {num_heads = 4} : (!x, tensor<2x5xi64>, tensor<9x4xf32>, tensor<9x4xf32>) -> !u
  onnx.return
}

// Which axes are what is not known without a rank.
// CHECK-LABEL: onnx.graph @rotary_unknown_rank
// CHECK-NOT: sink.rotary
// CHECK: onnx.RotaryEmbedding
onnx.graph @rotary_unknown_rank #g {
  %x, %cos, %sin = onnx.node "Source" () {} : () -> (tensor<*xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>)
  %y = onnx.RotaryEmbedding(%x, %cos, %sin) : (tensor<*xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> !u
  onnx.return
}
}
