//===- ChannelOrigin.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the weights that the channels of a value are proportional to: those of the norm, of the
// product or of the attention's value projection that it comes from.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELORIGIN_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELORIGIN_H

#include "ChannelMap.h"
#include "WeightRoles.h"

#include "basin/Support/WhyNot.h"

namespace basin::sink {

/// The uses of a weight that play one part, and where each channel is on one axis of it.
struct WeightPart {
  RoleUses uses;
  int64_t axis;
  llvm::SmallVector<int64_t> positions;

  mlir::Value getWeight() const { return uses.front()->get(); }
};

/// If each channel is divided by a factor in all parts, so is the value, and nothing else changes.
struct ChannelOrigin {
  enum Kind { Norm, Product, Attention };
  Kind kind = Product;
  llvm::SmallVector<WeightPart, 2> parts;
};

llvm::StringRef toString(ChannelOrigin::Kind kind);

/// Returns whether `value` is a stored weight: an Initializer, a Constant, or a parameter that an
/// earlier step inserted.
bool isStored(mlir::Value value);
/// Returns whether `op` multiplies a computed value by a stored matrix, which may be quantized.
bool isStoredProduct(mlir::Operation *op);

/// The stored matrix of a product, and the axes of its rows and columns.
struct StoredMatrix {
  mlir::OpOperand *use;
  int64_t rows, columns;
};

/// Returns the matrix of a product of floats, which may be behind a Transpose that nothing else
/// reads, or says why there is none.
WhyNot findStoredMatrix(mlir::Operation *product, StoredMatrix &found);

class OriginFinder {
public:
  /// Finds the origin of the `channels` on the last axis of `value`, whose own readers are not
  /// looked at. Returns why there is none.
  WhyNot find(mlir::Value value, int64_t channels, ChannelOrigin &origin);

private:
  WhyNot walk(mlir::Value value, const ChannelMap &map, unsigned depth);
  WhyNot walkInto(mlir::Operation *op, mlir::Value source, std::optional<ChannelMap> map,
                  unsigned depth);
  WhyNot walkSelection(mlir::Operation *op, mlir::Value result, const ChannelMap &map,
                       unsigned depth);
  WhyNot walkAttention(AttentionOp op, mlir::Value result, const ChannelMap &map, unsigned depth);
  WhyNot walkSum(mlir::Operation *op, const ChannelMap &map, unsigned depth);
  WhyNot walkFactors(mlir::Operation *op, const ChannelMap &map, unsigned depth);
  WhyNot endAtNorm(NormInterface norm, mlir::Value result, const ChannelMap &map);
  WhyNot endAtProduct(mlir::Operation *op, const ChannelMap &map);
  WhyNot addBias(mlir::OpOperand &use, const ChannelMap &map, int64_t size);

  WeightRoles roles;
  ChannelOrigin found;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_CHANNELORIGIN_H
