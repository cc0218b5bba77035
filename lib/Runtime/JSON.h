//===- JSON.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A strict reader of JSON (RFC 8259) for untrusted bytes. It accepts only valid UTF-8, refuses
// an object with two equal keys, and limits the depth and the number of values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_JSON_H
#define BASIN_LIB_RUNTIME_JSON_H

#include "basin/Support/WhyNot.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace basin::rt::json {

struct Value {
  enum Kind { Null, Bool, Integer, Real, String, Array, Object };

  Kind kind = Null;
  bool boolean = false;
  int64_t integer = 0; // a number that fits and has no fraction and no exponent
  double real = 0;     // any other number
  std::string string;
  std::vector<std::string> keys; // of an object, one for each element
  std::vector<Value> elements;

  /// Returns the member of that name, or null if there is none or this is no object.
  const Value *find(std::string_view name) const;
  /// Returns the kind in words, like "an object".
  const char *describe() const;
};

constexpr unsigned kMaxDepth = 32;
constexpr size_t kMaxValues = size_t(1) << 20;

/// Reads one value that takes up all of `text`. Returns what is wrong and at which offset, or
/// nothing.
WhyNot parse(std::string_view text, Value &out);

/// Returns the index of the first byte that is not part of valid UTF-8, or npos.
size_t findInvalidUTF8(std::string_view text);

} // namespace basin::rt::json

#endif // BASIN_LIB_RUNTIME_JSON_H
