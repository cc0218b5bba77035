//===- JSON.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A strict reader of JSON (RFC 8259) for bytes that nobody vouches for: valid UTF-8
// alone, no key twice in an object, limits on depth and on the number of values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_JSON_H
#define BASIN_LIB_RUNTIME_JSON_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace basin::rt::json {

struct Value {
  enum Kind { Null, Bool, Integer, Real, String, Array, Object };

  Kind kind = Null;
  bool boolean = false;
  int64_t integer = 0; // a number without fraction and exponent that fits
  double real = 0;     // any other number
  std::string string;
  std::vector<std::string> keys; // of an object, one an element
  std::vector<Value> elements;

  /// The member of that name; null if there is none, or this is no object.
  const Value *find(std::string_view name) const;
  /// "an object", "a string"
  const char *describe() const;
};

constexpr unsigned kMaxDepth = 32;
constexpr size_t kMaxValues = size_t(1) << 20;

/// Reads one value that takes up all of `text`. Returns what is wrong, with its
/// offset; empty if nothing is.
std::string parse(std::string_view text, Value &out);

/// The index of the first byte that is not part of valid UTF-8; npos if there is none.
size_t findInvalidUTF8(std::string_view text);

} // namespace basin::rt::json

#endif // BASIN_LIB_RUNTIME_JSON_H
