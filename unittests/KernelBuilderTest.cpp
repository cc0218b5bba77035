//===- KernelBuilderTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

namespace {
/// y = x / rms(x) for rows of 256 elements, a row a block.
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
  std::string assembler = nvptx::findAssembler();
  if (assembler.empty())
    GTEST_SKIP() << "no ptxas here";
  build();
  lower();
  FailureOr<std::string> ptx = nvptx::translateToPTX(kernels, "sm_80");
  ASSERT_TRUE(succeeded(ptx));
  llvm::Expected<nvptx::Assembled> done = nvptx::assemble(*ptx, "sm_80", assembler);
  ASSERT_TRUE(bool(done)) << llvm::toString(done.takeError());
  ASSERT_EQ(done->kernels.size(), 1u);
  EXPECT_EQ(done->kernels[0].name, "normalize");
  EXPECT_GT(done->kernels[0].registers, 8u);
  EXPECT_EQ(done->kernels[0].spillBytes, 0u);
  EXPECT_EQ(done->cubin.substr(1, 3), "ELF");
  llvm::Expected<nvptx::Assembled> wrong = nvptx::assemble("no ptx\n", "sm_80", assembler);
  ASSERT_FALSE(bool(wrong));
  EXPECT_NE(llvm::toString(wrong.takeError()).find("sm_80"), std::string::npos);
}
