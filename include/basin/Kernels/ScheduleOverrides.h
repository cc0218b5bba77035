//===- ScheduleOverrides.h --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parts of schedules that a user sets, in place of what the family chooses.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_SCHEDULEOVERRIDES_H
#define BASIN_KERNELS_SCHEDULEOVERRIDES_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <variant>

namespace basin::kernels {

/// A number or a truth value of a schedule, with its name for users, like "norm.vector".
struct SchedulePart {
  llvm::StringRef name;
  std::variant<int64_t *, bool *> value;

  int64_t get() const {
    return std::visit([](auto *value) { return static_cast<int64_t>(*value); }, value);
  }
};
/// Each schedule lists its parts, which point into it.
using ScheduleParts = llvm::SmallVector<SchedulePart, 6>;

/// Numbers for parts of schedules, by the parts' names. They apply to every kernel whose
/// schedule has such a part. The schedule's `check` refuses numbers that it cannot have.
class ScheduleOverrides {
public:
  /// Reads texts like "norm.vector=4". The error names the first text that is no number, or
  /// whose part no schedule has.
  static llvm::Expected<ScheduleOverrides> parse(llvm::ArrayRef<std::string> texts);

  void apply(llvm::ArrayRef<SchedulePart> parts) const;

private:
  llvm::StringMap<int64_t> numbers;
};

} // namespace basin::kernels

#endif // BASIN_KERNELS_SCHEDULEOVERRIDES_H
