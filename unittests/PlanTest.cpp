//===- PlanTest.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans on the fake driver and the fake cuBLASLt: each byte that reaches a kernel, the order of
// steps, and what is refused. The fake driver runs no kernel, but the products are computed.
//
//===----------------------------------------------------------------------===//

#include "PlanTest.h"
#include "Allocations.h"
#include "ProductTest.h"
#include "basin/Runtime/Runtime.h"

#include <functional>
#include <optional>
#include <thread>

using namespace basin;
using test::Memory;

extern "C" int run_model(const basin_rt_object *object, int32_t device, void *stream,
                         const basin_rt_tensor *inputs, size_t count,
                         void *(*allocate)(uint64_t bytes), basin_rt_tensor *output);

static std::string messageOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const rt::Error &error) {
    return error.what();
  }
  return "(no error)";
}

/// Returns a number as the fake driver logs one of this many bytes.
static std::string hex(uint64_t value, int bytes = 8) {
  char out[17];
  std::snprintf(out, sizeof(out), "%0*llx", 2 * bytes, static_cast<unsigned long long>(value));
  return out;
}
static std::string hex(const void *pointer) { return hex(reinterpret_cast<uintptr_t>(pointer)); }

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

static constexpr uint64_t kProductBytes = 32 << 20;

namespace {
/// Inputs, outputs and a workspace in the memory of the host, for a batch and a number of tokens.
struct Tensors {
  Tensors(const rt::Plan &plan, int64_t batch, int64_t seq)
      : memory(static_cast<size_t>(64 * batch * seq + 8192)), bytes(0), workspace(1) {
    int64_t ofX[] = {batch, seq, 8};
    char *data = memory.data.get();
    int64_t part = (16 * batch * seq + 255) / 256 * 256 + 256;
    inputs = {basin_rt_contiguous(BASIN_RT_F32, data, 3, ofX),
              basin_rt_contiguous(BASIN_RT_BOOL, data + 2 * part, 1, &seq)};
    outputs = plan.shapes(inputs);
    outputs[0].pointer = data + 3 * part;
    outputs[1].pointer = data + 4 * part;
    bytes = plan.workspace(inputs);
    workspace = Memory(bytes);
    auto *numbers = reinterpret_cast<float *>(workspace.data.get());
    std::fill_n(numbers, (bytes - kProductBytes) / sizeof(float), 1.0f);
  }
  void run(const rt::Plan &plan, int32_t device = 0) {
    plan.run(device, nullptr, inputs, outputs, workspace.data.get(), bytes);
  }
  const float *out(size_t index) const {
    return static_cast<const float *>(outputs[index].pointer);
  }

  Memory memory;
  uint64_t bytes;
  Memory workspace;
  std::vector<basin_rt_tensor> inputs, outputs;
};

class Plan : public testing::Test {
protected:
  void SetUp() override {
    test::Ones(1, 1, 1).run(); // loads the fake libraries once
    fake_reset();
    fake_lt_reset();
    open(test::kPlan);
  }
  void open(const std::string &text) {
    std::string bytes = test::planObject(text);
    object.emplace(rt::Object::fromMemory(bytes.data(), bytes.size()));
    plan.emplace(object->plan());
  }
  std::string log() {
    std::string text = fake_log();
    std::string fresh = text.substr(seen);
    seen = text.size();
    return fresh;
  }
  /// Returns what a run of a changed plan says, and expects that it launches nothing.
  std::string refusal(const std::string &from, const std::string &to) {
    open(test::kPlan);
    Tensors tensors(*plan, 2, 3);
    open(replaced(test::kPlan, from, to));
    plan->load(0);
    log();
    std::string message = messageOf([&] { tensors.run(*plan); });
    EXPECT_EQ(log(), "");
    return message;
  }

  std::optional<rt::Object> object;
  std::optional<rt::Plan> plan;
  size_t seen = 0;
};
} // namespace

/// Returns the launches of a run with these tensors, each with the bytes of its arguments.
static std::string launches(const Tensors &t, int64_t batch, int64_t seq, const void *bias) {
  auto h = hex(t.workspace.data.get() + 256), u = h; // u lives after h has died
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
  Tensors tensors(*plan, 2, 3);
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
  Tensors tensors(*plan, 2, 3);
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
  Tensors tensors(*plan, 2, 3);
  tensors.run(*plan);
  std::string text = log();
  // Where the weights are is in the third launch.
  size_t third = text.find("launch", text.find("hide"));
  size_t at = text.find(',', third) + 1;
  auto bias = reinterpret_cast<const void *>(std::stoull(text.substr(at, 16), nullptr, 16));
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
  size_t before = test::countAllocations();
  tensors.run(*plan);
  EXPECT_EQ(test::countAllocations(), before);

  fake_set_logging(1);
  Tensors larger(*plan, 3, 50);
  EXPECT_EQ(larger.bytes, 256 + 4864 + kProductBytes);
  larger.run(*plan);
  EXPECT_EQ(log(), launches(larger, 3, 50, bias));
}

TEST_F(Plan, MoreSizesThanAreKept) {
  plan->load(0);
  // The same sizes come back after their layout is gone.
  for (int round = 0; round < 2; ++round)
    for (int64_t seq = 1; seq <= 20; ++seq) {
      Tensors tensors(*plan, 1, seq);
      tensors.run(*plan);
      EXPECT_EQ(tensors.out(0)[0], 324) << seq;
    }
}

TEST_F(Plan, ThreadsShareAPlan) {
  std::vector<std::thread> threads;
  std::vector<std::string> messages(4);
  for (size_t i = 0; i < messages.size(); ++i)
    threads.emplace_back([&, i] {
      messages[i] = messageOf([&] {
        plan->load(static_cast<int32_t>(i % 2));
        for (int64_t seq = 1; seq <= 30; ++seq) {
          Tensors tensors(*plan, 1 + static_cast<int64_t>(i / 2), seq);
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
  Tensors tensors(*plan, 0, 3);
  for (basin_rt_tensor *tensor : {&tensors.inputs[0], &tensors.outputs[0], &tensors.outputs[1]})
    tensor->pointer = nullptr;
  tensors.run(*plan);
  EXPECT_EQ(log(), "");
}

TEST_F(Plan, EmptyInputsNeedNoAddress) {
  // The second input of the first step has no elements, such as a cache at its beginning.
  std::string text =
      replaced(test::kPlan, "\"b\": {\"buffer\": \"x\"}", "\"b\": {\"buffer\": \"past\"}");
  text = replaced(text, "\"inputs\": [", "\"inputs\": [\"past\", ");
  text = replaced(text, "\"buffers\": [",
                  "\"buffers\": [{\"name\": \"past\", \"kind\": \"input\", \"type\": \"f32\", "
                  "\"shape\": [{\"sum\": [[1, \"past\"]]}, 8]},");
  Tensors tensors(*plan, 2, 3);
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

TEST_F(Plan, InputsAreChecked) {
  Tensors good(*plan, 2, 3);
  auto shapes = [&](const std::function<void(std::vector<basin_rt_tensor> &)> &change) {
    std::vector<basin_rt_tensor> inputs = good.inputs;
    change(inputs);
    return messageOf([&] { plan->shapes(inputs); });
  };
  EXPECT_EQ(shapes([](auto &inputs) { inputs.pop_back(); }), "model: expected 2 inputs, but got 1");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[1].type = BASIN_RT_I8; }),
            "model: 'mask': expected bool, but got i8");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[1].type = static_cast<basin_rt_type>(7); }),
            "model: 'mask': expected bool, but got an unknown type");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[1].rank = 2; }),
            "model: 'mask': expected 1 axes, but got 2");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[1].sizes[0] = 4; }),
            "model: 'mask': expected the shape [3], but got [4]");
  EXPECT_EQ(shapes([](auto &inputs) {
              inputs[0].sizes[2] = 9, inputs[0].strides[1] = 9, inputs[0].strides[0] = 27;
            }),
            "model: 'x': expected the shape [2, 3, 8], but got [2, 3, 9]");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[0].sizes[0] = -1; }),
            "model: 'x': expected sizes of a tensor that fits into memory");
  EXPECT_EQ(shapes([](auto &inputs) { inputs[0].strides[1] = 16; }),
            "model: 'x': expected a contiguous tensor");
  EXPECT_EQ(messageOf([&] { Tensors(*plan, 1, 513); }),
            "model: node 'positions': expected a size of at most 512, but got 513");
  EXPECT_EQ(messageOf([&] {
              int64_t ofX[] = {int64_t(1) << 50, 3, 8}, seq = 3;
              plan->shapes(std::vector{basin_rt_contiguous(BASIN_RT_F32, nullptr, 3, ofX),
                                       basin_rt_contiguous(BASIN_RT_BOOL, nullptr, 1, &seq)});
            }),
            "model: add: argument 'count': 27021597764222976 does not fit i32");
}

TEST_F(Plan, TensorsOfARunAreChecked) {
  plan->load(0);
  log();
  auto run = [&](const std::function<void(Tensors &)> &change) {
    Tensors tensors(*plan, 2, 3);
    change(tensors);
    return messageOf([&] { tensors.run(*plan); });
  };
  EXPECT_EQ(run([](Tensors &t) { t.outputs.pop_back(); }), "model: expected 2 outputs, but got 1");
  EXPECT_EQ(run([](Tensors &t) { t.outputs[1].sizes[0] = 3; }),
            "model: 'z': expected a contiguous tensor of the type and sizes that the plan says");
  EXPECT_EQ(run([](Tensors &t) { t.outputs[1].pointer = nullptr; }), "model: 'z': is null");
  EXPECT_EQ(run([](Tensors &t) { t.inputs[1].pointer = nullptr; }), "model: 'mask': is null");
  EXPECT_EQ(run([](Tensors &t) { t.outputs[0].pointer = t.inputs[0].pointer; }),
            "model: 'y': is written, but shares memory with 'x'");
  EXPECT_EQ(run([](Tensors &t) { t.outputs[0].pointer = t.outputs[1].pointer; }),
            "model: 'y': is written, but shares memory with 'sum'");
  EXPECT_EQ(run([](Tensors &t) { t.outputs[1].pointer = t.workspace.data.get() + 1024; }),
            "model: 'z': is written, but shares memory with 'the workspace'");
  EXPECT_EQ(run([](Tensors &t) { --t.bytes; }),
            "model: expected a workspace of 33554944 bytes, aligned to 256");
  EXPECT_EQ(run([](Tensors &t) {
              t.inputs[0].pointer = static_cast<const char *>(t.inputs[0].pointer) + 4;
            }),
            "model: add: argument 'a': expected a pointer aligned to 16 bytes");
  EXPECT_EQ(log(), "");
  Tensors tensors(*plan, 2, 3);
  EXPECT_EQ(messageOf([&] { tensors.run(*plan, 1); }), "the plan is not loaded on device 1");
  EXPECT_EQ(messageOf([&] { tensors.run(*plan, 2); }), "no device 2: there are 2");
}

TEST_F(Plan, StepsAreCheckedBeforeAnyIsLaunched) {
  EXPECT_EQ(
      refusal("\"flags\": {\"buffer\": \"mask\", \"offset\": {\"sum\": [[1, \"seq\"], [-1]]}}",
              "\"flags\": {\"buffer\": \"mask\", \"offset\": 4}"),
      "model: an operand begins at 4, outside of 'mask', which has 3 elements");
  EXPECT_EQ(refusal("[[1, \"seq\"], [-1]]", "[[1, \"seq\"], [-4]]"),
            "model: an operand begins at -1, outside of 'mask', which has 3 elements");
  EXPECT_EQ(refusal("\"rows\": {\"sum\": [[1, \"batch\", \"seq\"]]}", "\"rows\": 2147483648"),
            "model: hide: axis 0 of the grid has more than 2147483647 blocks");
  EXPECT_EQ(refusal("\"rows\": {\"sum\": [[1, \"batch\", \"seq\"]]}", "\"rows\": -1"),
            "model: hide: argument 'rows': expected a size, but got -1");
  EXPECT_EQ(refusal("\"count\": {\"sum\": [[4, \"batch\", \"seq\"]]}", "\"count\": 2147483648"),
            "model: add: argument 'count': 2147483648 does not fit i32");
  EXPECT_EQ(refusal("\"eps\": -3", "\"eps\": {\"sum\": [[4611686018427387904, \"seq\"]]}"),
            "model: a size is too large");
  EXPECT_EQ(refusal("\"b\": {\"buffer\": \"u\"}", "\"b\": {\"buffer\": \"u\", \"offset\": 1}"),
            "model: add: argument 'b': expected a pointer aligned to 16 bytes");
  EXPECT_EQ(refusal("\"b\": {\"buffer\": \"bias\"}", "\"b\": {\"buffer\": \"w\", \"offset\": 2}"),
            "model: add: argument 'b': expected a pointer aligned to 16 bytes");
}

TEST_F(Plan, ProductsAreCheckedBeforeAnythingIsLaunched) {
  EXPECT_EQ(refusal("\"n\": 4", "\"n\": -4"), "model: product: expected sizes, but got -4");
  EXPECT_EQ(refusal("\"k\": 8", "\"k\": 9"),
            "model: product: a matrix lies outside of its buffer 'h'");
  EXPECT_EQ(refusal("\"row_stride\": 8", "\"row_stride\": -8"),
            "model: product: a matrix lies outside of its buffer 'h'");
  EXPECT_EQ(refusal("\"row_stride\": 8", "\"row_stride\": 4611686018427387904"),
            "model: product: a matrix lies outside of its buffer 'h'");
  EXPECT_EQ(refusal("\"b\": {\"buffer\": \"w\"", "\"b\": {\"buffer\": \"w\", \"offset\": 1"),
            "model: product: a matrix lies outside of its buffer 'w'");
  EXPECT_EQ(refusal("\"bias\": {\"buffer\": \"bias\"}",
                    "\"bias\": {\"buffer\": \"bias\", \"offset\": 1}"),
            "model: product: the bias lies outside of its buffer 'bias'");
  // What only the product's own rules refuse.
  EXPECT_EQ(refusal("\"row_stride\": 8", "\"row_stride\": 4"),
            "model: product: 'a': expected rows or columns that are contiguous and lie apart");
  EXPECT_EQ(refusal("\"k\": 8", "\"k\": 0"), "model: product: 'bias': expected none if k is 0");
}

TEST_F(Plan, EmptySumsAreZeros) {
  open(replaced(replaced(test::kPlan, "\"k\": 8", "\"k\": 0"), "\"bias\": {\"buffer\": \"bias\"}, ",
                ""));
  plan->load(0);
  Tensors tensors(*plan, 2, 3);
  std::fill_n(const_cast<float *>(tensors.out(0)), 24, 5.0f);
  tensors.run(*plan);
  for (size_t i = 0; i < 24; ++i)
    EXPECT_EQ(tensors.out(0)[i], 0);
}

TEST_F(Plan, ErrorOfALaunchEndsTheRun) {
  plan->load(0);
  Tensors tensors(*plan, 2, 3);
  log();
  fake_fail("launch", 2);
  EXPECT_EQ(messageOf([&] { tensors.run(*plan); }),
            "add: cuLaunchKernel: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  std::string text = log();
  EXPECT_EQ(text.find("launch"), text.rfind("launch"));
}

TEST_F(Plan, RunsTheExample) {
  open(replaced(test::kPlan, ", {\"name\": \"sum\", \"buffer\": \"z\"}", ""));
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

TEST_F(Plan, NullIsRefused) {
  Tensors tensors(*plan, 2, 3);
  uint64_t bytes = 0;
  EXPECT_EQ(basin_rt_plan_workspace(nullptr, nullptr, 0, &bytes), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "plan is null");
  EXPECT_EQ(basin_rt_plan_workspace(plan->get(), nullptr, 2, &bytes), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "inputs is null");
  EXPECT_EQ(basin_rt_plan_shapes(plan->get(), tensors.inputs.data(), 2, nullptr, 2),
            BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "outputs is null");
}
