//===- Request.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One line of the tool's input: a launch as JSON. docs/emulator.md describes the format.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_EMULATE_REQUEST_H
#define BASIN_TOOLS_BASIN_EMULATE_REQUEST_H

#include "basin/Emulator/Emulator.h"

#include "llvm/Support/JSON.h"

namespace basin {

struct Request {
  std::string kernel;
  llvm::json::Object arguments;
  emulator::Order blocks = emulator::Order::Forward, threads = emulator::Order::Forward;
  uint64_t seed = 0;
  size_t maxFindings = 20;
  /// Whether tensors have exactly the alignment that the kernel asks for. Otherwise they
  /// begin at a page.
  bool leastAlignment = false;

  static llvm::Expected<Request> parse(llvm::StringRef line);
};

} // namespace basin

#endif // BASIN_TOOLS_BASIN_EMULATE_REQUEST_H
