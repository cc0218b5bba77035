// RUN: basin-opt %s --lower-nvvm-to-emulator --split-input-file --verify-diagnostics

// expected-error @+1 {{expected one gpu.module, but got 0}}
module {}

// -----

module {
  gpu.module @kernels {
    // Static shared memory is not in the form of kernels.
    // expected-error @+1 {{the emulator expects functions and the shared memory 'basin_shared' in a gpu.module, but got 'llvm.mlir.global'}}
    llvm.mlir.global internal @tile() {addr_space = 3 : i32} : !llvm.array<64 x f32>
  }
}

// -----

module {
  gpu.module @kernels {
    llvm.func @k(%a: i32) attributes {nvvm.kernel} {
      // expected-error @+1 {{the emulator does not run this op: expected one of llvm or nvvm that it knows, but got 'nvvm.cluster.arrive'}}
      nvvm.cluster.arrive
      llvm.return
    }
  }
}

// -----

module {
  gpu.module @kernels {
    llvm.func @k(%a: i32, %b: vector<2xf16>) attributes {nvvm.kernel} {
      // expected-error @+1 {{the emulator does not run this form of nvvm.mma.sync}}
      %0 = nvvm.mma.sync A[%a] B[%a] C[%a, %a] {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<s8>, multiplicandBPtxType = #nvvm.mma_type<s8>, intOverflowBehavior = #nvvm.mma_int_overflow<satfinite>, shape = #nvvm.shape<m = 8, n = 8, k = 16>} : (i32, i32, i32) -> !llvm.struct<(i32, i32)>
      llvm.return
    }
  }
}
