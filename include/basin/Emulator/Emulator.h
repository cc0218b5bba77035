//===- Emulator.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs GPU kernels on the CPU. It compiles the module that PTX is made from for the host,
// runs blocks one after the other and each thread of a block on a fiber, and checks every
// access to memory and every op that threads execute together. See docs/emulator.md.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_EMULATOR_EMULATOR_H
#define BASIN_EMULATOR_EMULATOR_H

#include "basin/Emulator/Report.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <variant>

namespace basin::emulator {

/// Memory that kernels may access. They run on a copy with wide gaps around it, so that no
/// overrun lands in another buffer. The contents of a writable buffer are copied back.
struct Buffer {
  std::string name;
  void *pointer;
  size_t bytes;
  bool writable;
  /// The copy begins this many bytes after the beginning of a page.
  size_t shift = 0;
};

/// A scalar or a pointer. The kernel may follow a pointer only if it points into a buffer.
using Argument = std::variant<void *, int32_t, int64_t, float>;

enum class Order { Forward, Reverse, Random };

struct Launch {
  std::array<unsigned, 3> grid = {1, 1, 1}, block = {1, 1, 1};
  size_t sharedBytes = 0;
  std::vector<Argument> arguments;
  std::vector<Buffer> buffers;

  Order blockOrder = Order::Forward, threadOrder = Order::Forward;
  uint64_t seed = 0; // for random orders
  size_t maxFindings = 20;
};

class Emulator {
public:
  /// Compiles the kernels of `lowered`, a module with one gpu.module after
  /// `nvptx::buildLowerKernelsPipeline`. The module stays as it is and is not needed
  /// afterwards. An op that the emulator cannot run is a diagnostic and an error.
  static llvm::Expected<Emulator> create(mlir::ModuleOp lowered);

  /// Runs all blocks of a launch. Fails if the launch itself is wrong, for example if an
  /// argument has another type than the kernel's. The report says what the kernel does wrong.
  llvm::Expected<Report> launch(llvm::StringRef kernel, const Launch &launch);

  Emulator(Emulator &&) noexcept;
  Emulator &operator=(Emulator &&) noexcept;
  ~Emulator();

private:
  struct Impl;
  explicit Emulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace basin::emulator

#endif // BASIN_EMULATOR_EMULATOR_H
