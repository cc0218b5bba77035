//===- Statistics.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"

#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Utils/ParseJSON.h"

#include <cmath>

using namespace basin;
using namespace basin::sink;
using llvm::StringRef;
namespace json = llvm::json;

std::string basin::sink::decodePath(StringRef path) {
  if (!path.consume_front("file://"))
    return path.str();
  std::string out;
  while (!path.empty()) {
    uint8_t byte;
    if (path.size() > 2 && path[0] == '%' && !path.substr(1, 2).getAsInteger(16, byte)) {
      out += static_cast<char>(byte);
      path = path.drop_front(3);
    } else {
      out += path.front();
      path = path.drop_front();
    }
  }
  return out;
}

/// Returns whether residual streams were measured. A file without a list of kinds has taps of every
/// kind.
static bool hasResidualTaps(const json::Object &root) {
  const json::Object *instrumentation = root.getObject("instrumentation");
  const json::Array *kinds = instrumentation ? instrumentation->getArray("kinds") : nullptr;
  return !kinds || llvm::any_of(*kinds, [](const json::Value &kind) {
    return kind.getAsString() == "residual";
  });
}

llvm::Expected<ResidualStatistics> basin::sink::readResidualStatistics(StringRef given) {
  std::string path = decodePath(given);
  auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError("statistics " + onnx::quoteName(path) + ": " + why);
  };
  onnx::MappedFileCheck intact;
  auto buffer = onnx::mapFile(path);
  if (!buffer)
    return fail(buffer.getError().message());
  auto value = onnx::parseJSON((*buffer)->getBuffer());
  if (!value)
    return fail(llvm::toString(value.takeError()));
  if (llvm::Error error = intact.check())
    return error;
  const json::Object *root = value->getAsObject();
  if (!root || root->getInteger("version") != 1)
    return fail("expected an object of version 1");
  if (!hasResidualTaps(*root))
    return fail("expected taps of the kind 'residual' among those that were measured");
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
