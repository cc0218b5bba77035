//===- Sites.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sites.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin::emulator;

std::string basin::emulator::describe(Location location) {
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName().str();
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return (file.getFilename().getValue() + ":" + Twine(file.getLine()) + ":" +
            Twine(file.getColumn()))
        .str();
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return describe(call.getCallee());
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (std::string text = describe(part); !text.empty())
        return text;
  return {};
}

Attribute basin::emulator::toAttribute(MLIRContext *context, const Site &site) {
  Builder b(context);
  return b.getDictionaryAttr({b.getNamedAttr("align", b.getI32IntegerAttr(site.align)),
                              b.getNamedAttr("bytes", b.getI32IntegerAttr(site.bytes)),
                              b.getNamedAttr("kind", b.getI32IntegerAttr(int(site.kind))),
                              b.getNamedAttr("loc", b.getStringAttr(site.location)),
                              b.getNamedAttr("op", b.getStringAttr(site.op)),
                              b.getNamedAttr("space", b.getI32IntegerAttr(int(site.space)))});
}

std::vector<Site> basin::emulator::readSites(ModuleOp module) {
  std::vector<Site> sites;
  auto array = module->getAttrOfType<ArrayAttr>(kSitesAttr);
  if (!array)
    return sites;
  for (auto entry : array.getAsRange<DictionaryAttr>()) {
    auto number = [&](StringRef name) { return entry.getAs<IntegerAttr>(name).getInt(); };
    sites.push_back({entry.getAs<StringAttr>("op").str(), entry.getAs<StringAttr>("loc").str(),
                     AccessKind(number("kind")), Space(number("space")), uint32_t(number("bytes")),
                     uint32_t(number("align"))});
  }
  return sites;
}
