//===- PointwiseKernel.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels that compute a program for each element of an iteration space: elementwise work,
// broadcasts, gathers, concatenations and masks.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_POINTWISEKERNEL_H
#define BASIN_KERNELS_POINTWISEKERNEL_H

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Kernels/KernelFamily.h"
#include "basin/Kernels/PointwiseProgram.h"

namespace basin::kernels {

struct PointwiseSpec {
  /// The texts, with one blank between the parts of the program.
  std::string sizes, program;
  /// What the texts say.
  PointwiseProgram parsed;
  /// The type of the kernel's count, i32.
  mlir::Type type;
};

/// Reads the two texts. The error names the expression that is wrong.
llvm::Expected<PointwiseSpec> parsePointwiseSpec(llvm::StringRef sizes, llvm::StringRef program,
                                                 mlir::MLIRContext *context);

/// Returns the kernel's name, "pointwise_" and 16 digits that are a hash of the texts.
std::string getName(const PointwiseSpec &spec);
std::unique_ptr<AnySpec> toAnySpec(const PointwiseSpec &spec);

/// Returns the arguments: tensors, scalars, the sizes that a launch gives ("size0", i32), its
/// strides ("x_stride0", i64), and "count" (i32), the number of all elements.
mlir::SmallVector<KernelArgument> getArguments(const PointwiseSpec &spec);

struct PointwiseSchedule {
  /// The elements of the last axis that a thread computes together.
  int64_t vector = 1;
  /// The threads of a block.
  int64_t threads = 256;
  /// The elements of a thread if all blocks of the grid run.
  int64_t elements = 1;

  ScheduleParts getParts();
  /// Returns why the schedule cannot do the spec, or nothing if it can.
  WhyNot check(const PointwiseSpec &spec) const;
};

PointwiseSchedule choosePointwiseSchedule(const PointwiseSpec &spec);

/// Returns the elements of `tensor` that one access takes if `vector` elements are computed
/// together.
int64_t getAccessWidth(const PointwiseTensor &tensor, int64_t vector);

/// Appends the kernel to `module`. Any number of blocks can divide the work.
mlir::gpu::GPUFuncOp buildPointwiseKernel(mlir::gpu::GPUModuleOp module, const PointwiseSpec &spec,
                                          const PointwiseSchedule &schedule);

} // namespace basin::kernels

#endif // BASIN_KERNELS_POINTWISEKERNEL_H
