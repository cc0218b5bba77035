//===- Sites.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The places of a kernel that the runtime is told of, in `basin.sites` on the
// lowered module.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_SITES_H
#define BASIN_LIB_EMULATOR_SITES_H

#include "mlir/IR/BuiltinOps.h"

namespace basin::emulator {

enum class AccessKind : uint8_t { None, Load, Store, Atomic };

/// Where the op says that its address is.
enum class Space : uint8_t { Any = 0, Global = 1, Shared = 3 };

struct Site {
  std::string op; // its name, and which of that name in the kernel
  std::string location;
  AccessKind kind = AccessKind::None;
  Space space = Space::Any;
  uint32_t bytes = 0, align = 1;
};

inline constexpr llvm::StringLiteral kSitesAttr = "basin.sites";

mlir::Attribute toAttribute(mlir::MLIRContext *context, const Site &site);
std::vector<Site> readSites(mlir::ModuleOp module);

/// The name, or file:line:column; of a call the callee's, of fused ones the
/// first that says something.
std::string describe(mlir::Location location);

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_SITES_H
