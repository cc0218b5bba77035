//===- PassReuseTest.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pass manager may run on one module after another, and nothing of the first may be seen in the
// second.
//
//===----------------------------------------------------------------------===//

#include "basin/InitAll.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <regex>

using namespace mlir;

namespace {

class PassReuse : public testing::TestWithParam<const char *> {
protected:
  static void SetUpTestSuite() {
    basin::registerAllPasses();
    basin::registerAllPipelines();
  }
};

/// Returns the last of some modules after a pass manager ran on it. The manager ran on all or none
/// of the others before. Each call has a context of its own, because constants are numbered in it.
std::string runOnLast(StringRef pipeline, bool runsOnAll) {
  DialectRegistry registry;
  basin::registerAllDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  // Remarks and warnings are not compared.
  context.getDiagEngine().registerHandler([](Diagnostic &) { return success(); });
  // The other models have token ids or an old opset, and the last model has neither.
  SmallVector<OwningOpRef<ModuleOp>> modules;
  for (StringRef name :
       {"llama-eager-ids-dynamo18", "llama-eager-script14", "llama-eager-dynamo18"})
    modules.push_back(basin::onnx::importModel(
        (BASIN_SOURCE_DIR "/test/models/exported/" + name + ".onnx").str(), &context));
  PassManager manager(&context);
  EXPECT_TRUE(succeeded(parsePassPipeline(pipeline, manager)));
  for (OwningOpRef<ModuleOp> &module : modules)
    if (runsOnAll || &module == &modules.back())
      EXPECT_TRUE(module && succeeded(manager.run(*module)));
  std::string text;
  llvm::raw_string_ostream(text) << *modules.back();
  // Blobs of constants are numbered in the order in which the context gets them.
  static const std::regex blob("dense_resource<[^>]*>");
  return std::regex_replace(text.substr(0, text.find("{-#")), blob, "dense_resource<>");
}

} // namespace

TEST_P(PassReuse, LaterModuleIsAsInANewManager) {
  std::string pipeline = std::string("basin-raise,") + GetParam();
  std::string reused = runOnLast(pipeline, true), fresh = runOnLast(pipeline, false);
  EXPECT_FALSE(fresh.empty());
  EXPECT_TRUE(reused == fresh);
}

INSTANTIATE_TEST_SUITE_P(Passes, PassReuse,
                         testing::Values("sink-instrument-outliers", "sink-compare-forms",
                                         "sink-insert-pre-affine", "sink-rescale-residual{k=3}",
                                         "sink-absorb-residual-sinks{scale-dims=1:2}",
                                         "convert-sink-to-onnx",
                                         "convert-sink-to-onnx{form=functions}"));
