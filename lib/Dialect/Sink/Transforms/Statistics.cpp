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

/// Returns whether taps of that kind were measured. A file without a list of kinds has taps of
/// every kind.
static bool hasTaps(const json::Object &root, StringRef wanted) {
  const json::Object *instrumentation = root.getObject("instrumentation");
  const json::Array *kinds = instrumentation ? instrumentation->getArray("kinds") : nullptr;
  return !kinds || llvm::any_of(*kinds, [&](const json::Value &kind) {
    return kind.getAsString() == wanted;
  });
}

static llvm::Error fail(StringRef path, const llvm::Twine &why) {
  return llvm::createStringError("statistics " + onnx::quoteName(path) + ": " + why);
}

static llvm::Expected<json::Object> readStatistics(StringRef path) {
  onnx::MappedFileCheck intact;
  auto buffer = onnx::mapFile(path.str());
  if (!buffer)
    return fail(path, buffer.getError().message());
  auto value = onnx::parseJSON((*buffer)->getBuffer());
  if (!value)
    return fail(path, llvm::toString(value.takeError()));
  if (llvm::Error error = intact.check())
    return error;
  json::Object *root = value->getAsObject();
  if (!root || root->getInteger("version") != 1)
    return fail(path, "expected an object of version 1");
  return std::move(*root);
}

llvm::Expected<ResidualStatistics> basin::sink::readResidualStatistics(StringRef given) {
  std::string path = decodePath(given);
  llvm::Expected<json::Object> root = readStatistics(path);
  if (!root)
    return root.takeError();
  if (!hasTaps(*root, "residual"))
    return fail(path, "expected taps of the kind 'residual' among those that were measured");
  const json::Array *streams = root->getArray("residual_streams");
  if (!streams)
    return fail(path, "expected a list 'residual_streams'");
  ResidualStatistics out;
  for (const json::Value &entry : *streams) {
    const json::Object *stream = entry.getAsObject();
    const json::Array *list = stream ? stream->getArray("max_abs") : nullptr;
    if (!list || list->empty())
      return fail(path, "expected a list 'max_abs' in each residual stream");
    std::vector<double> &maxima = out.maxAbs.emplace_back();
    for (const json::Value &item : *list) {
      std::optional<double> number = item.getAsNumber();
      if (!number || !std::isfinite(*number) || *number < 0)
        return fail(path, "expected finite numbers of at least 0 in 'max_abs'");
      maxima.push_back(*number);
    }
  }
  return out;
}

llvm::Expected<llvm::StringMap<double>> basin::sink::readScoreBounds(StringRef given) {
  std::string path = decodePath(given);
  llvm::Expected<json::Object> root = readStatistics(path);
  if (!root)
    return root.takeError();
  if (!hasTaps(*root, "attention"))
    return fail(path, "expected taps of the kind 'attention' among those that were measured");
  const json::Array *attentions = root->getArray("attentions");
  if (!attentions)
    return fail(path, "expected a list 'attentions'");
  llvm::StringMap<double> out;
  for (const json::Value &entry : *attentions) {
    const json::Object *attention = entry.getAsObject();
    std::optional<StringRef> name = attention ? attention->getString("name") : std::nullopt;
    if (!name)
      return fail(path, "expected a 'name' of each attention");
    const json::Value *bound = attention->get("score_bound");
    // An attention that was never run, or whose scores are not bounded, has none.
    if (!bound || bound->kind() == json::Value::Null)
      continue;
    std::optional<double> number = bound->getAsNumber();
    if (!number || !std::isfinite(*number) || *number < 0)
      return fail(path, "expected finite numbers of at least 0 as 'score_bound'");
    // Branches of an If may have attentions of one name.
    auto [known, isNew] = out.try_emplace(*name, *number);
    known->second = std::max(known->second, *number);
  }
  return out;
}
