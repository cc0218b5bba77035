//===- Request.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Request.h"

#include "basin/Support/WhyNot.h"

using namespace basin;
using emulator::Order;
namespace json = llvm::json;

static bool readOrder(const json::Value &value, Order &out) {
  std::optional<llvm::StringRef> text = value.getAsString();
  if (text == "forward")
    out = Order::Forward;
  else if (text == "reverse")
    out = Order::Reverse;
  else if (text == "random")
    out = Order::Random;
  else
    return false;
  return true;
}

static bool readCount(const json::Value &value, uint64_t &out) {
  std::optional<uint64_t> number = value.getAsUINT64();
  out = number.value_or(0);
  return number.has_value();
}

static bool readText(const json::Value &value, std::string &out) {
  out = value.getAsString().value_or("").str();
  return !out.empty();
}

static bool readAlignment(const json::Value &value, bool &isLeast) {
  isLeast = value.getAsString() == "least";
  return isLeast || value.getAsString() == "page";
}

static bool readObject(const json::Value &value, json::Object &out) {
  const json::Object *object = value.getAsObject();
  if (object)
    out = *object;
  return object;
}

static WhyNot expect(bool isRight, const char *what) {
  return isRight ? WhyNot() : std::string("expected ") + what;
}

/// Reads one member into `out`. Returns why the value or the key is wrong, or nothing.
static WhyNot readMember(llvm::StringRef key, const json::Value &value, Request &out) {
  if (key == "kernel")
    return expect(readText(value, out.kernel), "a name");
  if (key == "arguments")
    return expect(readObject(value, out.arguments), "an object");
  if (key == "blocks")
    return expect(readOrder(value, out.blocks), "forward, reverse or random");
  if (key == "threads")
    return expect(readOrder(value, out.threads), "forward, reverse or random");
  if (key == "seed")
    return expect(readCount(value, out.seed), "a number of at least 0");
  if (key == "max_findings")
    return expect(readCount(value, out.maxFindings), "a number of at least 0");
  if (key == "alignment")
    return expect(readAlignment(value, out.leastAlignment), "page or least");
  return "expected kernel, arguments, blocks, threads, seed, max_findings or alignment as the key";
}

llvm::Expected<Request> Request::parse(llvm::StringRef line) {
  llvm::Expected<json::Value> value = json::parse(line);
  if (!value)
    return value.takeError();
  const json::Object *object = value->getAsObject();
  if (!object)
    return llvm::createStringError("expected an object in each line");
  Request out;
  for (const auto &[key, member] : *object)
    if (WhyNot why = readMember(key, member, out))
      return llvm::createStringError("'" + llvm::StringRef(key) + "': " + *why);
  if (out.kernel.empty())
    return llvm::createStringError("expected a member 'kernel'");
  return out;
}
