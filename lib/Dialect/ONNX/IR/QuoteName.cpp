//===- QuoteName.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using llvm::StringRef;

std::string basin::onnx::quoteName(StringRef name) {
  bool isText = llvm::json::isUTF8(name);
  size_t shown = std::min<size_t>(name.size(), 160);
  // Does not cut in the middle of a character.
  while (isText && shown < name.size() && (static_cast<uint8_t>(name[shown]) & 0xc0) == 0x80)
    --shown;
  std::string out = "'";
  llvm::raw_string_ostream os(out);
  for (size_t i = 0; i < shown; ++i) {
    auto byte = static_cast<uint8_t>(name[i]);
    // Terminals obey U+0080 to U+009F as they do control characters below 32. In UTF-8 they are two
    // bytes.
    bool isControl = byte == 0xc2 && i + 1 < shown && (name[i + 1] & 0xe0) == 0x80;
    if (isControl)
      byte = static_cast<uint8_t>(name[++i]);
    if (isControl || byte < 32 || byte == 127 || (byte > 127 && !isText))
      os << llvm::format("\\x%02x", byte);
    else
      os << name[i];
  }
  os << (shown < name.size() ? "...'" : "'");
  return out;
}
