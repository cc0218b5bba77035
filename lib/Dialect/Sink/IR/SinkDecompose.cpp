//===- SinkDecompose.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Sink.h"

using namespace mlir;
using namespace basin::sink;

FailureOr<SmallVector<Value>> RMSNormOp::decompose(OpBuilder &b) { return failure(); }
FailureOr<SmallVector<Value>> LayerNormOp::decompose(OpBuilder &b) { return failure(); }
FailureOr<SmallVector<Value>> RotaryOp::decompose(OpBuilder &b) { return failure(); }
FailureOr<SmallVector<Value>> AttentionOp::decompose(OpBuilder &b) { return failure(); }
