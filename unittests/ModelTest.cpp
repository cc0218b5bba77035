//===- ModelTest.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/API/Model.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

using basin::Model;

static std::string tinyModel() { return BASIN_SOURCE_DIR "/models/tiny-shakespeare.onnx"; }

static std::unique_ptr<Model> loadTiny() {
  llvm::Expected<std::unique_ptr<Model>> model = Model::load(tinyModel());
  EXPECT_TRUE(bool(model)) << llvm::toString(model.takeError());
  return model ? std::move(*model) : nullptr;
}

static std::string read(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

TEST(Model, MissingFileIsAnError) {
  llvm::Expected<std::unique_ptr<Model>> model = Model::load("/no/such/model.onnx");
  ASSERT_FALSE(bool(model));
  EXPECT_NE(llvm::toString(model.takeError()).find("/no/such/model.onnx"), std::string::npos);
}

TEST(Model, UntouchedModelIsWrittenAsItCame) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("basin-model", "onnx", path));
  ASSERT_EQ(llvm::toString(model->save(path)), "");
  EXPECT_EQ(read(path), read(tinyModel()));
  llvm::sys::fs::remove(path);
}

TEST(Model, OwnInputIsNotOverwritten) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  EXPECT_NE(llvm::toString(model->save(tinyModel())), "");
}

TEST(Model, UnknownPassIsAnErrorAndChangesNothing) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  std::string before = model->str();
  std::string error = llvm::toString(model->run("onnx-infer-shapes,no-such-pass"));
  EXPECT_NE(error.find("'no-such-pass'"), std::string::npos) << error;
  EXPECT_EQ(model->str(), before);
}

// The library has the passes and pipelines of kernels registered as well.
TEST(Model, KernelsAreMadeAndLoweredInThisProcess) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  ASSERT_EQ(llvm::toString(model->run("basin-raise,convert-sink-to-gpu{partial=true}")), "");
  EXPECT_NE(model->str().find("gpu.func @rms_norm_64"), std::string::npos);
  ASSERT_EQ(llvm::toString(model->run("basin-lower-kernels")), "");
  EXPECT_NE(model->str().find("llvm.func @rms_norm_64"), std::string::npos);
}

TEST(Model, PipelineMayNameItsAnchor) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  EXPECT_EQ(llvm::toString(model->run("builtin.module(onnx-infer-shapes)")), "");
  EXPECT_EQ(llvm::toString(model->run("onnx-infer-shapes")), "");
}

TEST(Model, StepsAreAppliedAndRecorded) {
  std::unique_ptr<Model> model = loadTiny();
  ASSERT_TRUE(model);
  std::string before = model->str();
  std::string error = llvm::toString(model->rewrite({{"rescale-residual", {{"k", "x"}}}}, {}));
  EXPECT_NE(error.find("option 'k': expected INTEGER|auto, but got 'x'"), std::string::npos)
      << error;
  error = llvm::toString(model->rewrite({{"rescale-residual", {{"k", "61"}}}}, {}));
  EXPECT_NE(error.find("from -60 to 60"), std::string::npos) << error;
  EXPECT_EQ(model->str(), before);

  auto steps = basin::parseSteps({"absorb-residual", "scale-dims=3:4", "insert-pre-affine"});
  ASSERT_TRUE(bool(steps)) << llvm::toString(steps.takeError());
  ASSERT_EQ(llvm::toString(model->rewrite(*steps, {})), "");
  EXPECT_NE(model->str().find("pre_affine"), std::string::npos);
  EXPECT_FALSE(llvm::cantFail(model->findScaleMismatch()));
  std::string found = llvm::cantFail(model->inspectJSON());
  size_t first = found.find(R"("step":"absorb-residual")");
  EXPECT_NE(first, std::string::npos) << found;
  EXPECT_LT(first, found.find(R"("step":"insert-pre-affine")"));
}

// Every step of the registry has a pass, and its examples are valid.
TEST(Model, ExamplesOfStepsMakePipelines) {
  for (const std::vector<basin::StepRequest> &steps : basin::listExamples()) {
    // Some steps cannot be taken twice.
    std::unique_ptr<Model> model = loadTiny();
    ASSERT_TRUE(model);
    EXPECT_EQ(llvm::toString(basin::checkSteps(steps)), "");
    EXPECT_EQ(llvm::toString(
                  model->run("basin-raise," + basin::getPasses(steps) + ",convert-sink-to-onnx")),
              "");
  }
}
