//===- HeadViews.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The views of a tensor with heads: flat [batch, sequence, heads * dim], and with heads apart.
// Exporters view a projection's flat result as [batch, heads, sequence, dim] by Reshape and
// Transpose. Operators that take it flat make both needless.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_HEADVIEWS_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_HEADVIEWS_H

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Support/WhyNot.h"

namespace basin {

/// The static sizes of a tensor with heads.
struct HeadSizes {
  int64_t heads = 0, dim = 0;
};

/// Returns the rank, or the static size of axis `axis` (negative from the end), if it is known.
std::optional<int64_t> findRank(mlir::Value value);
std::optional<int64_t> findSize(mlir::Value value, int64_t axis);
/// Returns the element type, or null if it is unknown.
mlir::Type findElement(mlir::Value value);
/// Returns whether axis `i` of `a` and axis `j` of `b` certainly have the same size.
bool isSameSize(mlir::Value a, int64_t i, mlir::Value b, int64_t j);

/// Finds the sizes of `value` in `layout`, which is not packed. `heads` is their number if it is
/// stated. The reason says what is unknown, of a value called `what`.
WhyNot findHeadSizes(mlir::Value value, sink::Layout layout, std::optional<int64_t> heads,
                     llvm::StringRef what, HeadSizes &sizes);

/// Returns a view of `value` in which batch, heads and sequence are apart and in order, and sets
/// `layout` to it: bhsd, bshd or bsd. Takes the value from before the exporter's Transpose or
/// Reshape if they only turn it.
mlir::Value separateHeads(mlir::Value value, sink::Layout &layout, HeadSizes sizes,
                          onnx::NodeBuilder &n);
/// Returns the [batch, heads, sequence, dim] in a layout other than bshd and bsd.
mlir::Value joinHeads(mlir::Value value, sink::Layout layout, HeadSizes sizes,
                      onnx::NodeBuilder &n);

/// Returns whether `value` has a flat view that no Transpose has to make.
bool isFlatView(mlir::Value value, sink::Layout layout);

/// The functions below take a layout of separateHeads.
/// Returns `value` as [batch, sequence, heads * dim]. Takes it from before the exporter's Reshape
/// and Transpose if they only view it.
mlir::Value makeFlat(mlir::Value value, sink::Layout layout, HeadSizes sizes, onnx::NodeBuilder &n);
/// Returns `value` as [batch, heads, sequence, dim].
mlir::Value makeHeadsFirst(mlir::Value value, sink::Layout layout, HeadSizes sizes,
                           onnx::NodeBuilder &n);
/// Returns the view of `flat` in any layout.
mlir::Value viewAs(mlir::Value flat, sink::Layout layout, HeadSizes sizes, onnx::NodeBuilder &n);

/// Takes uses of `view`, a view of `flat` by viewAs, to `flat` or to its Reshape where the
/// exporter's Transpose and Reshape after it only undo the view. The nodes lose their uses.
void takeUsesBack(mlir::Value view, mlir::Value flat, sink::Layout layout, HeadSizes sizes,
                  mlir::RewriterBase &rewriter);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_HEADVIEWS_H
