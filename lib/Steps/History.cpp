//===- History.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/StepHistory.h"

#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/ParseJSON.h"
#include "basin/Version.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin;
namespace json = llvm::json;

static constexpr llvm::StringLiteral kKey = "basin.steps";

static bool isEntry(const json::Value &value) {
  const json::Object *entry = value.getAsObject();
  const json::Object *options = entry ? entry->getObject("options") : nullptr;
  return options && entry->getString("step") && entry->getString("basin") &&
         llvm::all_of(*options, [](const auto &one) { return one.second.getAsString(); });
}

/// Returns the list in `text`, or nothing if it is not one of steps.
static std::optional<json::Array> parse(StringRef text) {
  llvm::Expected<json::Value> value = onnx::parseJSON(text);
  if (!value) {
    llvm::consumeError(value.takeError());
    return std::nullopt;
  }
  json::Array *list = value->getAsArray();
  if (!list || !llvm::all_of(*list, isEntry))
    return std::nullopt;
  return std::move(*list);
}

static json::Object describe(const StepRequest &request) {
  const StepInfo *step = findStep(request.name);
  json::Object options;
  for (const auto &[name, value] : request.options) {
    const auto *option =
        llvm::find_if(step->options, [&, &name = name](auto &one) { return one.name == name; });
    // The model and the other options say what a computed file has.
    if (option->isComputed)
      continue;
    bool isFile = option->kind == StepValue::File || StringRef(value).starts_with("@");
    options[name] = json::fixUTF8(isFile ? llvm::sys::path::filename(value) : StringRef(value));
  }
  return json::Object{
      {"step", step->name}, {"options", std::move(options)}, {"basin", BASIN_VERSION}};
}

void basin::recordSteps(ModuleOp module, ArrayRef<StepRequest> steps) {
  if (steps.empty())
    return;
  json::Array list;
  if (std::optional<StringRef> text = onnx::getMetadata(module, kKey)) {
    if (std::optional<json::Array> old = parse(*text))
      list = std::move(*old);
    else
      module.emitWarning("metadata '") << kKey << "': expected a list of steps; it is replaced";
  }
  for (const StepRequest &request : steps)
    list.push_back(describe(request));
  onnx::setMetadata(module, kKey, llvm::formatv("{0}", json::Value(std::move(list))).str());
}

json::Array basin::getRecordedSteps(ModuleOp module) {
  std::optional<StringRef> text = onnx::getMetadata(module, kKey);
  std::optional<json::Array> list = text ? parse(*text) : std::nullopt;
  return list ? std::move(*list) : json::Array();
}
