//===- NormKernelTest.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every norm kernel compiles for every target without spills and warnings.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/NormKernel.h"
#include "basin/Kernels/DyTKernel.h"
#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
/// Returns whether there is a reason and it has `part` in it.
bool says(const WhyNot &why, StringRef part) { return why && StringRef(*why).contains(part); }

struct NormKernels : testing::Test {
  NormKernels() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = ModuleOp::create(UnknownLoc::get(&context));
    kernels = createKernelModule(*module, "kernels");
  }

  NormSpec spec(int64_t dim, Type type) {
    NormSpec out;
    out.dim = dim;
    out.type = out.parameterType = out.resultType = type;
    out.weight = true;
    return out;
  }

  /// Lowers and assembles the `count` kernels that were built. Without an assembler it only checks
  /// the PTX, and the test counts as skipped.
  void expectToCompile(size_t count, unsigned registers) {
    auto assembler = nvptx::Assembler::find();
    std::string missing = assembler ? "" : llvm::toString(assembler.takeError());
    ASSERT_TRUE(succeeded(verify(*module)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    ASSERT_TRUE(succeeded(pm.run(*module)));
    for (StringRef chip : {"sm_80", "sm_86", "sm_89", "sm_90a"}) {
      FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
      ASSERT_TRUE(succeeded(ptx)) << chip.str();
      EXPECT_NE(ptx->find("ld.global.nc.v4.b32"), std::string::npos);
      if (!missing.empty())
        continue;
      llvm::Expected<nvptx::Assembled> done = (*assembler)->assemble(*ptx, chip);
      ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
      EXPECT_EQ(done->kernels.size(), count);
      for (const std::string &warning : done->warnings)
        ADD_FAILURE() << chip.str() << ": " << warning;
      for (const nvptx::KernelResources &kernel : done->kernels) {
        EXPECT_EQ(kernel.spillBytes, 0u) << chip.str() << " " << kernel.name;
        if ((*assembler)->getKind() == nvptx::Assembler::Kind::Ptxas)
          EXPECT_LE(kernel.registers, registers) << chip.str() << " " << kernel.name;
      }
    }
    if (!missing.empty())
      GTEST_SKIP() << missing;
  }

  Type bf16() { return BFloat16Type::get(&context); }
  Type f16() { return Float16Type::get(&context); }
  Type f32() { return Float32Type::get(&context); }

  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  gpu::GPUModuleOp kernels;
};
} // namespace

TEST_F(NormKernels, SchedulesCoverEveryRow) {
  for (int64_t dim : {1, 2, 7, 64, 96, 100, 768, 1000, 1024, 2880, 4096, 5120, 8192, 16384, 65536})
    for (Type type : {bf16(), f32()}) {
      NormSpec one = spec(dim, type);
      NormSchedule schedule = chooseNormSchedule(one);
      EXPECT_EQ(schedule.check(one), std::nullopt) << dim;
      EXPECT_GE(schedule.steps(dim) * schedule.threadsPerRow * schedule.vector, dim);
      EXPECT_GE(schedule.blockSize(), 128);
      // A thread's elements must fit its registers.
      EXPECT_LE(schedule.steps(dim) * schedule.vector, 64) << dim;
    }
  EXPECT_EQ(chooseNormSchedule(spec(4096, bf16())).vector, 8);
  EXPECT_EQ(chooseNormSchedule(spec(100, bf16())).vector, 4);
  EXPECT_EQ(chooseNormSchedule(spec(7, bf16())).vector, 1);
  // A row gets one warp as long as the warp's registers can hold it.
  EXPECT_EQ(chooseNormSchedule(spec(2048, bf16())).threadsPerRow, 32);
  EXPECT_EQ(chooseNormSchedule(spec(2056, bf16())).threadsPerRow, 64);
}

TEST_F(NormKernels, ASchedulePastTheHardwareSaysWhy) {
  NormSpec one = spec(4096, bf16());
  EXPECT_TRUE(says(NormSchedule({48, 1, 8}).check(one), "power of two"));
  EXPECT_TRUE(says(NormSchedule({512, 4, 8}).check(one), "2048"));
  EXPECT_TRUE(says(NormSchedule({128, 1, 3}).check(one), "divides 4096"));
  EXPECT_TRUE(says(NormSchedule({128, 1, 32}).check(one), "64"));
}

TEST_F(NormKernels, NamesTellSpecsApart) {
  NormSpec a = spec(64, bf16()), b = a, c = a;
  b.residual = true;
  c.resultType = f32();
  EXPECT_EQ(getName(a), "rms_norm_64_bf16_weight_eps3727c5ac");
  NormSpec d = a;
  d.epsilon = 1e-6;
  EXPECT_NE(getName(a), getName(d));
  EXPECT_NE(getName(a), getName(b));
  EXPECT_NE(getName(a), getName(c));
}

TEST_F(NormKernels, AGateThatCannotBeSaysWhy) {
  NormSpec one = spec(4096, bf16());
  one.gateRank = 16;
  GatedNormSchedule schedule = chooseGatedNormSchedule(one, "sm_90a");
  one.gateRank = 12;
  EXPECT_TRUE(says(schedule.check(one, "sm_90a"), "got 12"));
  one.gateRank = 16;
  EXPECT_EQ(schedule.check(one, "sm_90a"), std::nullopt);
  auto why = [&](int64_t warps, int64_t slots, StringRef chip) {
    return GatedNormSchedule({warps, slots, slots != 0 ? 4 : 0}).check(one, chip);
  };
  EXPECT_EQ(why(1, 0, "sm_90a"), std::nullopt);
  EXPECT_TRUE(says(why(1, 128, "sm_90a"), "got 128"));
  EXPECT_TRUE(says(why(16, 7, "sm_90a"), "got 7"));
  EXPECT_TRUE(says(why(16, 17, "sm_90a"), "got 17"));
  EXPECT_EQ(why(16, 8, "sm_90a"), std::nullopt);
  EXPECT_TRUE(says(why(16, 8, "sm_86"), "at most 101376 bytes"));
  EXPECT_TRUE(says(GatedNormSchedule({16, 8, 3}).check(one, "sm_90a"), "got 3"));
  EXPECT_TRUE(says(GatedNormSchedule({16, 0, 4}).check(one, "sm_90a"), "slots"));
  EXPECT_NE(chooseGatedNormSchedule(one, "sm_90a").slots, 0);
  one.tensorwise = true;
  EXPECT_TRUE(says(why(16, 8, "sm_90a"), "elementwise"));
  EXPECT_EQ(chooseGatedNormSchedule(one, "sm_90a").slots, 0);
  one.tensorwise = false;
  EXPECT_EQ(chooseGatedNormSchedule(one, "sm_86").slots, 0);
  one.dim = 1001;
  EXPECT_EQ(chooseGatedNormSchedule(one, "sm_90a").slots, 0);
  EXPECT_TRUE(says(why(4, 8, "sm_90a"), "multiple of 128"));
}

TEST_F(NormKernels, CompileForEveryTargetWithoutSpills) {
  for (int64_t dim : {64, 100, 2048, 4096, 16384})
    for (Type type : {bf16(), f16(), f32()})
      for (bool full : {false, true}) {
        NormSpec one = spec(dim, type);
        one.layer = one.bias = full && type != f16();
        one.residual = one.sum = one.preAffine = full;
        one.residualBias = full && type == f32();
        buildNormKernel(kernels, one, chooseNormSchedule(one));
      }
  for (Type type : {bf16(), f16(), f32()})
    buildDyTKernel(kernels, {4096, true, type, type, type});
  // At least three blocks of 128 threads fit on a processor.
  expectToCompile(33, 168);
}

TEST_F(NormKernels, GatedOnesCompileForEveryTargetWithoutSpills) {
  int64_t count = 0;
  Type types[] = {bf16(), f16(), f32()};
  for (int64_t dim : {64, 72, 100, 1001, 2048, 4096, 16384})
    for (int64_t rank : {8, 16, 32, 64})
      for (bool full : {false, true}) {
        NormSpec one = spec(dim, types[(count + count / 8) % 3]);
        one.layer = one.bias = full && rank != 16;
        one.residual = one.sum = one.preAffine = full;
        one.gateRank = rank;
        one.tensorwise = rank == 8;
        one.activation = static_cast<GateActivation>(count % 4);
        // sm_86 has the least shared memory, so this schedule is right for all chips. That with the
        // most is tested below.
        buildGatedNormKernel(kernels, one, chooseGatedNormSchedule(one, "sm_86"));
        ++count;
      }
  // Kernels of 512 threads have 128 registers because of their size.
  expectToCompile(count, 200);
}
