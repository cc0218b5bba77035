//===- MappedFile.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Files that are mapped, not read, and may shrink meanwhile.
//
// A page of a mapping that its file no longer backs raises SIGBUS where it is
// touched, which ends the process. Here such a page is replaced by zeros, and
// what was computed from them is refused: each operation on a model asks a
// MappedFileCheck before it lets its result go. Nothing is unwound out of a
// signal, so that any code may read a mapping.
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

/// The bytes of the regular file `path` from `offset` on, `length` of them or
/// all. Small pieces are read, others mapped. Fails where the file has less.
llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>>
mapFile(llvm::StringRef path, uint64_t offset = 0, std::optional<uint64_t> length = std::nullopt);

/// Whether a mapped file has shrunk: one that still is in use, or any since the
/// check was made. Threads that work on other models share the answer.
class MappedFileCheck {
public:
  MappedFileCheck();
  llvm::Error check() const;

private:
  unsigned lostBefore;
};

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_MAPPEDFILE_H
