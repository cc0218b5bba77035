//===- DescribeOperators.h --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to the API's library.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_API_DESCRIBEOPERATORS_H
#define BASIN_LIB_API_DESCRIBEOPERATORS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "llvm/Support/JSON.h"

namespace basin {

/// Return the operator of basin.ops that computes the op: its `name`, the names of the values that
/// are its `operands`, its `options`, and the name of its `result`. Nothing if there is none. For
/// an attention, `layouts` has the order of the axes in the graph.
std::optional<llvm::json::Object> describeOperator(sink::NormInterface norm);
std::optional<llvm::json::Object> describeOperator(sink::AttentionOp attention);

} // namespace basin

#endif // BASIN_LIB_API_DESCRIBEOPERATORS_H
