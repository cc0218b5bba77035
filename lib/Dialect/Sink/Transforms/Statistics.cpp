//===- Statistics.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>

using namespace basin::sink;
using llvm::StringRef;
namespace json = llvm::json;

llvm::Expected<ResidualStatistics> basin::sink::readResidualStatistics(StringRef path) {
  auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError("statistics '" + path + "': " + why);
  };
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return fail(buffer.getError().message());
  auto value = json::parse((*buffer)->getBuffer());
  if (!value)
    return fail(llvm::toString(value.takeError()));
  const json::Object *root = value->getAsObject();
  if (!root || root->getInteger("version") != 1)
    return fail("expected an object of version 1");
  const json::Array *streams = root->getArray("residual_streams");
  if (!streams)
    return fail("expected a list 'residual_streams'");
  ResidualStatistics out;
  for (const json::Value &entry : *streams) {
    const json::Object *stream = entry.getAsObject();
    const json::Array *list = stream ? stream->getArray("max_abs") : nullptr;
    if (!list || list->empty())
      return fail("expected a list 'max_abs' in each residual stream");
    std::vector<double> &maxima = out.maxAbs.emplace_back();
    for (const json::Value &item : *list) {
      std::optional<double> number = item.getAsNumber();
      if (!number || !std::isfinite(*number) || *number < 0)
        return fail("expected finite numbers of at least 0 in 'max_abs'");
      maxima.push_back(*number);
    }
  }
  return out;
}
