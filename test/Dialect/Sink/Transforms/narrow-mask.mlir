// RUN: basin-opt %s --sink-narrow-mask=bound=10 --split-input-file --verify-diagnostics | FileCheck %s

// A table is changed in place, and zeros stay.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @table
// CHECK{LITERAL}: onnx.initializer "m" : tensor<3x3xf32> = dense<[[0.000000e+00, -1.000000e+04, -1.000000e+04], [0.000000e+00, 0.000000e+00, -1.000000e+04], [0.000000e+00, 0.000000e+00, 0.000000e+00]]>
onnx.graph @table #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A number that something else reads stays, and the mask gets a copy. Two attentions share it.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @shared
// CHECK: %[[LOW:.*]] = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38>
// CHECK: %[[NEW:.*]] = onnx.initializer "low.narrow" : tensor<f32> = dense<-1.000000e+04>
// CHECK: onnx.node "Reader"(%[[LOW]])
// CHECK: onnx.Where(%{{.*}}, %{{.*}}, %[[NEW]])
// CHECK-NOT: onnx.initializer
onnx.graph @shared #g {
  %q = onnx.node "Source" () {} : () -> !h
  %seen = onnx.initializer "seen" : tensor<3x3xi1> = dense<[[true, false, false], [true, true, false], [true, true, true]]> : tensor<3x3xi1>
  %zero = onnx.initializer "zero" : tensor<f32> = dense<0.0> : tensor<f32>
  %low = onnx.initializer "low" : tensor<f32> = dense<-3.40282347E+38> : tensor<f32>
  onnx.node "Reader" (%low) {} : (tensor<f32>) -> ()
  %m = onnx.Where(%seen, %zero, %low) : (tensor<3x3xi1>, tensor<f32>, tensor<f32>) -> !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  %c = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["c"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a, %c) {} : (!h, !h) -> ()
  onnx.return
}
}

// -----

// A Where in the form replaces scores by -inf. The op says what the new number is.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @fill
// CHECK: onnx.initializer "low" : tensor<f32> = dense<-1.000000e+04>
// CHECK: sink.attention {{.*}}mask_fill = -1.000000e+04 : f64
onnx.graph @fill #g {
  %q = onnx.node "Source" () {} : () -> !h
  %seen = onnx.initializer "seen" : tensor<3x3xi1> = dense<[[true, false, false], [true, true, false], [true, true, true]]> : tensor<3x3xi1>
  %low = onnx.initializer "low" : tensor<f32> = dense<0xFF800000> : tensor<f32>
  %a = sink.attention %q, %q, %q mask %seen {mask_kind = #sink.mask_kind<keep>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<3x3xi1>) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: tensor<3x3xi1>):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Where(%3, %s0, %low) : (tensor<3x3xi1>, !s, tensor<f32>) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// Without a form, the op's attribute alone says what hides a key.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @no_form
// CHECK: sink.attention {{.*}}mask_fill = -1.000000e+04 : f64
onnx.graph @no_form #g {
  %q = onnx.node "Source" () {} : () -> !h
  %seen = onnx.initializer "seen" : tensor<3x3xi1> = dense<[[true, false, false], [true, true, false], [true, true, true]]> : tensor<3x3xi1>
  %a = sink.attention %q, %q, %q mask %seen {mask_kind = #sink.mask_kind<keep>, onnx.outs = ["a"], query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, tensor<3x3xi1>) -> !h
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A mask is a triangle of a filled tensor, plus a triangle that hides the same keys with -1e9. Both numbers change.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @sum
// CHECK: onnx.initializer "other" {{.*}}-1.000000e+04
// CHECK: onnx.ConstantOfShape({{.*}}) {{{.*}}dense<-1.000000e+04>
onnx.graph @sum #g {
  %q = onnx.node "Source" () {} : () -> !h
  %shape = onnx.initializer "shape" : tensor<2xi64> = dense<3> : tensor<2xi64>
  %one = onnx.initializer "one" : tensor<i64> = dense<1> : tensor<i64>
  %other = onnx.initializer "other" : !m = dense<[[0.0, -1.0e9, -1.0e9], [0.0, 0.0, -1.0e9], [0.0, 0.0, 0.0]]> : !m
  %full = onnx.ConstantOfShape(%shape) {value = dense<-3.40282347E+38> : tensor<1xf32>} : (tensor<2xi64>) -> !m
  %tri = onnx.Trilu(%full, %one) {upper = 1 : i64} : (!m, tensor<i64>) -> !m
  %m = onnx.Add(%tri, %other) : (!m, !m) -> !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// The mask is cast to f16, in which -1e4 is a number, and the scores are in f16.
!h = tensor<2x2x3x4xf16>
!t = tensor<2x2x4x3xf16>
!s = tensor<2x2x3x3xf16>
!m = tensor<3x3xf16>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @cast
// CHECK: onnx.initializer "m32" {{.*}}-1.000000e+04
onnx.graph @cast #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m32 = onnx.initializer "m32" : tensor<3x3xf32> = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : tensor<3x3xf32>
  %m = onnx.Cast(%m32) {to = 10 : i64} : (tensor<3x3xf32>) -> !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// What a Cast to flags, a Shape and the mask itself read is the same before and after.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @read_as_flags
// CHECK: onnx.initializer "m" {{.*}}3.40282347E+38
// CHECK: onnx.initializer "m.narrow" {{.*}}-1.000000e+04
onnx.graph @read_as_flags #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %flags = onnx.Cast(%m) {to = 9 : i64} : (!m) -> tensor<3x3xi1>
  %x = onnx.Identity(%m) : (!m) -> !m
  %size = onnx.Shape(%x) : (!m) -> tensor<2xi64>
  onnx.node "Reader" (%flags, %size) {} : (tensor<3x3xi1>, tensor<2xi64>) -> ()
  %a = sink.attention %q, %q, %q mask %x {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %s1 = onnx.Add(%s0, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}

// -----

// A bias of numbers that hide nothing counts beside the bound: -16 leaves room for scores up to 10.
!h = tensor<2x2x3x4xf32>
!t = tensor<2x2x4x3xf32>
!s = tensor<2x2x3x3xf32>
!m = tensor<3x3xf32>
#b = #sink.layout<bhsd>
#g = #onnx.graph_info<inputs = [], outputs = [], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
// CHECK-LABEL: onnx.graph @bias
// CHECK: onnx.initializer "m" {{.*}}-1.000000e+04
// CHECK: onnx.initializer "bias" {{.*}}dense<-1.600000e+01>
onnx.graph @bias #g {
  %q = onnx.node "Source" () {} : () -> !h
  %m = onnx.initializer "m" : !m = dense<[[0.0, -3.40282347E+38, -3.40282347E+38], [0.0, 0.0, -3.40282347E+38], [0.0, 0.0, 0.0]]> : !m
  %bias = onnx.initializer "bias" : !m = dense<-16.0> : !m
  %a = sink.attention %q, %q, %q mask %m {mask_kind = #sink.mask_kind<additive>, query_layout = #b, key_layout = #b, value_layout = #b, result_layout = #b} : (!h, !h, !h, !m) -> !h {
  ^bb0(%0: !h, %1: !h, %2: !h, %3: !m):
    %kt = onnx.Transpose(%1) {perm = array<i64: 0, 1, 3, 2>} : (!h) -> !t
    %s0 = onnx.MatMul(%0, %kt) : (!h, !t) -> !s
    %sb = onnx.Add(%s0, %bias) : (!s, !m) -> !s
    %s1 = onnx.Add(%sb, %3) : (!s, !m) -> !s
    %p = onnx.Softmax(%s1) {axis = -1 : i64} : (!s) -> !s
    %y = onnx.MatMul(%p, %2) {onnx.outs = ["a"]} : (!s, !h) -> !h
    sink.yield %y : !h
  }
  onnx.node "Sink" (%a) {} : (!h) -> ()
  onnx.return
}
}
