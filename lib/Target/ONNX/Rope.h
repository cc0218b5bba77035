//===- Rope.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds a protobuf message without copying its large fields.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_ROPE_H
#define BASIN_LIB_TARGET_ONNX_ROPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>
#include <vector>

namespace basin::onnx::wire {

/// Fields are appended in order. `message` takes over another rope's pieces, so a tensor's bytes
/// are neither copied nor held twice, no matter how deep messages nest.
class Rope {
public:
  void varint(uint32_t tag, uint64_t value);
  void integer(uint32_t tag, int64_t value) { varint(tag, static_cast<uint64_t>(value)); }
  void number(uint32_t tag, float value);
  void bytes(uint32_t tag, llvm::StringRef value);
  /// Appends a field that refers to `value`. `owner` keeps it alive until the rope is written.
  void borrowed(uint32_t tag, llvm::ArrayRef<char> value, std::shared_ptr<void> owner);
  void message(uint32_t tag, Rope &&child);
  void packedIntegers(uint32_t tag, llvm::ArrayRef<int64_t> values);
  /// Appends bytes that already are fields.
  void verbatim(llvm::StringRef fields);

  uint64_t size() const { return total; }
  void write(llvm::raw_ostream &os) const;
  std::string str() const;

private:
  struct Piece {
    std::string own;
    llvm::ArrayRef<char> borrowed;
    std::shared_ptr<void> owner;
  };
  std::string &tail();
  void header(uint32_t tag, uint32_t wireType);
  void rawVarint(uint64_t value);

  std::vector<Piece> pieces;
  uint64_t total = 0;
};

} // namespace basin::onnx::wire

#endif // BASIN_LIB_TARGET_ONNX_ROPE_H
