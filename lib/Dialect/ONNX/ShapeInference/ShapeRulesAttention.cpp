//===- ShapeRulesAttention.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attention of ONNX and of ONNX Runtime. In shapes B is the batch, S the length of the query, N the
// number of query heads, M that of key heads, D the head size of keys and V that of values.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

namespace {
/// Queries, keys or values as [batch, heads, length, headSize].
struct Heads {
  Type element;
  bool packed = false; // given as [batch, length, heads * headSize]
  Dim batch, heads, length, size;
};
} // namespace

/// Reads operand `index`, whose number of heads is `count`, or unknown if that is 0. Returns
/// nothing if the operand's rank is unknown.
static FailureOr<std::optional<Heads>> readHeads(Operation *op, unsigned index, int64_t count) {
  TensorInfo info = getInput(op, index);
  if (!info.hasRank())
    return std::optional<Heads>();
  if (info.rank() == 4)
    return std::optional(Heads{info.element, false, info[0], info[1], info[2], info[3]});
  if (info.rank() != 3) {
    op->emitOpError("expected operand ")
        << index << " of rank 3 or 4, but got " << toString(*info.dims);
    return failure();
  }
  if (count > 0 && info[2].isStatic() && info[2].size % count != 0) {
    op->emitOpError("expected a hidden size that divides by ")
        << count << " heads, but got " << info[2].size;
    return failure();
  }
  Heads heads{info.element, true, info[0], Dim(), info[1], Dim()};
  if (count > 0) {
    heads.heads = count;
    heads.size = divideDim(info[2], count);
  }
  return std::optional(heads);
}

//===----------------------------------------------------------------------===//
// ai.onnx
//===----------------------------------------------------------------------===//

/// Returns the length of the keys (or values) including those of the cache.
static Dim addCache(Operation *op, unsigned pastIndex, const Dim &length) {
  if (!getInputOrNull(op, pastIndex))
    return length;
  TensorInfo past = getInput(op, pastIndex);
  return past.hasRank() && past.rank() == 4 ? addDims(past[2], length) : Dim();
}

LogicalResult infer::attention(Operation *op, Types &types) {
  types.assign(op->getNumResults(), Type());
  int64_t queryHeads = getIntAttr(op, "q_num_heads", 0);
  int64_t keyHeads = getIntAttr(op, "kv_num_heads", 0);
  auto query = readHeads(op, 0, queryHeads), key = readHeads(op, 1, keyHeads),
       value = readHeads(op, 2, keyHeads);
  if (failed(query) || failed(key) || failed(value))
    return failure();
  const std::optional<Heads> &q = *query, &k = *key, &v = *value;
  if (q && k &&
      (failed(requireEqual(op, q->size, k->size, "head sizes of queries and keys")) ||
       failed(requireEqual(op, q->batch, k->batch, "batch sizes of queries and keys"))))
    return failure();
  if (k && v && failed(requireEqual(op, k->length, v->length, "lengths of keys and values")))
    return failure();

  Type element = getInput(op, 0).element;
  Dim valueSize = v ? v->size : Dim();
  if (q && q->packed)
    setResult(op, types, 0,
              {element, Dims{q->batch, q->length, multiplyDims(q->heads, valueSize)}});
  else if (q)
    setResult(op, types, 0, {element, Dims{q->batch, q->heads, q->length, valueSize}});
  else
    setResult(op, types, 0, {element, std::nullopt});
  if (k)
    setResult(op, types, 1,
              {k->element, Dims{k->batch, k->heads, addCache(op, 4, k->length), k->size}});
  if (v)
    setResult(op, types, 2,
              {v->element, Dims{v->batch, v->heads, addCache(op, 5, v->length), v->size}});
  if (q)
    setResult(
        op, types, 3,
        {element, Dims{q->batch, q->heads, q->length, k ? addCache(op, 4, k->length) : Dim()}});
  return success();
}

//===----------------------------------------------------------------------===//
// com.microsoft
//===----------------------------------------------------------------------===//

/// One matrix [hidden, 2 * N * D + N * V] computes queries, keys and values.
LogicalResult infer::msAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), weights = getInput(op, 1);
  setResult(op, types, 0, {query.element, std::nullopt});
  if (!query.hasRank())
    return success();
  if (failed(requireRank(op, query, 3, "a query")) ||
      failed(requireRank(op, weights, 2, "weights")))
    return failure();
  if (weights.hasRank() &&
      failed(requireEqual(op, query[2], weights[0], "hidden sizes of query and weights")))
    return failure();
  Dim hidden = weights.hasRank() ? divideDim(weights[1], 3) : Dim();
  auto sizes = op->getAttrOfType<DenseI64ArrayAttr>("qkv_hidden_sizes");
  if (sizes && sizes.size() == 3)
    hidden = ShapeEntry(sizes[2]).toDim();
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});

  int64_t heads = getIntAttr(op, "num_heads", 0);
  Dim length = query[1];
  if (getInputOrNull(op, 4)) {
    // A shared buffer keeps its full length. Its valid part is only known at run time.
    TensorInfo past = getInput(op, 4);
    bool shared = getIntAttr(op, "past_present_share_buffer", 0) != 0;
    Dim pastLength = past.hasRank() && past.rank() == 5 ? past[3] : Dim();
    length = shared ? pastLength : addDims(pastLength, length);
  }
  setResult(op, types, 1,
            {query.element,
             Dims{2, query[0], heads > 0 ? Dim(heads) : Dim(), length, divideDim(hidden, heads)}});
  return success();
}

LogicalResult infer::msMultiHeadAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), key = getInput(op, 1), value = getInput(op, 2);
  int64_t heads = getIntAttr(op, "num_heads", 0);
  Dim headDim = heads > 0 ? Dim(heads) : Dim();
  setResult(op, types, 0, {query.element, std::nullopt});
  if (!query.hasRank())
    return success();
  // Queries, keys and values may be packed into one operand [B, S, N, 3, D].
  bool packed = query.rank() == 5;
  if (query.rank() != 3 && !packed)
    return op->emitOpError("expected a query of rank 3 or 5, but got ") << toString(*query.dims);
  Dim hidden;
  if (packed)
    hidden = multiplyDims(query[2], query[4]);
  else if (!getInputOrNull(op, 2))
    hidden = query[2]; // keys and values are packed, with heads as large as the query's
  else if (value.hasRank() && value.rank() == 3)
    hidden = value[2];
  else if (value.hasRank() && value.rank() == 4)
    hidden = multiplyDims(value[1], value[3]);
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});

  // If a buffer is shared, the length of the cache is only known at run time.
  Dim length;
  bool noCache = !getInputOrNull(op, 6) && !getInputOrNull(op, 8);
  if (packed)
    length = query[1];
  else if (key.hasRank())
    length = key.rank() == 4 ? key[2] : key.rank() > 1 ? key[1] : Dim();
  TensorInfo past = getInput(op, 6);
  if (!noCache) {
    bool appends = !getInputOrNull(op, 8) && past.hasRank() && past.rank() == 4 && key.hasRank() &&
                   key.rank() == 3;
    length = appends ? addDims(past[2], length) : Dim();
  }
  Dim keySize = packed ? query[4] : divideDim(query[2], heads);
  setResult(op, types, 1, {query.element, Dims{query[0], headDim, length, keySize}});
  setResult(op, types, 2,
            {query.element, Dims{query[0], headDim, length, divideDim(hidden, heads)}});
  setResult(op, types, 3, {query.element, Dims{query[0], headDim, query[1], length}});
  return success();
}

/// One new token for each sequence. Without a key, the query holds queries, keys and values.
LogicalResult infer::msDecoderAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0), key = getInput(op, 1), value = getInput(op, 2);
  int64_t heads = getIntAttr(op, "num_heads", 0);
  setResult(op, types, 0, {query.element, std::nullopt});
  if (!query.hasRank())
    return success();
  if (failed(requireRank(op, query, 3, "a query")))
    return failure();
  Dim hidden;
  if (!getInputOrNull(op, 1))
    hidden = divideDim(query[2], 3);
  else if (value.hasRank() && value.rank() == 3)
    hidden = value[2];
  else if (value.hasRank() && value.rank() == 4)
    hidden = multiplyDims(value[1], value[3]);
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});

  // Keys of rank 4 are those of an encoder, and have no cache.
  bool isShared = getIntAttr(op, "past_present_share_buffer", 0) != 0;
  for (auto [result, past] : {std::pair(1u, getInput(op, 5)), std::pair(2u, getInput(op, 6))}) {
    Dim length, size;
    if (past.hasRank() && past.rank() == 4) {
      length = isShared ? past[2] : addDims(past[2], query[1]);
      size = past[3];
    } else if (!getInputOrNull(op, 5) && (!key.hasRank() || key.rank() == 3)) {
      length = query[1];
    }
    setResult(op, types, result,
              {query.element, Dims{query[0], heads > 0 ? Dim(heads) : Dim(), length, size}});
  }
  return success();
}

LogicalResult infer::msGroupQueryAttention(Operation *op, Types &types) {
  TensorInfo query = getInput(op, 0);
  int64_t heads = getIntAttr(op, "num_heads", 0);
  int64_t keyHeads = getIntAttr(op, "kv_num_heads", 0);
  setResult(op, types, 0, {query.element, std::nullopt});
  if (!query.hasRank())
    return success();
  if (failed(requireRank(op, query, 3, "a query")))
    return failure();
  // Without a key, the query holds queries, keys and values: N + 2 M heads.
  bool packed = !getInputOrNull(op, 1);
  int64_t columns = packed ? heads + 2 * keyHeads : heads;
  bool countsKnown = heads > 0 && keyHeads > 0 && heads < (1 << 20) && keyHeads < (1 << 20);
  Dim size = countsKnown ? divideDim(query[2], columns) : Dim();
  Dim hidden = packed ? (countsKnown ? multiplyDims(size, Dim(heads)) : Dim()) : query[2];
  setResult(op, types, 0, {query.element, Dims{query[0], query[1], hidden}});

  for (unsigned result : {1, 2}) {
    // A quantized or packed cache has its own element type and last dim.
    unsigned pastIndex = result + 2;
    TensorInfo past = getInput(op, pastIndex), present;
    bool hasPast = bool(getInputOrNull(op, pastIndex));
    bool quantized = op->hasAttr(result == 1 ? "k_quant_type" : "v_quant_type");
    if (hasPast)
      present.element = past.element;
    else if (!quantized)
      present.element = query.element;
    Dim last = hasPast && past.hasRank() && past.rank() == 4 ? past[3] : quantized ? Dim() : size;
    // The length is that of the buffer or the sum, depending on what the caller binds.
    present.dims = Dims{query[0], keyHeads > 0 ? Dim(keyHeads) : Dim(), Dim(), last};
    setResult(op, types, result, present);
  }
  setResult(op, types, 3,
            {query.element, Dims{query[0], heads > 0 ? Dim(heads) : Dim(), query[1], Dim()}});
  return success();
}
