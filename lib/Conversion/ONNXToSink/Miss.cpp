//===- Miss.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Miss.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"

using namespace mlir;
using namespace basin::onnx;

static StringRef getText(MissReason reason) {
  static constexpr StringLiteral kTexts[] = {
#define MISS(name, text) text,
#include "MissReasons.def"
  };
  return kTexts[static_cast<size_t>(reason)];
}

/// Returns what stands for detail `index` in a text.
static std::string getPlace(size_t index) { return ("{" + Twine(index) + "}").str(); }

Miss::Miss(MissReason reason, SmallVector<std::string, 2> details)
    : reason(reason), details(std::move(details)) {
  assert(getText(reason).count('{') == this->details.size() && "expected a detail for each place");
}

std::string Miss::describe() const {
  std::string text;
  StringRef rest = getText(reason);
  for (auto [index, detail] : llvm::enumerate(details)) {
    auto [before, after] = rest.split(getPlace(index));
    text += (before + detail).str();
    rest = after;
  }
  return text + rest.str();
}

std::string Miss::toText(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  return (node ? node.getOpType() : op->getName().getStringRef()).str();
}

std::string basin::onnx::describeRank(std::optional<int64_t> rank) {
  return rank ? ("rank " + Twine(*rank)).str() : "an unknown rank";
}
