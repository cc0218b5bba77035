//===- ChannelMap.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says where the channels of a value are in the values that it is made from, over views,
// transposes, broadcasts and parts.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELMAP_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELMAP_H

#include "Selection.h"

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin::sink {

/// One digit of a channel's number: it moves the channel by `stride` along `axis`. With axis -1
/// it moves nothing, because the value is broadcast along it.
struct ChannelDigit {
  int64_t axis, size, stride;
};

/// The place of each channel in a value. The digits are those of the channel's number, from the
/// largest to the smallest. `offsets` has an element for each axis.
struct ChannelMap {
  llvm::SmallVector<ChannelDigit, 4> digits;
  llvm::SmallVector<int64_t, 6> offsets;

  /// The channels are the elements of the last axis, which has `size`, of a value of that rank.
  static ChannelMap ofLastAxis(int64_t rank, int64_t size);

  /// Returns for each channel its position on the last axis. Returns nothing if the channels are
  /// on another axis as well, or if another axis has an offset.
  std::optional<llvm::SmallVector<int64_t>> getPositions() const;
  /// Returns whether the channels are along `axis`.
  bool isAlong(int64_t axis) const;
};

/// Each of these returns the map of the op's first operand, or of `source`, given that of its
/// result. They return nothing if that is not proven.
std::optional<ChannelMap> undoRegroup(mlir::Value source, mlir::Value result,
                                      const ChannelMap &map);
std::optional<ChannelMap> undoTranspose(onnx::TransposeOp op, const ChannelMap &map);
std::optional<ChannelMap> undoExpand(onnx::ExpandOp op, const ChannelMap &map);
std::optional<ChannelMap> undoSelection(const Selection &part, const ChannelMap &map);
/// For an op that computes each element from the one at the same place of `source`.
std::optional<ChannelMap> undoElementwise(mlir::Value source, mlir::Value result,
                                          const ChannelMap &map);
/// From an attention's result to its value. Heads that share a value are broadcast.
std::optional<ChannelMap> undoAttention(AttentionOp op, const ChannelMap &map);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELMAP_H
