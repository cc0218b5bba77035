//===- DimNames.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DimNames.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace basin::onnx;

Dim basin::onnx::makeNumberedDim(MLIRContext *ctx, unsigned number) {
  return Dim(StringAttr::get(ctx, "?" + Twine(number)));
}

static std::optional<unsigned> getNumber(const Dim &dim) {
  StringRef name = dim.name ? dim.name.getValue() : StringRef();
  unsigned number;
  if (!name.consume_front("?") || name.getAsInteger(10, number))
    return std::nullopt;
  return number;
}

/// Calls `fn` for each type of a value below `root`.
static void walkTypes(Operation *root, function_ref<void(Type)> fn) {
  root->walk([&](Operation *op) {
    llvm::for_each(op->getResultTypes(), fn);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArgumentTypes(), fn);
  });
}

unsigned basin::onnx::getFirstFreeNumber(Operation *root) {
  unsigned next = 0;
  llvm::SmallPtrSet<Type, 16> seen;
  walkTypes(root, [&](Type type) {
    if (!isa<RankedTensorType>(type) || !seen.insert(type).second)
      return;
    TensorInfo info = getTensorInfo(type);
    for (const Dim &dim : *info.dims)
      if (std::optional<unsigned> number = getNumber(dim))
        next = std::max(next, *number + 1);
  });
  return next;
}

Type basin::onnx::forgetNames(Type type, unsigned first) {
  TensorInfo info = getTensorInfo(type);
  if (!info.hasRank())
    return type;
  for (Dim &dim : *info.dims)
    if (std::optional<unsigned> number = getNumber(dim); number && *number >= first)
      dim = Dim();
  return makeTensorType(info);
}
