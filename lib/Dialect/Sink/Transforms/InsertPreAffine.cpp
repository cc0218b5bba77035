//===- InsertPreAffine.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StreamScaling.h"

#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTPREAFFINEPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {
class InsertPreAffinePass : public basin::sink::impl::InsertPreAffinePassBase<InsertPreAffinePass> {
  void runOnOperation() override;
};
} // namespace

void InsertPreAffinePass::runOnOperation() {
  sink::ParameterNames names(getOperation());
  WalkResult result = getOperation().walk([&](sink::NormInterface norm) {
    if (norm.getPreAffine())
      return WalkResult::advance();
    std::optional<int64_t> dim = sink::getNormDim(norm);
    if (!dim) {
      norm->emitError("norm '") << getStreamValueName(norm.getResult())
                                << "': expected a static last axis to insert a pre-affine "
                                   "vector, but got "
                                << norm.getX().getType();
      return WalkResult::interrupt();
    }
    SmallVector<int> ones(*dim, 0);
    if (failed(sink::setPreAffine(norm, ones, names)))
      return WalkResult::interrupt();
    ++numInserted;
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
