//===- Imports.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Imports.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

ArrayAttr basin::addImport(Builder &b, ArrayAttr opsets, StringRef domain, int64_t version) {
  SmallVector<Attribute> entries;
  if (opsets)
    llvm::append_range(entries, opsets);
  bool isKnown = llvm::any_of(entries, [&](Attribute opset) {
    auto name = cast<DictionaryAttr>(opset).getAs<StringAttr>("domain");
    return name && name.getValue() == domain;
  });
  if (!isKnown)
    entries.push_back(
        b.getDictionaryAttr({b.getNamedAttr("domain", b.getStringAttr(domain)),
                             b.getNamedAttr("version", b.getI64IntegerAttr(version))}));
  return b.getArrayAttr(entries);
}

static bool hasNodeOf(Operation *root, StringRef domain) {
  return root
      ->walk([&](NodeInterface node) {
        return node.getOpDomain() == domain ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

void basin::importDomain(ModuleOp module, StringRef domain, int64_t version) {
  if (!hasNodeOf(module, domain))
    return;
  Builder b(module.getContext());
  for (auto function : module.getOps<FunctionOp>())
    if (hasNodeOf(function, domain))
      function.setOpsetsAttr(addImport(b, function.getOpsets(), domain, version));
  auto model = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  if (!model)
    return;
  NamedAttrList attrs(model);
  attrs.set("opset_import", addImport(b, model.getAs<ArrayAttr>("opset_import"), domain, version));
  module->setAttr(kModelAttr, attrs.getDictionary(module.getContext()));
}
