//===- Tensors.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory of a launch's tensors. A tensor is part of a file, which gets the kernel's
// writes, or elements that the request makes up.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TOOLS_BASIN_EMULATE_TENSORS_H
#define BASIN_TOOLS_BASIN_EMULATE_TENSORS_H

#include "basin/Emulator/Emulator.h"
#include "basin/Runtime/basin_rt.h"

#include "llvm/Support/JSON.h"

#include <random>

namespace basin {

class Tensors {
public:
  explicit Tensors(uint64_t seed) : random(seed) {}

  /// Adds an argument's tensor as `value` describes it. Fails if the description is wrong.
  llvm::Error add(const basin_rt_argument_info &argument, const llvm::json::Value &value);
  /// Reads the files. Arguments whose bytes overlap in a file share memory. That is an error
  /// if the kernel writes one of them, unless both are strided: the rows of one may lie
  /// between the rows of the other.
  llvm::Error read();
  /// Returns the address of the argument's first byte.
  void *pointer(llvm::StringRef argument) const;
  std::vector<emulator::Buffer> buffers(bool leastAlignment);
  /// Writes the tensors that the kernel may have written back to their files.
  llvm::Error write() const;

private:
  struct Part {
    std::string argument, file;
    uint64_t offset, bytes, alignment;
    bool writable, isStrided;
    /// The elements of a part that is in no file.
    std::vector<char> data;
    size_t region = 0;
  };
  struct Region {
    std::string name, file;
    uint64_t offset, bytes, alignment;
    bool writable;
    std::vector<char> data;
  };
  llvm::Error addFile(Part part, const llvm::json::Object &object);
  llvm::Error addElements(Part part, const llvm::json::Object &object, basin_rt_type type);
  llvm::Error join();

  std::mt19937_64 random;
  std::vector<Part> parts;
  std::vector<Region> regions;
};

} // namespace basin

#endif // BASIN_TOOLS_BASIN_EMULATE_TENSORS_H
