//===- AttentionReference.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionReference.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

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

/// Half a unit in the last place. The probabilities are rounded to the type once, and so is the
/// result, each relative to the sum of |p * v|. The factor leaves room for f32 sums, exp2 of 22
/// bits and the products of the gate.
static double unitOf(Type type) { return type.isBF16() ? 0x1p-8 : 0x1p-11; }
static constexpr double kRoom = 1.15;
/// Allows for probabilities below f16's normal range, and for values near 0.
static constexpr double kAbsolute = 1e-5;
/// Allow for the f32 sum of a score of up to a few hundred, for log2 of 22 bits, and for softcap's
/// reciprocal of 22 bits times a cap of 50.
static constexpr double kLogRelative = 2e-6, kLogAbsolute = 4e-5;

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static const llvm::fltSemantics &semanticsOf(Type type) {
  return cast<FloatType>(type).getFloatSemantics();
}

void basin::kernels::set(const Tensor &tensor, Type type, int64_t index, double number) {
  Storage &storage = *tensor.storage;
  uint64_t bits = number != 0;
  double rounded = number;
  if (isa<FloatType>(type)) {
    llvm::APFloat x(number);
    bool isInexact;
    x.convert(semanticsOf(type), llvm::APFloat::rmNearestTiesToEven, &isInexact);
    bits = x.bitcastToAPInt().getZExtValue();
    rounded = std::isnan(number) ? kNaN : x.convertToDouble();
  }
  std::memcpy(storage.bytes.data() + index * tensor.elementBytes, &bits, tensor.elementBytes);
  storage.values[index] = rounded;
}

double basin::kernels::get(const Tensor &tensor, Type type, int64_t index) {
  uint64_t bits = 0;
  std::memcpy(&bits, tensor.storage->bytes.data() + index * tensor.elementBytes,
              tensor.elementBytes);
  llvm::APFloat x(semanticsOf(type), llvm::APInt(8 * tensor.elementBytes, bits));
  return x.isNaN() ? kNaN : x.convertToDouble();
}

Tensor basin::kernels::allocate(Type type, int64_t elements) {
  Tensor out;
  out.elementBytes = type.getIntOrFloatBitWidth() / 8;
  out.storage = std::make_shared<Storage>();
  out.storage->bytes.resize(elements * out.elementBytes);
  out.storage->values.resize(elements);
  for (int64_t i = 0; i < elements; ++i)
    set(out, type, i, kNaN);
  return out;
}

Tensor AttentionCase::make(Type type, int64_t heads, int64_t rows, int64_t columns, double spread) {
  int64_t stride = columns + (p.layout == Layout::Padded ? 8 : 0);
  Tensor out = allocate(type, p.batch * heads * rows * stride);
  out.batchStride = heads * rows * stride;
  out.headStride = p.layout == Layout::RowsFirst ? stride : rows * stride;
  out.rowStride = p.layout == Layout::RowsFirst ? heads * stride : stride;
  std::normal_distribution<double> normal(0, spread);
  for (int64_t batch = 0; batch < p.batch; ++batch)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column)
          set(out, type, out.index(batch, head, row, column), normal(random));
  return out;
}

/// Makes rows of [query heads, key heads, value heads], as one projection computes them.
void AttentionCase::makePacked() {
  assert(p.queries == p.keys && p.spec.getValueDim() == p.spec.headDim);
  int64_t dim = p.spec.headDim, width = (p.heads + 2 * p.keyHeads) * dim;
  Layout layout = std::exchange(p.layout, Layout::RowsFirst);
  Tensor all = make(p.spec.type, 1, p.keys, width, p.spread);
  p.layout = layout;
  all.headStride = dim;
  query = key = value = all;
  key.offset = p.heads * dim;
  value.offset = (p.heads + p.keyHeads) * dim;
}

void AttentionCase::makeMask() {
  bool isBias = p.spec.mask == AttentionSpec::Bias;
  Type type = isBias ? p.spec.maskType : IntegerType::get(p.spec.type.getContext(), 8);
  int64_t batches = p.isMaskShared ? 1 : p.batch, heads = p.isMaskShared ? 1 : p.heads;
  mask = allocate(type, batches * heads * p.queries * p.keys);
  mask.rowStride = p.keys;
  mask.headStride = p.isMaskShared ? 0 : p.queries * p.keys;
  mask.batchStride = p.isMaskShared ? 0 : p.heads * p.queries * p.keys;
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  for (int64_t i = 0; i < int64_t(mask.storage->values.size()); ++i) {
    // Every fifth row sees no key.
    bool isHidden = i / p.keys % 5 == 4 || uniform(random) < p.hidden;
    if (isBias)
      set(mask, type, i, isHidden ? -INFINITY : normal(random));
    else
      set(mask, type, i, !isHidden);
  }
}

/// Sets keys and values beyond the lengths to NaN, because no kernel may read them.
void AttentionCase::hideTails() {
  for (int64_t batch = 0; batch < int64_t(p.keyLengths.size()); ++batch)
    for (int64_t head = 0; head < p.keyHeads; ++head)
      for (int64_t row = std::max(p.keyLengths[batch], 0); row < p.keys; ++row)
        for (const Tensor *tensor : {&key, &value})
          set(*tensor, p.spec.type, tensor->index(batch, head, row, 0), kNaN);
}

AttentionCase::AttentionCase(const Problem &problem) : p(problem), random(problem.seed) {
  const AttentionSpec &spec = p.spec;
  if (p.layout == Layout::Packed) {
    makePacked();
  } else {
    query = make(spec.type, p.heads, p.queries, spec.headDim, p.spread);
    key = make(spec.type, p.keyHeads, p.keys, spec.headDim, p.spread);
    value = make(spec.type, p.keyHeads, p.keys, spec.getValueDim(), 1);
  }
  result = make(spec.type, p.heads, p.queries, spec.getValueDim(), 1);
  for (size_t i = 0; i < result.storage->values.size(); ++i)
    set(result, spec.type, i, kNaN);
  if (spec.gate != AttentionSpec::NoGate)
    gate = make(spec.type, p.heads, p.queries, spec.gatePerHead ? 1 : spec.getValueDim(), 2);
  if (spec.mask != AttentionSpec::NoMask)
    makeMask();
  if (spec.sinkKeyValue) {
    // These are [key heads, rows, columns] for any layout of the other tensors.
    Layout layout = std::exchange(p.layout, Layout::HeadsFirst);
    int64_t batch = std::exchange(p.batch, 1);
    sinkKey = make(spec.type, p.keyHeads, p.sinkRows, spec.headDim, p.spread);
    sinkValue = make(spec.type, p.keyHeads, p.sinkRows, spec.getValueDim(), 1);
    p.layout = layout;
    p.batch = batch;
  }
  if (spec.sinkLogit && p.sinkLogits.empty())
    for (int64_t head = 0; head < p.heads; ++head)
      p.sinkLogits.push_back(0.7f * float(head + 1));
  if (spec.sinkLogit && !spec.getSinkType().isF32()) {
    narrowSinks = allocate(spec.type, p.heads);
    for (int64_t head = 0; head < p.heads; ++head) {
      set(narrowSinks, spec.type, head, p.sinkLogits[head]);
      p.sinkLogits[head] = float(get(narrowSinks, spec.type, head));
    }
  }
  logSumExp.assign(p.batch * p.heads * p.queries, NAN);
  hideTails();
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

emulator::Report AttentionCase::run(emulator::Emulator &emulator, const AttentionSchedule &schedule,
                                    emulator::Order order) {
  emulator::Launch launch;
  const AttentionSpec &spec = p.spec;
  std::vector<Tensor> strided;
  auto addBuffer = [&](StringRef name, void *pointer, size_t bytes, bool writable) {
    bool isThere = llvm::any_of(launch.buffers, [&](auto &b) { return b.pointer == pointer; });
    if (!isThere)
      launch.buffers.push_back({name.str(), pointer, bytes, writable});
  };
  auto add = [&](StringRef name, const Tensor &tensor, bool isStrided = true) {
    if (!tensor.storage)
      return;
    addBuffer(name, tensor.storage->bytes.data(), tensor.storage->bytes.size(), name == "result");
    launch.arguments.push_back(tensor.pointer());
    if (isStrided)
      strided.push_back(tensor);
  };
  auto addVector = [&](bool has, StringRef name, auto &vector) {
    if (!has)
      return;
    addBuffer(name, vector.data(), vector.size() * sizeof(vector[0]), name == "log_sum_exp");
    launch.arguments.push_back(static_cast<void *>(vector.data()));
  };
  add("query", query);
  add("key", key);
  add("value", value);
  add("mask", mask);
  addVector(spec.keyLengths, "key_lengths", p.keyLengths);
  add("sink_logit", narrowSinks, false);
  addVector(spec.sinkLogit && !narrowSinks.storage, "sink_logit", p.sinkLogits);
  add("sink_key", sinkKey, false);
  add("sink_value", sinkValue, false);
  add("gate", gate);
  add("result", result);
  addVector(spec.logSumExp, "log_sum_exp", logSumExp);
  for (const Tensor &tensor : strided) {
    launch.arguments.push_back(tensor.batchStride);
    launch.arguments.push_back(tensor.headStride);
    launch.arguments.push_back(int32_t(tensor.rowStride));
  }
  int64_t heads = p.saidHeads ? p.saidHeads : p.heads;
  int64_t keyHeads = p.saidHeads ? p.saidHeads : p.keyHeads;
  for (int64_t scalar : {heads, keyHeads, p.batch, p.queries, p.keys})
    launch.arguments.push_back(int32_t(scalar));
  if (spec.sinkKeyValue)
    launch.arguments.push_back(int32_t(p.sinkRows));
  if (spec.window)
    launch.arguments.push_back(int32_t(p.window));
  unsigned tiles = (p.queries + schedule.queries - 1) / schedule.queries;
  launch.grid = {tiles * unsigned(p.heads) * unsigned(p.batch), 1, 1};
  launch.block = {unsigned(schedule.blockSize()), 1, 1};
  launch.sharedBytes = schedule.sharedBytes(spec);
  launch.threadOrder = launch.blockOrder = order;
  launch.seed = p.seed;
  llvm::Expected<emulator::Report> report = emulator.launch(getName(spec), launch);
  if (report)
    return std::move(*report);
  llvm::report_fatal_error(report.takeError());
}

//===----------------------------------------------------------------------===//
// The reference
//===----------------------------------------------------------------------===//

bool AttentionCase::sees(int64_t batch, int64_t head, int64_t row, int64_t key) const {
  int64_t place = row + (p.spec.topLeft ? 0 : p.keys - p.queries);
  if (p.spec.keyLengths && key >= p.keyLengths[batch])
    return false;
  if (p.spec.causal && key > place)
    return false;
  if (p.spec.window && place - key >= p.window)
    return false;
  return p.spec.mask != AttentionSpec::Keep || mask.at(batch, head, row, key) != 0;
}

double AttentionCase::finishScore(double dot) const {
  double score = dot * p.spec.getScale();
  return p.spec.softcap == 0 ? score : p.spec.softcap * std::tanh(score / p.spec.softcap);
}

AttentionCase::Row AttentionCase::compute(int64_t batch, int64_t head, int64_t row) const {
  int64_t keyHead = head / (p.heads / p.keyHeads), valueDim = p.spec.getValueDim();
  std::vector<double> scores, total(valueDim, 0), size(valueDim, 0);
  std::vector<std::pair<const Tensor *, int64_t>> rows;
  auto dot = [&](const Tensor &keys, int64_t keyBatch, int64_t j) {
    double sum = 0;
    for (int64_t i = 0; i < p.spec.headDim; ++i)
      sum += query.at(batch, head, row, i) * keys.at(keyBatch, keyHead, j, i);
    return finishScore(sum);
  };
  for (int64_t j = 0; j < p.sinkRows; ++j) {
    scores.push_back(dot(sinkKey, 0, j));
    rows.emplace_back(&sinkValue, j);
  }
  for (int64_t j = 0; j < p.keys; ++j) {
    if (!sees(batch, head, row, j))
      continue;
    double bias = p.spec.mask == AttentionSpec::Bias ? mask.at(batch, head, row, j) : 0;
    scores.push_back(dot(key, batch, j) + bias);
    rows.emplace_back(&value, j);
  }
  double highest = p.spec.sinkLogit ? p.sinkLogits[head] : -INFINITY;
  for (double score : scores)
    highest = std::fmax(highest, score);
  bool isEmpty = highest == -INFINITY;
  double sum = p.spec.sinkLogit && !isEmpty ? std::exp(p.sinkLogits[head] - highest) : 0;
  for (auto [score, place] : llvm::zip(scores, rows)) {
    double weight = isEmpty ? 0 : std::exp(score - highest);
    // A score of NaN makes the row NaN even if no other score is above -inf.
    if (std::isnan(score))
      weight = kNaN;
    sum += weight;
    int64_t valueBatch = place.first == &sinkValue ? 0 : batch;
    for (int64_t i = 0; i < valueDim; ++i) {
      double v = place.first->at(valueBatch, keyHead, place.second, i);
      total[i] += weight * v;
      size[i] += weight * std::abs(v);
    }
  }
  Row out{std::move(total), std::move(size), highest + std::log(sum)};
  for (int64_t i = 0; i < valueDim; ++i) {
    double factor = sum == 0 ? 0 : 1 / sum;
    if (p.spec.gate != AttentionSpec::NoGate) {
      double g = gate.at(batch, head, row, p.spec.gatePerHead ? 0 : i);
      factor *= p.spec.gate == AttentionSpec::Plain ? g : 1 / (1 + std::exp(-g));
    }
    out.result[i] *= factor;
    out.bound[i] = 2 * kRoom * unitOf(p.spec.type) * out.bound[i] * std::abs(factor) + kAbsolute;
  }
  return out;
}

static bool isNear(double got, double want, double bound) {
  if (std::isnan(want) || std::isinf(want))
    return std::isnan(want) ? std::isnan(got) : got == want;
  return std::abs(got - want) <= bound; // false for NaN
}

WhyNot AttentionCase::compareRow(int64_t batch, int64_t head, int64_t row) {
  Row want = compute(batch, head, row);
  std::string where = llvm::formatv("batch {0}, head {1}, query {2}", batch, head, row);
  for (int64_t i = 0; i < p.spec.getValueDim(); ++i) {
    double got = get(result, p.spec.type, result.index(batch, head, row, i));
    if (!isNear(got, want.result[i], want.bound[i]))
      return llvm::formatv("{0}, column {1}: {2:f6}, expected {3:f6} +- {4:f6}", where, i, got,
                           want.result[i], want.bound[i]);
  }
  if (!p.spec.logSumExp)
    return std::nullopt;
  double got = logSumExp[(batch * p.heads + head) * p.queries + row];
  double bound = kLogAbsolute + kLogRelative * std::abs(want.logSumExp);
  if (!isNear(got, want.logSumExp, bound))
    return llvm::formatv("{0}: log-sum-exp {1:f6}, expected {2:f6}", where, got, want.logSumExp);
  return std::nullopt;
}

WhyNot AttentionCase::compare(int64_t firstQuery) {
  for (int64_t batch = 0; batch < p.batch; ++batch)
    for (int64_t head = 0; head < p.heads; ++head)
      for (int64_t row = firstQuery; row < p.queries; ++row)
        if (WhyNot why = compareRow(batch, head, row))
          return why;
  return std::nullopt;
}
