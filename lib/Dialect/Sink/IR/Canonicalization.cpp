//===- Canonicalization.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rewrites that change no bit. Only constants of the graph count as known, because training may
// change a `sink.parameter`.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::sink;

/// Longer vectors are not looked at.
static constexpr size_t kMaxElements = 1 << 20;

/// Drops a pre-affine vector of ones. Multiplying by one changes no value, not even NaN or a
/// signed zero.
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
