//===- MatrixProducts.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table has a row for each operator, which says which operands are input, matrix, scale and zero
// point. Operators that are no typed ops are found by name. A node may have any number of
// operands, so they are read through checked accessors.
//
//===----------------------------------------------------------------------===//

#include "MatrixProducts.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// The most steps that are followed from a matrix to the constant that it is made from.
static constexpr unsigned kMaxSteps = 16;

namespace {

/// Indices of operands. An index is negative if the operator has no such operand.
struct Operands {
  StringRef domain, type;
  int input, weight, scale, zeroPoint;
};

} // namespace

static constexpr StringLiteral kMicrosoft = "com.microsoft";

static const Operands kProducts[] = {
    {"", "MatMul", 0, 1, -1, -1},
    {"", "Gemm", 0, 1, -1, -1},
    {"", "MatMulInteger", 0, 1, -1, 2},
    {"", "QLinearMatMul", 0, 3, 1, 2},
    {kMicrosoft, "FusedMatMul", 0, 1, -1, -1},
    {kMicrosoft, "MatMulNBits", 0, 1, -1, -1},
    {kMicrosoft, "MatMulBnb4", 0, 1, -1, -1},
    {kMicrosoft, "DynamicQuantizeMatMul", 0, 1, -1, -1},
    {kMicrosoft, "MatMulIntegerToFloat", 0, 1, 2, 4},
    {kMicrosoft, "QGemm", 0, 3, 1, 2},
};

static const Operands *findOperands(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  if (!node || op->getNumResults() == 0)
    return nullptr;
  const auto *it = llvm::find_if(kProducts, [&](const Operands &one) {
    return one.domain == node.getOpDomain() && one.type == node.getOpType();
  });
  return it == std::end(kProducts) ? nullptr : it;
}

static Value operandOf(Operation *op, int index) {
  return index < 0 ? Value() : getInputOrNull(op, index);
}

/// Returns the operand itself if it is a constant. If it is a transpose of a constant, or a
/// dequantized constant, returns that constant. Returns null for everything that is computed.
static Value findMatrix(Value operand) {
  if (!operand || isConstant(operand))
    return operand;
  Value value = operand;
  for (unsigned i = 0; value && i < kMaxSteps; ++i) {
    if (isConstant(value))
      return value;
    Operation *def = value.getDefiningOp();
    if (!isa_and_nonnull<TransposeOp, DequantizeLinearOp, CastOp, IdentityOp, ReshapeOp, SqueezeOp,
                         UnsqueezeOp>(def))
      return {};
    value = getInputOrNull(def, 0);
  }
  return {};
}

static bool isTransposed(Operation *op) {
  if (auto gemm = dyn_cast<GemmOp>(op))
    return gemm.getTransA().value_or(0) != 0;
  if (auto fused = dyn_cast<MSFusedMatMulOp>(op))
    return fused.getTransA().value_or(0) != 0 || fused.getTransBatchA().value_or(0) != 0;
  auto transA = op->getAttrOfType<IntegerAttr>("transA");
  return transA && !transA.getValue().isZero();
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

static int64_t lastDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 0 ? type.getShape().back() : ShapedType::kDynamic;
}

/// Returns the product of the sizes from the third axis on, or nothing if one is not known.
static std::optional<int64_t> countChannels(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() < 3)
    return std::nullopt;
  ArrayRef<int64_t> channels = type.getShape().drop_front(2);
  if (llvm::any_of(channels, ShapedType::isDynamic))
    return std::nullopt;
  return ShapedType::getNumElements(channels);
}

Value basin::sink::seeThroughViews(Value value) {
  while (Operation *def = value.getDefiningOp()) {
    if (!isa<ReshapeOp, FlattenOp, IdentityOp>(def))
      break;
    Value source = getInputOrNull(def, 0);
    if (!source)
      break;
    auto from = dyn_cast<RankedTensorType>(source.getType());
    auto to = dyn_cast<RankedTensorType>(value.getType());
    bool isSame = from && to && from.getRank() == to.getRank() && lastDim(source) == lastDim(value);
    bool isFlattened = to && to.getRank() == 2 && countChannels(source) == lastDim(value);
    if (ShapedType::isDynamic(lastDim(value)) || !(isSame || isFlattened))
      break;
    value = source;
  }
  return value;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool isFloatMatrix(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= 2 && isa<FloatType>(type.getElementType());
}

static bool isIntegerMatrix(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= 2 && isa<IntegerType>(type.getElementType());
}

/// Returns whether there is one scale for the whole tensor, in f32.
static bool isTensorScale(Value scale) {
  auto type = scale ? dyn_cast<RankedTensorType>(scale.getType()) : RankedTensorType();
  return type && type.hasStaticShape() && type.getNumElements() == 1 &&
         type.getElementType().isF32();
}

std::optional<MatrixProduct> basin::sink::matchMatrixProduct(Operation *op) {
  const Operands *operands = findOperands(op);
  if (!operands || isTransposed(op))
    return std::nullopt;
  Value input = operandOf(op, operands->input);
  Value weight = findMatrix(operandOf(op, operands->weight));
  if (!input || !weight || findMatrix(input))
    return std::nullopt;
  MatrixProduct product{seeThroughViews(input), weight, {}, {}};
  if (isFloatMatrix(input))
    return product;
  if (!isIntegerMatrix(input))
    return std::nullopt;
  Operation *def = product.input.getDefiningOp();
  if (isa_and_nonnull<QuantizeLinearOp, DynamicQuantizeLinearOp>(def))
    if (Value floats = getInputOrNull(def, 0); floats && isFloatMatrix(floats)) {
      product.input = seeThroughViews(floats);
      return product;
    }
  product.scale = operandOf(op, operands->scale);
  product.zeroPoint = operandOf(op, operands->zeroPoint);
  if (!isTensorScale(product.scale))
    return std::nullopt;
  return product;
}
