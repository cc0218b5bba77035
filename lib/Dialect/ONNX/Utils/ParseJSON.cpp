//===- ParseJSON.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/ParseJSON.h"

using llvm::StringRef;

/// Returns whether lists and objects nest deeper than `most`.
static bool nestsDeeper(StringRef text, unsigned most) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == '[' || c == '{') && ++depth > most)
      return true;
    else if (!inString && (c == ']' || c == '}') && depth > 0)
      --depth;
  }
  return false;
}

llvm::Expected<llvm::json::Value> basin::onnx::parseJSON(StringRef text) {
  constexpr unsigned kMaxDepth = 64;
  if (nestsDeeper(text, kMaxDepth))
    return llvm::createStringError("nests deeper than " + llvm::Twine(kMaxDepth));
  return llvm::json::parse(text);
}
