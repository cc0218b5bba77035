//===- Assembler.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From PTX to machine code, by NVIDIA's assembler: as the program ptxas, or as the
// library nvJitLink, in this process. Both are looked for at run time; neither is
// needed to build. The library has ptxas in it, but makes code that can be linked,
// which takes more registers for some kernels.
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
  /// Lines of warning, of performance among them.
  std::vector<std::string> warnings;
};

class Assembler {
public:
  enum class Kind { Ptxas, NvJitLink };

  virtual ~Assembler() = default;

  /// The program where there is one, else the library; or the one that `kind` says.
  /// Both are looked for in `toolkit`, a folder like CUDA's, alone if it is given; else
  /// in the one that CUDA_HOME names, where the system looks for libraries and
  /// programs, and in /usr/local/cuda. The error says what was not found.
  static llvm::Expected<std::unique_ptr<Assembler>> find(llvm::StringRef toolkit = {},
                                                         std::optional<Kind> kind = {});

  Kind getKind() const { return kind; }
  /// The library's or the program's file, as it was found.
  llvm::StringRef getPath() const { return path; }

  /// Machine code of `ptx` for `chip` ("sm_80", "sm_90a"; no earlier ones). The error
  /// is the assembler's own. May be called by several threads.
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
