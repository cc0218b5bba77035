// RUN: %python %S/Inputs/make_fit.py %t.few.onnx y=1,2
// RUN: %python %S/Inputs/make_fit.py %t.zero.onnx y=1,2,0,1
// RUN: %python %S/Inputs/make_fit.py %t.nan.onnx y=1,2,nan,1
// RUN: %python %S/Inputs/make_fit.py %t.inf.onnx y=1,2,inf,1
// RUN: %python %S/Inputs/make_fit.py %t.negative.onnx y=1,-2,1,1
// RUN: %python %S/Inputs/make_fit.py %t.real.onnx y=1,3,1,1
// RUN: %python %S/Inputs/make_fit.py %t.type.onnx y=1,2,1,1/float16
// RUN: %python %S/Inputs/make_fit.py %t.matrix.onnx y=1:2:1:1
// RUN: %python %S/Inputs/make_fit.py %t.other.onnx y=1,2,1,1 z=1,2,1,1
// RUN: %python %S/Inputs/make_fit.py %t.no.onnx no=1,2,1,1
// RUN: %python %S/Inputs/make_fit.py %t.large.onnx y=1,1e38,1,1
// RUN: %python %S/Inputs/make_fit.py %t.range.onnx y=1,7.888609052210118e-31,1,1
// RUN: %python %S/Inputs/make_fit.py %t.shared.onnx s=1,2,1,1
// RUN: %python %S/Inputs/make_fit.py %t.twice.onnx t=1,2,1,1
// RUN: not basin-opt %s --sink-smooth 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not basin-opt %s --sink-smooth="factors=whole fit=%t.real.onnx" 2>&1 | FileCheck %s --check-prefix=FACTORS
// RUN: not basin-opt %s --sink-smooth="groups=[ fit=%t.real.onnx" 2>&1 | FileCheck %s --check-prefix=GROUPS
// RUN: not basin-opt %s --sink-smooth=fit=%t.missing.onnx 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not basin-opt %s --sink-smooth=fit=%t.few.onnx 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: not basin-opt %s --sink-smooth=fit=%t.zero.onnx 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not basin-opt %s --sink-smooth="factors=real fit=%t.nan.onnx" 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not basin-opt %s --sink-smooth="factors=real fit=%t.inf.onnx" 2>&1 | FileCheck %s --check-prefix=INF
// RUN: not basin-opt %s --sink-smooth=fit=%t.negative.onnx 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not basin-opt %s --sink-smooth=fit=%t.real.onnx 2>&1 | FileCheck %s --check-prefix=REAL
// RUN: basin-opt %s --sink-smooth="factors=real fit=%t.real.onnx" 2>&1 | FileCheck %s --check-prefix=ROUNDED
// RUN: not basin-opt %s --sink-smooth=fit=%t.type.onnx 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not basin-opt %s --sink-smooth=fit=%t.matrix.onnx 2>&1 | FileCheck %s --check-prefix=MATRIX
// RUN: not basin-opt %s --sink-smooth=fit=%t.other.onnx 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: basin-opt %s --sink-smooth="groups=y fit=%t.other.onnx" 2>&1 | FileCheck %s --check-prefix=CHOSEN
// RUN: not basin-opt %s --sink-smooth=fit=%t.no.onnx 2>&1 | FileCheck %s --check-prefix=NO
// RUN: basin-opt %s --sink-smooth="explicit=true fit=%t.no.onnx" 2>&1 | FileCheck %s --check-prefix=EXPLICIT
// RUN: basin-opt %s --sink-smooth="factors=real fit=%t.large.onnx" 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: basin-opt %s --sink-smooth=fit=%t.range.onnx 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: basin-opt %s --sink-smooth=fit=%t.shared.onnx 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: basin-opt %s --sink-smooth=fit=%t.twice.onnx 2>&1 | FileCheck %s --check-prefix=TWICE

// NONE: error: option 'fit': expected a file with a factor for each channel, which basin rewrite makes from 'stats' or 'data'
// FACTORS: error: option 'factors': expected 'power-of-two' or 'real', but got 'whole'
// GROUPS: error: option 'groups': expected all or a pattern of names, but got '['
// MISSING: error: {{.*}}missing.onnx{{.*}}No such file
// FEW: error: option 'fit': 'y': expected 4 factors, but got 2
// ZERO: error: option 'fit': 'y': expected a positive number as the factor of channel 2, but got 0
// NAN: error: option 'fit': 'y': expected a positive number as the factor of channel 2, but got {{[Nn][Aa][Nn]}}
// INF: error: option 'fit': 'y': expected a positive number as the factor of channel 2, but got {{INF|inf}}
// NEGATIVE: error: option 'fit': 'y': expected a positive number as the factor of channel 1, but got -2
// REAL: error: option 'fit': 'y': expected a power of two as the factor of channel 1, but got 3.{{0*}}; factors=real takes other numbers
// A third is rounded once.
// ROUNDED: onnx.initializer "nw" : {{.*}} = dense<[1.000000e+00, 0.333333343, 1.000000e+00, 1.000000e+00]>
// TYPE: error: option 'fit': expected one f32 factor for each channel, but tensor 'y' is 'tensor<4xf16>'
// MATRIX: error: option 'fit': expected one f32 factor for each channel, but tensor 'y' is 'tensor<1x4xf32>'
// OTHER: error: option 'fit': no product with a stored matrix reads a value that is called 'z'
// Tensors of groups that are not chosen do not matter.
// CHOSEN: onnx.initializer "nw" : {{.*}} = dense<[1.000000e+00, 5.000000e-01, 1.000000e+00, 1.000000e+00]>
// NO: error: option 'fit': 'no': the norm 'no' has no weight
// EXPLICIT: onnx.initializer "w.no" : {{.*}} = dense<{{\[\[}}1.000000e+00, {{.*}}], [2.000000e+00, {{.*}}], [1.000000e+00, {{.*}}
// EXPLICIT: %[[Y:.*]] = sink.rms_norm {{.*}}onnx.outs = ["no"]
// EXPLICIT: %[[S:.*]] = onnx.Constant() {value = dense<[1.000000e+00, 5.000000e-01, 1.000000e+00, 1.000000e+00]>
// EXPLICIT: %[[M:.*]] = onnx.Mul(%[[Y]], %[[S]]) {{.*}}no.smoothed
// EXPLICIT: onnx.MatMul(%[[M]]
// LARGE: remark: 'y' is left as it is: an element of weight 'w' times its factor is not finite
// LARGE: onnx.initializer "nw" : {{.*}} = dense<1.000000e+00>
// RANGE: remark: 'y' is left as it is: element 5 of weight 'w' cannot take its factor exactly: it would leave the normal range
// RANGE: onnx.initializer "nw" : {{.*}} = dense<1.000000e+00>
// SHARED: remark: 's' is left as it is: weight 'ws' has other readers, and a copy would be large
// SHARED: onnx.initializer "ns" : {{.*}} = dense<1.000000e+00>
// One matrix is read by rows and by columns.
// TWICE: remark: 't' is left as it is: weight 'wt' has other readers, and a copy would be large
// TWICE: onnx.initializer "nt" : {{.*}} = dense<1.000000e+00>

!x = tensor<2x5x4xf32>
!m = tensor<4x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"x", !x, {}>], outputs = [#onnx.value<"out", !x, {}>, #onnx.value<"ws", !m, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @errors #i {
^bb0(%x: !x):
  %nw = onnx.initializer "nw" : !v = dense<1.0> : !v
  %w = onnx.initializer "w" : !m = dense<[[1.0, 1.0, 1.0, 1.0], [1.0, 1.0e-10, 1.0, 4.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]> : !m
  %wn = onnx.initializer "w.no" : !m = dense<1.0> : !m
  %ns = onnx.initializer "ns" : !v = dense<1.0> : !v
  %ws = onnx.initializer "ws" : !m = dense<1.0> : !m
  %nt = onnx.initializer "nt" : !v = dense<1.0> : !v
  %wt = onnx.initializer "wt" : !m = dense<1.0> : !m
  %y = sink.rms_norm %x weight %nw {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %a = onnx.MatMul(%y, %w) : (!x, !m) -> !x
  %no = sink.rms_norm %a {epsilon = 1.0e-5, onnx.outs = ["no"]} : (!x) -> !x
  %b = onnx.MatMul(%no, %wn) : (!x, !m) -> !x
  %s = sink.rms_norm %b weight %ns {epsilon = 1.0e-5, onnx.outs = ["s"]} : (!x, !v) -> !x
  %c = onnx.MatMul(%s, %ws) : (!x, !m) -> !x
  %t = sink.rms_norm %c weight %nt {epsilon = 1.0e-5, onnx.outs = ["t"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%t, %wt) : (!x, !m) -> !x
  %tr = onnx.Transpose(%wt) {perm = array<i64: 1, 0>} : (!m) -> !m
  %e = onnx.MatMul(%t, %tr) : (!x, !m) -> !x
  %f = onnx.Add(%d, %e) : (!x, !x) -> !x
  onnx.return %f, %ws : !x, !m
}
}
