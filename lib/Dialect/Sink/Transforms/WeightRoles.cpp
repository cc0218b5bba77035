//===- WeightRoles.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WeightRoles.h"

#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

std::optional<RoleUses> WeightRoles::find(OpOperand &use) {
  Operation *op = use.getOwner();
  if (!isa<RaisedInterface>(op))
    return RoleUses{&use};
  // The value that a norm normalizes is an argument of its form, so the form does not use it.
  if (!isa<NormInterface>(op))
    return std::nullopt;
  auto [entry, isNew] = inside.try_emplace(use.get());
  if (isNew)
    for (OpOperand &each : use.get().getUses())
      if (auto owner = each.getOwner()->getParentOfType<RaisedInterface>())
        entry->second[owner].push_back(&each);
  RoleUses uses{&use};
  NormPart part = Form::getPart(use);
  auto found = entry->second.find(op);
  if (found == entry->second.end())
    return uses;
  for (OpOperand *each : found->second) {
    NormPart inner = Form(cast<RaisedInterface>(op)).getInnerPart(*each);
    if (inner == NormPart::Other)
      return std::nullopt;
    if (inner == part)
      uses.push_back(each);
  }
  return uses;
}
