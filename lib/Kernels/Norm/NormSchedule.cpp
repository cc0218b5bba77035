//===- NormSchedule.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A row lives in the registers of its threads, so memory is read once. A thread has at most
// kMaxElements f32 values; with addresses and parameters it stays below 128 registers. A row
// of one warp needs no shared memory and no barrier, so a row gets more threads only where a
// warp would hold more values than that. On an H200 the chosen schedule is within 3 % of the
// fastest of 7 to 17 schedules, for an RMSNorm of bf16 at dims of 1024 to 16384.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/NormKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

static constexpr int64_t kMaxElements = 64, kMinBlock = 128, kMaxThreads = 1024;
static constexpr int64_t kAccessBytes = 16;

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

int64_t NormSchedule::sharedBytes() const {
  // Each of the two reductions has one f32 for each warp.
  return threadsPerRow == 32 ? 0 : 2 * (blockSize() / 32) * 4;
}

ScheduleParts NormSchedule::getParts() {
  return {{"norm.threads_per_row", &threadsPerRow},
          {"norm.rows_per_block", &rowsPerBlock},
          {"norm.vector", &vector}};
}

WhyNot NormSchedule::check(const NormSpec &spec) const {
  if (threadsPerRow < 32 || threadsPerRow > kMaxThreads || (threadsPerRow & (threadsPerRow - 1)))
    return "expected a power of two from 32 to 1024 as threads a row, but got " +
           std::to_string(threadsPerRow);
  if (rowsPerBlock < 1 || blockSize() > kMaxThreads)
    return "expected a block of at most 1024 threads, but got " + std::to_string(blockSize());
  if (vector < 1 || (vector & (vector - 1)) || spec.dim % vector != 0)
    return "expected a power of two that divides " + std::to_string(spec.dim) +
           " as the vector width, but got " + std::to_string(vector);
  for (Type type : {spec.type, spec.parameterType, spec.resultType})
    if (vector * bytesOf(type) > 2 * kAccessBytes)
      return "expected accesses of at most 32 bytes, but got " +
             std::to_string(vector * bytesOf(type));
  return std::nullopt;
}

NormSchedule basin::kernels::chooseNormSchedule(const NormSpec &spec) {
  NormSchedule out;
  // 16 bytes of the narrower tensor are one access. The wider tensor then takes two.
  int64_t narrowest = std::min({bytesOf(spec.type), bytesOf(spec.resultType)});
  out.vector = kAccessBytes / narrowest;
  while (out.vector > 1 && spec.dim % out.vector != 0)
    out.vector /= 2;
  while (out.threadsPerRow < kMaxThreads && out.steps(spec.dim) * out.vector > kMaxElements)
    out.threadsPerRow *= 2;
  out.rowsPerBlock = std::max<int64_t>(1, kMinBlock / out.threadsPerRow);
  return out;
}

//===----------------------------------------------------------------------===//
// Gated
//===----------------------------------------------------------------------===//

// These numbers were measured on an H200 (docs/performance.md). With slots the loop over the
// groups of 32 columns is unrolled. The search takes the fewest warps with at most kSlotGroups
// groups each; kMaxWarps warps may have up to kMaxUnrolled groups. It begins with eight warps,
// or with fewer if eight would have less than four groups each. Without slots, more than
// kRereadWarps warps are slower if there is a residual.
static constexpr int64_t kSlotGroups = 8, kMaxUnrolled = 16, kMaxWarps = 16;
static constexpr int64_t kRereadGroups = 8, kRereadWarps = 8;
static constexpr int64_t kGateTile = 16, kGroup = 32;
// How many groups may come ahead. The number must divide the steps, so that a group has the
// same slot in each tile.
static constexpr int64_t kAhead[] = {4, 2};

int64_t GatedNormSchedule::exchangeBytes(const NormSpec &spec) const {
  // Two sums for each row and warp, the down product of each warp and of all warps together,
  // and a factor for each row.
  int64_t product = kGateTile * spec.gateRank;
  return (2 * kGateTile * warps + product * (warps + 1) + kGateTile) * 4;
}

int64_t GatedNormSchedule::vectorBytes(const NormSpec &spec) const {
  int64_t vectors = spec.residualBias + spec.preAffine + spec.weight + spec.bias;
  return slots == 0 ? 0 : vectors * spec.dim * bytesOf(spec.parameterType);
}

int64_t GatedNormSchedule::slotBytes(const NormSpec &spec) const {
  return warps * kGateTile * kGroup * bytesOf(spec.type);
}

int64_t GatedNormSchedule::weightBytes(const NormSpec &spec) const {
  return warps * spec.gateRank * kGroup * bytesOf(spec.type);
}

int64_t GatedNormSchedule::sharedBytes(const NormSpec &spec) const {
  return exchangeBytes(spec) + vectorBytes(spec) + (slots + residualSlots(spec)) * slotBytes(spec) +
         ahead * weightBytes(spec);
}

ScheduleParts GatedNormSchedule::getParts() {
  return {{"gate.warps", &warps}, {"gate.slots", &slots}, {"gate.ahead", &ahead}};
}

WhyNot GatedNormSchedule::check(const NormSpec &spec, StringRef chip) const {
  if (spec.gateRank < 8 || spec.gateRank > 64 || spec.gateRank % 8 != 0)
    return "expected a gate's rank to be a multiple of 8 up to 64, but got " +
           std::to_string(spec.gateRank);
  if (warps < 1 || warps > 32)
    return "expected 1 to 32 warps, but got " + std::to_string(warps);
  if (slots == 0)
    return ahead == 0 ? WhyNot()
                      : "expected 0 groups ahead, because there are no slots, but got " +
                            std::to_string(ahead);
  int64_t groups = steps(spec.dim), limit = getSharedMemoryLimit(chip);
  if (spec.dim % (warps * kGroup) != 0)
    return "expected a dim that is a multiple of " + std::to_string(warps * kGroup) +
           " for slots of " + std::to_string(warps) + " warps, but got " + std::to_string(spec.dim);
  if (groups > kMaxUnrolled)
    return "expected at most " + std::to_string(kMaxUnrolled) +
           " groups of columns a warp to have slots, but got " + std::to_string(groups);
  if (slots < groups || slots > 2 * groups)
    return "expected " + std::to_string(groups) + " to " + std::to_string(2 * groups) +
           " slots a warp, but got " + std::to_string(slots);
  if (spec.tensorwise || spec.type.isF32() || spec.gateRank % 16 != 0)
    return "expected slots only for an elementwise gate of 16-bit weights whose rank is a "
           "multiple of 16";
  if (!llvm::is_contained(kAhead, ahead) || groups % ahead != 0)
    return "expected 2 or 4 groups ahead, and a divisor of the " + std::to_string(groups) +
           " groups of a warp, but got " + std::to_string(ahead);
  if (sharedBytes(spec) > limit)
    return "expected at most " + std::to_string(limit) + " bytes of shared memory, but got " +
           std::to_string(sharedBytes(spec));
  return std::nullopt;
}

GatedNormSchedule basin::kernels::chooseGatedNormSchedule(const NormSpec &spec, StringRef chip) {
  int64_t least = std::clamp<int64_t>(spec.dim / kGroup / 4, 1, 8);
  for (int64_t warps = least; warps <= kMaxWarps; ++warps)
    for (int64_t ahead : kAhead) {
      GatedNormSchedule out{warps, 0, ahead};
      out.slots = out.steps(spec.dim);
      bool isShort = out.slots <= (warps == kMaxWarps ? kMaxUnrolled : kSlotGroups);
      if (isShort && !out.check(spec, chip))
        return out;
    }
  GatedNormSchedule out;
  while (out.warps < kRereadWarps && out.steps(spec.dim) > kRereadGroups)
    out.warps *= 2;
  return out;
}
