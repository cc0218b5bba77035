//===- ShapeRulesMicrosoft.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators of com.microsoft that fusions and quantizers of ONNX Runtime write. The shapes are
// those of its documentation (ContribOperators.md).
//
//===----------------------------------------------------------------------===//

#include "ShapeRulesGeneric.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

/// Returns `info` with `last` as its last dim.
static TensorInfo withLast(TensorInfo info, const Dim &last) {
  if (info.hasRank() && info.rank() > 0)
    info.dims->back() = last;
  else
    info.dims = std::nullopt;
  return info;
}

static Dim lastOf(const TensorInfo &info) {
  return info.hasRank() && info.rank() > 0 ? info.dims->back() : Dim();
}

static void asFirst(Operation *op, Types &types) { setResult(op, types, 0, getInput(op, 0)); }

static void asFirstAndSecondResult(Operation *op, Types &types) {
  asFirst(op, types);
  setResult(op, types, 1, getInput(op, 0));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Swaps the last two dims if `matrix`. If `batches`, the first dim moves before the last.
static TensorInfo transposed(TensorInfo info, bool matrix, bool batches) {
  if (!info.hasRank() || info.rank() < 2)
    return info;
  Dims &dims = *info.dims;
  if (batches)
    std::rotate(dims.begin(), dims.begin() + 1, dims.end() - 1);
  if (matrix)
    std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return info;
}

static void fusedMatMul(Operation *op, Types &types) {
  auto flag = [&](StringRef name) { return getNodeInt(op, name, 0) != 0; };
  TensorInfo a = getInput(op, 0), b = getInput(op, 1);
  Type element = a.element;
  setResult(op, types, 0,
            {element, multiplyDimsOf(transposed(a, flag("transA"), flag("transBatchA")),
                                     transposed(b, flag("transB"), flag("transBatchB")))});
}

static void fusedGemm(Operation *op, Types &types) {
  TensorInfo a = transposed(getInput(op, 0), getNodeInt(op, "transA", 0) != 0, false);
  TensorInfo b = transposed(getInput(op, 1), getNodeInt(op, "transB", 0) != 0, false);
  setResult(op, types, 0, {a.element, multiplyDimsOf(a, b)});
}

static void plainMatMul(Operation *op, Types &types) {
  TensorInfo a = getInput(op, 0);
  setResult(op, types, 0, {a.element, multiplyDimsOf(a, getInput(op, 1))});
}

/// A product of integers that is returned in the type of the scales.
static void matMulIntegerToFloat(Operation *op, Types &types) {
  setResult(op, types, 0,
            {getInput(op, 2).element, multiplyDimsOf(getInput(op, 0), getInput(op, 1))});
}

static void matMulInteger16(Operation *op, Types &types) {
  setResult(
      op, types, 0,
      {Builder(op->getContext()).getI32Type(), multiplyDimsOf(getInput(op, 0), getInput(op, 1))});
}

static void packedMatMul(Operation *op, Types &types) {
  setResult(op, types, 0, withLast(getInput(op, 0), ShapeEntry(getNodeInt(op, "N", -1)).toDim()));
}

//===----------------------------------------------------------------------===//
// Quantized elementwise
//===----------------------------------------------------------------------===//

/// The operands are A with its scale and zero point, and then B.
static void qLinearBinary(Operation *op, Types &types) {
  TensorInfo a = getInput(op, 0), b = getInput(op, 3), out{a.element, std::nullopt};
  if (a.hasRank() && b.hasRank())
    out.dims = broadcastDims(*a.dims, *b.dims);
  setResult(op, types, 0, out);
}

static void quantize(Operation *op, Types &types) {
  Type element = getInput(op, 2).element;
  if (!getInputOrNull(op, 2))
    element = IntegerType::get(op->getContext(), 8, IntegerType::Unsigned);
  setResult(op, types, 0, {element, getInput(op, 0).dims});
}

static void dequantize(Operation *op, Types &types) {
  setResult(op, types, 0, {getInput(op, 1).element, getInput(op, 0).dims});
}

/// Takes rows of a quantized table, and returns them in the type of the scales. Several elements
/// may share a byte of the last axis.
static void gatherBlockQuantized(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0), indices = getInput(op, 1);
  TensorInfo out{getInput(op, 2).element, std::nullopt};
  int64_t axis = getNodeInt(op, "gather_axis", 0), bits = getNodeInt(op, "bits", 4);
  if (data.hasRank() && indices.hasRank() && axis >= -data.rank() && axis < data.rank()) {
    bool isPacked = data.element && data.element.isUnsignedInteger(8) && bits > 0 && bits < 8;
    if (isPacked)
      data.dims->back() = scaleDim(data.dims->back(), 8 / bits);
    axis = axis < 0 ? axis + data.rank() : axis;
    out.dims = Dims(ArrayRef(*data.dims).take_front(axis));
    out.dims->append(*indices.dims);
    out.dims->append(data.dims->begin() + axis + 1, data.dims->end());
  }
  setResult(op, types, 0, out);
}

//===----------------------------------------------------------------------===//
// Embeddings and attention
//===----------------------------------------------------------------------===//

/// Returns [batch, sequence, hidden], the lengths [batch], and the sum before the norm.
static void embed(Operation *op, Types &types, Type element) {
  TensorInfo ids = getInput(op, 0), table = getInput(op, 2), out{element, std::nullopt};
  Dim batch;
  if (ids.hasRank() && ids.rank() == 2) {
    batch = ids[0];
    out.dims = Dims{ids[0], ids[1], lastOf(table)};
  }
  setResult(op, types, 0, out);
  setResult(op, types, 1, {Builder(op->getContext()).getI32Type(), Dims{batch}});
  setResult(op, types, 2, out);
}

static void embedLayerNorm(Operation *op, Types &types) {
  embed(op, types, getInput(op, 2).element);
}

static void qEmbedLayerNorm(Operation *op, Types &types) {
  embed(op, types, getInput(op, 8).element);
}

/// The weights [hidden, 3 * width] are those of query, key and value side by side.
static void packedAttention(Operation *op, Types &types, Type element) {
  TensorInfo out = withLast(getInput(op, 0), divideDim(lastOf(getInput(op, 1)), 3));
  out.element = element;
  setResult(op, types, 0, out);
}

static void qAttention(Operation *op, Types &types) {
  packedAttention(op, types, getInput(op, 3).element);
}

static void decoderSelfAttention(Operation *op, Types &types) {
  packedAttention(op, types, getInput(op, 0).element);
  setResult(op, types, 1, getInput(op, 4));
}

static void packedSelfAttention(Operation *op, Types &types) {
  if (!getNodeAttr(op, "qkv_hidden_sizes"))
    packedAttention(op, types, getInput(op, 0).element);
}

/// If query, key and value are separate operands, the result has the width of the values.
static void decoderAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), value = getInput(op, 2);
  bool isApart = value.hasRank() && value.rank() == 3;
  setResult(op, types, 0, withLast(query, isApart ? lastOf(value) : Dim()));
  setResult(op, types, 1, getInput(op, 5));
  setResult(op, types, 2, getInput(op, 6));
}

static void relativePositionBias(Operation *op, Types &types) {
  TensorInfo table = getInput(op, 0);
  setResult(op, types, 0, {table.element, Dims{Dim(1), lastOf(table), Dim(), Dim()}});
}

static void gatedRelativePositionBias(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), out{query.element, std::nullopt};
  if (query.hasRank() && query.rank() == 3)
    out.dims =
        Dims{query[0], ShapeEntry(getNodeInt(op, "num_heads", -1)).toDim(), query[1], query[1]};
  setResult(op, types, 0, out);
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

static void biasSplitGelu(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  setResult(op, types, 0, withLast(x, divideDim(lastOf(x), 2)));
}

/// Channels come last. The place of the kernel's axes in the weights depends on the version, so
/// spatial sizes stay unknown.
static void nhwcConv(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0), weights = getInput(op, 1), out{x.element, std::nullopt};
  if (x.hasRank() && x.rank() >= 3) {
    out.dims = Dims(x.rank(), Dim());
    out.dims->front() = x[0];
    out.dims->back() = weights.hasRank() && weights.rank() > 0 ? weights[0] : Dim();
  }
  setResult(op, types, 0, out);
}

static void biasDropout(Operation *op, Types &types) {
  asFirst(op, types);
  setResult(op, types, 1, {Builder(op->getContext()).getI1Type(), getInput(op, 0).dims});
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static llvm::StringMap<Rule> makeTable() {
  llvm::StringMap<Rule> table;
  auto add = [&](Rule rule, std::initializer_list<StringRef> names) {
    for (StringRef name : names)
      table[name] = rule;
  };
  // Some of these have typed ops, and are here for nodes that those do not cover.
  add(asFirst, {"BiasAdd", "BiasGelu", "BiasSoftmax", "FastGelu", "Gelu", "GroupNorm", "Inverse",
                "LongformerAttention", "MoE", "QLinearLeakyRelu", "QLinearSigmoid",
                "QLinearSoftmax", "QMoE", "QuickGelu", "RotaryEmbedding", "Trilu"});
  add(asFirstAndSecondResult, {"SkipGroupNorm"});
  add(
      [](Operation *op, Types &types) {
        asFirst(op, types);
        setResult(op, types, 3, getInput(op, 0));
      },
      {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"});
  add(fusedMatMul, {"FusedMatMul", "FusedMatMulActivation", "TransposeMatMul"});
  add(fusedGemm, {"FusedGemm"});
  add(plainMatMul, {"DynamicQuantizeMatMul", "GemmFastGelu", "SparseToDenseMatMul"});
  add(matMulIntegerToFloat, {"MatMulIntegerToFloat"});
  add(matMulInteger16, {"MatMulInteger16"});
  add(packedMatMul, {"MatMulBnb4", "MatMulFpQ4", "MatMulNBits"});
  add(qLinearBinary, {"QLinearAdd", "QLinearMul"});
  add(quantize, {"QuantizeLinear"});
  add(dequantize, {"DequantizeLinear"});
  add(gatherBlockQuantized, {"GatherBlockQuantized"});
  add(embedLayerNorm, {"EmbedLayerNormalization"});
  add(qEmbedLayerNorm, {"QEmbedLayerNormalization"});
  add(qAttention, {"QAttention"});
  add(decoderSelfAttention, {"DecoderMaskedSelfAttention"});
  add(packedSelfAttention, {"PackedAttention"});
  add(decoderAttention, {"DecoderMaskedMultiHeadAttention"});
  add(relativePositionBias, {"RelativePositionBias"});
  add(gatedRelativePositionBias, {"GatedRelativePositionBias"});
  add(biasSplitGelu, {"BiasSplitGelu"});
  add(nhwcConv, {"NhwcConv"});
  add(convLike, {"FusedConv"});
  add(biasDropout, {"BiasDropout"});
  return table;
}

Rule infer::lookupMicrosoftRule(StringRef opType) {
  static const llvm::StringMap<Rule> table = makeTable();
  return table.lookup(opType);
}
