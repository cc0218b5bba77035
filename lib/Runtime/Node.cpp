//===- Node.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Node.h"

#include "KernelObject.h"

#include <algorithm>

using namespace basin;
using namespace basin::rt;
using json::Value;

bool Node::expect(Value::Kind kind, const char *what) const {
  if (value.kind == kind)
    return true;
  fail("expected " + std::string(what) + ", but got " + value.describe());
  return false;
}

Node Node::member(const std::string &name) const {
  static const Value kNone;
  if (!expect(Value::Object, "an object"))
    return {kNone, path, error};
  const Value *found = value.find(name);
  if (!found)
    fail("expected a member '" + name + "'");
  return {found ? *found : kNone, (path.empty() ? "" : path + ".") + name, error};
}

size_t Node::size() const {
  return expect(Value::Array, "an array") ? value.elements.size() : size_t(0);
}

int64_t Node::integer(int64_t min, int64_t max) const {
  if (!expect(Value::Integer, "an integer"))
    return min;
  if (value.integer < min || value.integer > max)
    fail("expected a number from " + std::to_string(min) + " to " + std::to_string(max) +
         ", but got " + std::to_string(value.integer));
  return std::clamp(value.integer, min, max);
}

double Node::number() const {
  if (value.kind == Value::Integer)
    return static_cast<double>(value.integer);
  return expect(Value::Real, "a number") ? value.real : 0;
}

bool Node::boolean() const { return expect(Value::Bool, "true or false") && value.boolean; }

static WhyNot checkName(std::string_view text, size_t maxBytes = kMaxNameBytes) {
  if (text.empty() || text.size() > maxBytes)
    return "expected a name of 1 to " + std::to_string(maxBytes) + " bytes";
  for (char c : text)
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F)
      return "expected a name without control characters";
  return std::nullopt;
}

std::string Node::name() const { return text(kMaxNameBytes); }

std::string Node::text(size_t maxBytes) const {
  if (!expect(Value::String, "a string"))
    return "";
  if (WhyNot why = checkName(value.string, maxBytes))
    fail(*why);
  return value.string;
}

const std::vector<std::string> &Node::keys() const {
  expect(Value::Object, "an object");
  for (const std::string &key : value.keys)
    if (WhyNot why = checkName(key))
      fail(*why);
  return value.keys;
}
