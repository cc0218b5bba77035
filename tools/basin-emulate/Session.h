//===- Session.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Launches the kernels of a module by name. A kernel is compiled for its first launch.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_EMULATE_SESSION_H
#define BASIN_TOOLS_BASIN_EMULATE_SESSION_H

#include "Request.h"

#include "basin/Runtime/basin_rt.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace basin {

struct Outcome {
  std::array<unsigned, 3> grid;
  emulator::Report report;
};

class Session {
public:
  /// `module` is not changed and must outlive the session. Fails with a diagnostic if a
  /// kernel does not have the form that launches need.
  static llvm::FailureOr<std::unique_ptr<Session>> create(mlir::gpu::GPUModuleOp module);
  ~Session();

  /// Returns the kernels' descriptions: the entries of a kernel object's `kernels`.
  const llvm::json::Array &descriptions() const { return described; }
  /// Returns a kernel object with these descriptions. Its one section holds no code.
  const std::string &objectBytes() const { return bytes; }
  llvm::Expected<Outcome> run(const Request &request);

private:
  Session(mlir::gpu::GPUModuleOp module, llvm::json::Array described);
  llvm::Expected<emulator::Emulator *> compile(llvm::StringRef kernel);

  mlir::gpu::GPUModuleOp module;
  llvm::json::Array described;
  std::string bytes;
  /// Knows the types of a launch's arguments and computes its grid.
  basin_rt_object *object = nullptr;
  llvm::StringMap<emulator::Emulator> emulators;
};

} // namespace basin

#endif // BASIN_TOOLS_BASIN_EMULATE_SESSION_H
