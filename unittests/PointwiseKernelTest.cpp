//===- PointwiseKernelTest.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Pointwise kernels of all operations and types compile for every target without spills and
// warnings, and schedules have the vectors that memory allows.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/PointwiseKernel.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
bool says(const WhyNot &why, StringRef part) { return why && StringRef(*why).contains(part); }

struct PointwiseCode : testing::Test {
  PointwiseCode() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = ModuleOp::create(UnknownLoc::get(&context));
    kernels = createKernelModule(*module, "kernels");
  }

  PointwiseSpec parse(StringRef sizes, const std::string &program) {
    llvm::Expected<PointwiseSpec> spec = parsePointwiseSpec(sizes, program, &context);
    if (spec)
      return std::move(*spec);
    ADD_FAILURE() << program << ": " << llvm::toString(spec.takeError());
    return {};
  }
  int64_t vectorOf(StringRef sizes, const std::string &program) {
    return choosePointwiseSchedule(parse(sizes, program)).vector;
  }
  void add(StringRef sizes, const std::string &program) {
    PointwiseSpec spec = parse(sizes, program);
    PointwiseSchedule schedule = choosePointwiseSchedule(spec);
    ASSERT_EQ(schedule.check(spec), std::nullopt);
    buildPointwiseKernel(kernels, spec, schedule);
    ++count;
  }
  void expectToCompile(unsigned registers);

  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  gpu::GPUModuleOp kernels;
  size_t count = 0;
};

/// Without an assembler it only checks that there is PTX, and the test counts as skipped.
void PointwiseCode::expectToCompile(unsigned registers) {
  auto assembler = nvptx::Assembler::find();
  std::string missing = assembler ? "" : llvm::toString(assembler.takeError());
  ASSERT_TRUE(succeeded(verify(*module)));
  PassManager pm(&context);
  nvptx::buildLowerKernelsPipeline(pm);
  ASSERT_TRUE(succeeded(pm.run(*module)));
  for (StringRef chip : {"sm_80", "sm_90a"}) {
    FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
    ASSERT_TRUE(succeeded(ptx)) << chip.str();
    // Nothing is called, and no sum of a product is fused that is not written so.
    EXPECT_EQ(ptx->find("call"), std::string::npos);
    EXPECT_EQ(ptx->find("mul.f32"), std::string::npos);
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
} // namespace

TEST_F(PointwiseCode, SchedulesHaveTheVectorsThatMemoryAllows) {
  auto copy = [](const std::string &type, const std::string &strides, const std::string &align) {
    return "(in x " + type + " (" + strides + ")" + align + ") (out y " + type +
           " (64 1) align 16 x)";
  };
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "64 1", " align 16")), 8);
  EXPECT_EQ(vectorOf("?x64", copy("f32", "64 1", " align 16")), 4);
  EXPECT_EQ(vectorOf("?x64", copy("i64", "64 1", " align 16")), 2);
  EXPECT_EQ(vectorOf("?x64", copy("bool", "64 1", " align 16")), 16);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "? 1", " align 16")), 8);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "0 0", "")), 8);
  // The pointer's alignment, a stride, the last stride, and the last size each allow less.
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "64 1", " align 8")), 4);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "64 1", "")), 1);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "66 1", " align 16")), 2);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "1 64", " align 16")), 1);
  EXPECT_EQ(vectorOf("?x64", copy("bf16", "64 ?", " align 16")), 1);
  EXPECT_EQ(vectorOf("?x60", copy("bf16", "64 1", " align 16")), 4);
  EXPECT_EQ(vectorOf("?x?", copy("bf16", "64 1", " align 16")), 1);
  // The narrower tensor decides, up to 32 bytes of the wider one.
  EXPECT_EQ(vectorOf("64", "(in x f32 (1) align 16) (out y bf16 (1) align 16 x)"), 8);
  EXPECT_EQ(vectorOf("64", "(in x f32 (1) align 16) (out y bool (1) align 16 (isnan x))"), 8);
  EXPECT_EQ(vectorOf("64", "(in x i64 (1) align 16) (out y i8 (1) align 16 x)"), 4);
  // Long programs have narrower vectors, which make less code.
  std::string sum = "x", functions = "(exp x)";
  for (int i = 0; i < 10; ++i)
    sum = "(add " + sum + " " + sum + ")";
  for (int i = 0; i < 7; ++i)
    functions = "(add " + functions + " " + functions + ")";
  std::string declared = "(in x bf16 (1) align 16) (out y bf16 (1) align 16 ";
  EXPECT_EQ(vectorOf("64", declared + sum + ")"), 2);
  EXPECT_EQ(vectorOf("64", declared + functions + ")"), 4);
  // What is gathered does not count.
  EXPECT_EQ(vectorOf("64", "(in x f32 (7)) (out y f32 (1) align 16 (at x (index 0)))"), 4);
}

TEST_F(PointwiseCode, ASchedulePastTheHardwareSaysWhy) {
  PointwiseSpec spec = parse("?x24", "(out y i32 (24 1) align 16 3)");
  EXPECT_EQ(PointwiseSchedule({8, 128, 64}).check(spec), std::nullopt);
  EXPECT_TRUE(says(PointwiseSchedule({3, 128, 3}).check(spec), "power of two"));
  EXPECT_TRUE(says(PointwiseSchedule({16, 128, 16}).check(spec), "divides the last size"));
  EXPECT_TRUE(says(PointwiseSchedule({1, 48, 1}).check(spec), "multiple of 32"));
  EXPECT_TRUE(says(PointwiseSchedule({1, 2048, 1}).check(spec), "got 2048"));
  EXPECT_TRUE(says(PointwiseSchedule({4, 128, 6}).check(spec), "multiple of the vector width 4"));
  EXPECT_TRUE(says(PointwiseSchedule({4, 128, 1 << 20}).check(spec), "up to 65536"));
}

TEST_F(PointwiseCode, OperationsCompileForEveryTargetWithoutSpills) {
  for (const char *type : {"f32", "f16", "bf16"})
    for (const char *text : {"(mod x x)",
                             "(fmod x x)",
                             "(div x x)",
                             "(min x (max x 1.0))",
                             "(sqrt x)",
                             "(rsqrt x)",
                             "(recip x)",
                             "(exp x)",
                             "(log x)",
                             "(pow x x)",
                             "(sin x)",
                             "(cos x)",
                             "(tanh x)",
                             "(erf x)",
                             "(sigmoid x)",
                             "(round (floor (ceil x)))",
                             "(sign x)",
                             "(if (isnan x) 0.0 (if (isinf x) 1.0 x))",
                             "(real (int x))",
                             "(round f16 (round bf16 x))",
                             "(mul (mul 0.5 x) (add 1.0 (erf (mul x 0.70710678))))"})
      add("?x?x4096", std::string("(in x ") + type + " (? ? 1) align 16) (out y " + type +
                          " (? ? 1) align 16 " + text + ")");
  for (const char *type : {"i8", "i32", "i64"})
    for (const char *text : {"(div x (add x 1))", "(mod x 7)", "(fmod x x)", "(shl x (shr x 2))",
                             "(wrap i8 (wrap i32 (mul x x)))", "(abs (neg x))"})
      add("?x?x4096", std::string("(in x ") + type + " (? ? 1) align 16) (out y " + type +
                          " (? ? 1) align 16 " + text + ")");
  expectToCompile(128);
}

TEST_F(PointwiseCode, LayoutsCompileForEveryTargetWithoutSpills) {
  add("?x?x?x?x?x?",
      "(in x f32 (? ? ? ? ? ?)) (in t bf16 (? ? ? ? ? ?)) (out y f32 (? ? ? ? ? ?) (add x t))");
  add("?x4096", "(in ids i64 (1)) (in table bf16 (4096 1) align 16) (out y bf16 (4096 1) align 16 "
                "(let ((row (at ids (index 0)))) (if (ge row 0) (at table row (index 1)) 0.0)))");
  add("?x?x?x128",
      "(in x bf16 (? ? ? 1) align 16) (in c f32 (0 0 64 1) align 16) (in s f32 (0 0 64 1) align "
      "16) "
      "(out y bf16 (? ? ? 1) align 16 (if (lt (index 3) 64) (sub (mul x (at c 0 0 (index 2) (index "
      "3))) (mul (at x (index 0) (index 1) (index 2) (add (index 3) 64)) (at s 0 0 (index 2) "
      "(index "
      "3)))) (add (mul x (at c 0 0 (index 2) (sub (index 3) 64))) (mul (at x (index 0) (index 1) "
      "(index 2) (sub (index 3) 64)) (at s 0 0 (index 2) (sub (index 3) 64))))))");
  add("?x?x100",
      "(in x bool (? ? 1)) (in y f16 (? 0 1) align 4) (out z f16 (? ? 1) align 4 (if (and "
      "x (le (index 2) (index 1))) y -65504.0))");
  std::string many;
  for (int i = 0; i < 12; ++i)
    many += "(in x" + std::to_string(i) + " bf16 (512 1) align 16) ";
  for (int i = 0; i < 12; ++i)
    many += "(out y" + std::to_string(i) + " bf16 (512 1) align 16 (add x" + std::to_string(i) +
            " x" + std::to_string((i + 5) % 12) + "))";
  add("?x512", many);
  expectToCompile(128);
}
