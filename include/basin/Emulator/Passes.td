//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_EMULATOR_PASSES_TD
#define BASIN_EMULATOR_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerNVVMToEmulatorPass : Pass<"lower-nvvm-to-emulator", "::mlir::ModuleOp"> {
  let summary = "rewrite lowered kernels for the CPU emulator";
  let description = [{
    Takes a module with one `gpu.module` of llvm and nvvm ops, and leaves only llvm
    ops at its top. Each nvvm op becomes a call of the emulator's runtime. Each access
    goes through a check that returns the address to use.

    ```mlir
    %0 = nvvm.read.ptx.sreg.tid.x : i32
    %1 = llvm.load %p {alignment = 4 : i64} : !llvm.ptr<1> -> f32
    // becomes
    %0 = llvm.call @basin_emu_special(%c0) : (i32) -> i32
    %1 = llvm.call @basin_emu_access(%p0, %site) : (!llvm.ptr, i32) -> !llvm.ptr
    %2 = llvm.load %1 {alignment = 4 : i64} : !llvm.ptr -> f32
    ```

    `basin.sites` on the module describes each site: op, location, kind of access,
    size, alignment. An op or an intrinsic without a counterpart in the runtime is an
    error that names it.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // BASIN_EMULATOR_PASSES_TD
