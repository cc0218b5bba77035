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

/// The result of a step that checks or does something: nothing if it succeeds, else the reason,
/// which the caller puts into a message. Recognition, whose reasons are a closed list, has a type
/// of its own, `Miss`.
using WhyNot = std::optional<std::string>;

} // namespace basin

#endif // BASIN_SUPPORT_WHYNOT_H
