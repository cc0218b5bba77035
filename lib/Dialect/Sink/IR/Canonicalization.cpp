//===- Canonicalization.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rewrites that change no bit. Only constants of the graph count as known; a
// `sink.parameter` is whatever training makes of it.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

/// Longest vector that is looked at.
static constexpr size_t kMaxElements = 1 << 20;

/// Multiplying by ones changes nothing, NaN and signed zeros included.
static LogicalResult dropOnes(NormInterface op, PatternRewriter &rewriter) {
  if (!op.getPreAffine())
    return failure();
  std::optional<SmallVector<double>> factors = getConstantFloats(op.getPreAffine(), kMaxElements);
  if (!factors || !llvm::all_of(*factors, [](double factor) { return factor == 1; }))
    return failure();
  rewriter.modifyOpInPlace(op, [&] {
    Form(op).unmark(Slot::pre_affine);
    op.getPreAffineMutable().clear();
  });
  return success();
}

LogicalResult RMSNormOp::canonicalize(RMSNormOp op, PatternRewriter &rewriter) {
  return dropOnes(op, rewriter);
}

LogicalResult LayerNormOp::canonicalize(LayerNormOp op, PatternRewriter &rewriter) {
  return dropOnes(op, rewriter);
}
