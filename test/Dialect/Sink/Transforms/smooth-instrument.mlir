// RUN: basin-opt %s --sink-instrument-smoothing | FileCheck %s
// RUN: basin-opt %s --sink-instrument-smoothing="groups=o measure=false" | FileCheck %s --check-prefix=ONE
// RUN: basin-opt %s --sink-instrument-smoothing="groups=no explicit=true" | FileCheck %s --check-prefix=EXPLICIT

// The groups of a graph: the norm's result, and the attention's result, whose heads share values.
// The third one has the reason for which it is none.
// CHECK: basin.smooth-run", "{\22groups\22:[{\22channels\22:4,\22names\22:[\22y\22,\22view\22],\22origin\22:\22norm\22,\22output\22:\22y.channels\22,\22products\22:[
// CHECK-SAME: {\22matrix\22:\22wv\22,\22result\22:\22v\22,\22rows\22:0}
// CHECK-SAME: {\22channels\22:8,\22names\22:[\22o\22],\22origin\22:\22attention\22,\22output\22:\22o.channels\22,\22products\22:[{\22matrix\22:\22wo\22,\22result\22:\22p\22,\22rows\22:1}],\22ties\22:[0,1,0,1,4,5,4,5]}]
// CHECK-SAME: \22skipped\22:[{\22name\22:\22no\22,\22why\22:\22the norm 'no' has no weight\22}]
// CHECK: outputs = [{{.*}}"y.channels", tensor<?x?x4xf32>{{.*}}"o.channels", tensor<?x?x8xf32>
// CHECK: onnx.Identity(%{{.*}}) {onnx.outs = ["y.channels"]}
// CHECK: onnx.Identity(%{{.*}}) {onnx.outs = ["o.channels"]}

// ONE: basin.smooth-run", "{\22groups\22:[{\22channels\22:8,\22names\22:[\22o\22],\22origin\22:\22attention\22,\22products\22:[{{[^]]*}}],\22ties\22:[0,1,0,1,4,5,4,5]}],\22skipped\22:[]}"
// ONE-NOT: channels"

// EXPLICIT: basin.smooth-run", "{\22groups\22:[{\22channels\22:2,\22names\22:[\22no\22],\22origin\22:\22none\22

!x = tensor<2x5x4xf32>
!m = tensor<4x4xf32>
!v = tensor<4xf32>
!k = tensor<2x2x5x2xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"x", !x, {}>, #onnx.value<"q", tensor<2x4x5x2xf32>, {}>, #onnx.value<"k", !k, {}>], outputs = [#onnx.value<"out", tensor<2x5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @groups #i {
^bb0(%x: !x, %q: tensor<2x4x5x2xf32>, %k: !k):
  %nw = onnx.initializer "nw" : !v = dense<2.0> : !v
  %wv = onnx.initializer "wv" : !m = dense<1.0> : !m
  %wo = onnx.initializer "wo" : tensor<2x8xf32> = dense<1.0> : tensor<2x8xf32>
  %wn = onnx.initializer "wn" : tensor<2x2xf32> = dense<1.0> : tensor<2x2xf32>
  %split = onnx.Constant() {value = dense<[2, 5, 2, 2]> : tensor<4xi64>} : () -> tensor<4xi64>
  %join = onnx.Constant() {value = dense<[2, 5, 8]> : tensor<3xi64>} : () -> tensor<3xi64>
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %i = onnx.Identity(%y) {onnx.outs = ["view"]} : (!x) -> !x
  %v = onnx.MatMul(%i, %wv) {onnx.outs = ["v"]} : (!x, !m) -> !x
  %v4 = onnx.Reshape(%v, %split) : (!x, tensor<4xi64>) -> tensor<2x5x2x2xf32>
  %vt = onnx.Transpose(%v4) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x2xf32>) -> !k
  %r = sink.attention %q, %k, %vt {num_heads = 4, kv_num_heads = 2, query_layout = #sink.layout<bhsd>, key_layout = #sink.layout<bhsd>, value_layout = #sink.layout<bhsd>, result_layout = #sink.layout<bhsd>} : (tensor<2x4x5x2xf32>, !k, !k) -> tensor<2x4x5x2xf32>
  %rt = onnx.Transpose(%r) {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x4x5x2xf32>) -> tensor<2x5x4x2xf32>
  %o = onnx.Reshape(%rt, %join) {onnx.outs = ["o"]} : (tensor<2x5x4x2xf32>, tensor<3xi64>) -> tensor<2x5x8xf32>
  %t = onnx.Transpose(%wo) {perm = array<i64: 1, 0>} : (tensor<2x8xf32>) -> tensor<8x2xf32>
  %p = onnx.MatMul(%o, %t) {onnx.outs = ["p"]} : (tensor<2x5x8xf32>, tensor<8x2xf32>) -> tensor<2x5x2xf32>
  %no = sink.rms_norm %p {epsilon = 1.0e-5, onnx.outs = ["no"]} : (tensor<2x5x2xf32>) -> tensor<2x5x2xf32>
  %out = onnx.MatMul(%no, %wn) : (tensor<2x5x2xf32>, tensor<2x2xf32>) -> tensor<2x5x2xf32>
  onnx.return %out : tensor<2x5x2xf32>
}
}
