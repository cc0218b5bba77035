// RUN: basin-opt %s --lower-nvvm-to-emulator | FileCheck %s

// The table of places, the kernels at the top, shared memory behind a call.

// CHECK: module attributes {basin.sites = [
// CHECK-SAME: {align = 4 : i32, bytes = 4 : i32, kind = 1 : i32, loc = "{{.*}}lower-nvvm-to-emulator.mlir:{{[0-9]+}}:{{[0-9]+}}", op = "llvm.load #0", space = 1 : i32}
// CHECK-SAME: op = "nvvm.shfl.sync #0"
// CHECK-SAME: bytes = 8 : i32, kind = 2 : i32, {{.*}}op = "llvm.store #0", space = 3 : i32}
// CHECK-SAME: op = "nvvm.barrier0 #0"
// CHECK-NOT: gpu.module
module attributes {gpu.container_module} {
  gpu.module @kernels {
    llvm.mlir.global external @basin_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>

    // CHECK-LABEL: llvm.func @k
    // CHECK-SAME: (%[[X:.*]]: !llvm.ptr<1>, %[[N:.*]]: i32) {
    llvm.func @k(%x: !llvm.ptr<1> {llvm.noalias, llvm.readonly}, %n: i32) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 32, 1, 1>} {
      // CHECK: llvm.call @basin_emu_special(%{{.*}}) : (i32) -> i32
      %tid = nvvm.read.ptx.sreg.tid.x : i32
      %p = llvm.getelementptr %x[%tid] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      // CHECK: %[[AT:.*]] = llvm.call @basin_emu_access(%{{.*}}, %{{.*}}) : (!llvm.ptr, i32) -> !llvm.ptr
      // CHECK: llvm.load %[[AT]] {alignment = 4 : i64} : !llvm.ptr -> f32
      %v = llvm.load %p {alignment = 4 : i64} : !llvm.ptr<1> -> f32
      // CHECK: llvm.call @basin_emu_shfl
      %w = nvvm.shfl.sync bfly %n, %v, %n, %n : f32 -> f32
      // CHECK: llvm.call @basin_emu_shared() : () -> !llvm.ptr
      %s = llvm.mlir.addressof @basin_shared : !llvm.ptr<3>
      %u = llvm.mlir.undef : vector<2xf32>
      %c = llvm.mlir.constant(0 : i32) : i32
      %both = llvm.insertelement %w, %u[%c : i32] : vector<2xf32>
      // CHECK: %[[TO:.*]] = llvm.call @basin_emu_access
      // CHECK: llvm.store %{{.*}}, %[[TO]] {alignment = 8 : i64} : vector<2xf32>, !llvm.ptr
      llvm.store %both, %s {alignment = 8 : i64} : vector<2xf32>, !llvm.ptr<3>
      // CHECK: llvm.call @basin_emu_barrier
      nvvm.barrier0
      llvm.return
    }
  }
}
