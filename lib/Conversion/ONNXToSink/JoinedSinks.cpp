//===- JoinedSinks.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   key = Concat(rows, k, 0);  value = Concat(rows', v, 0);  mask = Concat(0, m, logit)
//
// in any order, which is that of all three. One part is the keys, at most one is learned rows, and
// at most one is zeros. The columns of learned rows must be visible, and so must that of zeros
// unless it holds the logits.
//
//===----------------------------------------------------------------------===//

#include "JoinedSinks.h"
#include "Matchers.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
using basin::sink::MaskKind;

/// Returns the Concat of `value` along the sequence, or null if there is none or if others read its
/// result.
static ConcatOp matchJoin(Value value) {
  auto concat = value.getDefiningOp<ConcatOp>();
  std::optional<int64_t> rank = getRank(value);
  if (!concat || !value.hasOneUse() || (rank != 4 && rank != 3))
    return {};
  int64_t joined = concat.getAxis().value_or(0);
  return (joined < 0 ? joined + *rank : joined) == *rank - 2 ? concat : ConcatOp();
}

namespace {
class JoinedSinksMatcher {
public:
  JoinedSinksMatcher(MaskKind kind, int64_t heads) : kind(kind), heads(heads) {}
  std::optional<JoinedSinks> match(Value key, Value value, Value mask);
  std::optional<JoinedSinks> matchPast(Value key, Value value, Value mask);

private:
  bool takeParts(ValueRange key, ValueRange value);
  bool takeColumns(Value mask);
  double visible() const { return kind == MaskKind::keep ? 1 : 0; }

  MaskKind kind;
  int64_t heads;
  JoinedSinks found;
  /// The places of the parts among the joined ones, and the number of rows of sinks.
  std::optional<unsigned> keys, learned, zeros;
  int64_t numLearned = 0, numZeros = 0;
  unsigned numParts = 0;
};
} // namespace

bool JoinedSinksMatcher::takeParts(ValueRange key, ValueRange value) {
  numParts = key.size();
  if (value.size() != numParts)
    return false;
  for (unsigned i = 0; i < numParts; ++i) {
    std::optional<SinkRows> k = matchRows(key[i]), v = matchRows(value[i]);
    if (k && v && k->turned != v->turned)
      return false;
    if (!k && !v) {
      if (keys)
        return false;
      keys = i;
      found.key = key[i];
      found.value = value[i];
      continue;
    }
    if (!k || !v || k->count != v->count || !k->rows != !v->rows || (k->rows ? learned : zeros))
      return false;
    (k->rows ? learned : zeros) = i;
    (k->rows ? numLearned : numZeros) = k->count;
    if (k->rows) {
      found.sinkKey = k->rows;
      found.sinkValue = v->rows;
      if (k->turned)
        found.turnedRows = k->count;
    }
  }
  return learned || zeros;
}

bool JoinedSinksMatcher::takeColumns(Value mask) {
  bool owned = mask.hasOneUse();
  Ops ops;
  while (Operation *def = mask.getDefiningOp()) {
    Value same = findSameMask(def);
    if (!same)
      break;
    ops.insert(def);
    mask = same;
    owned &= mask.hasOneUse();
  }
  auto concat = mask.getDefiningOp<ConcatOp>();
  if (!concat || concat->getNumOperands() != numParts ||
      !isLastAxis(mask, concat.getAxis().value_or(0)))
    return false;
  auto isVisible = [&](unsigned i, int64_t count) {
    return getDim(concat->getOperand(i), -1) == count &&
           isFilledWith(concat->getOperand(i), visible());
  };
  if (learned && !isVisible(*learned, numLearned)) {
    // Weights of zeros are the row of the logits if their column holds these.
    if (zeros || !isFilledWith(found.sinkKey, 0) || !isFilledWith(found.sinkValue, 0))
      return false;
    zeros = std::exchange(learned, std::nullopt);
    numZeros = numLearned;
    found.sinkKey = found.sinkValue = Value();
    found.turnedRows.reset();
  }
  if (zeros && !isVisible(*zeros, numZeros)) {
    // Ops that only shape the logits stay outside.
    Ops shaping;
    Value column = concat->getOperand(*zeros);
    bool isColumn = kind == MaskKind::additive && numZeros == 1 && getDim(column, -1) == 1;
    found.sinkLogit = isColumn ? findLogits(column, heads, shaping) : Value();
    if (!found.sinkLogit)
      return false;
  }
  found.mask = concat->getOperand(*keys);
  if (isFilledWith(found.mask, visible()))
    found.mask = Value();
  ops.insert(concat);
  found.ownsMask = owned;
  if (owned)
    found.ops.insert(ops.begin(), ops.end());
  return true;
}

std::optional<JoinedSinks> JoinedSinksMatcher::match(Value key, Value value, Value mask) {
  ConcatOp keyJoin = matchJoin(key), valueJoin = matchJoin(value);
  if (!keyJoin || !valueJoin || !takeParts(keyJoin->getOperands(), valueJoin->getOperands()) ||
      !keys)
    return std::nullopt;
  if (mask && !takeColumns(mask))
    return std::nullopt;
  if (zeros && !found.sinkLogit)
    found.sinkNumber = std::log(static_cast<double>(numZeros));
  found.ops.insert(keyJoin);
  found.ops.insert(valueJoin);
  return std::move(found);
}

/// Returns the parts of a past, which is one part itself if nothing joins it.
static ValueRange getParts(Value &past, ConcatOp join) {
  return join ? ValueRange(join->getOperands()) : ValueRange(past);
}

std::optional<JoinedSinks> JoinedSinksMatcher::matchPast(Value key, Value value, Value mask) {
  ConcatOp keyJoin = matchJoin(key), valueJoin = matchJoin(value);
  if (!takeParts(getParts(key, keyJoin), getParts(value, valueJoin)))
    return std::nullopt;
  // What is no sink stands last, and the new keys behind it. Both share columns of the mask.
  if (keys && *keys + 1 != numParts)
    return std::nullopt;
  if (!keys)
    keys = numParts++;
  if (mask && !takeColumns(mask))
    return std::nullopt;
  if (zeros && !found.sinkLogit)
    found.sinkNumber = std::log(static_cast<double>(numZeros));
  for (ConcatOp join : {keyJoin, valueJoin})
    if (join)
      found.ops.insert(join);
  return std::move(found);
}

void JoinedSinks::giveTo(basin::sink::AttentionParts &parts) const {
  parts.sinkKey = sinkKey;
  parts.sinkValue = sinkValue;
  parts.sinkLogit = sinkLogit;
  parts.mask = mask;
  if (!mask) {
    parts.maskKind.reset();
    parts.maskFill.reset();
  }
}

std::optional<JoinedSinks> basin::onnx::matchSinkPast(Value pastKey, Value pastValue, Value mask,
                                                      MaskKind kind, int64_t heads) {
  return JoinedSinksMatcher(kind, heads).matchPast(pastKey, pastValue, mask);
}

std::optional<JoinedSinks> basin::onnx::matchJoinedSinks(Value key, Value value, Value mask,
                                                         MaskKind kind, int64_t heads) {
  return JoinedSinksMatcher(kind, heads).match(key, value, mask);
}
