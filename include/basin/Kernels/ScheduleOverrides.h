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

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <variant>

namespace basin::kernels {

/// A number or a truth value of a schedule, with the name that users have for it:
/// "norm.vector".
struct SchedulePart {
  llvm::StringRef name;
  std::variant<int64_t *, bool *> value;

  int64_t get() const {
    return std::visit([](auto *value) { return static_cast<int64_t>(*value); }, value);
  }
};
/// Each schedule lists its parts, which point into it.
using ScheduleParts = llvm::SmallVector<SchedulePart, 6>;

/// Numbers by the names of schedules' parts. They are for every kernel whose schedule
/// has such a part; the schedule's `check` says which numbers cannot be.
class ScheduleOverrides {
public:
  /// Reads texts like "norm.vector=4". The error names the first text that is wrong, or
  /// whose part no family's schedules have.
  static llvm::Expected<ScheduleOverrides> parse(llvm::ArrayRef<std::string> texts);

  void apply(llvm::ArrayRef<SchedulePart> parts) const;

private:
  llvm::StringMap<int64_t> numbers;
};

} // namespace basin::kernels

#endif // BASIN_KERNELS_SCHEDULEOVERRIDES_H
