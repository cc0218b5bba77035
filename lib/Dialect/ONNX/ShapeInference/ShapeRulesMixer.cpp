//===- ShapeRulesMixer.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators that mix tokens by a recurrence, a short convolution or a sparse or paged attention. In
// shapes B is the batch, T the number of new tokens, N the number of query heads, M that of key
// heads, D the head size of keys and V that of values.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

/// Head counts above this cannot be those of a model, and their products could overflow.
static constexpr int64_t kMostHeads = 1 << 20;

static bool isCount(int64_t heads) { return heads > 0 && heads < kMostHeads; }

/// Query [B, T, N D], key [B, T, M D] and value [B, T, M V] give [B, T, max(N, M) V] and the state
/// [B, M, D, V], or several such states before one another.
LogicalResult infer::linearAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), value = getInput(op, 2), past = getInput(op, 3);
  setResult(op, types, 0, {query.element, std::nullopt});
  setResult(op, types, 1, past);
  for (auto [info, what] : {std::pair(query, "a query"), std::pair(value, "a value")})
    if (info.hasRank() && failed(requireRank(op, info, 3, what)))
      return failure();
  if (!query.hasRank())
    return success();
  int64_t heads = getIntAttr(op, "q_num_heads", 0), keyHeads = getIntAttr(op, "kv_num_heads", 0);
  Dim keySize, valueSize, hidden;
  if (isCount(heads) && isCount(keyHeads)) {
    keySize = divideDim(query[2], heads);
    valueSize = value.hasRank() ? divideDim(value[2], keyHeads) : Dim();
    hidden = multiplyDims(valueSize, Dim(std::max(heads, keyHeads)));
  }
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});
  if (!past.hasRank() && getIntAttr(op, "state_window", 0) == 0)
    setResult(op, types, 1,
              {past.element,
               Dims{query[0], isCount(keyHeads) ? Dim(keyHeads) : Dim(), keySize, valueSize}});
  return success();
}

/// Query, key and value are [tokens, heads, size] or [B, T, heads, size], or packed into one.
LogicalResult infer::msGatedDeltaNet(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), value = getInput(op, 2), state = getInput(op, 6);
  setResult(op, types, 0, {query.element, std::nullopt});
  setResult(op, types, 1, state);
  bool isApart = query.hasRank() && value.hasRank() && query.rank() == value.rank() &&
                 (query.rank() == 3 || query.rank() == 4);
  if (!isApart)
    return success();
  // There are at least as many value heads as query heads.
  setResult(op, types, 0, {query.element, value.dims});
  return success();
}

LogicalResult infer::msCausalConv(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0);
  // A slice of the channels has a size of its own.
  bool isSlice = getIntAttr(op, "input_channels", 0) != 0;
  setResult(op, types, 0, isSlice ? TensorInfo{input.element, std::nullopt} : input);
  TensorInfo past = getInput(op, 3);
  setResult(op, types, 1, past.hasRank() ? past : TensorInfo{input.element, std::nullopt});
  return success();
}

/// Query [B, T, N D], or [B, T, (N + 2 M) D] if it holds keys and values. The caches are buffers.
LogicalResult infer::msSparseAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0);
  setResult(op, types, 0, {query.element, std::nullopt});
  setResult(op, types, 1, getInput(op, 3));
  setResult(op, types, 2, getInput(op, 4));
  if (!query.hasRank())
    return success();
  if (failed(requireRank(op, query, 3, "a query")))
    return failure();
  int64_t heads = getIntAttr(op, "num_heads", 0), keyHeads = getIntAttr(op, "kv_num_heads", 0);
  Dim hidden = query[2];
  if (!getInputOrNull(op, 1))
    hidden = isCount(heads) && isCount(keyHeads)
                 ? multiplyDims(divideDim(query[2], heads + 2 * keyHeads), Dim(heads))
                 : Dim();
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});
  return success();
}

/// Query [tokens, N D], or [tokens, (N + 2 M) D] if it holds keys and values.
LogicalResult infer::msPagedAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0);
  setResult(op, types, 0, {query.element, std::nullopt});
  setResult(op, types, 1, getInput(op, 3));
  setResult(op, types, 2, getInput(op, 4));
  if (!query.hasRank())
    return success();
  if (failed(requireRank(op, query, 2, "a query")))
    return failure();
  int64_t heads = getIntAttr(op, "num_heads", 0), keyHeads = getIntAttr(op, "kv_num_heads", 0);
  int64_t valueSize = getIntAttr(op, "v_head_size", 0);
  Dim hidden;
  if (isCount(heads) && valueSize > 0 && valueSize < kMostHeads)
    hidden = multiplyDims(Dim(heads), Dim(valueSize));
  else if (getInputOrNull(op, 2))
    hidden = query[1];
  else if (!getInputOrNull(op, 1) && isCount(heads) && isCount(keyHeads) && valueSize == 0)
    hidden = multiplyDims(divideDim(query[1], heads + 2 * keyHeads), Dim(heads));
  setResult(op, types, 0, {query.element, Dims{query[0], hidden}});
  return success();
}
