//===- ScheduleOverrides.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/KernelFamily.h"

#include "llvm/ADT/StringExtras.h"

using namespace basin::kernels;

llvm::Expected<ScheduleOverrides> ScheduleOverrides::parse(llvm::ArrayRef<std::string> texts) {
  llvm::SmallVector<llvm::StringRef> known;
  for (const KernelFamily *family : getKernelFamilies())
    llvm::append_range(known, family->getScheduleParts());
  ScheduleOverrides out;
  for (llvm::StringRef text : texts) {
    auto [name, value] = text.split('=');
    if (!llvm::is_contained(known, name))
      return llvm::createStringError("unknown part of a schedule '" + name + "': expected one of " +
                                     llvm::join(known, ", "));
    if (value.getAsInteger(10, out.numbers[name]) || out.numbers[name] < 0)
      return llvm::createStringError("expected a number for " + name + ", but got '" + value + "'");
  }
  return out;
}

void ScheduleOverrides::apply(llvm::ArrayRef<SchedulePart> parts) const {
  for (const SchedulePart &part : parts)
    if (auto found = numbers.find(part.name); found != numbers.end())
      std::visit([&](auto *value) { *value = found->second; }, part.value);
}
