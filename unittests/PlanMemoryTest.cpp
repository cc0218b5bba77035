//===- PlanMemoryTest.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Draws plans of many steps, runs them on the fake driver, and compares the addresses of the
// launches: what is needed at the same time shares no memory, and all of it is in the workspace.
//
//===----------------------------------------------------------------------===//

#include "FakeDriver/FakeDriver.h"
#include "PlanWriter.h"
#include "basin/Runtime/Runtime.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sstream>

using namespace basin;

namespace {
/// A temporary of a drawn plan. It has `factor` times n plus `more` elements of f32.
struct Drawn {
  int64_t factor, more;
  size_t first, last; // the steps that name it
  bool isOutput;
  uint64_t begin = 0;

  uint64_t bytes(int64_t n) const { return 4 * static_cast<uint64_t>(factor * n + more); }
};

/// A plan in which step i writes temporary i, and reads two that exist.
struct DrawnPlan {
  std::string json;
  std::vector<Drawn> temporaries;
  std::vector<size_t> outputs;
};
} // namespace

static const char *const kKernel = R"({"name": "add", "block": [1, 1, 1], "shared_bytes": 0,
 "grid": [[{"arg": "n", "per": 1}], [], []],
 "arguments": [{"name": "a", "kind": "in", "type": "f32"}, {"name": "b", "kind": "in", "type": "f32"},
               {"name": "c", "kind": "out", "type": "f32"}, {"name": "n", "kind": "scalar", "type": "i32"}]})";

static DrawnPlan draw(std::mt19937 &random) {
  auto upTo = [&](size_t most) { return std::uniform_int_distribution<size_t>(0, most)(random); };
  DrawnPlan out;
  size_t count = 1 + upTo(60), reach = 1 + upTo(10);
  std::string steps, buffers, outputs;
  auto name = [](size_t i) { return "t" + std::to_string(i); };
  for (size_t i = 0; i < count; ++i) {
    // The last step reads what is read nowhere else, so that no more is known than the steps say.
    std::string operands[2] = {"x", "x"};
    for (std::string &operand : operands)
      if (i > 0 && upTo(7) > 0) {
        size_t from = i - 1 - upTo(std::min(reach, i) - 1);
        out.temporaries[from].last = i;
        operand = name(from);
      }
    out.temporaries.push_back({static_cast<int64_t>(upTo(3) * upTo(40)),
                               static_cast<int64_t>(upTo(2) * upTo(300)), i, i, upTo(9) == 0});
    const Drawn &made = out.temporaries.back();
    buffers += ", {\"name\": \"" + name(i) + "\", \"kind\": \"temporary\", \"type\": \"f32\", " +
               "\"shape\": [{\"sum\": [[" + std::to_string(made.factor) + ", \"n\"], [" +
               std::to_string(made.more) + "]]}]}";
    steps += (i ? ", " : "") +
             std::string("{\"kernel\": \"add\", \"tensors\": {\"a\": {\"buffer\": \"") +
             operands[0] + "\"}, \"b\": {\"buffer\": \"" + operands[1] +
             "\"}, \"c\": {\"buffer\": \"" + name(i) + "\"}}, \"scalars\": {\"n\": 1}}";
    if (made.isOutput) {
      outputs += (outputs.empty() ? "" : ", ") + std::string("{\"name\": \"") + name(i) +
                 "\", \"buffer\": \"" + name(i) + "\"}";
      out.outputs.push_back(i);
    }
  }
  out.json =
      R"({"name": "drawn", "buffers": [{"name": "x", "kind": "input", "type": "f32", "shape": [{"sum": [[1, "n"]]}]})" +
      buffers + "], \"inputs\": [\"x\"], \"outputs\": [" + outputs + "], \"steps\": [" + steps +
      "]}";
  return out;
}

/// Reads where each step writes from the driver's log.
static void readAddresses(const std::string &log, DrawnPlan &plan) {
  std::istringstream lines(log);
  std::string line;
  size_t step = 0;
  while (std::getline(lines, line))
    if (line.starts_with("launch")) {
      std::string arguments = line.substr(line.rfind(' ') + 1);
      ASSERT_LT(step, plan.temporaries.size());
      plan.temporaries[step++].begin = std::stoull(arguments.substr(34, 16), nullptr, 16);
    }
  ASSERT_EQ(step, plan.temporaries.size());
}

/// Returns the bytes that all temporaries would take side by side.
static uint64_t checkPlaces(const DrawnPlan &plan, int64_t n, uint64_t begin, uint64_t end) {
  uint64_t sum = 256;
  for (size_t i = 0; i < plan.temporaries.size(); ++i) {
    const Drawn &a = plan.temporaries[i];
    if (a.isOutput)
      continue;
    sum += std::max<uint64_t>((a.bytes(n) + 255) / 256, 1) * 256;
    EXPECT_EQ(a.begin % 256, 0u);
    EXPECT_GE(a.begin, begin + 256);
    EXPECT_LE(a.begin + a.bytes(n), end);
    for (size_t j = 0; j < i; ++j) {
      const Drawn &b = plan.temporaries[j];
      bool isApart = a.begin + a.bytes(n) <= b.begin || b.begin + b.bytes(n) <= a.begin;
      bool liveTogether = a.first <= b.last && b.first <= a.last;
      EXPECT_TRUE(b.isOutput || !liveTogether || isApart) << i << " and " << j << "\n" << plan.json;
    }
  }
  return sum;
}

TEST(PlanMemory, WhatLivesTogetherLiesApart) {
  std::mt19937 random(7);
  (void)rt::deviceCount();
  uint64_t taken = 0, sideBySide = 0;
  for (int round = 0; round < 400; ++round) {
    DrawnPlan drawn = draw(random);
    std::string bytes = test::object({{"ptx", "sm_80", "text"}}, kKernel, "", drawn.json);
    rt::Object object = rt::Object::fromMemory(bytes.data(), bytes.size());
    rt::Plan plan = object.plan();
    fake_reset();
    fake_set_load_time(0);
    int sizes[] = {8, 8, 8};
    fake_set_parameter_sizes(sizes, 3);
    plan.load(0);
    int64_t n = 1 + round % 37;
    std::vector inputs = {basin_rt_contiguous(
        BASIN_RT_F32, reinterpret_cast<const void *>(uint64_t(1) << 40), 1, &n)};
    auto outputs = plan.shapes(inputs);
    ASSERT_EQ(outputs.size(), drawn.outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i)
      outputs[i].pointer = reinterpret_cast<const void *>((i + 2) << 40);
    uint64_t size = plan.workspace(inputs), begin = uint64_t(1) << 60;
    plan.run(0, nullptr, inputs, outputs, reinterpret_cast<void *>(begin), size);
    readAddresses(fake_log(), drawn);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].sizes[0] > 0) {
        EXPECT_EQ(drawn.temporaries[drawn.outputs[i]].begin, (i + 2) << 40);
      }
    sideBySide += checkPlaces(drawn, n, begin, begin + size);
    taken += size;
    ASSERT_FALSE(HasFailure());
  }
  // Sharing is what the workspace is for. Most temporaries of these plans die soon.
  EXPECT_LT(taken, sideBySide / 2);
}
