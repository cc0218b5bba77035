//===- AttentionKernelTest.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attention kernels as PTX and as machine code: their instructions, their registers, their names,
// and the specs and schedules that are refused.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <set>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
/// Returns whether there is a reason and it has `part` in it.
bool says(const WhyNot &why, StringRef part) { return why && StringRef(*why).contains(part); }

constexpr StringLiteral kChips[] = {"sm_80", "sm_86", "sm_89", "sm_90a"};

/// Returns the number of registers that ptxas may use for a thread, by the head dim in the kernel's
/// name. It is somewhat above that in docs/kernels-attention.md. It is 0 for head dims above 96,
/// which may use all registers but must not spill.
unsigned mostRegisters(StringRef name) {
  int64_t dim = 0;
  name.consume_front("attention_");
  EXPECT_FALSE(name.consumeInteger(10, dim));
  return dim <= 32 ? 192 : dim <= 64 ? 248 : dim <= 96 ? 184 : 0;
}

struct AttentionKernels : testing::Test {
  AttentionKernels() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  AttentionSpec spec(int64_t dim = 64) {
    AttentionSpec out;
    out.type = BFloat16Type::get(&context);
    out.headDim = dim;
    return out;
  }

  /// Returns specs with no option, with one option each, and with all options that go together,
  /// each without and with each mask, and the specs of some models.
  std::vector<AttentionSpec> optionsOf(AttentionSpec base) {
    std::vector<AttentionSpec> out(15, base);
    out[1].causal = true;
    out[2].window = out[2].causal = true;
    out[3].sinkLogit = true;
    out[4].sinkKeyValue = true;
    out[5].gate = AttentionSpec::Plain;
    out[6].logSumExp = out[6].keyLengths = true;
    out[7].softcap = 50;
    out[8].mask = AttentionSpec::Keep;
    out[9].mask = AttentionSpec::Bias;
    out[9].maskType = base.type;
    AttentionSpec &all = out[10];
    all.causal = all.window = all.sinkLogit = all.sinkKeyValue = true;
    all.logSumExp = all.keyLengths = true;
    all.softcap = 50;
    all.gate = AttentionSpec::Sigmoid;
    out[11] = out[12] = all;
    out[10].mask = AttentionSpec::Keep;
    out[11].mask = AttentionSpec::Bias;
    out[11].maskType = Float32Type::get(&context);
    out[13].causal = out[13].window = out[13].sinkLogit = out[13].logSumExp = true;
    out[13].gate = AttentionSpec::Sigmoid;
    out[14] = out[13];
    out[14].gatePerHead = true;
    out[14].sinkType = base.type;
    return out;
  }

  /// Lowers all of them in one module and returns their translation for `chip`.
  std::string translate(ArrayRef<AttentionSpec> specs, StringRef chip) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    gpu::GPUModuleOp kernels = createKernelModule(*module, "kernels");
    for (const AttentionSpec &spec : specs) {
      AttentionSchedule schedule = chooseAttentionSchedule(spec, chip);
      EXPECT_EQ(check(spec), std::nullopt);
      EXPECT_EQ(schedule.check(spec, chip), std::nullopt) << getName(spec);
      buildAttentionKernel(kernels, spec, schedule);
    }
    EXPECT_TRUE(succeeded(verify(*module)));
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    EXPECT_TRUE(succeeded(pm.run(*module)));
    FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
    EXPECT_TRUE(succeeded(ptx));
    return succeeded(ptx) ? *ptx : std::string();
  }

  void expectNoSpill(ArrayRef<AttentionSpec> specs, StringRef chip,
                     const nvptx::Assembler &assembler) {
    auto done = assembler.assemble(translate(specs, chip), chip);
    ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
    ASSERT_EQ(done->kernels.size(), specs.size());
    for (const std::string &warning : done->warnings)
      ADD_FAILURE() << warning;
    for (const nvptx::KernelResources &kernel : done->kernels) {
      EXPECT_EQ(kernel.spillBytes + kernel.stackBytes, 0u) << kernel.name << ", " << chip.str();
      EXPECT_EQ(kernel.staticSharedBytes, 0u) << kernel.name << ", " << chip.str();
      unsigned most = mostRegisters(kernel.name);
      if (most != 0 && assembler.getKind() == nvptx::Assembler::Kind::Ptxas)
        EXPECT_LE(kernel.registers, most) << kernel.name << ", " << chip.str();
    }
  }

  DialectRegistry registry;
  MLIRContext context;
};
} // namespace

TEST_F(AttentionKernels, UseMatrixInstructions) {
  AttentionSpec half = spec();
  half.type = Float16Type::get(&context);
  for (StringRef chip : kChips)
    for (const AttentionSpec &each : {spec(), half}) {
      std::string ptx = translate(each, chip);
      std::string type = each.type.isBF16() ? "bf16" : "f16";
      for (const std::string &part :
           {"mma.sync.aligned.m16n8k16.row.col.f32." + type + "." + type + ".f32",
            std::string("ldmatrix.sync.aligned.m8n8.x4.shared.b16"),
            std::string("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"),
            std::string("cp.async.cg.shared.global"), std::string("cp.async.wait_group"),
            std::string("ex2.approx.ftz.f32"), "cvt.rn." + type + "x2.f32",
            std::string("st.global.v4.b32")})
        EXPECT_NE(ptx.find(part), std::string::npos) << part << ", " << chip.str();
      EXPECT_EQ(ptx.find(".local"), std::string::npos) << chip.str();
    }
}

TEST_F(AttentionKernels, AssembleWithoutSpills) {
  auto assembler = nvptx::Assembler::find();
  if (!assembler)
    GTEST_SKIP() << llvm::toString(assembler.takeError());
  // Two dims of one chip have all options one by one, and others only the extremes. sm_86 differs
  // from sm_80 only by its shared memory, sm_89 does not differ from sm_86, and f16 takes about as
  // many registers as bf16.
  for (StringRef chip : {"sm_80", "sm_86", "sm_90a"}) {
    std::vector<AttentionSpec> specs;
    for (int64_t dim : {32, 64, 80, 96, 112, 128, 168, 192, 248, 256}) {
      std::vector<AttentionSpec> all = optionsOf(spec(dim));
      if (chip == "sm_90a" && (dim == 64 || dim == 128))
        specs.insert(specs.end(), all.begin(), all.end());
      else if (chip != "sm_86" || dim == 64 || dim == 256)
        specs.insert(specs.end(), {all[1], all[10], all[12], all[13]});
    }
    AttentionSpec half = spec(128);
    half.type = Float16Type::get(&context);
    specs.push_back(optionsOf(half)[10]);
    expectNoSpill(specs, chip, **assembler);
  }
}

TEST_F(AttentionKernels, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  size_t count = 0;
  for (int64_t dim : {64, 128})
    for (int64_t valueDim : {0, 96})
      for (double scale : {0.0, 0.1, 0.125, 1e-5}) {
        AttentionSpec base = spec(dim);
        base.valueDim = valueDim;
        base.scale = scale;
        for (const AttentionSpec &each : optionsOf(base)) {
          names.insert(getName(each));
          ++count;
        }
      }
  EXPECT_EQ(names.size(), count);
  AttentionSpec gptOss = spec();
  gptOss.causal = gptOss.window = gptOss.sinkLogit = true;
  EXPECT_EQ(getName(gptOss), "attention_64_bf16_causal_window_sinklogit");
}

TEST_F(AttentionKernels, WhatNoScheduleCanDo) {
  AttentionSpec wrong = spec();
  wrong.type = Float32Type::get(&context);
  EXPECT_TRUE(says(check(wrong), "bf16 or f16"));
  wrong = spec(84);
  EXPECT_TRUE(says(check(wrong), "84"));
  wrong = spec(288);
  EXPECT_NE(check(wrong), std::nullopt);
  wrong = spec();
  wrong.scale = -1;
  EXPECT_NE(check(wrong), std::nullopt);
  wrong = spec();
  wrong.mask = AttentionSpec::Bias;
  EXPECT_NE(check(wrong), std::nullopt);
  wrong.maskType = wrong.type;
  EXPECT_EQ(check(wrong), std::nullopt);
}

TEST_F(AttentionKernels, SchedulesFitTheChip) {
  for (StringRef chip : kChips)
    for (int64_t dim = 32; dim <= 256; dim += 32)
      for (int64_t valueDim = 32; valueDim <= 256; valueDim += 32) {
        AttentionSpec each = spec(dim);
        each.valueDim = valueDim;
        EXPECT_EQ(chooseAttentionSchedule(each, chip).check(each, chip), std::nullopt);
        each.mask = AttentionSpec::Keep;
        EXPECT_EQ(chooseAttentionSchedule(each, chip).check(each, chip), std::nullopt);
      }
  AttentionSchedule large = {128, 128, 8, 1, false};
  EXPECT_EQ(large.check(spec(128), "sm_80"), std::nullopt);
  EXPECT_EQ(large.check(spec(128), "sm_90a"), std::nullopt);
  EXPECT_NE(AttentionSchedule({128, 128, 8, 2, false}).check(spec(128), "sm_86"), std::nullopt);
  EXPECT_NE(AttentionSchedule({80, 64, 5, 1, false}).check(spec(), "sm_80"), std::nullopt);
  EXPECT_NE(AttentionSchedule({64, 24, 4, 1, false}).check(spec(), "sm_80"), std::nullopt);
}
