//===- PlanCheckTest.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What calls of a plan refuse, and that nothing is launched then.
//
//===----------------------------------------------------------------------===//

#include "PlanTest.h"

using namespace basin;
using namespace basin::test;

namespace {
class PlanCheck : public PlanTest {};
} // namespace

TEST_F(PlanCheck, InputsAreChecked) {
  PlanTensors good(*plan, 2, 3);
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
  EXPECT_EQ(messageOf([&] { PlanTensors(*plan, 1, 513); }),
            "model: node 'positions': expected a size of at most 512, but got 513");
  EXPECT_EQ(messageOf([&] {
              int64_t ofX[] = {int64_t(1) << 50, 3, 8}, seq = 3;
              plan->shapes(std::vector{basin_rt_contiguous(BASIN_RT_F32, nullptr, 3, ofX),
                                       basin_rt_contiguous(BASIN_RT_BOOL, nullptr, 1, &seq)});
            }),
            "model: add: argument 'count': 27021597764222976 does not fit i32");
}

TEST_F(PlanCheck, TensorsOfARunAreChecked) {
  plan->load(0);
  log();
  auto run = [&](const std::function<void(PlanTensors &)> &change) {
    PlanTensors tensors(*plan, 2, 3);
    change(tensors);
    return messageOf([&] { tensors.run(*plan); });
  };
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs.pop_back(); }),
            "model: expected 2 outputs, but got 1");
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs[1].sizes[0] = 3; }),
            "model: 'z': expected a contiguous tensor of the type and sizes that the plan says");
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs[1].pointer = nullptr; }), "model: 'z': is null");
  EXPECT_EQ(run([](PlanTensors &t) { t.inputs[1].pointer = nullptr; }), "model: 'mask': is null");
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs[0].pointer = t.inputs[0].pointer; }),
            "model: 'y': is written, but shares memory with 'x'");
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs[0].pointer = t.outputs[1].pointer; }),
            "model: 'y': is written, but shares memory with 'sum'");
  EXPECT_EQ(run([](PlanTensors &t) { t.outputs[1].pointer = t.workspace.data.get() + 1024; }),
            "model: 'z': shares memory with the workspace");
  EXPECT_EQ(run([](PlanTensors &t) { t.inputs[1].pointer = t.workspace.data.get() + t.bytes - 3; }),
            "model: 'mask': shares memory with the workspace");
  EXPECT_EQ(run([](PlanTensors &t) { --t.bytes; }),
            "model: expected a workspace of 33554944 bytes, aligned to 256");
  EXPECT_EQ(run([](PlanTensors &t) {
              t.inputs[0].pointer = static_cast<const char *>(t.inputs[0].pointer) + 4;
            }),
            "model: add: argument 'a': expected a pointer aligned to 16 bytes");
  EXPECT_EQ(log(), "");
  PlanTensors tensors(*plan, 2, 3);
  EXPECT_EQ(messageOf([&] { tensors.run(*plan, 1); }), "the plan is not loaded on device 1");
  EXPECT_EQ(messageOf([&] { tensors.run(*plan, 2); }), "no device 2: there are 2");
}

TEST_F(PlanCheck, StepsAreCheckedBeforeAnyIsLaunched) {
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

TEST_F(PlanCheck, ProductsAreCheckedBeforeAnythingIsLaunched) {
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

TEST_F(PlanCheck, NullIsRefused) {
  PlanTensors tensors(*plan, 2, 3);
  uint64_t bytes = 0;
  EXPECT_EQ(basin_rt_plan_workspace(nullptr, nullptr, 0, &bytes), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "plan is null");
  EXPECT_EQ(basin_rt_plan_workspace(plan->get(), nullptr, 2, &bytes), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "inputs is null");
  EXPECT_EQ(basin_rt_plan_shapes(plan->get(), tensors.inputs.data(), 2, nullptr, 2),
            BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "outputs is null");
}
