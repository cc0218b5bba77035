//===- AttentionSchedule.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/KernelBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

static constexpr int64_t kElementBytes = 2, kMaxDim = 256, kDimStep = 8;

double AttentionSpec::getScale() const { return scale != 0 ? scale : 1 / std::sqrt(headDim); }

WhyNot basin::kernels::check(const AttentionSpec &spec) {
  if (!spec.type || !(spec.type.isBF16() || spec.type.isF16()))
    return "expected bf16 or f16 as the type";
  for (int64_t dim : {spec.headDim, spec.getValueDim()})
    if (dim < kDimStep || dim > kMaxDim || dim % kDimStep != 0)
      return llvm::formatv("expected head dims of 8 to 256 in steps of 8, but got {0}", dim);
  if (WhyNot why = checkScoreOptions(spec))
    return why;
  if (spec.sinkLogit && !spec.getSinkType().isF32() && spec.getSinkType() != spec.type)
    return "expected sink logits of f32 or of the query's type";
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Name
//===----------------------------------------------------------------------===//

std::string basin::kernels::getName(const AttentionSpec &spec) {
  std::string name = "attention_" + std::to_string(spec.headDim);
  if (spec.getValueDim() != spec.headDim)
    name += "x" + std::to_string(spec.getValueDim());
  name += "_" + getTypeName(spec.type);
  name += getScoreName(spec);
  for (auto [has, part] : std::initializer_list<std::pair<bool, const char *>>{
           {spec.sinkKeyValue, "_sinkkeyvalue"},
           {spec.gate == AttentionSpec::Plain, "_gate"},
           {spec.gate == AttentionSpec::Sigmoid, "_sigmoidgate"},
           {spec.gate != AttentionSpec::NoGate && spec.gatePerHead, "perhead"},
           {spec.logSumExp, "_logsumexp"}})
    if (has)
      name += part;
  return name;
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

int64_t basin::kernels::getTileColumns(int64_t dim) { return llvm::alignTo(dim, 32); }

int64_t AttentionSchedule::sharedBytes(const AttentionSpec &spec) const {
  int64_t head = getTileColumns(spec.headDim), value = getTileColumns(spec.getValueDim());
  int64_t query = queries * head, result = queries * value;
  int64_t keyValue = stages * keys * (head + value);
  int64_t loop = queryInRegisters ? std::max(query, keyValue) : query + keyValue;
  return std::max(loop, result) * kElementBytes;
}

ScheduleParts AttentionSchedule::getParts() {
  return {{"attention.queries", &queries},
          {"attention.keys", &keys},
          {"attention.warps", &warps},
          {"attention.stages", &stages},
          {"attention.query_in_registers", &queryInRegisters},
          {"attention.wants_registers", &wantsRegisters}};
}

WhyNot AttentionSchedule::check(const AttentionSpec &spec, StringRef chip) const {
  // The rows that one thread copies must be multiples of 8 apart, the period of the swizzle.
  // That needs an even number of warps.
  if (warps < 2 || warps > 8 || warps % 2 != 0)
    return llvm::formatv("expected 2, 4, 6 or 8 warps, but got {0}", warps);
  if (stages < 1 || stages > 4)
    return llvm::formatv("expected 1 to 4 stages, but got {0}", stages);
  if (queries != warps * 16 && queries != warps * 32)
    return llvm::formatv("expected 16 or 32 queries a warp, but got {0} of {1}", queries, warps);
  if (keys < 16 || keys % 16 != 0)
    return llvm::formatv("expected a multiple of 16 keys, but got {0}", keys);
  if (sharedBytes(spec) > getSharedMemoryLimit(chip))
    return llvm::formatv("expected at most {0} bytes of shared memory, but got {1}",
                         getSharedMemoryLimit(chip), sharedBytes(spec));
  return std::nullopt;
}

/// A row of the tables below. `dim` is the largest head dim or value dim that it is for.
struct Row {
  int64_t dim;
  AttentionSchedule schedule;
};

// With these rows, as chooseAttentionSchedule changes them for options, the assembler never
// spills at dims that are multiples of 32 (docs/kernels-attention.md lists the registers). A
// warp of 32 queries reads each key from shared memory half as often as one of 16, but only up
// to dim 64 do its accumulators leave enough registers. Two blocks of four warps are some
// percent faster than one of eight, because they do not wait for each other. At dim 64 one
// stage is some percent faster than two (docs/performance.md).
static constexpr Row kLargeMemory[] = {
    {64, {128, 64, 4, 1, false}},  {96, {64, 64, 4, 2, true}},   {128, {64, 128, 4, 1, true}},
    {192, {128, 64, 8, 1, false}}, {256, {64, 64, 4, 1, false}},
};
// These are for chips where a block has 99 KB, and a multiprocessor has little more for two.
static constexpr Row kSmallMemory[] = {
    {64, {128, 64, 4, 1, false}},  {96, {64, 64, 4, 1, true}},   {128, {128, 128, 8, 1, true}},
    {192, {128, 64, 8, 1, false}}, {256, {64, 64, 4, 1, false}},
};

/// Returns whether the kernel needs more registers beside each score: for a mask's addresses
/// and numbers, for the softcap, or to compare with the end of the sink rows.
static bool isWide(const AttentionSpec &spec) {
  return spec.mask != AttentionSpec::NoMask || spec.softcap != 0 || spec.sinkKeyValue;
}

/// Returns a schedule that has half as many keys in a tile and the same shared memory. A thread
/// then holds half as many scores.
static AttentionSchedule narrowed(AttentionSchedule schedule) {
  schedule.keys /= 2;
  schedule.stages *= 2;
  return schedule;
}

static AttentionSchedule findRow(ArrayRef<Row> rows, int64_t dim) {
  for (const Row &row : rows)
    if (dim <= row.dim)
      return row.schedule;
  llvm_unreachable("a head dim that check() refuses");
}

AttentionSchedule basin::kernels::chooseAttentionSchedule(const AttentionSpec &spec,
                                                          StringRef chip) {
  bool isLarge = getSharedMemoryLimit(chip) > int64_t{128} * 1024;
  AttentionSchedule out = findRow(isLarge ? ArrayRef<Row>(kLargeMemory) : kSmallMemory,
                                  std::max(spec.headDim, spec.getValueDim()));
  if (isWide(spec))
    out = narrowed(out);
  // At head dims 32 and 96 one more block fits if each thread gives up some registers. Only
  // kernels without options can do that without spills.
  out.wantsRegisters = isWide(spec) || spec.window || spec.sinkLogit || spec.keyLengths ||
                       spec.gate != AttentionSpec::NoGate;
  return out;
}
