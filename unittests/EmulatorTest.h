//===- EmulatorTest.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A fixture for tests of the emulator. It builds a kernel, lowers it as for PTX, and runs it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_EMULATORTEST_H
#define BASIN_UNITTESTS_EMULATORTEST_H

#include "basin/Emulator/Emulator.h"
#include "basin/Kernels/KernelBuilder.h"
#include "basin/Target/NVPTX/Compile.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

namespace basin::emulator {

struct EmulatorTest : testing::Test {
  EmulatorTest() {
    nvptx::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  using Arguments = llvm::ArrayRef<kernels::KernelArgument>;
  using Body = llvm::function_ref<void(kernels::KernelBuilder &)>;

  /// Compiles a kernel "k" whose body `body` builds.
  void build(Arguments arguments, int64_t threads, Body body) {
    emulator.reset();
    module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    mlir::gpu::GPUModuleOp kernels = kernels::createKernelModule(*module, "kernels");
    kernels::KernelBuilder b(kernels, "k", arguments, threads);
    body(b);
    b.finish();
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
    mlir::PassManager pm(&context);
    nvptx::buildLowerKernelsPipeline(pm);
    ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
    llvm::Expected<Emulator> made = Emulator::create(*module);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    emulator = std::make_unique<Emulator>(std::move(*made));
  }

  /// Runs "k". The test fails if the launch is refused.
  Report run(const Launch &launch) {
    if (!emulator) // it did not compile, which failed the test
      return {};
    llvm::Expected<Report> report = emulator->launch("k", launch);
    if (report)
      return std::move(*report);
    ADD_FAILURE() << llvm::toString(report.takeError());
    return {};
  }

  static std::string print(const Report &report) {
    std::string text;
    llvm::raw_string_ostream os(text);
    report.print(os);
    return text;
  }

  /// Returns the first finding, or an empty one if there is none.
  static const Finding &first(const Report &report) {
    static const Finding none{};
    return report.findings.empty() ? none : report.findings[0];
  }

  /// Expects one finding, which is of `kind` and at `location`.
  static void expectOne(const Report &report, FindingKind kind, llvm::StringRef location) {
    EXPECT_EQ(report.findings.size(), 1u) << print(report);
    EXPECT_EQ(first(report).kind, kind) << print(report);
    EXPECT_EQ(first(report).location, location) << print(report);
  }

  mlir::Type f32() { return mlir::Float32Type::get(&context); }
  mlir::Type i32() { return mlir::IntegerType::get(&context, 32); }
  mlir::Type i8() { return mlir::IntegerType::get(&context, 8); }

  mlir::DialectRegistry registry;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<Emulator> emulator;
};

/// While it lives, ops that are built get this name as location.
struct Named {
  Named(kernels::KernelBuilder &b, llvm::StringRef name) : b(b), before(b.getLoc()) {
    b.setLoc(mlir::NameLoc::get(b.getStringAttr(name)));
  }
  ~Named() { b.setLoc(before); }
  kernels::KernelBuilder &b;
  mlir::Location before;
};

template <typename T>
Buffer buffer(llvm::StringRef name, std::vector<T> &values, bool writable = true) {
  return {name.str(), values.data(), values.size() * sizeof(T), writable};
}

} // namespace basin::emulator

#endif // BASIN_UNITTESTS_EMULATORTEST_H
