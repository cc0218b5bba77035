// RUN: basin-opt %s --onnx-infer-shapes=name-unknown-dims=false --convert-onnx-to-sink=explain=true \
// RUN:   -verify-diagnostics | FileCheck %s

// What looks like a pair of QuantizeLinear and DequantizeLinear, but computes something else.

!u = !onnx.unknown
!x = tensor<2x3x8xf32>
!f = tensor<f32>
!i = tensor<ui8>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 21}]}} {

// The form that the others change in one place.
// CHECK-LABEL: onnx.graph @base
// CHECK: sink.rms_norm
onnx.graph @base #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_base" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_base" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_base" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_base" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_base" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %s, %z) : (!u, !f, !i) -> !u
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// The scales differ, so the pair multiplies.
// CHECK-LABEL: onnx.graph @other_scale
// CHECK-NOT: = sink.
onnx.graph @other_scale #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_other_scale" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_other_scale" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_other_scale" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_other_scale" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_other_scale" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %t, %z) : (!u, !f, !i) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// The zero points differ, so the pair adds.
// CHECK-LABEL: onnx.graph @other_zero_point
// CHECK-NOT: = sink.
onnx.graph @other_zero_point #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_other_zero_point" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_other_zero_point" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_other_zero_point" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_other_zero_point" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_other_zero_point" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %s, %y0) : (!u, !f, !i) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// Scales are compared by their values.
// CHECK-LABEL: onnx.graph @other_scale_value
// CHECK: sink.rms_norm
onnx.graph @other_scale_value #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_other_scale_value" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_other_scale_value" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_other_scale_value" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_other_scale_value" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_other_scale_value" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %s2, %z) : (!u, !f, !i) -> !u
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// The scale is no constant.
// CHECK-LABEL: onnx.graph @scale_of_a_run
// CHECK-NOT: = sink.
onnx.graph @scale_of_a_run #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_scale_of_a_run" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_scale_of_a_run" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_scale_of_a_run" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_scale_of_a_run" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_scale_of_a_run" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %r0, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %r0, %z) : (!u, !f, !i) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// Only one of them has a zero point.
// CHECK-LABEL: onnx.graph @no_zero_point
// CHECK-NOT: = sink.
onnx.graph @no_zero_point #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_no_zero_point" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_no_zero_point" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_no_zero_point" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_no_zero_point" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_no_zero_point" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %d = onnx.DequantizeLinear(%c, %s) : (!u, !f) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}

// Another op reads the quantized value.
// CHECK-LABEL: onnx.graph @read_elsewhere
// CHECK-NOT: = sink.
onnx.graph @read_elsewhere #g {
  %x = onnx.node "Source" () {} : () -> !x
  %r0 = onnx.node "Source" () {} : () -> !f
  %s = onnx.initializer "s_read_elsewhere" : !f = dense<0.1> : !f
  %s2 = onnx.initializer "s2_read_elsewhere" : !f = dense<0.1> : !f
  %t = onnx.initializer "t_read_elsewhere" : !f = dense<0.2> : !f
  %z = onnx.initializer "z_read_elsewhere" : !i = dense<0> : !i
  %y0 = onnx.initializer "y_read_elsewhere" : !i = dense<1> : !i
  %eps = onnx.Constant() {value_float = 1.0e-5 : f32} : () -> !u
  %sq = onnx.Mul(%x, %x) : (!x, !x) -> !u
  %c = onnx.QuantizeLinear(%sq, %s, %z) : (!u, !f, !i) -> !u
  %o = onnx.node "Sink" (%c) {} : (!u) -> !u
  %d = onnx.DequantizeLinear(%c, %s, %z) : (!u, !f, !i) -> !u
  // expected-remark@+1 {{norm '' not raised: its squares are quantized or cast to a narrower type before their mean}}
  %m = onnx.ReduceMean(%d) {axes = array<i64: -1>} : (!u) -> !u
  %a = onnx.Add(%m, %eps) : (!u, !u) -> !u
  %r = onnx.Sqrt(%a) : (!u) -> !u
  %n = onnx.Div(%x, %r) : (!x, !u) -> !u
  onnx.return
}
}
