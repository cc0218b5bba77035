//===- AttentionScores.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Computes one tile: the scores, the masks that hide some of them, the online softmax, and the
// result.
//
// Probabilities are exp2(factor * score - max), with the maximum in units of log2: one
// multiply-add and one exp2 for each score. A row that has seen nothing yet has the maximum
// -inf. There 0 is subtracted instead, because -inf - -inf would be NaN.
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "AttentionBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

/// Computes query x key^T in f32, as [row tile][score tile].
AttentionBody::Fragments AttentionBody::computeScores(Value keys) {
  Fragments scores(rowTiles * scoreTiles, Fragment(4, b.f32(0)));
  Values keyBases = keyAddresses.bases(b, keys);
  for (int64_t k = 0; k < headSteps; ++k) {
    Fragments query;
    for (int64_t tile = 0; tile < rowTiles; ++tile)
      query.push_back(schedule.queryInRegisters
                          ? queryFragments[tile * headSteps + k]
                          : loadMatrices(b, queryAddresses.at(b, queryBases, tile * 16, k),
                                         /*transposed=*/false));
    for (int64_t pair = 0; pair < scoreTiles / 2; ++pair) {
      Fragment key =
          loadMatrices(b, keyAddresses.at(b, keyBases, pair * 16, k), /*transposed=*/false);
      for (int64_t i = 0; i < 2 * rowTiles; ++i) {
        Fragment &score = scores[i / 2 * scoreTiles + 2 * pair + i % 2];
        score = multiplyAdd(b, spec.type, query[i / 2], ArrayRef(key).slice(i % 2 * 2, 2), score);
      }
    }
  }
  return scores;
}

/// Replaces scores by cap * tanh(scale * x / cap), in units of log2.
void AttentionBody::capScores(Fragments &scores) {
  if (spec.softcap == 0)
    return;
  for (Fragment &fragment : scores)
    for (Value &score : fragment)
      score = capScore(b, score, spec.getScale(), spec.softcap, kLog2E);
}

/// Returns the score of a key that a Keep mask hides, in the units that scores have here.
double AttentionBody::hiddenScore() const {
  double hidden = getHiddenScore(spec);
  return scoresAreLog2() ? hidden * kLog2E : hidden / spec.getScale();
}

/// Adds a bias, or hides scores where the mask's i8 is 0. The mask's elements beyond the last
/// row or column are read from the last one; their scores are hidden later. Sink rows have no
/// mask.
void AttentionBody::applyMask(Fragments &scores, Value firstKey) {
  if (spec.mask == AttentionSpec::NoMask)
    return;
  bool isBias = spec.mask == AttentionSpec::Bias;
  Type element = getMaskElement(spec);
  Value lastKey = b.sub(keys, b.i32(1)), lastQuery = b.sub(queries, b.i32(1));
  Value factor = b.f32(spec.softcap == 0 ? spec.getScale() * kLog2E : 1);
  Value number = b.add(firstKey, laneColumn);
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    Value row = rowPointer("mask", minS(rowOf(line / 2, line % 2), lastQuery));
    for (int64_t i = 0; i < 2 * scoreTiles; ++i) {
      Value &score = scores[line / 2 * scoreTiles + i / 2][line % 2 * 2 + i % 2];
      Value at = b.add(number, b.i32(i / 2 * 8 + i % 2));
      Value isSink = sinkRows ? b.lessS(at, sinkRows) : Value();
      Value column = minS(sinkRows ? b.sub(at, sinkRows) : at, lastKey);
      Value loaded = b.load(row, element, sinkRows ? maxS(column, b.i32(0)) : column);
      Value scaled = isBias ? b.fmul(score, factor) : score;
      Value masked = maskScore(b, spec, loaded, isBias ? scaled : score, hiddenScore(), kLog2E);
      score = sinkRows ? b.select(isSink, scaled, masked) : masked;
    }
  }
}

/// Returns whether some of the warp's rows do not see all keys of the tile.
Value AttentionBody::isBoundary(Value firstKey) {
  Value out = b.lessS(findRowEnd(warpQuery, firstKey), b.i32(schedule.keys));
  if (!spec.window)
    return out;
  Value lastQuery = b.add(warpQuery, b.i32(schedule.rowsPerWarp() - 1));
  Value begins = b.lessS(b.i32(0), findRowBegin(lastQuery, firstKey));
  return arith::OrIOp::create(b, out, begins);
}

/// Hides scores of keys that their rows do not see. The row's ends are counted from the lane's
/// first column, so each score compares them with a constant.
void AttentionBody::hideElements(Fragments &scores, Value firstKey) {
  Value first = b.add(firstKey, laneColumn), hidden = b.f32(-INFINITY);
  Value sinkEnd = sinkRows ? b.sub(sinkRows, first) : Value();
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    Value row = rowOf(line / 2, line % 2);
    Value end = findRowEnd(row, first);
    Value begin = spec.window ? findRowBegin(row, first) : Value();
    for (int64_t i = 0; i < 2 * scoreTiles; ++i) {
      Value at = b.i32(i / 2 * 8 + i % 2);
      Value sees = b.lessS(at, end);
      if (begin) {
        Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, begin);
        if (sinkRows)
          inside = arith::OrIOp::create(b, inside, b.lessS(at, sinkEnd));
        sees = arith::AndIOp::create(b, sees, inside);
      }
      Value &score = scores[line / 2 * scoreTiles + i / 2][line % 2 * 2 + i % 2];
      score = b.select(sees, score, hidden);
    }
  }
}

/// Does that in a branch, which tiles skip whose keys all rows of the warp see.
void AttentionBody::hideOutside(Fragments &scores, Value firstKey) {
  Values before;
  for (const Fragment &fragment : scores)
    before.append(fragment);
  auto branch = scf::IfOp::create(b, ValueRange(before).getTypes(), isBoundary(firstKey),
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, before);
  b.setInsertionPointToStart(branch.thenBlock());
  hideElements(scores, firstKey);
  Values after;
  for (const Fragment &fragment : scores)
    after.append(fragment);
  scf::YieldOp::create(b, after);
  for (auto [i, fragment] : llvm::enumerate(scores))
    fragment = Fragment(branch.getResults().slice(4 * i, 4));
}

/// Replaces scores by probabilities relative to the new maximum, and scales the sum and the
/// result so far to that maximum.
void AttentionBody::exponentiate(Fragments &scores, State &state) {
  Value factor = b.f32(scoresAreLog2() ? 1 : spec.getScale() * kLog2E);
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    int64_t tile = line / 2, half = line % 2;
    SmallVector<Value *> row;
    for (int64_t i = 0; i < 2 * scoreTiles; ++i)
      row.push_back(&scores[tile * scoreTiles + i / 2][half * 2 + i % 2]);
    Value highest = *row.front();
    for (Value *score : ArrayRef(row).drop_front())
      highest = b.fmax(highest, *score);
    highest = b.fmax(state.max[line], b.fmul(b.warpMax(highest, 4), factor));
    Value against = getSubtrahend(b, highest);
    Value rescale = b.exp2(b.fsub(state.max[line], against));
    Value minus = arith::NegFOp::create(b, against);
    Value sum = b.fmul(state.sum[line], rescale);
    for (Value *score : row) {
      // The maximum is a rounded product. A fused multiply-add would not round this product,
      // and then the two differ by up to 64 for a fill of -1e9.
      Value power = spec.maskFill != 0 ? b.fsub(b.fmul(*score, factor), against)
                                       : b.fma(*score, factor, minus);
      *score = b.exp2(power);
      sum = b.fadd(sum, *score);
    }
    for (int64_t column = 0; column < valueTiles; ++column)
      for (int64_t i = 0; i < 2; ++i) {
        Value &output = state.output[tile * valueTiles + column][half * 2 + i];
        output = b.fmul(output, rescale);
      }
    state.max[line] = highest;
    state.sum[line] = sum;
  }
}

/// Adds probabilities x value to the result. The registers of two 16x8 tiles of probabilities
/// are those of one 16x16 operand.
void AttentionBody::accumulate(const Fragments &scores, Value values, State &state) {
  Values bases = valueAddresses.bases(b, values);
  for (int64_t k = 0; k < scoreTiles / 2; ++k) {
    Fragments probabilities;
    for (int64_t tile = 0; tile < rowTiles; ++tile) {
      Fragment operand;
      for (int64_t i = 0; i < 4; ++i) {
        const Fragment &from = scores[tile * scoreTiles + 2 * k + i / 2];
        operand.push_back(pack(b, from[i % 2 * 2], from[i % 2 * 2 + 1], spec.type));
      }
      probabilities.push_back(operand);
    }
    for (int64_t pair = 0; pair < valueTiles / 2; ++pair) {
      Fragment value =
          loadMatrices(b, valueAddresses.at(b, bases, k * 16, pair), /*transposed=*/true);
      for (int64_t i = 0; i < 2 * rowTiles; ++i) {
        Fragment &output = state.output[i / 2 * valueTiles + 2 * pair + i % 2];
        output = multiplyAdd(b, spec.type, probabilities[i / 2],
                             ArrayRef(value).slice(i % 2 * 2, 2), output);
      }
    }
  }
}
