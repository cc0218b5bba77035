//===- Rope.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Rope.h"

#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include <cstring>

using namespace basin::onnx::wire;
using llvm::ArrayRef;
using llvm::StringRef;

std::string &Rope::tail() {
  if (pieces.empty() || !pieces.back().borrowed.empty())
    pieces.emplace_back();
  return pieces.back().own;
}

void Rope::rawVarint(uint64_t value) {
  std::string &out = tail();
  size_t before = out.size();
  protozero::write_varint(std::back_inserter(out), value);
  total += out.size() - before;
}

void Rope::header(uint32_t tag, uint32_t wireType) { rawVarint((tag << 3) | wireType); }

void Rope::varint(uint32_t tag, uint64_t value) {
  header(tag, 0);
  rawVarint(value);
}

void Rope::number(uint32_t tag, float value) {
  header(tag, 5);
  char raw[sizeof(float)];
  std::memcpy(raw, &value, sizeof raw);
  tail().append(raw, sizeof raw);
  total += sizeof raw;
}

void Rope::bytes(uint32_t tag, StringRef value) {
  header(tag, 2);
  rawVarint(value.size());
  tail().append(value.data(), value.size());
  total += value.size();
}

void Rope::borrowed(uint32_t tag, ArrayRef<char> value, std::shared_ptr<void> owner) {
  // Short values are cheaper to copy than to keep as pieces of their own.
  if (value.size() < 256)
    return bytes(tag, StringRef(value.data(), value.size()));
  header(tag, 2);
  rawVarint(value.size());
  pieces.push_back({"", value, std::move(owner)});
  total += value.size();
}

void Rope::message(uint32_t tag, Rope &&child) {
  header(tag, 2);
  rawVarint(child.size());
  for (Piece &piece : child.pieces) {
    if (piece.borrowed.empty())
      tail().append(piece.own);
    else
      pieces.push_back(std::move(piece));
  }
  total += child.total;
}

void Rope::packedIntegers(uint32_t tag, ArrayRef<int64_t> values) {
  std::string packed;
  for (int64_t value : values)
    protozero::write_varint(std::back_inserter(packed), static_cast<uint64_t>(value));
  bytes(tag, packed);
}

void Rope::verbatim(StringRef fields) {
  tail().append(fields.data(), fields.size());
  total += fields.size();
}

void Rope::write(llvm::raw_ostream &os) const {
  for (const Piece &piece : pieces) {
    os << piece.own;
    os.write(piece.borrowed.data(), piece.borrowed.size());
  }
}

std::string Rope::str() const {
  std::string out;
  llvm::raw_string_ostream os(out);
  write(os);
  return out;
}
