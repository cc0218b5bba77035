//===- Assembler.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes machine code from PTX by NVIDIA's assembler: the program ptxas, or the library nvJitLink
// in this process. Both are looked for at run time, and neither is needed to build. The library
// contains ptxas, but makes code that can be linked, which takes more registers for some
// kernels.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_TARGET_NVPTX_ASSEMBLER_H
#define BASIN_TARGET_NVPTX_ASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace basin::nvptx {

/// What the assembler says of one kernel.
struct KernelResources {
  std::string name;
  unsigned registers = 0, spillBytes = 0, stackBytes = 0, staticSharedBytes = 0;
};

struct Assembled {
  std::string cubin;
  std::vector<KernelResources> kernels;
  /// Lines of the log that warn, also about performance.
  std::vector<std::string> warnings;
};

class Assembler {
public:
  enum class Kind { Ptxas, NvJitLink };

  virtual ~Assembler() = default;

  /// Finds the program, or the library if there is no program, or the one that `kind` names. It
  /// looks in `toolkit`, a folder like CUDA's. If none is given, it looks in the folder that
  /// CUDA_HOME names, where the system looks for programs and libraries, and in
  /// /usr/local/cuda. The error says what was not found.
  static llvm::Expected<std::unique_ptr<Assembler>> find(llvm::StringRef toolkit = {},
                                                         std::optional<Kind> kind = {});

  Kind getKind() const { return kind; }
  /// Returns the path at which the library or the program was found.
  llvm::StringRef getPath() const { return path; }

  /// Makes machine code from `ptx` for `chip` ("sm_80", "sm_90a"; no earlier ones). The error
  /// is the assembler's own. Several threads may call it.
  llvm::Expected<Assembled> assemble(llvm::StringRef ptx, llvm::StringRef chip) const;

protected:
  Assembler(Kind kind, std::string path) : kind(kind), path(std::move(path)) {}
  virtual llvm::Expected<Assembled> run(llvm::StringRef ptx, llvm::StringRef chip) const = 0;

private:
  Kind kind;
  std::string path;
};

} // namespace basin::nvptx

#endif // BASIN_TARGET_NVPTX_ASSEMBLER_H
