//===- Status.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime's own functions return this: a status with its text.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_STATUS_H
#define BASIN_LIB_RUNTIME_STATUS_H

#include "basin/Runtime/basin_rt.h"

#include <string>
#include <utility>

namespace basin::rt {

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(basin_rt_status code, std::string message) : value(code), text(std::move(message)) {}

  bool failed() const { return value != BASIN_RT_OK; }
  basin_rt_status code() const { return value; }
  const std::string &message() const { return text; }

private:
  basin_rt_status value = BASIN_RT_OK;
  std::string text;
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_STATUS_H
