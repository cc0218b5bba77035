//===- MappedFile.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Maps files instead of reading them, although a file may shrink meanwhile. If its file no longer
// backs a page of a mapping, access to that page raises SIGBUS, which ends the process. Here such a
// page is replaced by zeros, and results that may have been computed from them are refused: each
// operation on a model asks a MappedFileCheck before it returns its result. The signal handler
// unwinds nothing, so any code may read a mapping.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_MAPPEDFILE_H
#define BASIN_DIALECT_ONNX_IR_MAPPEDFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/ErrorOr.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <optional>

namespace basin::onnx {

/// Returns `length` bytes of the regular file `path` from `offset` on, or all of them. Small pieces
/// are read, others are mapped. Fails if the file has fewer bytes.
llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>>
mapFile(llvm::StringRef path, uint64_t offset = 0, std::optional<uint64_t> length = std::nullopt);

/// Tells whether a mapped file has shrunk. `check` fails for a file that still is mapped, and for
/// any file since the object was made. It also fails because of other threads' files, even if they
/// work on other models.
class MappedFileCheck {
public:
  MappedFileCheck();
  llvm::Error check() const;

private:
  unsigned lostBefore;
};

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_MAPPEDFILE_H
