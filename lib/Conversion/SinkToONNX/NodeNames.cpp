//===- NodeNames.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeNames.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static StringAttr getName(Operation *op) { return op->getAttrOfType<StringAttr>(kNameAttr); }

NodeNames::NodeNames(Operation *root) : root(root) {
  root->walk([&](Operation *op) {
    if (StringAttr name = getName(op))
      before[op] = name;
  });
}

void NodeNames::renameNewNodes() {
  DenseSet<StringAttr> used;
  SmallVector<Operation *> made;
  root->walk([&](Operation *op) {
    StringAttr name = getName(op);
    if (!name || name.empty())
      return;
    if (before.lookup(op) == name)
      used.insert(name);
    else
      made.push_back(op);
  });
  for (Operation *op : made) {
    StringAttr name = getName(op), wanted = name;
    for (unsigned i = 2; !used.insert(name).second; ++i)
      name = StringAttr::get(op->getContext(), wanted.getValue() + "_again_" + Twine(i));
    if (name != wanted)
      op->setAttr(kNameAttr, name);
  }
}
