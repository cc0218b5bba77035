//===- ShapeRulesGeneric.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of rules by operator name, the functions that they share, and the short rules.
//
//===----------------------------------------------------------------------===//

#include "ShapeRulesGeneric.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

//===----------------------------------------------------------------------===//
// Attributes and sizes
//===----------------------------------------------------------------------===//

Attribute infer::getNodeAttr(Operation *op, StringRef name) {
  if (auto node = dyn_cast<NodeOp>(op))
    return node.getAttrs().get(name);
  return op->getAttr(name);
}

int64_t infer::getNodeInt(Operation *op, StringRef name, int64_t otherwise) {
  auto attr = dyn_cast_or_null<IntegerAttr>(getNodeAttr(op, name));
  return attr ? attr.getInt() : otherwise;
}

std::optional<Ints> infer::getNodeInts(Operation *op, StringRef name) {
  auto attr = dyn_cast_or_null<DenseI64ArrayAttr>(getNodeAttr(op, name));
  return attr ? std::optional(Ints(attr.asArrayRef())) : std::nullopt;
}

StringRef infer::getNodeString(Operation *op, StringRef name, StringRef otherwise) {
  auto attr = dyn_cast_or_null<StringAttr>(getNodeAttr(op, name));
  return attr ? attr.getValue() : otherwise;
}

Type infer::getNodeType(Operation *op, StringRef name, Type otherwise) {
  int64_t code = getNodeInt(op, name, 0);
  if (code == 0)
    return otherwise;
  return llvm::isInt<32>(code) ? getElementType(op->getContext(), int32_t(code)) : Type();
}

Dim infer::scaleDim(const Dim &a, int64_t factor, int64_t more) {
  if (factor == 1 && more == 0)
    return a;
  int64_t size;
  if (!a.isStatic() || llvm::MulOverflow(a.size, factor, size) ||
      llvm::AddOverflow(size, more, size) || size < 0)
    return {};
  return size;
}

std::optional<Dims> infer::multiplyDimsOf(TensorInfo a, TensorInfo b) {
  if (!a.hasRank() || !b.hasRank() || a.rank() == 0 || b.rank() == 0)
    return std::nullopt;
  bool dropRows = a.rank() == 1, dropColumns = b.rank() == 1;
  if (dropRows)
    a.dims->insert(a.dims->begin(), Dim(1));
  if (dropColumns)
    b.dims->push_back(Dim(1));
  std::optional<Dims> dims =
      broadcastDims(ArrayRef(*a.dims).drop_back(2), ArrayRef(*b.dims).drop_back(2));
  if (!dims || !mergeDim(a.dims->back(), b[b.rank() - 2]))
    return std::nullopt;
  if (!dropRows)
    dims->push_back(a[a.rank() - 2]);
  if (!dropColumns)
    dims->push_back(b.dims->back());
  return dims;
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

static void asFirst(Operation *op, Types &types) { setResult(op, types, 0, getInput(op, 0)); }

static void broadcastBoth(Operation *op, Types &types) {
  TensorInfo a = getInput(op, 0), b = getInput(op, 1), out{a.element, std::nullopt};
  if (a.hasRank() && b.hasRank())
    out.dims = broadcastDims(*a.dims, *b.dims);
  setResult(op, types, 0, out);
}

/// RandomNormalLike and its like give the operand's shape, and its type unless `dtype` says
/// another.
static void randomLike(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  setResult(op, types, 0, {getNodeType(op, "dtype", input.element), input.dims});
}

static void randomOf(Operation *op, Types &types) {
  Type f32 = Builder(op->getContext()).getF32Type();
  TensorInfo out{getNodeType(op, "dtype", f32), std::nullopt};
  if (std::optional<Ints> shape = getNodeInts(op, "shape");
      shape && llvm::all_of(*shape, [](int64_t size) { return size >= 0; }))
    out.dims = Dims(shape->begin(), shape->end());
  setResult(op, types, 0, out);
}

//===----------------------------------------------------------------------===//
// Reductions, selections
//===----------------------------------------------------------------------===//

/// Reductions without a typed op: ReduceL1, ReduceLogSum, ReduceLogSumExp.
static void reduceAny(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), out{input.element, std::nullopt};
  bool keep = getNodeInt(op, "keepdims", 1) != 0;
  std::optional<Ints> axes = getNodeInts(op, "axes");
  Value operand = getInputOrNull(op, 1);
  if (!axes && operand)
    axes = evaluateInts(operand);
  bool known = axes || !operand;
  if (input.hasRank() && known) {
    bool all = !axes || axes->empty();
    if (all && getNodeInt(op, "noop_with_empty_axes", 0) != 0)
      return setResult(op, types, 0, input);
    llvm::SmallBitVector gone(input.rank(), all);
    for (int64_t axis : axes.value_or(Ints())) {
      if (axis < -input.rank() || axis >= input.rank())
        return setResult(op, types, 0, out);
      gone.set(axis < 0 ? axis + input.rank() : axis);
    }
    out.dims = Dims();
    for (int64_t i = 0; i < input.rank(); ++i)
      if (!gone[i] || keep)
        out.dims->push_back(gone[i] ? Dim(1) : input[i]);
  } else if (input.hasRank() && keep) {
    out.dims = Dims(input.rank(), Dim());
  }
  setResult(op, types, 0, out);
}

static void determinant(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  if (input.hasRank() && input.rank() >= 2)
    input.dims->truncate(input.rank() - 2);
  else
    input.dims = std::nullopt;
  setResult(op, types, 0, input);
}

static void compress(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), out{input.element, Dims{Dim()}};
  auto axis = dyn_cast_or_null<IntegerAttr>(getNodeAttr(op, "axis"));
  if (axis) {
    out.dims = input.dims;
    int64_t at = axis.getInt();
    if (input.hasRank() && at >= -input.rank() && at < input.rank())
      (*out.dims)[at < 0 ? at + input.rank() : at] = Dim();
    else
      out.dims = std::nullopt;
  }
  setResult(op, types, 0, out);
}

static void nonMaxSuppression(Operation *op, Types &types) {
  setResult(op, types, 0, {Builder(op->getContext()).getI64Type(), Dims{Dim(), Dim(3)}});
}

//===----------------------------------------------------------------------===//
// Products and recurrences
//===----------------------------------------------------------------------===//

static void qLinearMatMul(Operation *op, Types &types) {
  setResult(op, types, 0,
            {getInput(op, 7).element, multiplyDimsOf(getInput(op, 0), getInput(op, 3))});
}

/// LSTM, GRU and RNN return [sequence, directions, batch, hidden] and the last states.
static void recurrent(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0), w = getInput(op, 1);
  int64_t size = getNodeInt(op, "hidden_size", -1);
  Dim hidden = size >= 0 ? Dim(size) : Dim(), sequence, batch;
  Dim directions = w.hasRank() && w.rank() == 3 ? w[0] : Dim();
  bool batchFirst = getNodeInt(op, "layout", 0) != 0;
  if (x.hasRank() && x.rank() == 3) {
    sequence = x[batchFirst ? 1 : 0];
    batch = x[batchFirst ? 0 : 1];
  }
  Dims all{sequence, directions, batch, hidden}, last{directions, batch, hidden};
  if (batchFirst) {
    all = {batch, sequence, directions, hidden};
    last = {batch, directions, hidden};
  }
  setResult(op, types, 0, {x.element, all});
  setResult(op, types, 1, {x.element, last});
  setResult(op, types, 2, {x.element, last});
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
  add(asFirst, {"Acos",       "Acosh",
                "Asin",       "Asinh",
                "Atan",       "Atanh",
                "BitwiseNot", "Celu",
                "Cosh",       "CumProd",
                "Hardmax",    "LRN",
                "Scatter",    "MeanVarianceNormalization",
                "Shrink",     "ReverseSequence",
                "Sinh",       "Softsign",
                "Tan",        "ThresholdedRelu"});
  add(broadcastBoth, {"BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"});
  add(randomLike, {"Bernoulli", "RandomNormalLike", "RandomUniformLike"});
  add(randomOf, {"RandomNormal", "RandomUniform"});
  add(reduceAny, {"ReduceL1", "ReduceLogSum", "ReduceLogSumExp"});
  add(determinant, {"Det"});
  add(compress, {"Compress"});
  add(nonMaxSuppression, {"NonMaxSuppression"});
  add(qLinearMatMul, {"QLinearMatMul"});
  add(recurrent, {"GRU", "LSTM", "RNN"});
  add(convLike, {"DeformConv"});
  add(convInteger, {"ConvInteger"});
  add(qLinearConv, {"QLinearConv"});
  add(convTranspose, {"ConvTranspose"});
  add(pool, {"AveragePool", "LpPool", "MaxPool"});
  add(globalPool, {"GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"});
  add(maxUnpool, {"MaxUnpool"});
  add(resize, {"Resize", "Upsample"});
  add(depthToSpace, {"DepthToSpace"});
  add(spaceToDepth, {"SpaceToDepth"});
  add(gridSample, {"GridSample"});
  add(roiAlign, {"RoiAlign"});
  add(maxRoiPool, {"MaxRoiPool"});
  return table;
}

/// Returns whether the value of an attribute is unknown, because a function's caller gives it or
/// because it is a field that this version does not read.
static bool hasOpenAttr(Operation *op) {
  auto node = dyn_cast<NodeOp>(op);
  return node && llvm::any_of(node.getAttrs(), [](NamedAttribute attr) {
           return isa<RefAttr, VerbatimAttr>(attr.getValue());
         });
}

LogicalResult infer::unknown(Operation *op, Types &types) {
  static const llvm::StringMap<Rule> table = makeTable();
  types.assign(op->getNumResults(), Type());
  auto node = dyn_cast<NodeInterface>(op);
  if (!node || !node.getOverload().empty() || hasOpenAttr(op))
    return success();
  StringRef domain = node.getOpDomain();
  Rule rule = nullptr;
  if (domain.empty() || domain == "ai.onnx")
    rule = table.lookup(node.getOpType());
  else if (domain == "com.microsoft")
    rule = lookupMicrosoftRule(node.getOpType());
  if (rule)
    rule(op, types);
  return success();
}
