// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false -split-input-file | FileCheck %s

// Norms, gates and rotations keep the shape of x.
// CHECK-LABEL: @pointwise
module @pointwise attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>
  // CHECK: sink.rms_norm {{.*}} -> tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>{{$}}
  %r1 = sink.rms_norm %v0 {epsilon = 1.0e-5} : (tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>) -> !onnx.unknown
  %v1 = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"N", "", "">>
  %v2 = onnx.node "Source" () {} : () -> tensor<?x?x?xf32, #onnx.dims<"", "S", "">>
  // x and residual have one shape, which either may know.
  // CHECK: sink.layer_norm {{.*}} -> (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>){{$}}
  %r2:2 = sink.layer_norm %v1 residual %v2 {epsilon = 1.0e-5} : (tensor<?x?x8xf32, #onnx.dims<"N", "", "">>, tensor<?x?x?xf32, #onnx.dims<"", "S", "">>) -> (!onnx.unknown, !onnx.unknown)
  %v3 = onnx.node "Source" () {} : () -> tensor<*xf32>
  %v4 = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>
  // CHECK: sink.rms_norm {{.*}} -> (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>){{$}}
  %r3:2 = sink.rms_norm %v3 residual %v4 {epsilon = 1.0e-5} : (tensor<*xf32>, tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>) -> (!onnx.unknown, !onnx.unknown)
  // A result of an element type of its own keeps it.
  // CHECK: sink.rms_norm {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r4 = sink.rms_norm %v0 {epsilon = 1.0e-5} : (tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>) -> tensor<*xf32>
  %v5 = onnx.node "Source" () {} : () -> tensor<1xf32>
  %v6 = onnx.node "Source" () {} : () -> tensor<8xf32>
  // CHECK: sink.dyt {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r5 = sink.dyt %v4 alpha %v5 gamma %v6 : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<1xf32>, tensor<8xf32>) -> !onnx.unknown
  %v7 = onnx.node "Source" () {} : () -> tensor<8x2xf32>
  %v8 = onnx.node "Source" () {} : () -> tensor<2x1xf32>
  // CHECK: sink.gate {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r6 = sink.gate %v4 down %v7 up %v8 : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<8x2xf32>, tensor<2x1xf32>) -> !onnx.unknown
  %v9 = onnx.node "Source" () {} : () -> tensor<?x4xf32, #onnx.dims<"S", "">>
  // CHECK: sink.rotary {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r7 = sink.rotary %v4 cos %v9 sin %v9 {layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x4xf32, #onnx.dims<"S", "">>, tensor<?x4xf32, #onnx.dims<"S", "">>) -> !onnx.unknown
  // Near misses: of an unknown rank only the element type is known, of an unknown value nothing.
  // CHECK: sink.rms_norm {{.*}} -> tensor<*xf32>{{$}}
  %r8 = sink.rms_norm %v3 {epsilon = 1.0e-5} : (tensor<*xf32>) -> !onnx.unknown
  %v10 = onnx.node "Source" () {} : () -> !onnx.unknown
  // CHECK: sink.rms_norm {{.*}} -> !onnx.unknown{{$}}
  %r9 = sink.rms_norm %v10 {epsilon = 1.0e-5} : (!onnx.unknown) -> !onnx.unknown
  onnx.return
}
}

// -----

// The result has the query's batch, heads and sequence.
// CHECK-LABEL: @attention
module @attention attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf32, #onnx.dims<"N", "", "S", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<?x2x?x8xf32, #onnx.dims<"N", "", "T", "">>
  %v2 = onnx.node "Source" () {} : () -> tensor<?x2x?x6xf32, #onnx.dims<"N", "", "T", "">>
  // The value's head dim in every layout.
  // CHECK: sink.attention {{.*}} -> tensor<?x4x?x6xf32, #onnx.dims<"N", "", "S", "">>{{$}}
  %r1 = sink.attention %v0, %v1, %v2 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32, #onnx.dims<"N", "", "S", "">>, tensor<?x2x?x8xf32, #onnx.dims<"N", "", "T", "">>, tensor<?x2x?x6xf32, #onnx.dims<"N", "", "T", "">>) -> !onnx.unknown
  %v3 = onnx.node "Source" () {} : () -> tensor<?x?x4x8xf32, #onnx.dims<"N", "S", "", "">>
  %v4 = onnx.node "Source" () {} : () -> tensor<?x?x2x8xf32, #onnx.dims<"N", "T", "", "">>
  %v5 = onnx.node "Source" () {} : () -> tensor<?x?x2x6xf32, #onnx.dims<"N", "T", "", "">>
  // CHECK: sink.attention {{.*}} -> tensor<?x?x4x6xf32, #onnx.dims<"N", "S", "", "">>{{$}}
  %r2 = sink.attention %v3, %v4, %v5 {query_layout = #sink.layout<bshd>, key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bshd>, result_layout = #sink.layout<bshd>} : (tensor<?x?x4x8xf32, #onnx.dims<"N", "S", "", "">>, tensor<?x?x2x8xf32, #onnx.dims<"N", "T", "", "">>, tensor<?x?x2x6xf32, #onnx.dims<"N", "T", "", "">>) -> !onnx.unknown
  %v6 = onnx.node "Source" () {} : () -> tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>
  %v7 = onnx.node "Source" () {} : () -> tensor<?x?x16xf32, #onnx.dims<"N", "T", "">>
  %v8 = onnx.node "Source" () {} : () -> tensor<?x?x12xf32, #onnx.dims<"N", "T", "">>
  // CHECK: sink.attention {{.*}} -> tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r3 = sink.attention %v6, %v7, %v8 {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, num_heads = 4 : i64, kv_num_heads = 2 : i64} : (tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"N", "T", "">>, tensor<?x?x12xf32, #onnx.dims<"N", "T", "">>) -> !onnx.unknown
  %v9 = onnx.node "Source" () {} : () -> tensor<?x?x32xf32, #onnx.dims<"N", "T", "">>
  %v10 = onnx.node "Source" () {} : () -> tensor<?x?x24xf32, #onnx.dims<"N", "T", "">>
  // Keys have as many heads as queries where nothing is said.
  // CHECK: sink.attention {{.*}} -> tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r4 = sink.attention %v6, %v9, %v10 {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, num_heads = 4 : i64} : (tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x32xf32, #onnx.dims<"N", "T", "">>, tensor<?x?x24xf32, #onnx.dims<"N", "T", "">>) -> !onnx.unknown
  %v11 = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"R", "S", "">>
  %v12 = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"R", "T", "">>
  %v13 = onnx.node "Source" () {} : () -> tensor<?x?x6xf32, #onnx.dims<"R", "T", "">>
  // CHECK: sink.attention {{.*}} -> tensor<?x?x6xf32, #onnx.dims<"R", "S", "">>{{$}}
  %r5 = sink.attention %v11, %v12, %v13 {query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<hsd>, result_layout = #sink.layout<hsd>, num_heads = 4 : i64} : (tensor<?x?x8xf32, #onnx.dims<"R", "S", "">>, tensor<?x?x8xf32, #onnx.dims<"R", "T", "">>, tensor<?x?x6xf32, #onnx.dims<"R", "T", "">>) -> !onnx.unknown
  // Layouts may differ.
  // CHECK: sink.attention {{.*}} -> tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r6 = sink.attention %v3, %v4, %v2 {query_layout = #sink.layout<bshd>, key_layout = #sink.layout<bshd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bsd>} : (tensor<?x?x4x8xf32, #onnx.dims<"N", "S", "", "">>, tensor<?x?x2x8xf32, #onnx.dims<"N", "T", "", "">>, tensor<?x2x?x6xf32, #onnx.dims<"N", "", "T", "">>) -> !onnx.unknown
  %v14 = onnx.node "Source" () {} : () -> tensor<8x?x8xf32, #onnx.dims<"", "S", "">>
  %v15 = onnx.node "Source" () {} : () -> tensor<8x?x8xf32, #onnx.dims<"", "T", "">>
  %v16 = onnx.node "Source" () {} : () -> tensor<2x4x?x6xf32, #onnx.dims<"", "", "T", "">>
  // CHECK: sink.attention {{.*}} -> tensor<2x4x?x6xf32, #onnx.dims<"", "", "S", "">>{{$}}
  %r7 = sink.attention %v14, %v15, %v16 {query_layout = #sink.layout<hsd>, key_layout = #sink.layout<hsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, num_heads = 4 : i64} : (tensor<8x?x8xf32, #onnx.dims<"", "S", "">>, tensor<8x?x8xf32, #onnx.dims<"", "T", "">>, tensor<2x4x?x6xf32, #onnx.dims<"", "", "T", "">>) -> !onnx.unknown
  %v17 = onnx.node "Source" () {} : () -> tensor<2x4x?x8xf32, #onnx.dims<"", "", "S", "">>
  %v18 = onnx.node "Source" () {} : () -> tensor<2x4x?x8xf32, #onnx.dims<"", "", "T", "">>
  // CHECK: sink.attention {{.*}} -> tensor<8x?x6xf32, #onnx.dims<"", "S", "">>{{$}}
  %r8 = sink.attention %v17, %v18, %v16 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<hsd>} : (tensor<2x4x?x8xf32, #onnx.dims<"", "", "S", "">>, tensor<2x4x?x8xf32, #onnx.dims<"", "", "T", "">>, tensor<2x4x?x6xf32, #onnx.dims<"", "", "T", "">>) -> !onnx.unknown
  %v19 = onnx.node "Source" () {} : () -> tensor<1x4x1x8xf32>
  %v20 = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf32, #onnx.dims<"N", "", "T", "">>
  // Keys alone may have the batch.
  %w0 = onnx.node "Source" () {} : () -> tensor<1x4x?x8xf32, #onnx.dims<"", "", "S", "">>
  %w1 = onnx.node "Source" () {} : () -> tensor<?x4x?x8xf32, #onnx.dims<"N", "", "T", "">>
  %w2 = onnx.node "Source" () {} : () -> tensor<1x4x?x6xf32, #onnx.dims<"", "", "T", "">>
  // CHECK: sink.attention {{.*}} -> tensor<?x4x?x6xf32, #onnx.dims<"N", "", "S", "">>{{$}}
  %rw = sink.attention %w0, %w1, %w2 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x?x8xf32, #onnx.dims<"", "", "S", "">>, tensor<?x4x?x8xf32, #onnx.dims<"N", "", "T", "">>, tensor<1x4x?x6xf32, #onnx.dims<"", "", "T", "">>) -> !onnx.unknown
  // One query for the whole batch.
  // CHECK: sink.attention {{.*}} -> tensor<?x4x1x8xf32, #onnx.dims<"N", "", "", "">>{{$}}
  %r9 = sink.attention %v19, %v20, %v20 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<1x4x1x8xf32>, tensor<?x4x?x8xf32, #onnx.dims<"N", "", "T", "">>, tensor<?x4x?x8xf32, #onnx.dims<"N", "", "T", "">>) -> !onnx.unknown
  // Near misses: without heads nothing tells the result's last axis, nor does a value of unknown rank.
  // CHECK: sink.attention {{.*}} -> tensor<?x?x?xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r10 = sink.attention %v6, %v9, %v9 {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>} : (tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x32xf32, #onnx.dims<"N", "T", "">>, tensor<?x?x32xf32, #onnx.dims<"N", "T", "">>) -> !onnx.unknown
  %v21 = onnx.node "Source" () {} : () -> tensor<*xf32>
  // CHECK: sink.attention {{.*}} -> tensor<?x4x?x?xf32, #onnx.dims<"N", "", "S", "">>{{$}}
  %r11 = sink.attention %v0, %v1, %v21 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<?x4x?x8xf32, #onnx.dims<"N", "", "S", "">>, tensor<?x2x?x8xf32, #onnx.dims<"N", "", "T", "">>, tensor<*xf32>) -> !onnx.unknown
  // CHECK: sink.attention {{.*}} -> tensor<*xf32>{{$}}
  %r12 = sink.attention %v21, %v1, %v1 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<*xf32>, tensor<?x2x?x8xf32, #onnx.dims<"N", "", "T", "">>, tensor<?x2x?x8xf32, #onnx.dims<"N", "", "T", "">>) -> !onnx.unknown
  %v22 = onnx.node "Source" () {} : () -> tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>
  // Packed operands: only their form knows the head dim.
  // CHECK: sink.attention {{.*}} -> tensor<?x?x?xf32, #onnx.dims<"N", "S", "">>{{$}}
  %r13 = sink.attention %v22, %v10, %v10 {query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>, num_heads = 4 : i64} : (tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x24xf32, #onnx.dims<"N", "T", "">>, tensor<?x?x24xf32, #onnx.dims<"N", "T", "">>) -> !onnx.unknown
  %v23 = onnx.node "Source" () {} : () -> tensor<?x?x2x3x4xf32, #onnx.dims<"N", "S", "", "", "">>
  // CHECK: sink.attention {{.*}} -> tensor<*xf32>{{$}}
  %r14 = sink.attention %v23, %v23, %v23 {query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>, num_heads = 2 : i64} : (tensor<?x?x2x3x4xf32, #onnx.dims<"N", "S", "", "", "">>, tensor<?x?x2x3x4xf32, #onnx.dims<"N", "S", "", "", "">>, tensor<?x?x2x3x4xf32, #onnx.dims<"N", "S", "", "", "">>) -> !onnx.unknown
  onnx.return
}
}

// -----

// The present is the past and what is new.
// CHECK-LABEL: @present
module @present attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %v0 = onnx.node "Source" () {} : () -> tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>
  %v1 = onnx.node "Source" () {} : () -> tensor<?x?x16xf32, #onnx.dims<"N", "S", "">>
  %v2 = onnx.node "Source" () {} : () -> tensor<?x?x12xf32, #onnx.dims<"N", "S", "">>
  // Without a past the present is the keys, heads apart.
  // CHECK: sink.attention {{.*}} -> (tensor<?x?x24xf32, #onnx.dims<"N", "S", "">>, tensor<?x2x?x8xf32, #onnx.dims<"N", "", "S", "">>, tensor<?x2x?x6xf32, #onnx.dims<"N", "", "S", "">>){{$}}
  %r1:3 = sink.attention %v0, %v1, %v2 {query_layout = #sink.layout<bsd>, key_layout = #sink.layout<bsd>, value_layout = #sink.layout<bsd>, result_layout = #sink.layout<bsd>, num_heads = 4 : i64, kv_num_heads = 2 : i64, has_present} : (tensor<?x?x32xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x16xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x12xf32, #onnx.dims<"N", "S", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  %v3 = onnx.node "Source" () {} : () -> tensor<?x4x1x8xf16, #onnx.dims<"N", "", "", "">>
  %v4 = onnx.node "Source" () {} : () -> tensor<?x2x1x8xf16, #onnx.dims<"N", "", "", "">>
  %v5 = onnx.node "Source" () {} : () -> tensor<?x2x1x6xf16, #onnx.dims<"N", "", "", "">>
  %v6 = onnx.node "Source" () {} : () -> tensor<?x2x7x8xf16, #onnx.dims<"N", "", "", "">>
  %v7 = onnx.node "Source" () {} : () -> tensor<?x2x?x6xf16, #onnx.dims<"N", "", "P", "">>
  // A known sum, and one that is not.
  // CHECK: sink.attention {{.*}} -> (tensor<?x4x1x6xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x8x8xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x?x6xf16, #onnx.dims<"N", "", "?(P + 1)", "">>){{$}}
  %r2:3 = sink.attention %v3, %v4, %v5 past %v6, %v7 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, has_present} : (tensor<?x4x1x8xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x1x8xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x1x6xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x7x8xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x?x6xf16, #onnx.dims<"N", "", "P", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  %v8 = onnx.node "Source" () {} : () -> tensor<*xf16>
  // Near miss: keys of unknown rank.
  // CHECK: sink.attention {{.*}} -> (tensor<?x4x1x?xf16, #onnx.dims<"N", "", "", "">>, tensor<?x2x?x8xf16, #onnx.dims<"N", "", "", "">>, tensor<*xf16>){{$}}
  %r3:3 = sink.attention %v3, %v8, %v8 past %v6, %v8 {query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>, has_present} : (tensor<?x4x1x8xf16, #onnx.dims<"N", "", "", "">>, tensor<*xf16>, tensor<*xf16>, tensor<?x2x7x8xf16, #onnx.dims<"N", "", "", "">>, tensor<*xf16>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown)
  onnx.return
}
}

// -----

// A form takes the types of the operands; what it yields is what the op gives,
// though the documented shape says otherwise or nothing.
// CHECK-LABEL: @form
module @form attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  %x = onnx.node "Source" () {} : () -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>
  // CHECK: sink.rms_norm
  %0 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>) -> !onnx.unknown {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>):
  ^bb0(%a: !onnx.unknown):
    // CHECK: onnx.Cast(%[[A]]){{.*}} -> tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>
    %c = onnx.Cast(%a) {to = 10} : (!onnx.unknown) -> !onnx.unknown
    // CHECK: sink.yield %{{.*}} : tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>
    sink.yield %c : !onnx.unknown
  }
  // CHECK: onnx.Relu{{.*}} -> tensor<?x?x8xf16, #onnx.dims<"N", "S", "">>
  %r = onnx.Relu(%0) : (!onnx.unknown) -> !onnx.unknown
  // The pointwise ops likewise.
  %alpha = onnx.node "Source" () {} : () -> tensor<1xf32>
  %gamma = onnx.node "Source" () {} : () -> tensor<8xf32>
  // CHECK: sink.dyt {{.*}} -> tensor<?x?x8xf16, #onnx.dims<"N", "S", "">> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>):
  %dyt = sink.dyt %x alpha %alpha gamma %gamma : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<1xf32>, tensor<8xf32>) -> !onnx.unknown {
  ^bb0(%in: !onnx.unknown):
    %out = onnx.Cast(%in) {to = 10} : (!onnx.unknown) -> !onnx.unknown
    sink.yield %out : !onnx.unknown
  }
  %down = onnx.node "Source" () {} : () -> tensor<8x2xf32>
  %up = onnx.node "Source" () {} : () -> tensor<2x8xf32>
  // CHECK: sink.gate {{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>):
  %gate = sink.gate %x down %down up %up : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<8x2xf32>, tensor<2x8xf32>) -> !onnx.unknown {
  ^bb0(%in: !onnx.unknown):
    %out = onnx.Relu(%in) : (!onnx.unknown) -> !onnx.unknown
    sink.yield %out : !onnx.unknown
  }
  // The inner value is a result of its own; the cache's length is the form's.
  // CHECK: sink.attention
  // CHECK: sink.yield {{.*}} : tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>, tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>, tensor<?x2x?x9xf32, #onnx.dims<"N", "", "S", "">>
  %1:4 = sink.attention %x, %x, %x {has_present, num_heads = 2 : i64, query_layout = #sink.layout<packed>, key_layout = #sink.layout<packed>, value_layout = #sink.layout<packed>, result_layout = #sink.layout<bsd>} : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>, tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown) {
  ^bb0(%a: !onnx.unknown):
    %i = onnx.Identity(%a) : (!onnx.unknown) -> !onnx.unknown
    %k = onnx.node "Cache" () {} : () -> tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>
    %p = onnx.node "Scores" () {} : () -> tensor<?x2x?x9xf32, #onnx.dims<"N", "", "S", "">>
    sink.yield %i, %k, %k, %p : !onnx.unknown, tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>, tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>, tensor<?x2x?x9xf32, #onnx.dims<"N", "", "S", "">>
  }
  // CHECK: onnx.Relu{{.*}} -> tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>
  %s = onnx.Relu(%1#0) : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Relu{{.*}} -> tensor<?x2x9x4xf32, #onnx.dims<"N", "", "", "">>
  %q = onnx.Relu(%1#2) : (!onnx.unknown) -> !onnx.unknown
  // CHECK: onnx.Relu{{.*}} -> tensor<?x2x?x9xf32, #onnx.dims<"N", "", "S", "">>
  %u = onnx.Relu(%1#3) : (!onnx.unknown) -> !onnx.unknown
  // Near miss: a form that knows no rank leaves it to the documented shape, and
  // one that knows no type leaves everything.
  // CHECK: sink.rms_norm
  %2 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>) -> !onnx.unknown {
  ^bb0(%a: !onnx.unknown):
    %c = onnx.node "Foo" (%a) {} : (!onnx.unknown) -> tensor<*xbf16>
    sink.yield %c : tensor<*xbf16>
  }
  // CHECK: onnx.Relu{{.*}} -> tensor<?x?x8xbf16, #onnx.dims<"N", "S", "">>
  %v = onnx.Relu(%2) : (!onnx.unknown) -> !onnx.unknown
  // CHECK: sink.rms_norm
  %3 = sink.rms_norm %x {epsilon = 1.0e-5} : (tensor<?x?x8xf32, #onnx.dims<"N", "S", "">>) -> !onnx.unknown {
  ^bb0(%a: !onnx.unknown):
    %c = onnx.node "Foo" (%a) {} : (!onnx.unknown) -> !onnx.unknown
    sink.yield %c : !onnx.unknown
  }
  // CHECK: onnx.Relu{{.*}} -> !onnx.unknown
  %w = onnx.Relu(%3) : (!onnx.unknown) -> !onnx.unknown
  onnx.return
}
}

// -----

// A parameter has its type, which others take.
// CHECK-LABEL: @parameter
module @parameter attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {
onnx.graph @g #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}> {
  // CHECK: sink.parameter "p" : tensor<4x8xf32>
  %0 = sink.parameter "p" : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  // CHECK: onnx.Relu{{.*}} -> tensor<4x8xf32>
  %r = onnx.Relu(%0) : (tensor<4x8xf32>) -> !onnx.unknown
  onnx.return
}
}
