//===- InferTypes.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Infers result types from the shapes that the ops document. If an op has a form, its results are
// what the form yields, and the documented shape is used only if the form does not know the rank.
// Nothing is inferred for a cache that a form makes, because it may be a buffer longer than its
// contents, or quantized.
//
// Verifiers, and not these functions, report contradictions.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Sink.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

using Types = SmallVectorImpl<Type>;

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

/// Returns the value that the form yields for result `index`, or null if there is no form.
static Value getYielded(Operation *op, unsigned index) {
  auto raised = dyn_cast<RaisedInterface>(op);
  if (!raised || raised.getFormRegion().empty())
    return {};
  return raised.getFormRegion().front().getTerminator()->getOperand(index);
}

/// Returns the element type that the result states, or else the one that the form yields, or, if
/// there is no form, `decomposed`.
static Type getElement(Operation *op, unsigned index, Type decomposed) {
  if (Type stated = getTensorInfo(op->getResult(index)).element)
    return stated;
  Value yielded = getYielded(op, index);
  return yielded ? getTensorInfo(yielded).element : decomposed;
}

static void preferForm(Operation *op, Types &types) {
  for (auto [i, type] : llvm::enumerate(types)) {
    Value yielded = getYielded(op, i);
    if (!yielded || isa<UnknownType>(yielded.getType()))
      continue;
    Type merged =
        type && !getTensorInfo(yielded).hasRank() ? mergeTypes(yielded.getType(), type) : Type();
    type = merged ? merged : yielded.getType();
  }
}

/// Returns the types of a form's arguments, which are the op's first operands.
static void getArgumentTypes(RaisedInterface op, Types &types) {
  OperandRange operands = op->getOperands().take_front(op.getFormRegion().getNumArguments());
  llvm::append_range(types, operands.getTypes());
}

//===----------------------------------------------------------------------===//
// Norms and pointwise ops
//===----------------------------------------------------------------------===//

static void inferNorm(NormInterface op, Types &types) {
  TensorInfo x = getTensorInfo(op.getX()), residual = getTensorInfo(op.getResidual());
  std::optional<Dims> dims = x.hasRank() ? x.dims : residual.dims;
  if (x.hasRank() && residual.hasRank() && x.rank() == residual.rank())
    for (auto [dim, peer] : llvm::zip(*dims, *residual.dims))
      dim = mergeDim(dim, peer).value_or(dim);
  types.clear();
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    types.push_back(makeTensorType(getElement(op, i, x.element), dims));
  preferForm(op, types);
}

LogicalResult RMSNormOp::inferResultTypes(Types &types) {
  inferNorm(*this, types);
  return success();
}

LogicalResult LayerNormOp::inferResultTypes(Types &types) {
  inferNorm(*this, types);
  return success();
}

/// Infers the type of an op whose one result has the shape of x.
template <typename Op> static LogicalResult inferLikeX(Op op, Types &types) {
  TensorInfo x = getTensorInfo(op.getX());
  types.assign({makeTensorType(getElement(op, 0, x.element), x.dims)});
  preferForm(op, types);
  return success();
}

LogicalResult DyTOp::inferResultTypes(Types &types) { return inferLikeX(*this, types); }
LogicalResult GateOp::inferResultTypes(Types &types) { return inferLikeX(*this, types); }
LogicalResult RotaryOp::inferResultTypes(Types &types) { return inferLikeX(*this, types); }

void RMSNormOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }
void LayerNormOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }
void DyTOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }
void GateOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }
void RotaryOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }
void sink::AttentionOp::inferArgumentTypes(Types &types) { getArgumentTypes(*this, types); }

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// The sizes of a tensor with heads. `rows` is batch * heads; it may have a symbolic name although
/// neither factor has one.
struct HeadDims {
  Dim batch, heads, rows, sequence, size;
};
} // namespace

/// Reads the sizes of a tensor with heads. `heads` is the number from the attributes. Returns
/// nothing if the rank is unknown or wrong.
static std::optional<HeadDims> readHeads(Value x, Layout layout, const Dim &heads) {
  TensorInfo info = getTensorInfo(x);
  if (!info.hasRank() || info.rank() != getRankOf(layout).value_or(3))
    return std::nullopt;
  int64_t count = heads.isStatic() ? heads.size : 0;
  HeadDims dims{info[layout == Layout::sbhd ? 1 : 0], heads, Dim(), info[getSequenceAxis(layout)],
                Dim()};
  switch (layout) {
  case Layout::bhsd:
  case Layout::bshd:
  case Layout::bhds:
  case Layout::sbhd:
    dims.heads = mergeDim(heads, info[*getHeadAxis(layout)]).value_or(heads);
    dims.size = info[getHeadDimAxis(layout)];
    break;
  case Layout::bsd:
    dims.size = divideDim(info[2], count);
    break;
  case Layout::hsd:
  case Layout::hds:
    dims.batch = divideDim(info[0], count);
    dims.rows = info[0];
    dims.size = info[getHeadDimAxis(layout)];
    return dims;
  case Layout::packed:
    break;
  }
  dims.rows = multiplyDims(dims.batch, dims.heads);
  return dims;
}

static Dims arrange(const HeadDims &dims, Layout layout) {
  switch (layout) {
  case Layout::bhsd:
    return {dims.batch, dims.heads, dims.sequence, dims.size};
  case Layout::bshd:
    return {dims.batch, dims.sequence, dims.heads, dims.size};
  case Layout::bsd:
    return {dims.batch, dims.sequence, multiplyDims(dims.heads, dims.size)};
  case Layout::hsd:
    return {dims.rows, dims.sequence, dims.size};
  case Layout::bhds:
    return {dims.batch, dims.heads, dims.size, dims.sequence};
  case Layout::hds:
    return {dims.rows, dims.size, dims.sequence};
  case Layout::sbhd:
    return {dims.sequence, dims.batch, dims.heads, dims.size};
  case Layout::packed:
    return {dims.batch, dims.sequence, Dim()};
  }
  llvm_unreachable("a layout of no kind");
}

/// Returns the sizes [batch, kv_heads, past + keys, d], from those that are known of the new keys
/// and of the past.
static std::optional<Dims> getPresent(const std::optional<HeadDims> &fresh, Value past) {
  TensorInfo cache = getTensorInfo(past);
  bool cacheKnown = cache.hasRank() && cache.rank() == 4;
  if (!fresh && !cacheKnown)
    return std::nullopt;
  Dims dims =
      fresh ? Dims{fresh->batch, fresh->heads, fresh->sequence, fresh->size} : Dims(4, Dim());
  if (!past)
    return dims;
  dims[2] = fresh && cacheKnown ? addDims(cache[2], fresh->sequence) : Dim();
  if (cacheKnown)
    for (unsigned i : {0, 1, 3})
      dims[i] = mergeDim(dims[i], cache[i]).value_or(dims[i]);
  return dims;
}

LogicalResult sink::AttentionOp::inferResultTypes(Types &types) {
  types.assign(getNumResults(), Type());
  auto stated = [](std::optional<uint64_t> count) { return count ? Dim(int64_t(*count)) : Dim(); };
  Dim heads = stated(getNumHeads()), kvHeads = stated(getKvNumHeads());
  std::optional<HeadDims> query = readHeads(getQuery(), getQueryLayout(), heads);
  if (query)
    heads = query->heads;
  // If no attribute says how many heads keys have, they have as many as the query.
  if (kvHeads.isUnknown() && !getHeadAxis(getKeyLayout()))
    kvHeads = heads;
  std::optional<HeadDims> key = readHeads(getKey(), getKeyLayout(), kvHeads);
  if (key && !getHeadAxis(getValueLayout()))
    kvHeads = key->heads;
  std::optional<HeadDims> value = readHeads(getValue(), getValueLayout(), kvHeads);

  Type element = getTensorInfo(getQuery()).element;
  std::optional<Dims> result;
  if (query) {
    HeadDims dims = *query;
    dims.size = value ? value->size : Dim();
    // A query with a batch of one is broadcast to all elements of the batch, which keys may have
    // alone.
    if (dims.batch.is(1) && getQueryLayout() != Layout::hsd) {
      dims.batch = value ? value->batch : Dim();
      if (dims.batch.is(1) && key)
        dims.batch = key->batch;
      dims.rows = multiplyDims(dims.batch, dims.heads);
    }
    result = arrange(dims, getResultLayout());
  }
  types[0] = makeTensorType(getElement(*this, 0, element), result);
  if (getHasPresent() && getForm().empty()) {
    types[1] = makeTensorType(getElement(*this, 1, getTensorInfo(getKey()).element),
                              getPresent(key, getPastKey()));
    types[2] = makeTensorType(getElement(*this, 2, getTensorInfo(getValue()).element),
                              getPresent(value, getPastValue()));
  }
  preferForm(*this, types);
  return success();
}
