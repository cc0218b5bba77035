//===- TapStatistics.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every reduction works on abs(x) in f32, with zeros at padding. The largest values and counts are
// exact, and sums are those of the runtime's f32 reductions.
//
// A histogram takes floor(log2) as the bin, and scatters ones into the counts. The bins end at 255,
// where u8 ends. Opsets before 16 cannot add while scattering, so there it compares with each edge.
// Edges lie 7e-6 below the powers of two. Otherwise the logarithm's rounding could move a power of
// two, which narrow types have many of, into the bin below.
//
//===----------------------------------------------------------------------===//

#include "TapStatistics.h"

#include "StreamScaling.h"

#include "basin/Dialect/ONNX/Utils/OldOpsets.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

/// Edges are shifted by this much in log2.
static constexpr double kEdgeShift = 1e-5;

static constexpr const char *kUnknownType = "its rank or type is not known";

//===----------------------------------------------------------------------===//
// The tensor
//===----------------------------------------------------------------------===//

Value basin::sink::widen(NodeBuilder &n, Value x) {
  Type element = getTensorInfo(x).element;
  if (element && (element.isF16() || element.isBF16()))
    x = n.node<MulOp>({x, n.scalar(1, element)});
  return n.cast(x, n.getBuilder().getF32Type());
}

Value basin::sink::sumOverRows(NodeBuilder &n, Value x, int64_t rank) {
  SmallVector<int64_t> leading(rank - 1, 1);
  Value shape = n.concat({n.constant(leading), n.dims(x, rank - 2, rank - 1)}, 0);
  Value ones = n.expand(n.scalar(1, n.getBuilder().getF32Type()), shape);
  return n.node<MatMulOp>({ones, x});
}

bool Tokens::canBe(const Dim &batch, const Dim &sequence) const {
  auto contradicts = [](const Dim &a, const Dim &b) {
    return a.isStatic() && b.isStatic() && a.size != b.size;
  };
  return dims.size() != 2 || !alone ||
         (!contradicts(batch, dims[0]) && !contradicts(sequence, dims[1]));
}

bool Tokens::are(const Dim &batch, const Dim &sequence) const {
  if (alone || dims.size() != 2)
    return canBe(batch, sequence);
  return batch.provablyEquals(dims[0]) && sequence.provablyEquals(dims[1]);
}

bool Tokens::areTurned(const Dim &sequence, const Dim &batch) const {
  return dims.size() == 2 && batch.provablyEquals(dims[0]) && sequence.provablyEquals(dims[1]) &&
         !dims[0].provablyEquals(dims[1]);
}

WhyNot StatisticsBuilder::view(Value value) {
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank() || info.rank() < 2 || !isa_and_nonnull<FloatType>(info.element))
    return kUnknownType;
  bool isTurned = info.rank() == 3 && tokens.areTurned(info[0], info[1]);
  batched = isTurned || (info.rank() == 3 && tokens.canBe(info[0], info[1]));
  x = widen(n, value);
  if (isTurned)
    x = n.transpose(x, {1, 0, 2});
  else if (info.rank() == 2)
    x = n.unsqueeze(x, {0});
  else if (!batched)
    x = n.reshape(x, n.concat({n.constant({1, -1}), n.dims(x, info.rank() - 1, info.rank())}, 0));
  // Rows that have no axes of batch and sequence are tokens if they can be nothing else.
  ofTokens = isTurned || (batched ? tokens.are(info[0], info[1]) : tokens.alone);
  keep = batched && ofTokens && tokens.mask ? n.unsqueeze(tokens.mask, {2}) : Value();
  return std::nullopt;
}

/// Replaces `y` by zeros at padding.
Value StatisticsBuilder::atTokens(Value y) {
  return keep ? n.node<WhereOp>({keep, y, n.scalar(0, f32)}) : y;
}

Value StatisticsBuilder::magnitude() { return atTokens(n.node<AbsOp>({x})); }

/// How many tokens a block of `columnMax` has.
static constexpr int64_t kBlock = 16;

/// Returns the maxima over tokens. ONNX Runtime takes seven times as long for them in one step: its
/// ReduceMax and ArgMax are slow on an axis between others if there is no axis before it to divide
/// the work by. Zeros fill the last block, which changes nothing as no magnitude is below them.
StatisticsBuilder::ColumnMax StatisticsBuilder::columnMax(Value magnitude) {
  Value tokens = n.dims(magnitude, 1, 2), zero = n.constant({0});
  Value lacking = n.node<ModOp>({n.node<NegOp>({tokens}), n.constant({kBlock})});
  Value pads = n.concat({n.constant({0, 0, 0, 0}), lacking, zero}, 0);
  Value padded = n.node<PadOp>({magnitude, pads});
  Value shape =
      n.concat({n.dims(magnitude, 0, 1), n.constant({-1, kBlock}), n.dims(magnitude, 2, 3)}, 0);
  ColumnMax out;
  out.blocks = n.reshape(padded, shape);
  out.ofBlocks = n.reduceMax(out.blocks, {2}, false);
  out.value = n.reduceMax(out.ofBlocks, {1}, false);
  return out;
}

/// Returns the first token that has the maximum: in the first block that has it, the first one.
Value StatisticsBuilder::firstPosition(const ColumnMax &largest) {
  Value block = n.node<ArgMaxOp>({largest.ofBlocks}, {n.attr("axis", 1), n.attr("keepdims", 1)});
  Value index = n.expand(n.unsqueeze(block, {2}), n.constant({1, 1, kBlock, 1}));
  Value rows = n.node<GatherElementsOp>({largest.blocks, index}, n.attr("axis", 1));
  Value within = n.node<ArgMaxOp>({rows}, {n.attr("axis", 2), n.attr("keepdims", int64_t(0))});
  Value begin = n.node<MulOp>({block, n.constant({kBlock})});
  return n.squeeze(n.node<AddOp>({begin, within}), {1});
}

/// Returns the number of tokens of each sequence, [B, 1, 1] or [1, 1, 1], and at least one.
Value StatisticsBuilder::countTokens() {
  if (!keep)
    return n.reshape(n.cast(n.dim(x, 1), f32), {1, 1, 1});
  Value count = n.reduceSum(n.cast(keep, f32), {1});
  return n.node<MaxOp>({count, n.scalar(1, f32)});
}

//===----------------------------------------------------------------------===//
// Moments and histogram
//===----------------------------------------------------------------------===//

/// Returns the mean and the means of the centred squares and fourth powers, [B, 3].
Value StatisticsBuilder::moments() {
  Value count = n.node<MulOp>({countTokens(), n.cast(n.dim(x, 2), f32)});
  auto mean = [&](Value y) { return n.node<DivOp>({n.reduceSum(y, {1, 2}), count}); };
  Value first = mean(atTokens(x));
  Value centred = atTokens(n.node<SubOp>({x, first}));
  Value square = n.node<MulOp>({centred, centred});
  Value fourth = n.node<MulOp>({square, square});
  return n.squeeze(n.concat({first, mean(square), mean(fourth)}, 2), {1});
}

/// Returns the bin of each element, plus `shift`, in u8. A QuantizeLinear divides, rounds, and
/// clips to 255, all at once. The last bin must be there.
Value StatisticsBuilder::binOf(Value a, int64_t shift) {
  const HistogramBins &bins = options.bins;
  // It rounds to the nearest integer, so half a bin less is the bin below.
  double width = std::log(2.0) / bins.octave;
  Value log = n.node<LogOp>({a});
  log = n.node<AddOp>({log, n.scalar((kEdgeShift * bins.octave - 0.5) * width, f32)});
  Type u8 = n.getBuilder().getIntegerType(8, /*isSigned=*/false);
  Value zeroPoint = n.scalar(double(shift - bins.first * bins.octave), u8);
  return n.node<QuantizeLinearOp>({log, n.scalar(width, f32), zeroPoint});
}

Value StatisticsBuilder::histogramByScatter(Value a) {
  constexpr int64_t kSlots = 256;
  // The first bin is the sum of the slots up to its own. Zeros and NaN have a slot, too.
  int64_t first = kSlots - options.bins.count;
  Type i32 = n.getBuilder().getIntegerType(32);
  Value batch = n.dims(a, 0, 1);
  Value flat = n.concat({batch, n.constant({-1})}, 0);
  Value index = n.reshape(n.cast(binOf(a, first), i32), flat);
  Value one = n.scalar(1, i32);
  Value ones = keep ? n.reshape(n.expand(n.cast(keep, i32), n.node<ShapeOp>({a})), flat)
                    : n.expand(one, n.node<ShapeOp>({index}));
  Value zeros = n.expand(n.scalar(0, i32), n.concat({batch, n.constant({kSlots})}, 0));
  Value counts = n.node<ScatterElementsOp>(
      {zeros, index, ones},
      {n.attr("axis", 1),
       n.getBuilder().getNamedAttr("reduction", n.getBuilder().getStringAttr("add"))});
  counts = n.cast(counts, n.getBuilder().getI64Type());
  Value below = n.reduceSum(n.slice(counts, 1, 0, first + 1), {1});
  return n.concat({below, n.slice(counts, 1, first + 1, kSlots)}, 1);
}

Value StatisticsBuilder::histogramByThresholds(Value a) {
  const HistogramBins &bins = options.bins;
  Type i64 = n.getBuilder().getI64Type();
  auto count = [&](Value holds) {
    Value each = n.cast(holds, i64);
    return n.squeeze(n.reduceSum(each, {1, 2}), {2});
  };
  SmallVector<Value> counts;
  Value all = n.expand(n.constant({1}, 0), n.node<ShapeOp>({a}));
  Value above = keep ? count(n.expand(keep, n.node<ShapeOp>({a}))) : count(all);
  for (int64_t b = 1; b < bins.count; ++b) {
    double edge = std::exp2(bins.first + double(b) / bins.octave - kEdgeShift);
    Value next = count(greaterOrEqual(n, a, n.scalar(edge, f32)));
    counts.push_back(n.node<SubOp>({above, next}));
    above = next;
  }
  counts.push_back(above);
  return n.concat(counts, 1);
}

Value StatisticsBuilder::histogram(Value a) {
  return n.getOpset() >= 16 ? histogramByScatter(a) : histogramByThresholds(a);
}

//===----------------------------------------------------------------------===//
// Taps
//===----------------------------------------------------------------------===//

WhyNot StatisticsBuilder::residual(const Tap &tap, Statistics &out) {
  if (WhyNot why = view(tap.op ? normInput(cast<NormInterface>(tap.op)) : tap.value))
    return why;
  Type i64 = n.getBuilder().getI64Type();
  Value a = magnitude(), square = n.node<MulOp>({a, a});
  ColumnMax largest = columnMax(a);
  out.push_back({"max_abs", largest.value, f32, 2});
  out.push_back({"max_position", firstPosition(largest), i64, 2});
  out.push_back({"sum_abs", columnSum(a), f32, 2});
  out.push_back({"sum_square", columnSum(square), f32, 2});
  // The norm that reads the stream reduces the same values, and the runtime does that once.
  out.push_back({"token_max", n.squeeze(n.reduceMax(a, {2}), {2}), f32, 2});
  out.push_back({"token_sum_square", n.squeeze(n.reduceSum(square, {2}), {2}), f32, 2});
  out.push_back({"histogram", histogram(a), i64, 2});
  out.push_back({"moments", moments(), f32, 2});
  return std::nullopt;
}

WhyNot StatisticsBuilder::projection(const Tap &tap, Statistics &out) {
  Value value = tap.value;
  if (tap.scale) {
    SmallVector<Value> operands{value, n.reshape(tap.scale, ArrayRef<int64_t>())};
    if (tap.zeroPoint)
      operands.push_back(n.reshape(tap.zeroPoint, ArrayRef<int64_t>()));
    value = n.node<DequantizeLinearOp>(operands);
  }
  // The channels are on several axes if the value has heads.
  TensorInfo info = getTensorInfo(value);
  bool isApart = info.hasRank() && info.rank() > 3;
  if (WhyNot why = view(isApart ? n.reshape(widen(n, value), {0, 0, -1}) : value))
    return why;
  Value a = magnitude();
  Value large = n.cast(greaterOrEqual(n, a, n.scalar(options.outlier, f32)), f32);
  out.push_back({"max_abs", columnMax(a).value, f32, 2});
  out.push_back({"outliers", columnSum(large), f32, 2});
  out.push_back({"token_max", n.reduceMax(a, {2}, false), f32, 2});
  out.push_back({"moments", moments(), f32, 2});
  return std::nullopt;
}

/// Returns the value that the norm takes: with its residual and bias, but before the pre-affine
/// vector.
Value StatisticsBuilder::normInput(NormInterface norm) {
  if (norm.getSum())
    return norm.getSum();
  SmallVector<Value, 3> parts = norm.getSummands();
  Value h = parts.front();
  for (Value part : ArrayRef(parts).drop_front())
    h = n.node<AddOp>({h, part});
  return h;
}

/// Returns the first channel that has the maximum of each token, [B, T, 1]. In blocks of channels
/// it takes a quarter of the time: ONNX Runtime's ArgMax looks at one element after the other.
static Value firstChannel(NodeBuilder &n, Value x) {
  constexpr int64_t kWidth = 16;
  NamedAttribute last = n.attr("axis", 2), keeps = n.attr("keepdims", 1);
  TensorInfo info = getTensorInfo(x);
  if (!info.hasRank() || !info[2].isStatic() || info[2].size % kWidth != 0)
    return n.node<ArgMaxOp>({x}, {last, keeps});
  Value blocks = n.reshape(x, {0, 0, info[2].size / kWidth, kWidth});
  Value block = n.node<ArgMaxOp>({n.reduceMax(blocks, {3}, false)}, {last, keeps});
  Value index = n.expand(n.unsqueeze(block, {3}), n.constant({1, 1, 1, kWidth}));
  Value row = n.node<GatherElementsOp>({blocks, index}, last);
  Value within = n.node<ArgMaxOp>({row}, {n.attr("axis", 3), n.attr("keepdims", int64_t(0))});
  return n.node<AddOp>({n.node<MulOp>({block, n.constant({kWidth})}), within});
}

/// Adds the bound of arXiv 2601.22966, appendix A.1, where d is the dimension of each token's
/// largest entry: rms(norm(h)) <= max|gamma| sqrt((1 - r^2) + e^2 r^2), r = |u_d| / ||u||.
void StatisticsBuilder::addBound(NormInterface norm, Value u, Statistics &out) {
  Value a = n.node<AbsOp>({u});
  Value square = n.reduceSum(n.node<MulOp>({a, a}), {2});
  Value length = n.node<SqrtOp>({n.node<MaxOp>({square, n.scalar(1e-37, f32)})});
  Value r = n.node<DivOp>({n.reduceMax(a, {2}), length});
  Value r2 = n.node<MulOp>({r, r});
  Value rest = n.node<MaxOp>({n.node<SubOp>({n.scalar(1, f32), r2}), n.scalar(0, f32)});
  Value bound;
  if (Value weight = norm.getWeight()) {
    Value gamma = n.reshape(widen(n, weight), {-1});
    out.push_back({"weight", gamma, f32, 1});
    Value g = n.node<AbsOp>({gamma});
    Value largest = n.node<MaxOp>({n.reduceMax(g, {0}), n.scalar(1e-37, f32)});
    Value d = firstChannel(n, a);
    // A weight of one element applies to every dimension.
    bool isScalar = getTensorInfo(gamma).hasRank() && getTensorInfo(gamma)[0].is(1);
    Value at = isScalar ? g : n.node<GatherOp>({g, d}, n.attr("axis", int64_t(0)));
    Value er = n.node<MulOp>({n.node<DivOp>({at, largest}), r});
    Value inside = n.node<AddOp>({rest, n.node<MulOp>({er, er})});
    bound = n.node<MulOp>({largest, n.node<SqrtOp>({inside})});
  } else {
    bound = n.node<SqrtOp>({n.node<AddOp>({rest, r2})});
  }
  out.push_back({"share", n.squeeze(atTokens(r), {2}), f32, 2});
  out.push_back({"bound", n.squeeze(atTokens(bound), {2}), f32, 2});
}

WhyNot StatisticsBuilder::norm(const Tap &tap, Statistics &out) {
  auto norm = cast<NormInterface>(tap.op);
  if (!getTensorInfo(norm.getX()).hasRank())
    return kUnknownType;
  if (WhyNot why = view(normInput(norm)))
    return why;
  Value u = x;
  if (Value pre = norm.getPreAffine())
    u = n.node<MulOp>({u, widen(n, pre)});
  if (norm.isCentring())
    u = n.node<SubOp>({u, n.reduceMean(u, {2})});
  addBound(norm, u, out);
  bool wasBatched = batched;
  if (WhyNot why = view(tap.value))
    return why;
  if (batched != wasBatched)
    return "expected its input and its result to have the same axes of batch and tokens";
  Value y = x;
  if (Value bias = norm.getBias())
    y = n.node<SubOp>({y, widen(n, bias)});
  Value rms = n.node<SqrtOp>({n.reduceMean(n.node<MulOp>({y, y}), {2})});
  out.push_back({"output_rms", n.squeeze(atTokens(rms), {2}), f32, 2});
  return std::nullopt;
}
