// RUN: basin-opt %s --split-input-file --verify-diagnostics

// contract_c1
gpu.module @k {
  // expected-error @below {{argument 'x': expected a scalar of i32, i64 or f32, but got 'bf16'}}
  gpu.func @f(%x: !llvm.ptr<1>) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(scalar "x" : bf16) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c1
gpu.module @k {
  // expected-error @below {{argument 'x': expected elements of f32, f16, bf16, i8, i32 or i64, but got 'f64'}}
  gpu.func @f(%x: !llvm.ptr<1>) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f64) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c1
gpu.module @k {
  // expected-error @below {{expected each argument to have a name that no other has, but got "x"}}
  gpu.func @f(%x: !llvm.ptr<1>, %y: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f32, scalar "x" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c2
gpu.module @k {
  // expected-error @below {{argument 'x': expected a power of two up to 4096 as align, but got 3}}
  gpu.func @f(%x: !llvm.ptr<1>) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f32 align 3) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c2
gpu.module @k {
  // expected-error @below {{argument 'x': expected no align and no strided on a scalar}}
  gpu.func @f(%x: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(scalar "x" : i32 align 4) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c3
gpu.module @k {
  // expected-error @below {{grid: expected a scalar argument of i32 or i64, but got "x"}}
  gpu.func @f(%x: !llvm.ptr<1>) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : i32) grid ["x"], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c3
gpu.module @k {
  // expected-error @below {{grid: expected a scalar argument of i32 or i64, but got "y"}}
  gpu.func @f(%x: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(scalar "x" : i32) grid ["y"], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c3
gpu.module @k {
  // expected-error @below {{grid: expected a positive number after per, but got 0}}
  gpu.func @f(%x: i32) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(scalar "x" : i32) grid [], ["x" per 0], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c4
gpu.module @k {
  // expected-error @below {{expected 0 to 2147483647 bytes of shared memory, but got -1}}
  gpu.func @f() kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<() grid [], [], [] shared -1>} {
    gpu.return
  }
}

// -----

// contract_c5
gpu.module @k {
  // expected-error @below {{spec: expected an integer, a number, a text or a flag as "dim", but got [64]}}
  gpu.func @f() kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<() grid [], [], [] shared 0 family "norm" {dim = [64]}>} {
    gpu.return
  }
}

// -----

// contract_c6
gpu.module @k {
  // expected-error @below {{has 1 arguments, but its contract has 0}}
  gpu.func @f(%x: !llvm.ptr<1>) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<() grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c6
gpu.module @k {
  // expected-error @below {{argument "x" is of type 'i64', but its contract says a scalar 'i32'}}
  gpu.func @f(%x: i64) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(scalar "x" : i32) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c6
gpu.module @k {
  // expected-error @below {{argument "x" is of type '!llvm.ptr', but its contract says a pointer to 'f32'}}
  gpu.func @f(%x: !llvm.ptr) kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<(in "x" : f32) grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c6
gpu.module @k {
  // expected-error @below {{has a contract, so it must be a kernel with known_block_size}}
  gpu.func @f() kernel attributes {kernel.contract = #kernel.contract<() grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// contract_c6
gpu.module @k {
  // expected-error @below {{has a contract, so it must be a kernel with known_block_size}}
  gpu.func @f() attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<() grid [], [], [] shared 0>} {
    gpu.return
  }
}

// -----

// The dialect has no other attribute of ops.
// expected-error @below {{'func.func' op has an attribute "kernel.grid", which the kernel dialect does not define}}
func.func private @f() attributes {kernel.grid = 3 : i32}

// -----

// A contract is #kernel.contract, and stands on a function.
// expected-error @below {{expected a #kernel.contract on a function as "kernel.contract"}}
func.func private @f() attributes {kernel.contract = 3 : i32}

// -----

// expected-error @below {{expected a #kernel.contract on a function as "kernel.contract"}}
module attributes {kernel.contract = #kernel.contract<() grid [], [], [] shared 0>} {
}
