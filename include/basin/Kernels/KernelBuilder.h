//===- KernelBuilder.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the body of one GPU kernel in the form of docs/kernels.md. What all
// kernel families share: arguments, addresses, vector accesses, conversions, warp
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

/// One argument of a kernel: a pointer to global memory of elements `type`, or
/// a scalar of that type.
struct KernelArgument {
  using Kind = ArgumentKind;
  using enum ArgumentKind;
  std::string name;
  Kind kind;
  mlir::Type type;
  /// The bytes that the pointer is a multiple of; where rows are `isStrided`, the
  /// distances of all axes but the last, too, which has its elements side by side.
  int64_t alignment = 16;
  bool isStrided = false;
};

/// An axis of a grid: the product of ceil(argument / per) of these.
struct GridFactor {
  std::string argument;
  int64_t per;
};
using GridAxis = llvm::SmallVector<GridFactor, 2>;

/// Bytes of shared memory that one block may have on `chip` ("sm_80").
int64_t getSharedMemoryLimit(llvm::StringRef chip);

/// Says in the contract of `kernel` how many blocks a launch has.
void setGrid(mlir::gpu::GPUFuncOp kernel, GridAxis x, GridAxis y = {}, GridAxis z = {});

/// Says in the contract that the kernel's blocks share out the x axis for any number of
/// blocks, so that a launch needs only as many as the device runs at once.
void setResident(mlir::gpu::GPUFuncOp kernel);

/// Makes a `gpu.module` named `name` at the end of `module`, with the symbol of
/// the dynamic shared memory.
mlir::gpu::GPUModuleOp createKernelModule(mlir::ModuleOp module, llvm::StringRef name);

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  /// Appends the kernel to `module` and stands at the beginning of its body;
  /// `sharedBytes` is what its launch gives it.
  KernelBuilder(mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                llvm::ArrayRef<KernelArgument> arguments, int64_t blockSize,
                int64_t sharedBytes = 0);

  mlir::gpu::GPUFuncOp getKernel() { return kernel; }
  /// Gives a thread the registers that it wants: left to itself, the assembler takes
  /// some away where that lets more blocks fit, and spills.
  void wantRegisters();
  /// Ends the body.
  void finish();

  /// The argument of that name; null if the kernel has none.
  mlir::Value arg(llvm::StringRef name);

  // Constants and integer arithmetic, all i32 but where said.
  mlir::Value i32(int64_t value);
  mlir::Value i64(int64_t value);
  mlir::Value f32(double value);
  /// A splat of `value`.
  mlir::Value f32(double value, int64_t width);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value divU(mlir::Value a, int64_t b);
  mlir::Value remU(mlir::Value a, int64_t b);
  mlir::Value lessS(mlir::Value a, mlir::Value b);
  mlir::Value lessU(mlir::Value a, mlir::Value b);
  mlir::Value extend(mlir::Value a); // to i64, signed

  mlir::Value threadX();
  mlir::Value blockX();
  mlir::Value blockY();
  mlir::Value blockZ();
  /// Blocks of the grid's x axis.
  mlir::Value gridX();
  mlir::Value lane() { return remU(threadX(), 32); }
  mlir::Value warp() { return divU(threadX(), 32); }

  // Memory. Indices count elements and are i32 or i64.
  mlir::Value shared(int64_t byteOffset = 0);
  mlir::Value at(mlir::Value base, mlir::Type element, mlir::Value index);
  /// `width` elements, a vector unless that is 1.
  mlir::Value load(mlir::Value base, mlir::Type element, mlir::Value index, int64_t width = 1);
  void store(mlir::Value value, mlir::Value base, mlir::Type element, mlir::Value index);

  // Floating point, scalars or vectors.
  mlir::Value toF32(mlir::Value x);
  /// Rounds to nearest.
  mlir::Value fromF32(mlir::Value x, mlir::Type element);
  mlir::Value fadd(mlir::Value a, mlir::Value b);
  mlir::Value fsub(mlir::Value a, mlir::Value b);
  mlir::Value fmul(mlir::Value a, mlir::Value b);
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  mlir::Value fmax(mlir::Value a, mlir::Value b);
  mlir::Value splat(mlir::Value x, int64_t width);
  mlir::Value extract(mlir::Value vector, int64_t i);
  mlir::Value combine(mlir::ValueRange elements);
  /// Sum of a vector's elements, in order of their pairs.
  mlir::Value sum(mlir::Value vector);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);

  // One instruction each: about 22 good bits, subnormals flushed.
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type type, mlir::ValueRange operands);
  mlir::Value exp2(mlir::Value x);
  mlir::Value rsqrt(mlir::Value x);
  mlir::Value reciprocal(mlir::Value x);
  mlir::Value tanh(mlir::Value x); // 11 good bits

  // Threads.
  void barrier();
  mlir::Value shuffleXor(mlir::Value x, int64_t offset);
  /// Over the `width` lanes that differ in the lower bits; every lane has it.
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
