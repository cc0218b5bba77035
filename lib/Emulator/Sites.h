//===- Sites.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sites: the ops of a kernel that findings and counters name. The lowered module lists them
// in `basin.sites`, and kernels pass a site's index to the runtime.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_SITES_H
#define BASIN_LIB_EMULATOR_SITES_H

#include "mlir/IR/BuiltinOps.h"

namespace basin::emulator {

enum class AccessKind : uint8_t { None, Load, Store, Atomic };

/// The memory that the address space of the op's pointer names.
enum class Space : uint8_t { Any = 0, Global = 1, Shared = 3 };

struct Site {
  std::string op; // as in Finding
  std::string location;
  AccessKind kind = AccessKind::None;
  Space space = Space::Any;
  uint32_t bytes = 0, align = 1;
};

inline constexpr llvm::StringLiteral kSitesAttr = "basin.sites";

mlir::Attribute toAttribute(mlir::MLIRContext *context, const Site &site);
std::vector<Site> readSites(mlir::ModuleOp module);

/// Returns the location as text: a name, or file:line:column. A call site gives its callee's
/// text, and fused locations give the first text among them. Other locations give nothing.
std::string describe(mlir::Location location);

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_SITES_H
