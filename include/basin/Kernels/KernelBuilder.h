//===- KernelBuilder.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the body of one GPU kernel in the form that docs/kernels.md describes. It has what
// all kernel families share: arguments, addresses, vector accesses, conversions, warp
// reductions, approximate functions.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_KERNELBUILDER_H
#define BASIN_KERNELS_KERNELBUILDER_H

#include "basin/Dialect/Kernel/IR/Kernel.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace basin::kernels {

/// One argument of a kernel: a pointer to elements of `type` in global memory, or a scalar of
/// that type.
struct KernelArgument {
  using Kind = ArgumentKind;
  using enum ArgumentKind;
  std::string name;
  Kind kind;
  mlir::Type type;
  /// The pointer is a multiple of this many bytes. If the tensor `isStrided`, so are the strides
  /// of all axes but the last one, whose elements lie side by side.
  int64_t alignment = 16;
  bool isStrided = false;
};

/// A factor ceil(argument / per) of the number of blocks on an axis of a grid.
struct GridFactor {
  std::string argument;
  int64_t per;
};
using GridAxis = llvm::SmallVector<GridFactor, 2>;

/// Returns how many bytes of shared memory one block may have on `chip` ("sm_80").
int64_t getSharedMemoryLimit(llvm::StringRef chip);

/// Writes into the contract of `kernel` how many blocks a launch has.
void setGrid(mlir::gpu::GPUFuncOp kernel, GridAxis x, GridAxis y = {}, GridAxis z = {});

/// Writes into the contract that any number of blocks can divide the work of the x axis among
/// themselves. A launch then has only as many blocks as the device runs at once.
void setResident(mlir::gpu::GPUFuncOp kernel);

/// Makes a `gpu.module` named `name` at the end of `module`, with the symbol of
/// the dynamic shared memory.
mlir::gpu::GPUModuleOp createKernelModule(mlir::ModuleOp module, llvm::StringRef name);

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  /// Appends the kernel to `module`, and inserts at the beginning of its body. A launch gives
  /// each block `sharedBytes` of shared memory.
  KernelBuilder(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                llvm::ArrayRef<KernelArgument> arguments, int64_t blockSize,
                int64_t sharedBytes = 0);

  mlir::gpu::GPUFuncOp getKernel() { return kernel; }
  /// Gives each thread as many registers as it wants. Without this the assembler takes some
  /// away, and spills, where more blocks would then fit on a multiprocessor.
  void wantRegisters();
  /// Ends the body with a return.
  void finish();

  /// Returns the argument of that name, or null if the kernel has none.
  mlir::Value arg(llvm::StringRef name);

  // Constants and integer arithmetic. Integers are i32 unless a name or comment says otherwise.
  mlir::Value i32(int64_t value);
  mlir::Value i64(int64_t value);
  mlir::Value f32(double value);
  /// Makes a vector of `width` elements that all are `value`.
  mlir::Value f32(double value, int64_t width);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value divU(mlir::Value a, int64_t b);
  mlir::Value remU(mlir::Value a, int64_t b);
  mlir::Value lessS(mlir::Value a, mlir::Value b);
  mlir::Value lessU(mlir::Value a, mlir::Value b);
  mlir::Value extend(mlir::Value a); // from i32 to i64, with the sign

  mlir::Value threadX();
  mlir::Value blockX();
  mlir::Value blockY();
  mlir::Value blockZ();
  /// Returns the number of blocks on the grid's x axis.
  mlir::Value gridX();
  mlir::Value lane() { return remU(threadX(), 32); }
  mlir::Value warp() { return divU(threadX(), 32); }

  // Memory. Indices count elements and are i32 or i64.
  mlir::Value shared(int64_t byteOffset = 0);
  mlir::Value at(mlir::Value base, mlir::Type element, mlir::Value index);
  /// Loads `width` elements as a vector, or one element if `width` is 1.
  mlir::Value load(mlir::Value base, mlir::Type element, mlir::Value index, int64_t width = 1);
  void store(mlir::Value value, mlir::Value base, mlir::Type element, mlir::Value index);

  // Floating point, scalars or vectors.
  mlir::Value toF32(mlir::Value x);
  /// Rounds to the nearest value of type `element`.
  mlir::Value fromF32(mlir::Value x, mlir::Type element);
  mlir::Value fadd(mlir::Value a, mlir::Value b);
  mlir::Value fsub(mlir::Value a, mlir::Value b);
  mlir::Value fmul(mlir::Value a, mlir::Value b);
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  mlir::Value fmax(mlir::Value a, mlir::Value b);
  mlir::Value splat(mlir::Value x, int64_t width);
  mlir::Value extract(mlir::Value vector, int64_t i);
  mlir::Value combine(mlir::ValueRange elements);
  /// Adds a vector's elements: neighbours first, then the sums of neighbours.
  mlir::Value sum(mlir::Value vector);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);

  // Each of these is one instruction. It has about 22 good bits and flushes subnormals.
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type type, mlir::ValueRange operands);
  mlir::Value exp2(mlir::Value x);
  mlir::Value rsqrt(mlir::Value x);
  mlir::Value reciprocal(mlir::Value x);
  mlir::Value tanh(mlir::Value x); // 11 good bits

  // Threads.
  void barrier();
  mlir::Value shuffleXor(mlir::Value x, int64_t offset);
  /// Reduces over `width` lanes whose numbers differ only in the lower bits. Every lane gets the
  /// result.
  mlir::Value warpSum(mlir::Value x, int64_t width = 32);
  mlir::Value warpMax(mlir::Value x, int64_t width = 32);

  /// `for (i = begin; i < end; i += step)` over i32, with values carried along.
  mlir::SmallVector<mlir::Value>
  forLoop(mlir::Value begin, mlir::Value end, mlir::Value step, mlir::ValueRange carried,
          llvm::function_ref<mlir::SmallVector<mlir::Value>(mlir::Value i, mlir::ValueRange)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body,
              llvm::function_ref<void()> otherwise = {});

private:
  mlir::gpu::GPUFuncOp kernel;
  llvm::SmallVector<std::string> names;
};

} // namespace basin::kernels

#endif // BASIN_KERNELS_KERNELBUILDER_H
