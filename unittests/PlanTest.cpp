//===- PlanTest.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs of a plan: each byte that reaches a kernel, the order of steps, what is loaded and kept. The
// fake driver runs no kernel, but the products are computed.
//
//===----------------------------------------------------------------------===//

#include "PlanTest.h"
#include "Allocations.h"

#include <thread>

using namespace basin;
using namespace basin::test;

extern "C" int run_model(const basin_rt_object *object, int32_t device, void *stream,
                         const basin_rt_tensor *inputs, size_t count,
                         void *(*allocate)(uint64_t bytes), basin_rt_tensor *output);

namespace {
class Plan : public PlanTest {};
} // namespace

/// Returns a number as the fake driver logs one of this many bytes.
static std::string hex(uint64_t value, int bytes = 8) {
  char out[17];
  std::snprintf(out, sizeof(out), "%0*llx", 2 * bytes, static_cast<unsigned long long>(value));
  return out;
}
static std::string hex(const void *pointer) { return hex(reinterpret_cast<uintptr_t>(pointer)); }

/// Returns the launches of a run with these tensors, each with the bytes of its arguments.
static std::string launches(const PlanTensors &t, int64_t batch, int64_t seq, const void *bias) {
  auto h = hex(t.workspace.data.get() + 256);
  const std::string &u = h; // u lives after h has died
  auto launch = [](const std::string &kernel, int64_t grid, int block, const std::string &bytes) {
    return "launch " + kernel + " on 0 grid " + std::to_string(grid) + " 1 1 block " +
           std::to_string(block) + " 1 1 shared 0 stream 0 " + bytes + "\n";
  };
  auto count = [](int64_t number) { return "," + hex(static_cast<uint64_t>(number), 4); };
  int64_t rows = batch * seq;
  auto x = hex(t.inputs[0].pointer), y = hex(t.outputs[0].pointer), z = hex(t.outputs[1].pointer);
  auto flags = hex(static_cast<const char *>(t.inputs[1].pointer) + seq - 1);
  return launch("add", (8 * rows + 255) / 256, 256, x + "," + x + "," + h + count(8 * rows)) +
         launch("hide", rows, 32, h + "," + flags + "," + hex(uint64_t(-3)) + count(rows)) +
         launch("add", (4 * rows + 255) / 256, 256,
                y + "," + hex(bias) + "," + u + count(4 * rows)) +
         launch("add", (4 * rows + 255) / 256, 256, y + "," + u + "," + z + count(4 * rows));
}

TEST_F(Plan, ShapesNeedNoDriver) {
  PlanTensors tensors(*plan, 2, 3);
  ASSERT_EQ(tensors.outputs.size(), 2u);
  for (const basin_rt_tensor &output : tensors.outputs) {
    EXPECT_EQ(output.type, BASIN_RT_F32);
    EXPECT_EQ(output.rank, 3u);
    EXPECT_EQ(std::vector<int64_t>(output.sizes, output.sizes + 3),
              (std::vector<int64_t>{2, 3, 4}));
    EXPECT_EQ(std::vector<int64_t>(output.strides, output.strides + 3),
              (std::vector<int64_t>{12, 4, 1}));
  }
  // The first 256 bytes are for tensors without elements. h and u share the next ones.
  EXPECT_EQ(tensors.bytes, 512 + kProductBytes);
  EXPECT_EQ(log(), "");
}

TEST_F(Plan, LoadsOnceOnEachDevice) {
  plan->load(0);
  EXPECT_EQ(log(), "retain 0\nload 0 ptx of sm_80\nfunction add\nfunction hide\nallocate 272\n"
                   "copy 272\nsynchronize\n");
  plan->load(0);
  EXPECT_EQ(log(), "");
  plan->load(1);
  EXPECT_NE(log().find("allocate 272\ncopy 272\nsynchronize\n"), std::string::npos);
  object.reset();
  std::string freed = "synchronize\nfree\nunload\n";
  EXPECT_EQ(log(), freed + "release 0\n" + freed + "release 1\n");
}

TEST_F(Plan, FailedLoadIsTriedAgain) {
  fake_fail("allocate", 2);
  EXPECT_EQ(messageOf([&] { plan->load(0); }),
            "272 bytes of weights: cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  PlanTensors tensors(*plan, 2, 3);
  EXPECT_EQ(messageOf([&] { tensors.run(*plan); }), "the plan is not loaded on device 0");
  log();
  fake_fail("copy", 2);
  EXPECT_EQ(messageOf([&] { plan->load(0); }),
            "cuMemcpyHtoD: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  EXPECT_EQ(log(), "allocate 272\ncopy 272\nfree\n");
  plan->load(0);
  tensors.run(*plan);
}

TEST_F(Plan, RunsItsStepsInOrder) {
  int sizes[] = {8, 8, 8, 4};
  fake_set_parameter_sizes(sizes, 4);
  plan->load(0);
  log();
  PlanTensors tensors(*plan, 2, 3);
  tensors.run(*plan);
  std::string text = log();
  // Where the weights are is in the third launch.
  size_t third = text.find("launch", text.find("hide"));
  size_t at = text.find(',', third) + 1;
  const auto *bias = reinterpret_cast<const void *>(std::stoull(text.substr(at, 16), nullptr, 16));
  EXPECT_EQ(static_cast<const float *>(bias)[3], 100);
  EXPECT_EQ(text, launches(tensors, 2, 3, bias));
  // h is all 1 and w counts up, so y = 2 (0 + 4 + .. + 28 + 8 column) + 100.
  for (size_t i = 0; i < 24; ++i)
    EXPECT_EQ(tensors.out(0)[i], 2.0f * static_cast<float>(112 + 8 * (i % 4)) + 100) << i;

  fake_lt_reset();
  tensors.run(*plan);
  EXPECT_EQ(log(), launches(tensors, 2, 3, bias));
  EXPECT_STREQ(fake_lt_log(), "operation-set 8\nmultiply NN 4 x 6 x 8 batch 1 stream 0\n");
  fake_set_logging(0);
  size_t before = countAllocations();
  tensors.run(*plan);
  EXPECT_EQ(countAllocations(), before);

  fake_set_logging(1);
  PlanTensors larger(*plan, 3, 50);
  EXPECT_EQ(larger.bytes, 256 + 4864 + kProductBytes);
  larger.run(*plan);
  EXPECT_EQ(log(), launches(larger, 3, 50, bias));
}

TEST_F(Plan, MoreSizesThanAreKept) {
  plan->load(0);
  // The same sizes come back after their layout is gone.
  for (int round = 0; round < 2; ++round)
    for (int64_t seq = 1; seq <= 20; ++seq) {
      PlanTensors tensors(*plan, 1, seq);
      tensors.run(*plan);
      EXPECT_EQ(tensors.out(0)[0], 324) << seq;
    }
}

TEST_F(Plan, LayoutsInUseAreKept) {
  PlanTensors often(*plan, 1, 1);
  for (int64_t seq = 2; seq <= 40; ++seq) {
    (void)plan->workspace(PlanTensors(*plan, 1, seq).inputs);
    size_t before = countAllocations();
    (void)plan->workspace(often.inputs);
    EXPECT_EQ(countAllocations(), before) << seq;
  }
}

TEST_F(Plan, ThreadsShareAPlan) {
  std::vector<std::thread> threads;
  std::vector<std::string> messages(4);
  threads.reserve(4);
  for (size_t i = 0; i < messages.size(); ++i)
    threads.emplace_back([&, i] {
      messages[i] = messageOf([&] {
        plan->load(static_cast<int32_t>(i % 2));
        for (int64_t seq = 1; seq <= 30; ++seq) {
          PlanTensors tensors(*plan, 1 + static_cast<int64_t>(i / 2), seq);
          tensors.run(*plan, static_cast<int32_t>(i % 2));
          for (int64_t row = 0; row < seq; ++row)
            EXPECT_EQ(tensors.out(0)[4 * row], 324);
        }
      });
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(messages, std::vector<std::string>(4, "(no error)"));
  std::string text = log();
  size_t count = 0;
  for (size_t at = 0; (at = text.find("allocate", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 2u);
}

TEST_F(Plan, EmptyStepsDoNothing) {
  plan->load(0);
  log();
  PlanTensors tensors(*plan, 0, 3);
  for (basin_rt_tensor *tensor : {&tensors.inputs[0], &tensors.outputs[0], &tensors.outputs[1]})
    tensor->pointer = nullptr;
  tensors.run(*plan);
  EXPECT_EQ(log(), "");
}

TEST_F(Plan, EmptyInputsNeedNoAddress) {
  // The second input of the first step has no elements, such as a cache at its beginning.
  std::string text = replaced(kPlan, "\"b\": {\"buffer\": \"x\"}", "\"b\": {\"buffer\": \"past\"}");
  text = replaced(text, "\"inputs\": [", "\"inputs\": [\"past\", ");
  text = replaced(text, "\"buffers\": [",
                  "\"buffers\": [{\"name\": \"past\", \"kind\": \"input\", \"type\": \"f32\", "
                  "\"shape\": [{\"sum\": [[1, \"past\"]]}, 8]},");
  PlanTensors tensors(*plan, 2, 3);
  open(text);
  int64_t sizes[] = {0, 8};
  tensors.inputs.insert(tensors.inputs.begin(),
                        basin_rt_contiguous(BASIN_RT_F32, nullptr, 2, sizes));
  int bytes[] = {8, 8};
  fake_set_parameter_sizes(bytes, 2);
  plan->load(0);
  log();
  tensors.run(*plan);
  EXPECT_NE(
      log().find(hex(tensors.inputs[1].pointer) + "," + hex(tensors.workspace.data.get()) + "\n"),
      std::string::npos);
}

TEST_F(Plan, EmptySumsAreZeros) {
  open(replaced(replaced(kPlan, "\"k\": 8", "\"k\": 0"), "\"bias\": {\"buffer\": \"bias\"}, ", ""));
  plan->load(0);
  PlanTensors tensors(*plan, 2, 3);
  std::fill_n(const_cast<float *>(tensors.out(0)), 24, 5.0f);
  tensors.run(*plan);
  for (size_t i = 0; i < 24; ++i)
    EXPECT_EQ(tensors.out(0)[i], 0);
}

TEST_F(Plan, ErrorOfALaunchEndsTheRun) {
  plan->load(0);
  PlanTensors tensors(*plan, 2, 3);
  log();
  fake_fail("launch", 2);
  EXPECT_EQ(messageOf([&] { tensors.run(*plan); }),
            "add: cuLaunchKernel: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  std::string text = log();
  EXPECT_EQ(text.find("launch"), text.rfind("launch"));
}

TEST_F(Plan, ProviderComputesTheProducts) {
  plan->load(0);
  PlanTensors tensors(*plan, 2, 3);
  std::vector<basin_rt_product> products;
  basin_rt_product_provider provider = {
      &products,
      [](void *context, const basin_rt_product *product, int32_t, void *, void *, uint64_t bytes) {
        static_cast<std::vector<basin_rt_product> *>(context)->push_back(*product);
        return bytes == 0 ? BASIN_RT_OK : BASIN_RT_INTERNAL_ERROR;
      }};
  rt::useProducts(&provider);
  EXPECT_EQ(plan->workspace(tensors.inputs), 512u);
  tensors.bytes = 512;
  tensors.run(*plan);
  rt::useProducts(nullptr);
  ASSERT_EQ(products.size(), 1u);
  EXPECT_EQ(products[0].m, 6);
  EXPECT_EQ(products[0].n, 4);
  EXPECT_EQ(products[0].k, 8);
  EXPECT_EQ(products[0].alpha, 2);
  EXPECT_EQ(products[0].a.pointer, tensors.workspace.data.get() + 256);
  EXPECT_EQ(products[0].c.pointer, tensors.outputs[0].pointer);
}

TEST_F(Plan, RunsTheExample) {
  open(replaced(kPlan, ", {\"name\": \"sum\", \"buffer\": \"z\"}", ""));
  static std::vector<Memory> memories;
  auto allocate = [](uint64_t bytes) -> void * { return memories.emplace_back(bytes).data.get(); };
  bool mask[3] = {};
  alignas(16) float x[2 * 3 * 8] = {};
  int64_t ofX[] = {2, 3, 8}, seq = 3;
  std::vector inputs = {basin_rt_contiguous(BASIN_RT_F32, x, 3, ofX),
                        basin_rt_contiguous(BASIN_RT_BOOL, mask, 1, &seq)};
  basin_rt_tensor output;
  ASSERT_TRUE(run_model(object->get(), 0, nullptr, inputs.data(), 2, allocate, &output));
  EXPECT_EQ(output.pointer, memories[0].data.get());
  EXPECT_NE(log().find("launch hide on 0 grid 6 1 1"), std::string::npos);
  EXPECT_FALSE(run_model(object->get(), 0, nullptr, inputs.data(), 1, allocate, &output));
}
