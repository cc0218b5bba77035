//===- WhyNot.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_SUPPORT_WHYNOT_H
#define BASIN_SUPPORT_WHYNOT_H

#include <optional>
#include <string>

namespace basin {

/// What a step gives that only checks or does something: nothing where it succeeds,
/// else the reason, for a message of the caller. (Recognition, whose reasons are a
/// closed list, has a type of its own: `Miss`.)
using WhyNot = std::optional<std::string>;

} // namespace basin

#endif // BASIN_SUPPORT_WHYNOT_H
