//===- SoftmaxReference.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SoftmaxReference.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

//===----------------------------------------------------------------------===//
// Tolerances
//===----------------------------------------------------------------------===//

/// The relative error of a probability in f32: of exp2 and the reciprocal, which have 22 and 23
/// bits, and of the sum.
static constexpr double kRelative = 5e-7;
/// The distance of a score from the maximum, the factor log2(e) and their product are rounded.
static constexpr double kDistance = 2e-7;
/// The error of a score is one of the exponential. A score of which the scale or a bias is
/// rounded has half a unit of the last place for each. A capped score has the errors of an
/// exponential of 22 bits and of a reciprocal of 23 bits.
static constexpr double kHalfUnit = 0x1p-24, kCapUnit = 3e-7;
/// The rest of a probability's error is its rounding, relative or below f16's normal numbers.
static double unitOf(Type type) {
  return type.isF32() ? 0x1p-24 : type.isBF16() ? 0x1p-8 : 0x1p-11;
}
static double leastOf(Type type) { return type.isF16() ? 0x1p-25 : 1e-37; }
/// The logarithm has an error of 22 bits, and the sum that of a probability.
static constexpr double kLogRelative = 2e-7, kLogAbsolute = 1e-6;

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

int64_t SoftmaxProblem::getRowStride() const {
  if (rowStride != 0 || !spec.aligned)
    return std::max(rowStride, keys);
  int64_t bits =
      std::min(spec.type.getIntOrFloatBitWidth(), spec.getResultType().getIntOrFloatBitWidth());
  return llvm::alignTo(keys, 128 / bits);
}

void SoftmaxCase::makeMask() {
  bool isBias = p.spec.mask == SoftmaxSpec::Bias;
  Type type = isBias ? p.spec.maskType : IntegerType::get(p.spec.type.getContext(), 8);
  int64_t columns = p.keysBehind(), matrices = p.isMaskShared ? 1 : p.batch * p.heads;
  mask = allocate(type, std::max<int64_t>(matrices * p.queries * columns, 1));
  mask.rowStride = columns;
  mask.headStride = p.isMaskShared ? 0 : p.queries * columns;
  mask.batchStride = p.isMaskShared ? 0 : p.heads * p.queries * columns;
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 2);
  for (int64_t i = 0; i < matrices * p.queries * columns; ++i) {
    // Every fifth row sees no key.
    bool isHidden = i / columns % 5 == 4 || uniform(random) < 0.3;
    if (isBias)
      set(mask, type, i, isHidden ? -INFINITY : normal(random));
    else
      set(mask, type, i, !isHidden);
  }
}

SoftmaxCase::SoftmaxCase(const SoftmaxProblem &problem) : p(problem), random(problem.seed) {
  const SoftmaxSpec &spec = p.spec;
  int64_t stride = p.getRowStride(), elements = (p.rows() - 1) * stride + p.keys;
  scores = allocate(spec.type, elements);
  std::normal_distribution<double> normal(0, p.spread / spec.getScale());
  for (int64_t row = 0; row < p.rows(); ++row)
    for (int64_t column = 0; column < p.keys; ++column)
      set(scores, spec.type, row * stride + column, normal(random));
  probabilities = spec.isInPlace() ? scores : allocate(spec.getResultType(), elements);
  if (spec.mask != SoftmaxSpec::NoMask)
    makeMask();
  if (spec.sinkLogit) {
    sinks = allocate(spec.getSinkType(), p.heads);
    for (int64_t head = 0; head < p.heads; ++head)
      set(sinks, spec.getSinkType(), head,
          p.sinkLogits.empty() ? 0.7 * double(head + 1) : p.sinkLogits[head]);
  }
  logSumExp.assign(p.rows(), NAN);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

emulator::Report SoftmaxCase::run(emulator::Emulator &emulator, const SoftmaxSchedule &schedule,
                                  emulator::Order order) {
  const SoftmaxSpec &spec = p.spec;
  emulator::Launch launch;
  auto add = [&](bool has, StringRef name, void *pointer, size_t bytes, bool writable = false) {
    if (!has)
      return;
    launch.buffers.push_back({name.str(), pointer, bytes, writable});
    launch.arguments.push_back(pointer);
  };
  auto addTensor = [&](bool has, StringRef name, const Tensor &tensor, bool writable = false) {
    if (has)
      add(has, name, tensor.pointer(), tensor.storage->bytes.size(), writable);
  };
  bool hasMask = spec.mask != SoftmaxSpec::NoMask;
  before = scores;
  before.storage = std::make_shared<Storage>(*scores.storage);
  addTensor(true, "scores", scores, spec.isInPlace());
  addTensor(hasMask, "mask", mask);
  add(spec.keyLengths, "key_lengths", p.keyLengths.data(), p.keyLengths.size() * 4);
  addTensor(spec.sinkLogit, "sink_logit", sinks);
  addTensor(!spec.isInPlace(), "probabilities", probabilities, /*writable=*/true);
  add(spec.logSumExp, "log_sum_exp", logSumExp.data(), logSumExp.size() * 4, /*writable=*/true);
  launch.arguments.push_back(int32_t(p.getRowStride()));
  if (hasMask)
    launch.arguments.insert(launch.arguments.end(),
                            {mask.batchStride, mask.headStride, int32_t(mask.rowStride)});
  for (int64_t scalar : {p.heads, p.batch, p.queries, p.keys})
    launch.arguments.push_back(int32_t(scalar));
  if (spec.prefix)
    launch.arguments.push_back(int32_t(p.prefix));
  if (spec.window)
    launch.arguments.push_back(int32_t(p.window));
  int64_t groups = llvm::divideCeil(p.heads, schedule.rowsPerBlock);
  launch.grid = {unsigned(p.queries * groups * p.batch), 1, 1};
  launch.block = {unsigned(schedule.blockSize()), 1, 1};
  launch.sharedBytes = schedule.sharedBytes();
  launch.threadOrder = launch.blockOrder = order;
  launch.seed = p.seed;
  llvm::Expected<emulator::Report> report = emulator.launch(getName(spec), launch);
  if (report)
    return std::move(*report);
  llvm::report_fatal_error(report.takeError());
}

double SoftmaxCase::at(int64_t row, int64_t column) const {
  return get(probabilities, p.spec.getResultType(), row * p.getRowStride() + column);
}

//===----------------------------------------------------------------------===//
// The reference
//===----------------------------------------------------------------------===//

/// Returns the score of a column, or nothing if the row does not see it.
std::optional<double> SoftmaxCase::scoreOf(int64_t batch, int64_t head, int64_t query,
                                           int64_t column) const {
  const SoftmaxSpec &spec = p.spec;
  int64_t row = (batch * p.heads + head) * p.queries + query;
  double score = before.storage->values[row * p.getRowStride() + column] * spec.getScale();
  if (spec.softcap != 0)
    score = spec.softcap * std::tanh(score / spec.softcap);
  if (column < p.prefix)
    return score;
  int64_t key = column - std::max<int64_t>(p.prefix, 0);
  int64_t place = query + (spec.topLeft ? 0 : p.keysBehind() - p.queries);
  bool isHidden = (spec.keyLengths && key >= p.keyLengths[batch]) || (spec.causal && key > place) ||
                  (spec.window && place - key >= p.window);
  if (isHidden)
    return std::nullopt;
  if (spec.mask == SoftmaxSpec::Bias)
    return score + mask.at(batch, head, query, key);
  if (spec.mask == SoftmaxSpec::Keep && mask.at(batch, head, query, key) == 0)
    return spec.maskFill != 0 ? spec.maskFill : -INFINITY;
  return score;
}

/// Returns the bound of the error of a score.
double SoftmaxCase::roundingOf(int64_t batch, int64_t head, int64_t query, int64_t column) const {
  const SoftmaxSpec &spec = p.spec;
  int64_t row = (batch * p.heads + head) * p.queries + query;
  double raw = before.storage->values[row * p.getRowStride() + column] * spec.getScale();
  double out = spec.softcap != 0 ? spec.softcap * kCapUnit : 0;
  std::optional<double> score = scoreOf(batch, head, query, column);
  if (spec.mask == SoftmaxSpec::Bias && score && std::isfinite(*score))
    out += kHalfUnit * (std::abs(raw) + std::abs(*score));
  return out;
}

SoftmaxCase::Row SoftmaxCase::compute(int64_t batch, int64_t head, int64_t query) const {
  const SoftmaxSpec &spec = p.spec;
  double sink = spec.sinkLogit ? get(sinks, spec.getSinkType(), head) : -INFINITY;
  double highest = sink, rounding = 0;
  bool isNaN = std::isnan(sink);
  std::vector<double> scores;
  for (int64_t column = 0; column < p.keys; ++column) {
    scores.push_back(scoreOf(batch, head, query, column).value_or(-INFINITY));
    isNaN |= std::isnan(scores.back());
    highest = std::fmax(highest, scores.back());
    rounding = std::fmax(rounding, roundingOf(batch, head, query, column));
  }
  isNaN |= highest == INFINITY;
  double against = highest == -INFINITY ? 0 : highest, sum = std::exp(sink - against);
  for (double score : scores)
    sum += std::exp(score - against);
  Row out{{}, {}, isNaN ? kNaN : highest + std::log(sum), 0};
  for (double score : scores) {
    double nothing = spec.nanHiddenRows ? kNaN : 0;
    double probability = sum == 0 ? nothing : std::exp(score - against) / sum;
    out.probabilities.push_back(isNaN ? kNaN : probability);
    double relative = kRelative + kDistance * (against - score) + 2 * rounding;
    out.bounds.push_back(probability == 0 ? 0 : probability * relative);
  }
  out.logBound = kLogAbsolute + rounding + kLogRelative * std::abs(out.logSumExp);
  return out;
}

static bool isNear(double got, double want, double bound) {
  if (std::isnan(want) || std::isinf(want))
    return std::isnan(want) ? std::isnan(got) : got == want;
  return std::abs(got - want) <= bound; // false for NaN
}

WhyNot SoftmaxCase::compareRow(int64_t batch, int64_t head, int64_t query) const {
  Row want = compute(batch, head, query);
  int64_t row = (batch * p.heads + head) * p.queries + query;
  std::string where = llvm::formatv("batch {0}, head {1}, query {2}", batch, head, query);
  Type type = p.spec.getResultType();
  for (int64_t column = 0; column < p.keys; ++column) {
    double wanted = want.probabilities[column];
    double bound = want.bounds[column] + unitOf(type) * wanted + leastOf(type);
    if (!isNear(at(row, column), wanted, bound))
      return llvm::formatv("{0}, column {1}: {2:e9}, expected {3:e9} +- {4:e3}", where, column,
                           at(row, column), wanted, bound);
  }
  if (p.spec.logSumExp && !isNear(logSumExp[row], want.logSumExp, want.logBound))
    return llvm::formatv("{0}: log-sum-exp {1:f7}, expected {2:f7}", where, logSumExp[row],
                         want.logSumExp);
  return std::nullopt;
}

WhyNot SoftmaxCase::compare() const {
  for (int64_t batch = 0; batch < p.batch; ++batch)
    for (int64_t head = 0; head < p.heads; ++head)
      for (int64_t query = 0; query < p.queries; ++query)
        if (WhyNot why = compareRow(batch, head, query))
          return why;
  // What lies between rows is as before.
  int64_t stride = p.getRowStride();
  for (int64_t row = 0; row + 1 < p.rows(); ++row)
    for (int64_t column = p.keys; column < stride; ++column)
      if (!std::isnan(at(row, column)))
        return llvm::formatv("row {0}: column {1} behind its end is written", row, column);
  return std::nullopt;
}
