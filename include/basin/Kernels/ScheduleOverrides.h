//===- ScheduleOverrides.h --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parts of schedules that a user sets in place of what is chosen.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_SCHEDULEOVERRIDES_H
#define BASIN_KERNELS_SCHEDULEOVERRIDES_H

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/NormKernel.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace basin::kernels {

/// Numbers by the names of a schedule's parts:
///
///   norm.threads_per_row  norm.rows_per_block  norm.vector
///   gate.warps  gate.slots  gate.ahead
///   attention.queries  attention.keys  attention.warps  attention.stages
///   attention.query_in_registers  attention.wants_registers
///
/// They are for every kernel of their family; its schedule's `check` says what
/// cannot be.
class ScheduleOverrides {
public:
  /// Of "norm.vector=4" and the like; the error names the text that is none.
  static llvm::Expected<ScheduleOverrides> parse(llvm::ArrayRef<std::string> texts);

  void apply(NormSchedule &schedule) const;
  void apply(GatedNormSchedule &schedule) const;
  void apply(AttentionSchedule &schedule) const;

private:
  template <typename T> void set(llvm::StringRef name, T &part) const;

  llvm::StringMap<int64_t> numbers;
};

} // namespace basin::kernels

#endif // BASIN_KERNELS_SCHEDULEOVERRIDES_H
