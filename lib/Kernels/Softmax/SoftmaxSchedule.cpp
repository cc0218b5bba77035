//===- SoftmaxSchedule.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// If a spec bounds the number of keys, a row lives in the registers of its threads, so memory is
// read once. A thread has at most kMaxElements f32 values. Up to kMaxElements * 32 keys that is
// one warp, which needs no barrier. A row has at most kMaxHolders such threads: with 1024 the
// assembler spills, because there are 64 registers for each. Rows that are longer or have no
// bound are read twice, by a block for each row: few rows must keep a device busy when a token
// is decoded. No threshold was measured on a GPU.
//
//===----------------------------------------------------------------------===//

#include "../Common/Scores.h"
#include "basin/Kernels/SoftmaxKernel.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

static constexpr int64_t kMaxElements = 32, kMaxHeld = 64, kMaxHolders = 512;
static constexpr int64_t kMinBlock = 128, kMaxThreads = 1024, kReaders = 256, kLongReaders = 1024;
static constexpr int64_t kAccessBytes = 16;
// Within these bounds, quotients by the scale and its product with a score of 1e30 are numbers
// of f32.
static constexpr double kLeastScale = 1e-6, kMostScale = 1e6;

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

static int64_t narrowestBytes(const SoftmaxSpec &spec) {
  return std::min(bytesOf(spec.type), bytesOf(spec.getResultType()));
}

WhyNot basin::kernels::check(const SoftmaxSpec &spec) {
  if (!isKernelFloat(spec.type) || !isKernelFloat(spec.getResultType()))
    return "expected f32, f16 or bf16 as the types of scores and probabilities";
  if (WhyNot why = checkScoreOptions(spec))
    return why;
  if (spec.getScale() < kLeastScale || spec.getScale() > kMostScale)
    return llvm::formatv("expected a scale from 1e-6 to 1e6, but got {0}", spec.getScale());
  if (spec.sinkLogit && !isKernelFloat(spec.getSinkType()))
    return "expected sink logits of f32, f16 or bf16";
  if (spec.separate && spec.getResultType() != spec.type)
    return "expected the option separate only for probabilities of the scores' type";
  if (spec.maxKeys < 0)
    return llvm::formatv("expected a bound of keys that is not negative, but got {0}",
                         spec.maxKeys);
  return std::nullopt;
}

std::string basin::kernels::getName(const SoftmaxSpec &spec) {
  std::string name = "softmax_" + getTypeName(spec.type);
  if (spec.getResultType() != spec.type)
    name += "_to_" + getTypeName(spec.getResultType());
  if (spec.separate)
    name += "_separate";
  name += getScoreName(spec);
  for (auto [has, part] : std::initializer_list<std::pair<bool, const char *>>{
           {spec.prefix, "_prefix"}, {spec.logSumExp, "_logsumexp"}, {spec.aligned, "_aligned"}})
    if (has)
      name += part;
  return spec.maxKeys == 0 ? name : name + "_max" + std::to_string(spec.maxKeys);
}

int64_t SoftmaxSchedule::steps(int64_t keys) const {
  return llvm::divideCeil(keys / vector * vector, columnsPerStep());
}

int64_t SoftmaxSchedule::sharedBytes() const {
  // The maximum and the sum have one f32 for each warp.
  return threadsPerRow == 32 ? 0 : 2 * (blockSize() / 32) * 4;
}

ScheduleParts SoftmaxSchedule::getParts() {
  return {{"softmax.threads_per_row", &threadsPerRow},
          {"softmax.rows_per_block", &rowsPerBlock},
          {"softmax.vector", &vector},
          {"softmax.in_registers", &inRegisters}};
}

WhyNot SoftmaxSchedule::check(const SoftmaxSpec &spec) const {
  if (threadsPerRow < 32 || threadsPerRow > kMaxThreads || !llvm::isPowerOf2_64(threadsPerRow))
    return llvm::formatv("expected a power of two from 32 to 1024 as threads a row, but got {0}",
                         threadsPerRow);
  if (rowsPerBlock < 1 || rowsPerBlock > kMaxThreads / threadsPerRow)
    return llvm::formatv("expected 1 to {0} rows of {1} threads in a block, but got {2}",
                         kMaxThreads / threadsPerRow, threadsPerRow, rowsPerBlock);
  int64_t widest = spec.aligned ? kAccessBytes / narrowestBytes(spec) : 1;
  if (vector < 1 || vector > widest || !llvm::isPowerOf2_64(vector))
    return llvm::formatv("expected a power of two up to {0} as the vector width, but got {1}",
                         widest, vector);
  if (!inRegisters)
    return std::nullopt;
  if (spec.maxKeys == 0)
    return "expected the option max_keys, which scores in registers need";
  if (steps(spec.maxKeys) * vector > kMaxHeld)
    return llvm::formatv("expected at most {0} scores in a thread's registers, but got {1}",
                         kMaxHeld, steps(spec.maxKeys) * vector);
  return std::nullopt;
}

SoftmaxSchedule basin::kernels::chooseSoftmaxSchedule(const SoftmaxSpec &spec) {
  SoftmaxSchedule out;
  // 16 bytes of the narrower tensor are one access. The wider tensor then takes two.
  out.vector = spec.aligned ? kAccessBytes / narrowestBytes(spec) : 1;
  auto isLong = [&] { return out.steps(spec.maxKeys) * out.vector > kMaxElements; };
  while (out.threadsPerRow < kMaxHolders && isLong())
    out.threadsPerRow *= 2;
  out.inRegisters = spec.maxKeys != 0 && !isLong();
  if (!out.inRegisters)
    out.threadsPerRow = spec.maxKeys == 0 ? kReaders : kLongReaders;
  out.rowsPerBlock = std::max<int64_t>(1, kMinBlock / out.threadsPerRow);
  return out;
}
