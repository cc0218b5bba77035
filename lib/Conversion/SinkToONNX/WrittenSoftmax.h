//===- WrittenSoftmax.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_WRITTENSOFTMAX_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_WRITTENSOFTMAX_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin {

/// Returns whether the form has a softmax that is written out so that it may give NaN, infinity or
/// zero where the softmax itself has a value: exponentials of scores that overflow, because their
/// maximum is not subtracted, or a maximum of -inf that is subtracted although a sink is visible.
bool mayOverflow(sink::AttentionOp op);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_WRITTENSOFTMAX_H
