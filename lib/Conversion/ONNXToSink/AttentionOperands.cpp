//===- AttentionOperands.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the matched attention takes: arguments of its form, values from outside, and operands that
// are made.
//
//===----------------------------------------------------------------------===//

#include "AttentionWalk.h"
#include "OperandCopies.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

using namespace mlir;
using namespace basin::onnx;
using basin::sink::MaskKind;

/// Sets what the form takes as arguments: all operands in order, or only query, key and value if
/// the others are made from values that stay outside, or from several. Also finds whether the mask
/// is causal. Returns why the ops cannot become one op, or nothing if they can.
std::optional<Miss> AttentionWalk::finish(bool allArguments) {
  KeyCount keys = isSquare()     ? KeyCount::asQueries
                  : hasAllKeys() ? KeyCount::atLeast
                                 : KeyCount::any;
  TensorInfo query = getTensorInfo(m.parts.query);
  unsigned axis = sink::getSequenceAxis(m.parts.queryLayout);
  Dim queries = query.hasRank() && axis < query.dims->size() ? query[axis] : Dim();
  MaskBounds bounds;
  if (m.parts.mask)
    bounds = findMaskBounds(m.parts.mask, *m.parts.maskKind, keys, m.parts.maskScale.value_or(1),
                            queries);
  if (m.parts.bias)
    bounds = MaskBounds::both(bounds, findMaskBounds(m.parts.bias, MaskKind::additive, keys,
                                                     m.parts.biasScale.value_or(1), queries));
  for (auto [bias, factor] : m.moreBiases)
    bounds =
        MaskBounds::both(bounds, findMaskBounds(bias, MaskKind::additive, keys, factor, queries));
  for (auto [mask, kind] : m.moreMasks)
    bounds = MaskBounds::both(bounds, findMaskBounds(mask, kind, keys, 1, queries));
  m.parts.causal = m.parts.causalInMask = bounds.isCausal();
  if (bounds.left && *bounds.left >= 0)
    m.parts.window = *bounds.left + 1;
  if (bounds.right && *bounds.right > 0)
    m.parts.rightWindow = bounds.right;
  m.parts.windowInMask = m.parts.window || m.parts.rightWindow;
  m.idiom.arguments = {m.parts.query};
  for (Value operand : {m.parts.key, m.parts.value})
    (m.partsHeads() ? m.idiom.captured : m.idiom.arguments).push_back(operand);
  for (Value operand :
       {m.parts.mask, m.parts.bias, m.parts.sinkLogit, m.parts.sinkKey, m.parts.sinkValue})
    if (operand)
      (allArguments && !m.hasMade() ? m.idiom.arguments : m.idiom.captured).push_back(operand);
  for (auto [bias, factor] : m.moreBiases)
    m.idiom.captured.push_back(bias);
  for (auto [mask, kind] : m.moreMasks)
    m.idiom.captured.push_back(mask);
  // Operands that come before it, such as a gate, may be added later.
  if (m.parts.scoreFactor)
    m.idiom.captured.push_back(m.parts.scoreFactor);
  return checkIdiom(m.idiom, /*allowExtraResults=*/true);
}

/// Finishes the match. A mask or a bias that is computed from the shape of its own scores is no
/// argument of the form: it is computed again before the op.
std::optional<Miss> AttentionWalk::finishWithCopies() {
  AttentionMatch plain = m;
  std::optional<Miss> why = finish(/*allArguments=*/true);
  if (!why ||
      (why->reason != MissReason::InputFromInside && why->reason != MissReason::ValueUsedEarly))
    return why;
  AttentionMatch whole = std::exchange(m, std::move(plain));
  m.parts = whole.parts;
  m.idiom.arguments = {m.parts.query, m.parts.key, m.parts.value};
  if (checkIdiom(m.idiom, /*allowExtraResults=*/true))
    return why;
  OperandCopies copies(m.idiom);
  SmallVector<Value> operands{m.parts.mask, m.parts.bias, m.parts.sinkLogit, m.parts.scoreFactor};
  for (auto [bias, factor] : m.moreBiases)
    operands.push_back(bias);
  for (auto [mask, kind] : m.moreMasks)
    operands.push_back(mask);
  for (Value operand : operands) {
    if (!operand)
      continue;
    if (copies.isFromInside(operand) ? !copies.canCopy(operand)
                                     : llvm::is_contained(m.idiom.arguments, operand))
      return why;
    if (!copies.isFromInside(operand))
      m.idiom.captured.push_back(operand);
  }
  return std::nullopt;
}

void basin::onnx::makeOperands(AttentionMatch &m, OpBuilder &b) {
  Block::iterator place = b.getInsertionPoint();
  Operation *before = place->getPrevNode();
  OperandCopies copies(m.idiom);
  for (Value *operand : {&m.parts.mask, &m.parts.bias, &m.parts.sinkLogit, &m.parts.scoreFactor})
    if (*operand)
      *operand = copies.copy(*operand, b);
  NodeBuilder n(b, place->getLoc());
  auto scaled = [&](Value bias, double factor) {
    return factor == 1 ? bias : n.node<MulOp>({bias, n.scalar(factor, getElementTypeOf(bias))});
  };
  auto asCondition = [&](Value mask, MaskKind kind) {
    mask = n.cast(mask, b.getI1Type());
    return kind == MaskKind::keep ? mask : n.node<NotOp>({mask});
  };
  if (!m.moreMasks.empty())
    m.parts.mask = asCondition(m.parts.mask, *std::exchange(m.parts.maskKind, MaskKind::keep));
  for (auto [mask, kind] : m.moreMasks)
    m.parts.mask = n.node<AndOp>({m.parts.mask, asCondition(copies.copy(mask, b), kind)});
  if (!m.moreBiases.empty())
    m.parts.bias = scaled(m.parts.bias, std::exchange(m.parts.biasScale, std::nullopt).value_or(1));
  for (auto [bias, factor] : m.moreBiases)
    m.parts.bias = n.node<AddOp>({m.parts.bias, scaled(copies.copy(bias, b), factor)});
  auto partHeads = [&](Value &x, std::optional<int64_t> dim) {
    if (dim)
      x = n.reshape(x, {0, 0, *m.parts.kvHeads, *dim});
  };
  partHeads(m.parts.key, m.partedKeyDim);
  partHeads(m.parts.value, m.partedValueDim);
  makeSinks(m.parts, m.turnedRows, m.sinkNumber, n);
  markMade(before, &*place);
}
