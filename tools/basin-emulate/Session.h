//===- Session.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels of a module, to be launched by name. Each is compiled when it is
// asked for first.
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
  /// `module` stays as it is and must live as long. Fails with a diagnostic where
  /// a kernel is not of the form that launches need.
  static llvm::FailureOr<std::unique_ptr<Session>> create(mlir::gpu::GPUModuleOp module);
  ~Session();

  /// As the entries of a kernel object's `kernels`.
  const llvm::json::Array &descriptions() const { return described; }
  /// The same as an object; its one section is no code.
  const std::string &objectBytes() const { return bytes; }
  llvm::Expected<Outcome> run(const Request &request);

private:
  Session(mlir::gpu::GPUModuleOp module, llvm::json::Array described);
  llvm::Expected<emulator::Emulator *> compile(llvm::StringRef kernel);

  mlir::gpu::GPUModuleOp module;
  llvm::json::Array described;
  std::string bytes;
  /// Says what a launch is: its arguments' types, its grid.
  basin_rt_object *object = nullptr;
  llvm::StringMap<emulator::Emulator> emulators;
};

} // namespace basin

#endif // BASIN_TOOLS_BASIN_EMULATE_SESSION_H
