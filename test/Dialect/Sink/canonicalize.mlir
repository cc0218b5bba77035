// RUN: basin-opt %s --canonicalize --cse --sccp --symbol-dce --canonicalize | FileCheck %s

module attributes {onnx.model = {opset_import = [{domain = "", version = 17 : i64}]}} {

// Parameters are what training makes of them: equal ones stay two, unused ones
// stay, and none is taken for its value.
// CHECK-LABEL: func.func @parameters
func.func @parameters(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  // CHECK: %[[A:.*]] = sink.parameter "a"
  // CHECK: %[[B:.*]] = sink.parameter "b"
  // CHECK: sink.parameter "unused"
  %a = sink.parameter "a" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  %b = sink.parameter "b" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  %c = sink.parameter "unused" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  // CHECK: sink.rms_norm %{{.*}} pre_affine %[[A]]
  // CHECK: sink.rms_norm %{{.*}} pre_affine %[[B]]
  %0 = sink.rms_norm %x pre_affine %a {epsilon = 1.0e-5} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %1 = sink.rms_norm %x pre_affine %b {epsilon = 1.0e-5} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}

// Ones of the graph itself multiply nothing.
// CHECK-LABEL: func.func @ones
func.func @ones(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %i = onnx.initializer "ones" : tensor<2xf32> = dense<1.0> : tensor<2xf32>
  %c = onnx.Constant() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<2xf32>
  // CHECK: sink.rms_norm %{{[^ ]*}} {epsilon
  %0 = sink.rms_norm %x pre_affine %i {epsilon = 1.0e-5} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  // CHECK: sink.layer_norm %{{[^ ]*}} {epsilon
  %1 = sink.layer_norm %x pre_affine %c {epsilon = 1.0e-5} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}

// One element that is not one keeps the vector.
// CHECK-LABEL: func.func @no_match_not_all_ones
func.func @no_match_not_all_ones(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %i = onnx.initializer "almost" : tensor<2xf32> = dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: sink.rms_norm %{{.*}} pre_affine
  %0 = sink.rms_norm %x pre_affine %i {epsilon = 1.0e-5} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
}
