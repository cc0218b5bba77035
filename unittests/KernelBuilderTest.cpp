//===- KernelBuilderTest.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Assembler.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
/// Builds y = x / rms(x) for rows of 256 elements, with a block for each row.
struct Kernel : testing::Test {
  Kernel() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = ModuleOp::create(UnknownLoc::get(&context));
    kernels = createKernelModule(*module, "kernels");
  }

  void build() {
    Builder t(&context);
    KernelBuilder b(kernels, "normalize",
                    {{"x", KernelArgument::In, t.getBF16Type()},
                     {"y", KernelArgument::Out, t.getBF16Type()},
                     {"rows", KernelArgument::Scalar, t.getI32Type()}},
                    /*blockSize=*/32, /*sharedBytes=*/0);
    b.ifThen(b.lessU(b.blockX(), b.arg("rows")), [&] {
      Value index = b.add(b.mul(b.blockX(), b.i32(256)), b.mul(b.threadX(), b.i32(8)));
      Value x = b.toF32(b.load(b.arg("x"), b.getBF16Type(), index, 8));
      Value sum = b.warpSum(b.sum(b.fmul(x, x)));
      Value scale = b.rsqrt(b.fma(sum, b.f32(1.0 / 256), b.f32(1e-6)));
      Value y = b.fromF32(b.fmul(x, b.splat(scale, 8)), b.getBF16Type());
      b.store(y, b.arg("y"), b.getBF16Type(), index);
    });
    b.finish();
    ASSERT_TRUE(succeeded(verify(*module)));
  }

  void lower() {
    PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    ASSERT_TRUE(succeeded(pm.run(*module)));
  }

  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  gpu::GPUModuleOp kernels;
};
} // namespace

TEST_F(Kernel, LowersToOpsOfLLVMAndNVVMAlone) {
  build();
  lower();
  kernels.walk([](Operation *op) {
    StringRef dialect = op->getName().getDialectNamespace();
    EXPECT_TRUE(dialect == "llvm" || dialect == "nvvm" || isa<gpu::GPUModuleOp>(op))
        << op->getName().getStringRef().str();
  });
}

TEST_F(Kernel, BecomesPTXWithWideAccesses) {
  build();
  lower();
  for (StringRef chip : {"sm_80", "sm_90a"}) {
    FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, chip);
    ASSERT_TRUE(succeeded(ptx));
    EXPECT_NE(ptx->find((".target " + chip).str()), std::string::npos) << *ptx;
    for (const char *part : {".entry normalize", "ld.global.nc.v4.b32", "st.global.v4.b32",
                             "shfl.sync.bfly.b32", "rsqrt.approx.ftz.f32"})
      EXPECT_NE(ptx->find(part), std::string::npos) << part << "\n" << *ptx;
  }
}

TEST_F(Kernel, AssemblesWithoutSpills) {
  build();
  lower();
  FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, "sm_80");
  ASSERT_TRUE(succeeded(ptx));
  std::optional<nvptx::Assembler::Kind> first;
  for (auto kind : {nvptx::Assembler::Kind::Ptxas, nvptx::Assembler::Kind::NvJitLink}) {
    auto assembler = nvptx::Assembler::find({}, kind);
    if (!assembler) {
      llvm::consumeError(assembler.takeError());
      continue;
    }
    EXPECT_EQ((*assembler)->getKind(), kind);
    EXPECT_FALSE((*assembler)->getPath().empty());
    llvm::Expected<nvptx::Assembled> done = (*assembler)->assemble(*ptx, "sm_80");
    ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
    ASSERT_EQ(done->kernels.size(), 1u);
    EXPECT_EQ(done->kernels[0].name, "normalize");
    EXPECT_GT(done->kernels[0].registers, 8u);
    EXPECT_EQ(done->kernels[0].spillBytes, 0u);
    EXPECT_EQ(done->cubin.substr(1, 3), "ELF");
    if (!first)
      first = kind;
    // A warning is returned. Here the PTX asks for more threads than a chip has.
    std::string crowded = *ptx;
    size_t bound = crowded.find(".maxntid");
    ASSERT_NE(bound, std::string::npos);
    crowded.insert(bound, ".minnctapersm 60\n");
    done = (*assembler)->assemble(crowded, "sm_80");
    ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
    ASSERT_EQ(done->warnings.size(), 1u);
    EXPECT_NE(done->warnings[0].find("minnctapersm"), std::string::npos) << done->warnings[0];
    // Each error is returned with its line.
    std::string misspelt = *ptx;
    size_t op = misspelt.find("rsqrt.approx");
    ASSERT_NE(op, std::string::npos);
    misspelt.replace(op, 12, "rsqrt.wrong");
    for (auto [text, chip, says] :
         {std::tuple(StringRef(misspelt), "sm_80", "Unknown modifier '.wrong'"),
          std::tuple(StringRef("no ptx\n"), "sm_80", "sm_80"),
          std::tuple(StringRef(), "sm_80", "sm_80"),
          std::tuple(StringRef(*ptx), "sm_7777", "sm_7777"),
          std::tuple(StringRef(*ptx), "sm_1", "expected a chip from sm_80 on, but got 'sm_1'")}) {
      llvm::Expected<nvptx::Assembled> wrong = (*assembler)->assemble(text, chip);
      ASSERT_FALSE(bool(wrong));
      std::string message = llvm::toString(wrong.takeError());
      EXPECT_NE(message.find(says), std::string::npos) << message;
    }
  }
  if (!first)
    GTEST_SKIP() << "no assembler here";
  auto chosen = nvptx::Assembler::find();
  ASSERT_TRUE(bool(chosen)) << llvm::toString(chosen.takeError());
  EXPECT_EQ((*chosen)->getKind(), *first);
}

TEST_F(Kernel, ToolkitIsLookedInAlone) {
  auto none = nvptx::Assembler::find("/nowhere");
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(llvm::toString(none.takeError()),
            "neither ptxas nor libnvJitLink was found to assemble kernels with in /nowhere");
  none = nvptx::Assembler::find("/nowhere", nvptx::Assembler::Kind::Ptxas);
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(llvm::toString(none.takeError()),
            "no ptxas was found to assemble kernels with in /nowhere");
}
