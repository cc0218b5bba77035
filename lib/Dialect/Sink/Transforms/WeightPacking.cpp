//===- WeightPacking.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The packings, as ONNX Runtime's quantizers write them:
//
//   (q - zero) * scale                      DequantizeLinear of a weight, or of a computed tensor
//   x (q - zero) * scales + bias            MatMulNBits of com.microsoft
//   float(x q) * (x_scale * scale)          MatMulInteger behind DynamicQuantizeLinear
//
// A power of two in the scale commutes with each rounding, so the value has the same bits as with
// a multiplication behind it, while nothing leaves the normal range.
//
//===----------------------------------------------------------------------===//

#include "WeightPacking.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

using Scales = SmallVector<PackedScale, 2>;

static bool isOperator(Operation *op, StringRef domain, StringRef type) {
  auto node = dyn_cast_or_null<NodeInterface>(op);
  return node && node.getOpDomain() == domain && node.getOpType() == type;
}

/// Returns the use of the scale of a DequantizeLinear, for the axis `last` of its result.
static std::optional<PackedScale> findScale(DequantizeLinearOp op, std::optional<int64_t> last) {
  OpOperand &use = op->getOpOperand(1);
  TensorInfo scale = getTensorInfo(use.get()), x = getTensorInfo(op->getOperand(0));
  if (!isWeight(use.get()) || !scale.hasRank())
    return std::nullopt;
  PackedScale found{&use, std::nullopt};
  if (!last || !x.hasRank() || scale.rank() == 0)
    return found;
  auto block = op->getAttrOfType<IntegerAttr>("block_size");
  bool isBlocked = block && block.getInt() != 0;
  auto attr = op->getAttrOfType<IntegerAttr>("axis");
  int64_t axis = attr ? attr.getInt() : 1;
  axis += axis < 0 ? x.rank() : 0;
  // A vector has an element for each position of `axis`. Blocks divide `axis`, and other axes keep
  // their size.
  if (isBlocked && scale.rank() == x.rank() && axis != *last)
    found.axis = *last;
  else if (!isBlocked && scale.rank() == 1 && axis == *last && !scale[0].is(1))
    found.axis = 0;
  return found;
}

/// Returns the scale of a dequantized constant, perhaps transposed, if `use` is its only reader.
/// `axis` is the axis of the operand, counted from the end.
static std::optional<PackedScale> findWeightScale(OpOperand &use, int64_t axis) {
  Value value = use.get();
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || !value.hasOneUse())
    return std::nullopt;
  int64_t last = info.rank() + axis;
  if (auto transpose = value.getDefiningOp<TransposeOp>()) {
    std::optional<ArrayRef<int64_t>> perm = transpose.getPerm();
    value = transpose->getOperand(0);
    if (!value.hasOneUse())
      return std::nullopt;
    last = perm ? (*perm)[last] : info.rank() - 1 - last;
  }
  auto dequantize = value.getDefiningOp<DequantizeLinearOp>();
  return dequantize ? findScale(dequantize, last) : std::nullopt;
}

/// A MatMul or a Gather of a dequantized matrix, or a Gemm, whose bias is a vector.
static Scales findScalesOfProduct(Operation *op) {
  auto gemm = dyn_cast<GemmOp>(op);
  if (!isa<MatMulOp, GatherOp, GemmOp>(op))
    return {};
  OpOperand &matrix = op->getOpOperand(isa<GatherOp>(op) ? 0 : 1);
  TensorInfo info = getTensorInfo(matrix.get());
  auto axisAttr = op->getAttrOfType<IntegerAttr>("axis");
  int64_t gathered = isa<GatherOp>(op) && axisAttr ? axisAttr.getInt() : 0;
  if (!info.hasRank() || info.rank() != 2 || gathered != 0)
    return {};
  bool isTransposed = gemm && gemm.getTransB().value_or(0) != 0;
  std::optional<PackedScale> found = findWeightScale(matrix, isTransposed ? -2 : -1);
  if (!found)
    return {};
  Scales scales{*found};
  if (gemm && gemm.getC()) {
    OpOperand &bias = op->getOpOperand(2);
    if (isWeight(bias.get()))
      scales.push_back({&bias, -1});
    else if (std::optional<PackedScale> ofBias = findWeightScale(bias, -1))
      scales.push_back(*ofBias);
    else
      return {};
  }
  return scales;
}

/// MatMulNBits has scales [N, blocks], perhaps flat, and a bias [N].
static Scales findScalesOfBlocks(Operation *op) {
  auto columns = op->getAttrOfType<IntegerAttr>("N");
  if (!isOperator(op, "com.microsoft", "MatMulNBits") || op->getNumOperands() < 3 || !columns ||
      columns.getInt() <= 0)
    return {};
  OpOperand &use = op->getOpOperand(2);
  TensorInfo info = getTensorInfo(use.get());
  if (!isWeight(use.get()) || !info.hasRank() || info.rank() < 1 || !info[0].isStatic() ||
      info[0].size % columns.getInt() != 0)
    return {};
  Scales scales{{&use, 0, info[0].size / columns.getInt()}};
  constexpr unsigned kBias = 5;
  if (getInputOrNull(op, kBias)) {
    if (!isWeight(op->getOperand(kBias)))
      return {};
    scales.push_back({&op->getOpOperand(kBias), -1});
  }
  return scales;
}

/// float(MatMulInteger(x, q)) * (x_scale * scale), in any order of the factors.
static Scales findScalesOfIntegers(Operation *op) {
  if (!isa<MulOp>(op))
    return {};
  for (unsigned i : {0u, 1u}) {
    auto cast = op->getOperand(i).getDefiningOp<CastOp>();
    auto factor = op->getOperand(1 - i).getDefiningOp<MulOp>();
    if (!cast || !factor || !factor->getResult(0).hasOneUse() ||
        !isOperator(cast->getOperand(0).getDefiningOp(), "", "MatMulInteger"))
      continue;
    for (unsigned k : {0u, 1u}) {
      OpOperand &use = factor->getOpOperand(k);
      TensorInfo scale = getTensorInfo(use.get()), other = getTensorInfo(factor->getOperand(1 - k));
      // The other factor is the scale of x: one number, or one for each row.
      bool isVector = scale.hasRank() && scale.rank() == 1 && !scale[0].is(1);
      if (!isWeight(use.get()) || isWeight(factor->getOperand(1 - k)) || !scale.hasRank() ||
          !other.hasRank())
        continue;
      return {{&use, isVector ? std::optional<int64_t>(-1) : std::nullopt}};
    }
  }
  return {};
}

Scales basin::sink::findPackedScales(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumResults() != 1)
    return {};
  if (auto dequantize = dyn_cast<DequantizeLinearOp>(op)) {
    TensorInfo info = getTensorInfo(value);
    std::optional<PackedScale> found =
        findScale(dequantize, info.hasRank() && info.rank() > 0 ? std::optional(info.rank() - 1)
                                                                : std::nullopt);
    return found ? Scales{*found} : Scales{};
  }
  for (auto find : {findScalesOfProduct, findScalesOfBlocks, findScalesOfIntegers})
    if (Scales found = find(op); !found.empty())
      return found;
  return {};
}
