// RUN: basin-opt %s | basin-opt | FileCheck %s

// All that a contract may say survives the text.
// CHECK: gpu.func @all(
// CHECK-SAME: kernel.contract = #kernel.contract<(in "x" : bf16 align 4 strided, out "y" : i8 align 1, inout "z" : f32, scalar "rows" : i32, scalar "n" : i64, scalar "s" : f32) grid ["rows" per 4, "n"], ["n"], [] shared 1024 resident family "norm" {dim = 64 : i64, eps = 9.9999997473787516E-6 : f64, type = "bf16", weight}>
// CHECK: gpu.func @least(
// CHECK-SAME: kernel.contract = #kernel.contract<() grid [], [], [] shared 0>
gpu.module @kernels {
  gpu.func @all(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %z: !llvm.ptr<1>, %rows: i32, %n: i64, %s: f32) kernel attributes {known_block_size = array<i32: 32, 1, 1>,
      kernel.contract = #kernel.contract<
        (in "x" : bf16 align 4 strided, out "y" : i8 align 1, inout "z" : f32 align 16, scalar "rows" : i32, scalar "n" : i64, scalar "s" : f32)
        grid ["rows" per 4, "n" per 1], ["n"], [] shared 1024 resident
        family "norm" {dim = 64 : i64, eps = 9.9999997473787516e-06 : f64, type = "bf16", weight}>} {
    gpu.return
  }
  gpu.func @least() kernel attributes {known_block_size = array<i32: 32, 1, 1>, kernel.contract = #kernel.contract<() grid [], [], [] shared 0>} {
    gpu.return
  }
}

// Its parts may stand alone.
// CHECK: test.a = #kernel.argument<in "x" : f16 align 2>, test.b = #kernel.factor<"n" per 3>, test.c = #kernel.axis<["n", "m" per 2]>
module attributes {test.a = #kernel.argument<in "x" : f16 align 2>, test.b = #kernel.factor<"n" per 3>, test.c = #kernel.axis<["n", "m" per 2]>} {
}
