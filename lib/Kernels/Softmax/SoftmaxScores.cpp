//===- SoftmaxScores.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One chunk of columns of a thread: what the row sees of it, its scores, their exponentials, and
// the store. Columns that the row does not see are not read, and neither is their mask. They have
// the score -inf.
//
//===----------------------------------------------------------------------===//

#include "SoftmaxBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

static Value both(KernelBuilder &b, Value x, Value y) {
  return !x ? y : !y ? x : Value(arith::AndIOp::create(b, x, y));
}

/// Returns whether either is so; without a second one, whether the first is.
static Value either(KernelBuilder &b, Value x, Value y) {
  return y ? Value(arith::OrIOp::create(b, x, y)) : x;
}

static Value atLeast(KernelBuilder &b, Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, x, y);
}

/// Returns what `body` returns, of those types, if `condition` holds, and zeros otherwise.
static SmallVector<Value> ifElseZero(KernelBuilder &b, Value condition, TypeRange types,
                                     llvm::function_ref<SmallVector<Value>()> body) {
  auto branch = scf::IfOp::create(b, types, condition, /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.elseBlock());
  SmallVector<Value> zeros = llvm::map_to_vector(types, [&](Type type) -> Value {
    return arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(type)));
  });
  scf::YieldOp::create(b, zeros);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, body());
  return llvm::to_vector_of<Value>(branch.getResults());
}

/// Returns whether the row sees a column, or null if it sees all of them.
Value SoftmaxBody::sees(Value column) {
  Value out;
  if (spec.causal || spec.keyLengths)
    out = b.lessU(column, end);
  if (!begin)
    return out;
  return both(b, out,
              either(b, atLeast(b, column, begin), prefix ? b.lessU(column, prefix) : Value()));
}

/// Returns whether the row has the chunk and sees some of its columns.
Value SoftmaxBody::seesSome(const Chunk &chunk) {
  Value out = chunk.inside;
  if (spec.causal || spec.keyLengths)
    out = both(b, out, b.lessU(chunk.first, end));
  if (!begin)
    return out;
  Value last = b.add(chunk.first, b.i32(chunk.width - 1));
  return both(b, out,
              either(b, atLeast(b, last, begin), prefix ? b.lessU(chunk.first, prefix) : Value()));
}

/// Loads the mask's element for a column, or a zero for a column of the prefix.
Value SoftmaxBody::loadMask(Value column) {
  Type element = getMaskElement(spec);
  if (!prefix)
    return b.load(mask, element, column);
  return ifElseZero(
             b, atLeast(b, column, prefix), element,
             [&]() -> SmallVector<Value> { return {b.load(mask, element, b.sub(column, prefix))}; })
      .front();
}

SoftmaxBody::Loaded SoftmaxBody::load(const Chunk &chunk) {
  int64_t masks = mask ? chunk.width : 0;
  Type vector = chunk.width == 1 ? spec.type : Type(VectorType::get(chunk.width, spec.type));
  SmallVector<Type> types(1 + masks, mask ? getMaskElement(spec) : Type());
  types.front() = vector;
  Loaded out;
  out.seen = seesSome(chunk);
  Values loaded = ifElseZero(b, out.seen, types, [&] {
    Values elements = {b.load(scores, spec.type, chunk.first, chunk.width)};
    for (int64_t i = 0; i < masks; ++i)
      elements.push_back(loadMask(b.add(chunk.first, b.i32(i))));
    return elements;
  });
  out.scores = loaded.front();
  out.mask.append(loaded.begin() + 1, loaded.end());
  return out;
}

/// Returns the score of a column that the row sees, from the number in memory and from the
/// mask's element, if there is a mask.
Value SoftmaxBody::finishScore(Value score, Value element, Value column) {
  if (spec.softcap != 0)
    score = capScore(b, score, spec.getScale(), spec.softcap, /*unit=*/1);
  else if (unit() != spec.getScale())
    score = b.fmul(score, b.f32(spec.getScale()));
  if (!element)
    return score;
  Value masked = maskScore(b, spec, element, score, getHiddenScore(spec) / unit(), /*unit=*/1);
  return prefix ? b.select(b.lessU(column, prefix), score, masked) : masked;
}

/// Returns the chunk's scores, -inf where the row does not see the column.
SoftmaxBody::Values SoftmaxBody::scoresOf(const Chunk &chunk, const Loaded &loaded) {
  Value numbers = b.toF32(loaded.scores), hidden = b.f32(-INFINITY);
  Values out;
  for (int64_t i = 0; i < chunk.width; ++i) {
    Value column = b.add(chunk.first, b.i32(i));
    Value number = chunk.width == 1 ? numbers : b.extract(numbers, i);
    Value score = finishScore(number, mask ? loaded.mask[i] : Value(), column);
    out.push_back(b.select(both(b, loaded.seen, sees(column)), score, hidden));
  }
  return out;
}

/// Returns exp(score - against), by exp2. A score of -inf gives 0.
Value SoftmaxBody::exponential(Value score, Value against) {
  return b.exp2(b.fmul(b.fsub(score, against), b.f32(kLog2E * unit())));
}

SoftmaxBody::Values SoftmaxBody::exponentials(ArrayRef<Value> scores, Value against) {
  return llvm::map_to_vector(scores, [&](Value score) { return exponential(score, against); });
}

/// Stores the probabilities of the chunk. Every column of the row has one, those that it does
/// not see, too: 0, or NaN if the row's sum is NaN.
void SoftmaxBody::store(const Chunk &chunk, ArrayRef<Value> exponentials) {
  Values out = llvm::map_to_vector(exponentials, [&](Value x) { return b.fmul(x, factor); });
  Value value = out.size() == 1 ? out.front() : b.combine(out);
  b.ifThen(chunk.inside, [&] {
    b.store(b.fromF32(value, spec.getResultType()), probabilities, spec.getResultType(),
            chunk.first);
  });
}
