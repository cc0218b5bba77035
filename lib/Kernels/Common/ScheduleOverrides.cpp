//===- ScheduleOverrides.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/ScheduleOverrides.h"

#include "llvm/ADT/StringExtras.h"

using namespace basin::kernels;

static constexpr llvm::StringLiteral kNames[] = {
    "norm.threads_per_row",
    "norm.rows_per_block",
    "norm.vector",
    "gate.warps",
    "gate.slots",
    "gate.ahead",
    "attention.queries",
    "attention.keys",
    "attention.warps",
    "attention.stages",
    "attention.query_in_registers",
    "attention.wants_registers",
};

llvm::Expected<ScheduleOverrides> ScheduleOverrides::parse(llvm::ArrayRef<std::string> texts) {
  ScheduleOverrides out;
  for (llvm::StringRef text : texts) {
    auto [name, value] = text.split('=');
    if (!llvm::is_contained(kNames, name))
      return llvm::createStringError("'" + name + "' is no part of a schedule; these are: " +
                                     llvm::join(llvm::ArrayRef(kNames), ", "));
    if (value.getAsInteger(10, out.numbers[name]) || out.numbers[name] < 0)
      return llvm::createStringError("expected a number for " + name + ", but got '" + value + "'");
  }
  return out;
}

template <typename T> void ScheduleOverrides::set(llvm::StringRef name, T &part) const {
  if (auto found = numbers.find(name); found != numbers.end())
    part = static_cast<T>(found->second);
}

void ScheduleOverrides::apply(NormSchedule &schedule) const {
  set("norm.threads_per_row", schedule.threadsPerRow);
  set("norm.rows_per_block", schedule.rowsPerBlock);
  set("norm.vector", schedule.vector);
}

void ScheduleOverrides::apply(GatedNormSchedule &schedule) const {
  set("gate.warps", schedule.warps);
  set("gate.slots", schedule.slots);
  set("gate.ahead", schedule.ahead);
}

void ScheduleOverrides::apply(AttentionSchedule &schedule) const {
  set("attention.queries", schedule.queries);
  set("attention.keys", schedule.keys);
  set("attention.warps", schedule.warps);
  set("attention.stages", schedule.stages);
  set("attention.query_in_registers", schedule.queryInRegisters);
  set("attention.wants_registers", schedule.wantsRegisters);
}
