//===- Metadata.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Metadata.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin;

static constexpr llvm::StringLiteral kMeta = "meta";

static DictionaryAttr getModel(ModuleOp module) {
  return module->getAttrOfType<DictionaryAttr>(onnx::kModelAttr);
}

static ArrayRef<Attribute> getEntries(DictionaryAttr model) {
  auto entries = model ? model.getAs<ArrayAttr>(kMeta) : ArrayAttr();
  return entries ? entries.getValue() : ArrayRef<Attribute>();
}

/// Returns the text of an entry if it has that key.
static std::optional<StringRef> getText(Attribute entry, StringRef key) {
  auto pair = dyn_cast<ArrayAttr>(entry);
  if (!pair || pair.size() != 2)
    return std::nullopt;
  auto name = dyn_cast<StringAttr>(pair[0]), text = dyn_cast<StringAttr>(pair[1]);
  return name && text && name == key ? std::optional(text.getValue()) : std::nullopt;
}

std::optional<StringRef> basin::onnx::getMetadata(ModuleOp module, StringRef key) {
  for (Attribute entry : llvm::reverse(getEntries(getModel(module))))
    if (std::optional<StringRef> text = getText(entry, key))
      return text;
  return std::nullopt;
}

void basin::onnx::setMetadata(ModuleOp module, StringRef key, StringRef text) {
  Builder b(module.getContext());
  DictionaryAttr model = getModel(module);
  SmallVector<Attribute> entries(getEntries(model));
  llvm::erase_if(entries, [&](Attribute entry) { return getText(entry, key).has_value(); });
  entries.push_back(b.getStrArrayAttr({key, text}));
  NamedAttrList attrs = model ? NamedAttrList(model) : NamedAttrList();
  attrs.set(kMeta, b.getArrayAttr(entries));
  module->setAttr(onnx::kModelAttr, attrs.getDictionary(module.getContext()));
}
