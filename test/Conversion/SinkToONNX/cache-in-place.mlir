// RUN: basin-opt %s --convert-sink-to-onnx="form=operators:ort cache=in-place" | FileCheck %s

// Past and present are one buffer of GroupQueryAttention. Its length is no longer that of the past, so
// the Shapes of both are made of a new input.
// CHECK: meta = {{.*}}["basin.caches", "{\22buffers\22:{\22past.k\22:\22present.k\22,\22past.v\22:\22present.v\22},\22length\22:\22past_length\22}"]
// CHECK: #onnx.value<"past.k", tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "cache_capacity", "">>
// CHECK-SAME: #onnx.value<"past_length", tensor<i64>
// CHECK-SAME: #onnx.value<"present.k", tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "cache_capacity", "">>
// CHECK: ^bb0(%[[Q:[^:]*]]: {{.*}}, %[[K:[^:]*]]: tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "new", "">>, %{{.*}}: {{.*}}, %[[PK:[^:]*]]: tensor<?x2x?x8xf32, #onnx.dims<"batch", "", "cache_capacity", "">>, %[[PV:[^:]*]]: {{.*}}, %[[LEN:[^:]*]]: tensor<i64>):
// CHECK: %[[L:.*]] = onnx.Unsqueeze(%[[LEN]],
// CHECK: %[[S:.*]] = onnx.Concat(%{{.*}}, %{{.*}}, %[[L]], %{{.*}}) {axis = 0 : i64
// CHECK: %[[ONE:.*]] = onnx.Slice(%[[S]],
// CHECK-NOT: onnx.Concat(%[[PK]]
// CHECK: %[[R:.*]]:3 = onnx.ms.GroupQueryAttention(%{{.*}}, %{{.*}}, %{{.*}}, %[[PK]], %[[PV]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {causal = 0 : i64, kv_num_heads = 2 : i64, {{.*}}num_heads = 4 : i64
// CHECK: onnx.return %{{.*}}, %[[R]]#1, %[[R]]#2, %[[ONE]]
#b = #sink.layout<bhsd>
#p = #onnx.dims<"batch", "", "past", "">
#n = #onnx.dims<"batch", "", "new", "">
#t = #onnx.dims<"batch", "", "total", "">
#m = #onnx.dims<"batch", "", "new", "total">
module attributes {onnx.model = {ir_version = 8 : i64, opset_import = [{domain = "", version = 17 : i64}]}} {
onnx.graph @main <inputs = [#onnx.value<"q", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"k", tensor<?x2x?x8xf32, #n>, {}>, #onnx.value<"m", tensor<?x1x?x?xf32, #m>, {}>, #onnx.value<"past.k", tensor<?x2x?x8xf32, #p>, {}>, #onnx.value<"past.v", tensor<?x2x?x8xf32, #p>, {}>], outputs = [#onnx.value<"y", tensor<?x4x?x8xf32, #n>, {}>, #onnx.value<"present.k", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"present.v", tensor<?x2x?x8xf32, #t>, {}>, #onnx.value<"length", tensor<1xi64>, {}>], valueInfo = [], info = {name = "g"}> {
^bb0(%q: tensor<?x4x?x8xf32, #n>, %k: tensor<?x2x?x8xf32, #n>, %m: tensor<?x1x?x?xf32, #m>, %pk: tensor<?x2x?x8xf32, #p>, %pv: tensor<?x2x?x8xf32, #p>):
  %length = onnx.Shape(%pk) {start = 2 : i64, end = 3 : i64} : (tensor<?x2x?x8xf32, #p>) -> tensor<1xi64>
  %keys = onnx.Concat(%pk, %k) {axis = -2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %values = onnx.Concat(%pv, %k) {axis = 2 : i64} : (tensor<?x2x?x8xf32, #p>, tensor<?x2x?x8xf32, #n>) -> tensor<?x2x?x8xf32, #t>
  %a = sink.attention %q, %keys, %values mask %m {mask_kind = #sink.mask_kind<additive>, num_heads = 4 : i64, kv_num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<?x1x?x?xf32, #m>) -> tensor<?x4x?x8xf32, #n>
  onnx.return %a, %keys, %values, %length : tensor<?x4x?x8xf32, #n>, tensor<?x2x?x8xf32, #t>, tensor<?x2x?x8xf32, #t>, tensor<1xi64>
}
}
