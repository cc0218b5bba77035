//===- StandardSinks.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   s = [q rows^T | q k^T | 0] + [0 | mask | logit];  y = softmax(s) [rows' values | v | 0]
//
// A key of zeros has the score 0, capped or scaled, and the mask is added after the cap. So its
// column of the mask is its score: one logit for each query head, also where these share key
// heads. The row of zeros stands last, as the column of gpt-oss does. Rows and columns of the past
// and of positions would be counted wrongly beside is_causal, so positions are in the mask.
//
// An operator that takes a past without a present takes rows, zeros and past as that:
//
//   s = [q rows^T | 0 | q past^T | q k^T] + [0 | logit | mask]
//
// It counts positions from the end of the keys, so that is_causal leaves all of these visible.
//
//===----------------------------------------------------------------------===//

#include "StandardSinks.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

WhyNot basin::checkSinks(const AttentionPlan &plan) {
  const sink::AttentionParts &p = plan.parts;
  if (p.sinkLogit && (findRank(p.sinkLogit) != 1 || findSize(p.sinkLogit, 0) != plan.query.heads))
    return "its sink logits are no vector of one for each head";
  auto fits = [&](Value rows, int64_t dim) {
    return !rows || (findRank(rows) == 3 && findSize(rows, 0) == plan.key.heads &&
                     findSize(rows, 1) && findSize(rows, 2) == dim);
  };
  if (!fits(p.sinkKey, plan.key.dim) || !fits(p.sinkValue, plan.value.dim))
    return "its learned rows are not known to be of its heads and their sizes";
  return std::nullopt;
}

/// Returns learned rows for each element of the batch of `x`.
static Value repeatRows(Value rows, Value x, NodeBuilder &n) {
  Value batch = n.concat({n.dims(x, 0, 1), n.constant({1, 1, 1})}, 0);
  return n.expand(n.unsqueeze(rows, {0}), batch);
}

static Value makeZeroRow(const AttentionPlan &plan, Value x, int64_t dim, NodeBuilder &n) {
  Value sizes = n.concat({n.dims(x, 0, 1), n.constant({plan.key.heads, 1, dim})}, 0);
  return n.expand(n.scalar(0, plan.element), sizes);
}

Value basin::joinSinkRows(const AttentionPlan &plan, Value x, Value rows, int64_t dim,
                          NodeBuilder &n) {
  SmallVector<Value> parts;
  if (rows)
    parts.push_back(repeatRows(rows, x, n));
  parts.push_back(x);
  if (plan.parts.sinkLogit)
    parts.push_back(makeZeroRow(plan, x, dim, n));
  return n.concat(parts, 2);
}

Value basin::makeSinkPast(const AttentionPlan &plan, Value x, Value rows, Value past, int64_t dim,
                          NodeBuilder &n) {
  SmallVector<Value> parts;
  if (rows)
    parts.push_back(repeatRows(rows, x, n));
  if (plan.parts.sinkLogit)
    parts.push_back(makeZeroRow(plan, x, dim, n));
  if (past)
    parts.push_back(past);
  return n.concat(parts, 2);
}

Value basin::joinSinkColumns(const AttentionPlan &plan, Value mask, Value queries, Value keys,
                             ZeroRow zeroRow, NodeBuilder &n) {
  const sink::AttentionParts &p = plan.parts;
  if (!mask && !p.sinkLogit)
    return {};
  Value zero = n.scalar(0, plan.element);
  if (!mask)
    mask = n.expand(zero, n.concat({n.constant({1, 1}), queries, keys}, 0));
  if (p.sinkLogit)
    mask = n.expand(mask, n.constant({1, plan.query.heads, 1, 1}));
  auto makeColumns = [&](Value column, int64_t count) {
    return n.expand(column, n.concat({n.dims(mask, 0, 3), n.constant({count})}, 0));
  };
  SmallVector<Value> parts;
  if (p.sinkKey)
    parts.push_back(makeColumns(zero, *findSize(p.sinkKey, 1)));
  parts.push_back(mask);
  if (p.sinkLogit) {
    Value logits = makeColumns(n.reshape(p.sinkLogit, {1, plan.query.heads, 1, 1}), 1);
    parts.insert(zeroRow == ZeroRow::last ? parts.end() : std::prev(parts.end()), logits);
  }
  return n.concat(parts, 3);
}
