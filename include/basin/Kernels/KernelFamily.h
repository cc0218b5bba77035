//===- KernelFamily.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of kernel families. The compiler's command line, the overrides of
// schedules, basin-kernel-resources and `addKernel` read it, so that a new family is
// one line of it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_KERNELFAMILY_H
#define BASIN_KERNELS_KERNELFAMILY_H

#include "basin/Kernels/ScheduleOverrides.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <memory>
#include <string>
#include <vector>

namespace basin::kernels {

/// What kernels are made for: a chip ("sm_80"), and what a user sets of schedules.
struct KernelTarget {
  llvm::StringRef chip;
  ScheduleOverrides overrides = {};
};

class KernelFamily;

/// A spec of any family: what one kernel computes.
class AnySpec {
public:
  virtual ~AnySpec() = default;

  virtual const KernelFamily &getFamily() const = 0;
  /// The kernel's name, which no other spec has.
  virtual std::string getName() const = 0;
  /// What the spec says, by the names of the command line, without what is so by default:
  /// two specs are equal where these are.
  virtual mlir::DictionaryAttr getParts() const = 0;
  /// Why no schedule can do the spec; empty where one can.
  virtual std::string check() const = 0;
  /// The schedule for `target`, part by part, with what the target sets.
  virtual std::vector<std::pair<std::string, int64_t>>
  getSchedule(const KernelTarget &target) const = 0;
  /// Appends the kernel to `module`, by the schedule for `target`. The error says why the
  /// spec has no kernel or the schedule cannot be.
  virtual llvm::Expected<mlir::gpu::GPUFuncOp> build(mlir::gpu::GPUModuleOp module,
                                                     const KernelTarget &target) const = 0;
};

class KernelFamily {
public:
  virtual ~KernelFamily() = default;

  /// "norm": the command line's option, and the family in contracts and objects.
  virtual llvm::StringRef getName() const = 0;
  virtual llvm::StringRef getSummary() const = 0;
  /// "dim=N,type=T[,weight]"
  virtual std::string getUsage() const = 0;
  /// Names of what users may set of its schedules.
  virtual std::vector<llvm::StringRef> getScheduleParts() const = 0;
  /// The spec that a text of the command line says, or what is wrong with the text.
  virtual llvm::Expected<std::unique_ptr<AnySpec>> parse(llvm::StringRef text,
                                                         mlir::MLIRContext *context) const = 0;
};

/// All families, in the order in which the compiler makes their kernels.
llvm::ArrayRef<const KernelFamily *> getKernelFamilies();
/// The family of that name; null if there is none.
const KernelFamily *findKernelFamily(llvm::StringRef name);

} // namespace basin::kernels

#endif // BASIN_KERNELS_KERNELFAMILY_H
