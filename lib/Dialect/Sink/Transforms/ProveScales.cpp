//===- ProveScales.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the proof of Analysis/ScaleProof.h against a module in a file.
//
//===----------------------------------------------------------------------===//

#include "basin/Analysis/ScaleProof.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_PROVESCALESPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {
class ProveScalesPass : public basin::sink::impl::ProveScalesPassBase<ProveScalesPass> {
public:
  using ProveScalesPassBase::ProveScalesPassBase;
  void runOnOperation() override;
};
} // namespace

void ProveScalesPass::runOnOperation() {
  markAllAnalysesPreserved();
  OwningOpRef<ModuleOp> before = parseSourceFile<ModuleOp>(original, &getContext());
  if (!before) {
    getOperation().emitError("expected a module in the file '") << original << "'";
    return signalPassFailure();
  }
  WhyNot why = findScaleMismatch(*before, getOperation());
  if (!why)
    return;
  getOperation().emitError("not proven to compute what '") << original << "' does: " << *why;
  signalPassFailure();
}
