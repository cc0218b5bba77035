//===- SoftmaxKernelTest.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Softmax kernels as PTX and as machine code: their instructions, their registers, their names,
// and the specs and schedules that are refused.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/SoftmaxKernel.h"
#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
/// Returns whether there is a reason and it has `part` in it.
bool says(const WhyNot &why, StringRef part) { return why && StringRef(*why).contains(part); }

struct SoftmaxKernels : testing::Test {
  SoftmaxKernels() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  Type bf16() { return BFloat16Type::get(&context); }
  Type f16() { return Float16Type::get(&context); }
  Type f32() { return Float32Type::get(&context); }

  SoftmaxSpec spec(Type type) {
    SoftmaxSpec out;
    out.type = type;
    return out;
  }

  /// Returns specs with no option, with some options, and with all options that go together.
  std::vector<SoftmaxSpec> optionsOf(const SoftmaxSpec &base) {
    std::vector<SoftmaxSpec> out(6, base);
    out[1].causal = out[1].window = out[1].sinkLogit = true;
    out[2].mask = SoftmaxSpec::Keep;
    out[2].maskFill = -1e4;
    SoftmaxSpec &all = out[3];
    all.causal = all.window = all.topLeft = all.keyLengths = all.sinkLogit = true;
    all.prefix = all.logSumExp = all.nanHiddenRows = true;
    all.softcap = 50;
    all.scale = 0.125;
    out[4] = out[5] = all;
    out[4].mask = SoftmaxSpec::Keep;
    out[5].mask = SoftmaxSpec::Bias;
    out[5].maskType = base.getResultType();
    return out;
  }

  std::string translate(ArrayRef<SoftmaxSpec> specs, StringRef chip) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    gpu::GPUModuleOp kernels = createKernelModule(*module, "kernels");
    for (const SoftmaxSpec &spec : specs) {
      SoftmaxSchedule schedule = chooseSoftmaxSchedule(spec);
      EXPECT_EQ(check(spec), std::nullopt);
      EXPECT_EQ(schedule.check(spec), std::nullopt) << getName(spec);
      buildSoftmaxKernel(kernels, spec, schedule);
    }
    EXPECT_TRUE(succeeded(verify(*module)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    EXPECT_TRUE(succeeded(pm.run(*module)));
    FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
    EXPECT_TRUE(succeeded(ptx));
    return succeeded(ptx) ? *ptx : std::string();
  }

  DialectRegistry registry;
  MLIRContext context;
};
} // namespace

TEST_F(SoftmaxKernels, AccessSixteenBytes) {
  for (Type type : {bf16(), f16(), f32()})
    for (int64_t maxKeys : {0, 1024}) {
      SoftmaxSpec one = spec(type);
      one.aligned = true;
      one.maxKeys = maxKeys;
      std::string ptx = translate(one, "sm_80");
      // Scores that probabilities replace must not be read through a cache that stores do not
      // update.
      EXPECT_NE(ptx.find("ld.global.v4.b32"), std::string::npos);
      EXPECT_EQ(ptx.find("ld.global.nc"), std::string::npos);
      EXPECT_NE(ptx.find("st.global.v4.b32"), std::string::npos);
      EXPECT_NE(ptx.find("ex2.approx.ftz.f32"), std::string::npos);
      one.resultType = type.isF32() ? bf16() : f32();
      EXPECT_NE(translate(one, "sm_80").find("ld.global.nc.v4.b32"), std::string::npos);
    }
}

TEST_F(SoftmaxKernels, AssembleWithoutSpills) {
  auto assembler = nvptx::Assembler::find();
  if (!assembler)
    GTEST_SKIP() << llvm::toString(assembler.takeError());
  for (StringRef chip : {"sm_80", "sm_90a"}) {
    std::vector<SoftmaxSpec> specs;
    for (auto [type, result] :
         {std::pair(f32(), f32()), {bf16(), bf16()}, {f16(), f32()}, {f32(), bf16()}})
      for (int64_t maxKeys : {0, 1024, 16384, 65536})
        for (bool aligned : {false, true}) {
          SoftmaxSpec base = spec(type);
          base.resultType = result;
          base.maxKeys = maxKeys;
          base.aligned = aligned;
          std::vector<SoftmaxSpec> all = optionsOf(base);
          // All options with a mask take the most registers.
          if (chip == "sm_90a" && maxKeys == 1024)
            specs.insert(specs.end(), all.begin(), all.end());
          else
            specs.insert(specs.end(), {all[0], all[5]});
        }
    auto done = (*assembler)->assemble(translate(specs, chip), chip);
    ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
    ASSERT_EQ(done->kernels.size(), specs.size());
    for (const std::string &warning : done->warnings)
      ADD_FAILURE() << warning;
    for (const nvptx::KernelResources &kernel : done->kernels) {
      EXPECT_EQ(kernel.spillBytes + kernel.stackBytes, 0u) << kernel.name << ", " << chip.str();
      EXPECT_EQ(kernel.staticSharedBytes, 0u) << kernel.name << ", " << chip.str();
      // At least three blocks of 128 threads fit on a processor.
      if ((*assembler)->getKind() == nvptx::Assembler::Kind::Ptxas)
        EXPECT_LE(kernel.registers, 168u) << kernel.name << ", " << chip.str();
    }
  }
}

TEST_F(SoftmaxKernels, SchedulesCoverEveryRow) {
  for (Type type : {bf16(), f32()})
    for (bool aligned : {false, true})
      for (int64_t maxKeys : {0, 1, 2, 7, 31, 33, 1024, 1025, 4096, 5000, 16384, 16400, 65536}) {
        SoftmaxSpec one = spec(type);
        one.aligned = aligned;
        one.maxKeys = maxKeys;
        SoftmaxSchedule schedule = chooseSoftmaxSchedule(one);
        EXPECT_EQ(schedule.check(one), std::nullopt) << getName(one);
        EXPECT_GE(schedule.blockSize(), 128);
        EXPECT_EQ(schedule.inRegisters, maxKeys != 0 && maxKeys <= 16384) << maxKeys;
        int64_t tail = schedule.vector > 1 ? schedule.vector - 1 : 0;
        EXPECT_GE(schedule.steps(maxKeys) * schedule.columnsPerStep() + tail, maxKeys);
      }
  SoftmaxSpec one = spec(f32());
  one.maxKeys = 1024;
  EXPECT_EQ(chooseSoftmaxSchedule(one).threadsPerRow, 32);
  one.maxKeys = 1025;
  EXPECT_EQ(chooseSoftmaxSchedule(one).threadsPerRow, 64);
}

TEST_F(SoftmaxKernels, AScheduleThatCannotBeSaysWhy) {
  SoftmaxSpec one = spec(f32());
  EXPECT_TRUE(says(SoftmaxSchedule({48, 1, 1}).check(one), "power of two from 32 to 1024"));
  EXPECT_TRUE(says(SoftmaxSchedule({512, 3, 1}).check(one), "1 to 2 rows of 512 threads"));
  EXPECT_TRUE(says(SoftmaxSchedule({512, INT64_MAX, 1}).check(one), "1 to 2 rows"));
  EXPECT_TRUE(says(SoftmaxSchedule({32, 4, 4}).check(one), "up to 1 as the vector width"));
  EXPECT_TRUE(says(SoftmaxSchedule({32, 4, 1, true}).check(one), "max_keys"));
  one.aligned = true;
  one.maxKeys = 4096;
  EXPECT_EQ(SoftmaxSchedule({64, 2, 4, true}).check(one), std::nullopt);
  EXPECT_TRUE(says(SoftmaxSchedule({64, 2, 8, true}).check(one), "up to 4"));
  EXPECT_TRUE(says(SoftmaxSchedule({64, 2, 3, true}).check(one), "power of two up to 4"));
  EXPECT_TRUE(says(SoftmaxSchedule({32, 4, 4, true}).check(one), "at most 64 scores"));
}

TEST_F(SoftmaxKernels, ASpecThatCannotBeSaysWhy) {
  auto why = [&](auto change) {
    SoftmaxSpec one = spec(f32());
    change(one);
    return check(one);
  };
  using S = SoftmaxSpec;
  EXPECT_EQ(why([](S &) {}), std::nullopt);
  EXPECT_TRUE(says(why([](S &s) { s.type = Type(); }), "f32, f16 or bf16"));
  EXPECT_TRUE(says(why([&](S &s) { s.resultType = Float64Type::get(&context); }), "f32, f16"));
  EXPECT_TRUE(says(why([](S &s) { s.scale = -1; }), "positive scale, but got -1"));
  EXPECT_TRUE(says(why([](S &s) { s.scale = 1e-7; }), "1e-6 to 1e6"));
  EXPECT_TRUE(says(why([](S &s) { s.scale = 1e7; }), "1e-6 to 1e6"));
  EXPECT_TRUE(says(why([](S &s) { s.softcap = NAN; }), "positive softcap"));
  EXPECT_TRUE(says(why([](S &s) { s.mask = S::Bias; }), "bias of bf16"));
  EXPECT_TRUE(says(why([](S &s) { s.maskFill = -1; }), "mask of kind keep"));
  EXPECT_TRUE(says(why([&](S &s) {
                     s.separate = true;
                     s.resultType = bf16();
                   }),
                   "separate only"));
  EXPECT_TRUE(says(why([](S &s) { s.maxKeys = -1; }), "not negative, but got -1"));
  EXPECT_TRUE(says(why([&](S &s) {
                     s.sinkLogit = true;
                     s.sinkType = Float64Type::get(&context);
                   }),
                   "sink logits of f32"));
}

TEST_F(SoftmaxKernels, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  size_t count = 0;
  for (Type type : {bf16(), f16(), f32()})
    for (Type result : {bf16(), f16(), f32()})
      for (bool aligned : {false, true})
        for (int64_t maxKeys : {0, 512}) {
          SoftmaxSpec base = spec(type);
          base.resultType = result;
          base.aligned = aligned;
          base.maxKeys = maxKeys;
          for (const SoftmaxSpec &each : optionsOf(base)) {
            names.insert(getName(each));
            ++count;
          }
        }
  EXPECT_EQ(names.size(), count);
  SoftmaxSpec one = spec(f32());
  one.causal = one.sinkLogit = one.aligned = true;
  one.sinkType = bf16();
  one.maxKeys = 1024;
  EXPECT_EQ(getName(one), "softmax_f32_causal_bf16sinklogit_aligned_max1024");
}
