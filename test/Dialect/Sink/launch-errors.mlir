// RUN: basin-opt %s --split-input-file --verify-diagnostics

gpu.module @k {
  gpu.func @f(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %rows: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f16, out "y" : f16, scalar "rows" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}
func.func @good(%x: tensor<?x64xf16>) -> tensor<?x64xf16> {
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [{of = "x", size = 0 : i64}, 2]}, shapes = {y = [[{of = "x", size = 0 : i64}], [64]]}} : (tensor<?x64xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

gpu.module @k {
  gpu.func @f(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %rows: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f16, out "y" : f16, scalar "rows" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}
func.func @lacks_scalar(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{'sink.launch' op expected a value for the kernel's argument 'rows'}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

gpu.module @k {
  gpu.func @f(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %rows: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f16, out "y" : f16, scalar "rows" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}
func.func @too_many(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{expected 3 arguments, but got 4}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [2], columns = [64]}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

gpu.module @k {
  gpu.func @f(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %rows: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f16, out "y" : f16, scalar "rows" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}
func.func @no_kernel(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{expected a kernel with a contract, but got @k::@g}}
  %y = sink.launch @k::@g(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [2]}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

func.func @names(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{expected names for 1 operands and 1 results, but got 2 and 1}}
  %y = sink.launch @k::@f(%x) {inputs = ["x", "w"], outputs = ["y"], scalars = {}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

func.func @factor(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{scalar 'rows': expected an integer or {of, size} or {of, stride}}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [{of = "x"}]}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

func.func @tensor(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{scalar 'rows': unknown tensor 'z'}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [{of = "z", size = 0 : i64}]}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

func.func @axis(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{scalar 'rows': 'x' has no axis 2}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {rows = [{of = "x", stride = 2 : i64}]}} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}

// -----

func.func @shape(%x: tensor<?x64xf16>) -> tensor<?x64xf16> {
  // expected-error @below {{output 'y': expected its shape in 'shapes'}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {}} : (tensor<?x64xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

func.func @rank(%x: tensor<?x64xf16>) -> tensor<?x64xf16> {
  // expected-error @below {{output 'y': expected a shape of rank 2}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {}, shapes = {y = [[2]]}} : (tensor<?x64xf16>) -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

func.func @transposed(%x: tensor<2x64xf16>) -> tensor<2x64xf16> {
  // expected-error @below {{expected 'transposed' to name inputs, but got "w"}}
  %y = sink.launch @k::@f(%x) {inputs = ["x"], outputs = ["y"], scalars = {}, transposed = ["w"]} : (tensor<2x64xf16>) -> tensor<2x64xf16>
  return %y : tensor<2x64xf16>
}
