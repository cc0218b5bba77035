//===- Node.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads values from the JSON of an object. A caller says what it expects of a value, and the
// first value that is something else is reported with its place.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_NODE_H
#define BASIN_LIB_RUNTIME_NODE_H

#include "JSON.h"

#include <utility>

namespace basin::rt {

/// One value, with its place in the file for messages: "kernels[2].block". After an error every
/// function still returns something usable, and the first error is kept.
class Node {
public:
  Node(const json::Value &value, std::string path, WhyNot &error)
      : value(value), path(std::move(path)), error(error) {}

  /// Returns a member that must be there.
  Node member(const std::string &name) const;
  bool has(const char *name) const { return value.find(name) != nullptr; }
  size_t size() const;
  Node operator[](size_t i) const {
    return {value.elements[i], path + "[" + std::to_string(i) + "]", error};
  }
  json::Value::Kind kind() const { return value.kind; }
  int64_t integer(int64_t min, int64_t max) const;
  double number() const;
  bool boolean() const;
  /// Returns a text that can be a name: 1 to 256 bytes without control characters, because it
  /// reaches C strings and terminals.
  std::string name() const;
  /// Reads a name that may be longer, such as a part of a spec.
  std::string text(size_t maxBytes) const;
  template <typename T, size_t N> T oneOf(const std::pair<const char *, T> (&choices)[N]) const;
  /// Returns the keys of an object. Each key must be a text that can be a name.
  const std::vector<std::string> &keys() const;

  void fail(const std::string &what) const {
    if (!error)
      error = (path.empty() ? "" : path + ": ") + what;
  }
  bool failed() const { return error.has_value(); }

private:
  bool expect(json::Value::Kind kind, const char *what) const;

  const json::Value &value;
  std::string path;
  WhyNot &error;
};

template <typename T, size_t N>
T Node::oneOf(const std::pair<const char *, T> (&choices)[N]) const {
  std::string text = name(), known;
  for (const auto &[name, choice] : choices) {
    if (text == name)
      return choice;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail("expected one of " + known + ", but got '" + text + "'");
  return choices[0].second;
}

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_NODE_H
