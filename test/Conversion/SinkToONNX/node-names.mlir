// RUN: basin-opt %s --convert-sink-to-onnx | FileCheck %s

// A model that was converted before has nodes of the names that a conversion gives. The new ones get others, and equal names
// that there were stay.
!x = tensor<2x5x8xf32>
#b = #sink.layout<bsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @main
// CHECK-COUNT-2: onnx.Relu({{.*}}onnx.name = "a_Mul"
// CHECK-DAG: onnx.Mul({{.*}}onnx.name = "a_Mul_again_2"
// CHECK-DAG: onnx.Softmax({{.*}}onnx.name = "a_Softmax"
onnx.graph @main #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r = onnx.Relu(%x) {onnx.name = "a_Mul"} : (!x) -> !x
  %s = onnx.Relu(%r) {onnx.name = "a_Mul"} : (!x) -> !x
  %a = sink.attention %s, %x, %x {num_heads = 2 : i64, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b, onnx.outs = ["a"]} : (!x, !x, !x) -> !x
  onnx.node "Sink" (%a) {} : (!x) -> ()
  onnx.return
}
}
