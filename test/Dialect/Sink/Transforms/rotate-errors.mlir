// RUN: basin-opt %s --sink-rotate-residual --split-input-file --verify-diagnostics -o /dev/null

// What cannot be rotated. Each graph differs in one place from one that can.

// The mean of a rotated row is another one.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_layer_norm #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': the norm 'y' subtracts the mean, which does not commute with a rotation}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.layer_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// A vector of different elements does not commute with a rotation.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_pre_affine #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': the norm 'y' has a pre-affine vector of different elements, or one that is no constant}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %p = onnx.initializer "p" : !v = dense<[1.0, 1.0, 2.0, 1.0]> : !v
  %y = sink.rms_norm %x pre_affine %p weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// The weights of the norm cannot move.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_computed_weight #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': the weight of the norm 'y' is not stored as it is multiplied}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %n1 = onnx.Add(%n, %n) : (!v, !v) -> !v
  %y = sink.rms_norm %x weight %n1 {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// Something else reads the norm.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_norm_reader #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': 'y' is also read by Relu, which is no product with a stored matrix}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %q = onnx.Relu(%y) : (!x) -> !x
  onnx.node "Sink" (%q) {} : (!x) -> ()
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// The result of a norm is an output.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"y", !x, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_norm_output #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': 'y' is an output of the graph}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  onnx.node "Sink" (%r) {} : (!x) -> ()
  onnx.return %y : !x
}
}

// -----

// A norm writes the stream.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_post_norm #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': the norm 'z' writes the stream, and its weight does not commute with a rotation}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %z = sink.rms_norm %d weight %n {epsilon = 1.0e-5, onnx.outs = ["z"]} : (!x, !v) -> !x
  %r = onnx.Add(%x, %z) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// A sum of something else is added.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_computed_writer #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': 's' writes the stream and is no product with a stored matrix, no embedding and no stored summand}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %s = onnx.Relu(%d) {onnx.outs = ["s"]} : (!x) -> !x
  %r = onnx.Add(%x, %s) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// One number is added to all dimensions.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_number #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': weight 'one' has no axis of 4 elements there}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %one = onnx.initializer "one" : tensor<1xf32> = dense<1.0> : tensor<1xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %x1 = onnx.Add(%x, %one) : (!x, tensor<1xf32>) -> !x
  %r = onnx.Add(%x1, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// A matrix is stored in another type.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_cast_matrix #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': the matrix of MatMul 'd' is not stored as it is multiplied}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %wh = onnx.initializer "wh" : tensor<4x4xf16> = dense<1.0> : tensor<4x4xf16>
  %wc = onnx.Cast(%wh) {to = 1 : i64} : (tensor<4x4xf16>) -> tensor<4x4xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %wc) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// A Clip limits the stream.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_clip #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': Clip limits it, which does not commute with a rotation}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %lo = onnx.initializer "lo" : tensor<f32> = dense<-1.0> : tensor<f32>
  %hi = onnx.initializer "hi" : tensor<f32> = dense<1.0> : tensor<f32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %x1 = onnx.Clip(%x, %lo, %hi) : (!x, tensor<f32>, tensor<f32>) -> !x
  %r = onnx.Add(%x1, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// The stream is an output.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"r", !x, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_output #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': 'r' is an output of the graph}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  onnx.return %r : !x
}
}

// -----

// Another op reads the stream.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_other_reader #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': Relu reads 'r' and is neither a norm nor a product with a stored matrix}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> !x
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (!x, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (!x, !x) -> !x
  %q = onnx.Relu(%r) : (!x) -> !x
  onnx.node "Sink" (%q) {} : (!x) -> ()
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// There is no Hadamard matrix of order six.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_no_hadamard #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<6x6xf32> = dense<1.0> : tensor<6x6xf32>
  %n = onnx.initializer "n" : tensor<6xf32> = dense<2.0> : tensor<6xf32>
  %w = onnx.initializer "w" : tensor<6x6xf32> = dense<1.0> : tensor<6x6xf32>
  // expected-error@+1 {{the stream of 'x': no Hadamard matrix of order 6 is known to this pass; kind=orthogonal takes every order}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<6x6xf32>, tensor<5xi64>) -> tensor<5x6xf32>
  %w2 = onnx.initializer "w2" : tensor<6x2xf32> = dense<1.0> : tensor<6x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<5x6xf32>, tensor<6xf32>) -> tensor<5x6xf32>
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (tensor<5x6xf32>, tensor<6x6xf32>) -> tensor<5x6xf32>
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (tensor<5x6xf32>, tensor<5x6xf32>) -> tensor<5x6xf32>
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (tensor<5x6xf32>) -> tensor<5x6xf32>
  %l = onnx.MatMul(%f, %w2) : (tensor<5x6xf32>, tensor<6x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}

// -----

// The size of the last axis is not known.
!x = tensor<5x4xf32>
!v = tensor<4xf32>
#i = #onnx.graph_info<inputs = [#onnx.value<"ids", tensor<5xi64>, {}>], outputs = [#onnx.value<"l", tensor<5x2xf32>, {}>], valueInfo = [], info = {}>
module attributes {onnx.model = {opset_import = [{domain = "", version = 18}]}} {
onnx.graph @error_unproven #i {
^bb0(%ids: tensor<5xi64>):
  %table = onnx.initializer "table" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  %n = onnx.initializer "n" : !v = dense<2.0> : !v
  %w = onnx.initializer "w" : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // expected-error@+1 {{the stream of 'x': its last axis is not known to have one size in all of its members}}
  %x = onnx.Gather(%table, %ids) {onnx.outs = ["x"]} : (tensor<4x4xf32>, tensor<5xi64>) -> tensor<5x?xf32>
  %w2 = onnx.initializer "w2" : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  %y = sink.rms_norm %x weight %n {epsilon = 1.0e-5, onnx.outs = ["y"]} : (tensor<5x?xf32>, !v) -> !x
  %d = onnx.MatMul(%y, %w) {onnx.outs = ["d"]} : (!x, tensor<4x4xf32>) -> !x
  %r = onnx.Add(%x, %d) {onnx.outs = ["r"]} : (tensor<5x?xf32>, !x) -> !x
  %f = sink.rms_norm %r {epsilon = 1.0e-5} : (!x) -> !x
  %l = onnx.MatMul(%f, %w2) : (!x, tensor<4x2xf32>) -> tensor<5x2xf32>
  onnx.return %l : tensor<5x2xf32>
}
}
