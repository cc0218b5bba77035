//===- AttentionScores.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One tile: scores, what hides some of them, the online softmax, the result.
//
// Probabilities are exp2(factor * score - max) with the maximum in units of log2,
// one multiply-add and one exp2 a score. A row that saw nothing yet has maximum
// -inf; it counts as 0 there, that -inf - -inf makes no NaN.
//
//===----------------------------------------------------------------------===//

#include "AttentionBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace basin::kernels;

static constexpr double kLog2E = 1.4426950408889634;

/// query x key^T: [row tile][score tile], in f32.
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

/// cap * tanh(scale * x / cap) as cap - 2 * cap / (1 + exp(2 * scale * x / cap)),
/// in units of log2: the approximate tanh has 11 bits, too few for a score of 50.
void AttentionBody::capScores(Fragments &scores) {
  if (spec.softcap == 0)
    return;
  Value inner = b.f32(2 * kLog2E * spec.getScale() / spec.softcap);
  Value cap = b.f32(spec.softcap * kLog2E), twice = b.f32(-2 * spec.softcap * kLog2E);
  for (Fragment &fragment : scores)
    for (Value &score : fragment) {
      Value power = b.exp2(b.fmul(score, inner));
      score = b.fma(b.reciprocal(b.fadd(power, b.f32(1))), twice, cap);
    }
}

/// The score of a key that the mask hides, in the units that scores have here. It
/// stays finite when it is brought to log2: far below any score is enough.
double AttentionBody::hiddenScore() const {
  constexpr double kLowest = -1e30;
  if (spec.maskFill == 0)
    return -INFINITY;
  double fill = std::max(spec.maskFill, kLowest);
  return scoresAreLog2() ? fill * kLog2E : fill / spec.getScale();
}

/// A summand in log2. A finite one stays finite, so that a row in which all are
/// the lowest number gives each key its share.
Value AttentionBody::addBias(Value bias, Value score) {
  Value sum = b.fma(bias, b.f32(kLog2E), score);
  if (spec.maskType.isF16())
    return sum;
  Value lowest = b.f32(-std::numeric_limits<float>::max());
  Value isFinite = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, bias, b.f32(-INFINITY));
  return b.select(isFinite, b.fmax(sum, lowest), sum);
}

/// A bias, or an i8 that keeps a score where it is not 0. Rows and columns beyond
/// the end are read at the last one and hidden later; sink rows have none.
void AttentionBody::applyMask(Fragments &scores, Value firstKey) {
  if (spec.mask == AttentionSpec::NoMask)
    return;
  bool isBias = spec.mask == AttentionSpec::Bias;
  Type element = isBias ? spec.maskType : Type(b.getI8Type());
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
      Value masked;
      if (isBias) {
        masked = addBias(b.toF32(loaded), scaled);
      } else {
        Value zero = arith::ConstantOp::create(b, b.getI8IntegerAttr(0));
        Value hides = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loaded, zero);
        masked = b.select(hides, b.f32(hiddenScore()), score);
      }
      score = sinkRows ? b.select(isSink, scaled, masked) : masked;
    }
  }
}

/// Whether some of the warp's rows do not see all keys of the tile.
Value AttentionBody::isBoundary(Value firstKey) {
  Value out = b.lessS(findRowEnd(warpQuery, firstKey), b.i32(schedule.keys));
  if (!spec.window)
    return out;
  Value lastQuery = b.add(warpQuery, b.i32(schedule.rowsPerWarp() - 1));
  Value begins = b.lessS(b.i32(0), findRowBegin(lastQuery, firstKey));
  return arith::OrIOp::create(b, out, begins);
}

/// Compares a constant with what the row's ends are from the lane's first column.
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

/// Tiles that all rows see whole go past it.
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

/// Scores become probabilities against the new maximum; what was summed up before
/// is scaled to it.
void AttentionBody::exponentiate(Fragments &scores, State &state) {
  Value factor = b.f32(scoresAreLog2() ? 1 : spec.getScale() * kLog2E);
  Value nothing = b.f32(-INFINITY), zero = b.f32(0);
  for (int64_t line = 0; line < 2 * rowTiles; ++line) {
    int64_t tile = line / 2, half = line % 2;
    SmallVector<Value *> row;
    for (int64_t i = 0; i < 2 * scoreTiles; ++i)
      row.push_back(&scores[tile * scoreTiles + i / 2][half * 2 + i % 2]);
    Value highest = *row.front();
    for (Value *score : ArrayRef(row).drop_front())
      highest = b.fmax(highest, *score);
    highest = b.fmax(state.max[line], b.fmul(b.warpMax(highest, 4), factor));
    Value isNothing = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, highest, nothing);
    Value against = b.select(isNothing, zero, highest);
    Value rescale = b.exp2(b.fsub(state.max[line], against));
    Value minus = arith::NegFOp::create(b, against);
    Value sum = b.fmul(state.sum[line], rescale);
    for (Value *score : row) {
      // A product of -1e9 that is rounded in the maximum and not here is off by more
      // than a hundred.
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

/// output += probabilities x value: two 16x8 tiles of probabilities are the
/// registers of one 16x16 operand.
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
