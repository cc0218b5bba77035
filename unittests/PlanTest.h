//===- PlanTest.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans with tensors in the memory of the host, for tests on the fake driver and the fake cuBLASLt.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_PLANTEST_H
#define BASIN_UNITTESTS_PLANTEST_H

#include "PlanWriter.h"
#include "ProductTest.h"
#include "basin/Runtime/Runtime.h"

#include <functional>
#include <optional>

namespace basin::test {

inline std::string messageOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const rt::Error &error) {
    return error.what();
  }
  return "(no error)";
}

inline std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

constexpr uint64_t kProductBytes = 32 << 20;

/// Inputs, outputs and a workspace in the memory of the host, for a batch and a number of tokens.
struct PlanTensors {
  PlanTensors(const rt::Plan &plan, int64_t batch, int64_t seq)
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

class PlanTest : public testing::Test {
protected:
  void SetUp() override {
    Ones(1, 1, 1).run(); // loads the fake libraries once
    fake_reset();
    fake_lt_reset();
    open(kPlan);
  }
  void open(const std::string &text) {
    std::string bytes = planObject(text);
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
    open(kPlan);
    PlanTensors tensors(*plan, 2, 3);
    open(replaced(kPlan, from, to));
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

} // namespace basin::test

#endif // BASIN_UNITTESTS_PLANTEST_H
