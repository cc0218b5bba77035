// RUN: basin-opt %s --sink-replace-swiglu-with-glu --verify-diagnostics

// Nothing is refused. That nothing was found is said.
// expected-warning @below {{no SwiGLU feed-forward was found: none was replaced}}
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
}
