//===- MaskParts.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says in words what an attention's mask is made of, and whether it shows each query a key.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_ONNXTOSINK_MASKPARTS_H
#define BASIN_CONVERSION_ONNXTOSINK_MASKPARTS_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin {

/// Returns what the mask and the bias of `op` are made of, sorted:
/// - causal, window: facts of `op`, which are proven
/// - prefix: some later keys are visible besides the causal ones
/// - padding: keys are hidden from all queries alike, as the model's input tells
/// - bias: numbers are added that hide nothing
/// - unknown: there is another part, or what the mask hides is not known
/// - none: nothing is hidden or added
llvm::SmallVector<llvm::StringRef> describeMask(sink::AttentionOp op);

/// Returns whether `mask`, which is a mask of `op` and multiplied by `scale` if it is additive,
/// provably shows each query the key of its own position. There are queries without a key of their
/// own if there may be fewer keys than queries, so nothing is proven then.
bool showsOwnKey(sink::AttentionOp op, mlir::Value mask, sink::MaskKind kind, double scale = 1);

} // namespace basin

#endif // BASIN_CONVERSION_ONNXTOSINK_MASKPARTS_H
