//===- PlanReaderTest.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans as untrusted input: what is read, what is refused, and the messages. None of this needs a
// driver.
//
//===----------------------------------------------------------------------===//

#include "PlanWriter.h"
#include "basin/Runtime/Runtime.h"

#include <functional>
#include <gtest/gtest.h>

using namespace basin;
using test::kPlan;
using test::kPlanKernels;
using test::planObject;

static std::string messageOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const rt::Error &error) {
    return error.what();
  }
  return "(accepted)";
}

static std::string refusal(const std::string &bytes) {
  return messageOf([&] { (void)rt::Object::fromMemory(bytes.data(), bytes.size()); });
}

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// Returns the message for a change of the plan's JSON.
static std::string changed(const std::string &from, const std::string &to) {
  std::string message = refusal(planObject(replaced(kPlan, from, to)));
  const std::string prefix = "kernel object: ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

TEST(PlanReader, GoodPlanIsDescribed) {
  std::string bytes = planObject();
  rt::Object object = rt::Object::fromMemory(bytes.data(), bytes.size());
  rt::Plan plan = object.plan();
  basin_rt_plan_info info = plan.describe();
  EXPECT_STREQ(info.name, "model");
  EXPECT_EQ(info.input_count, 2u);
  EXPECT_EQ(info.output_count, 2u);
  EXPECT_EQ(info.launch_count, 4u);
  EXPECT_EQ(info.product_count, 1u);
  EXPECT_EQ(info.weight_bytes, 272u);
  EXPECT_STREQ(plan.input(1).name, "mask");
  EXPECT_EQ(plan.input(1).type, BASIN_RT_BOOL);
  EXPECT_EQ(plan.input(1).rank, 1u);
  EXPECT_STREQ(plan.output(0).name, "out");
  EXPECT_EQ(plan.output(0).type, BASIN_RT_F32);
  EXPECT_EQ(plan.output(0).rank, 3u);
  EXPECT_EQ(messageOf([&] { plan.input(2); }), "no input 2: there are 2");
  EXPECT_EQ(messageOf([&] { plan.output(2); }), "no output 2: there are 2");
  EXPECT_EQ(messageOf([&] { object.find("multiply"); }), "the object has no kernel 'multiply'");
}

TEST(PlanReader, ObjectsWithoutPlan) {
  std::string bytes = test::goodObject();
  rt::Object object = rt::Object::fromMemory(bytes.data(), bytes.size());
  EXPECT_EQ(messageOf([&] { object.plan(); }), "the object has no plan of a whole model");
  // Version 1 knows no plan, so there it is an unknown member.
  bytes = replaced(planObject("{}"), "\"version\": 2", "\"version\": 1");
  EXPECT_EQ(refusal(bytes), "(accepted)");
  EXPECT_EQ(refusal(planObject("{}")), "kernel object: plan: expected a member 'name'");
  EXPECT_EQ(refusal(replaced(planObject(), "\"plan\"", "\"plam\"")),
            "kernel object: expected a member 'plan'");
}

TEST(PlanReader, SectionsForOthersAreNoCode) {
  std::string bytes =
      test::object({{"mlir", "sm_90a", "module {}"}, {"weights", "sm_90a", test::planWeights()}},
                   kPlanKernels, "", kPlan);
  rt::Object object = rt::Object::fromMemory(bytes.data(), bytes.size());
  basin_rt_section_info section;
  ASSERT_EQ(basin_rt_object_section(object.get(), 1, &section), BASIN_RT_OK);
  EXPECT_EQ(section.kind, BASIN_RT_WEIGHTS);
  size_t index = 0;
  EXPECT_EQ(basin_rt_object_choose_section(object.get(), 9, 0, &index),
            BASIN_RT_UNSUPPORTED_DEVICE);
  EXPECT_STREQ(basin_rt_last_error(), "the device has compute capability 9.0, but the sections of "
                                      "the object are for: no GPU");
  EXPECT_EQ(refusal(test::object({{"weights", "sm_80", "a"}, {"weights", "sm_90", "b"}}, "")),
            "kernel object: sections: more than one of kind and chip weights");
  // Weights may be any bytes, also none; modules are texts.
  EXPECT_EQ(refusal(test::object({{"weights", "sm_80", ""}}, "")), "(accepted)");
  EXPECT_EQ(refusal(test::object({{"mlir", "sm_80", std::string("a\0b", 3)}}, "")),
            "kernel object: sections[0]: expected text, but got a zero byte");
}

TEST(PlanReader, SizesAreChecked) {
  const std::string size = R"([{"sum": [[8, "batch", "seq"]]}]},
  {"name": "u")";
  auto with = [&](const std::string &to) {
    return changed(size, "[" + to + "]},\n  {\"name\": \"u\"");
  };
  EXPECT_EQ(with("9223372036854775807"), "(accepted)");
  EXPECT_EQ(with("1.5"), "plan.buffers[4].shape[0]: expected an integer or a sum");
  EXPECT_EQ(with("{}"), "plan.buffers[4].shape[0]: expected a member 'sum'");
  EXPECT_EQ(with("{\"sum\": 1}"),
            "plan.buffers[4].shape[0].sum: expected an array, but got an integer");
  EXPECT_EQ(with("{\"sum\": [[]]}"), "plan.buffers[4].shape[0].sum[0]: expected a factor");
  EXPECT_EQ(with("{\"sum\": [[\"seq\"]]}"),
            "plan.buffers[4].shape[0].sum[0][0]: expected an integer, but got a string");
  EXPECT_EQ(with("{\"sum\": [[1, 2]]}"),
            "plan.buffers[4].shape[0].sum[0][1]: expected a string, but got an integer");
  EXPECT_EQ(with("{\"sum\": [[1, \"past\"]]}"), "plan: no input has an axis of the size 'past'");
  std::string many = "[1]", factors = "1", symbols = "[1]";
  for (int i = 0; i < 64; ++i)
    many += ", [1]";
  for (int i = 0; i < 17; ++i)
    factors += ", \"seq\"";
  // The plan has two symbols, and these are 255 more.
  for (int i = 0; i < 51; ++i) {
    symbols += ", [1";
    for (int j = 0; j < 5; ++j)
      symbols += ", \"s" + std::to_string(5 * i + j) + "\"";
    symbols += "]";
  }
  EXPECT_EQ(with("{\"sum\": [" + many + "]}"),
            "plan.buffers[4].shape[0].sum: expected at most 64 elements, but got 65");
  EXPECT_EQ(with("{\"sum\": [[" + factors + "]]}"),
            "plan.buffers[4].shape[0].sum[0]: expected at most 17 elements, but got 18");
  EXPECT_EQ(with("1, 1, 1, 1, 1, 1, 1, 1, 1"),
            "plan.buffers[4].shape: expected at most 8 elements, but got 9");
  EXPECT_EQ(with("{\"sum\": [" + symbols + "]}"),
            "plan.buffers[4].shape[0].sum[51][5]: expected at most 256 symbols");
}

TEST(PlanReader, BuffersAreChecked) {
  EXPECT_EQ(changed("\"name\": \"u\"", "\"name\": \"h\""),
            "plan.buffers[5]: buffer 'h' is defined twice");
  EXPECT_EQ(changed("\"temporary\"", "\"scratch\""),
            "plan.buffers[4].kind: expected one of input, constant, temporary, but got 'scratch'");
  EXPECT_EQ(changed("\"type\": \"f32\"", "\"type\": \"f64\""),
            "plan.buffers[0].type: expected one of f32, f16, bf16, i8, i32, i64, bool, but got "
            "'f64'");
  EXPECT_EQ(changed("\"size\": 128", "\"size\": 124"),
            "plan.buffers[2].size: expected the 128 bytes of the shape, but got 124");
  EXPECT_EQ(changed("\"offset\": 256", "\"offset\": 260"),
            "plan.buffers[3].size: expected a number from 0 to 12, but got 16");
  EXPECT_EQ(changed("\"offset\": 256", "\"offset\": -1"),
            "plan.buffers[3].offset: expected a number from 0 to 272, but got -1");
  EXPECT_EQ(changed("[8, 4]", "[8, {\"sum\": [[1, \"seq\"]]}]"),
            "plan.buffers[2].shape: expected numbers, because it is a constant");
  EXPECT_EQ(changed("[8, 4]", "[4611686018427387904, 4]"),
            "plan.buffers[2].shape: expected sizes of a tensor that fits into memory");
  EXPECT_EQ(refusal(test::object({{"ptx", "sm_80", "text"}}, kPlanKernels, "", kPlan)),
            "kernel object: plan.buffers[2].size: expected a number from 0 to 0, but got 128");
}

TEST(PlanReader, InputsAndOutputsAreChecked) {
  EXPECT_EQ(changed("[\"x\", \"mask\"]", "[\"x\"]"), "plan.inputs: expected the input 'mask'");
  EXPECT_EQ(changed("[\"x\", \"mask\"]", "[\"x\", \"mask\", \"x\"]"),
            "plan.inputs[2]: expected a buffer that is an input and not listed yet");
  EXPECT_EQ(changed("[\"x\", \"mask\"]", "[\"x\", \"mask\", \"w\"]"),
            "plan.inputs[2]: expected a buffer that is an input and not listed yet");
  EXPECT_EQ(changed("[\"x\", \"mask\"]", "[\"x\", \"no\"]"),
            "plan.inputs[1]: the plan has no buffer 'no'");
  EXPECT_EQ(changed("\"sum\", \"buffer\": \"z\"", "\"sum\", \"buffer\": \"x\""),
            "plan.outputs[1].buffer: expected a temporary that a step writes");
  EXPECT_EQ(changed("\"sum\", \"buffer\": \"z\"", "\"sum\", \"buffer\": \"y\""),
            "plan.outputs[1].buffer: 'y' is an output already");
  std::string unwritten = replaced(kPlan, "\"buffers\": [", R"("buffers": [{"name": "v",
    "kind": "temporary", "type": "f32", "shape": []},)");
  EXPECT_EQ(refusal(planObject(replaced(unwritten, "\"buffer\": \"z\"}]", "\"buffer\": \"v\"}]"))),
            "kernel object: plan.outputs[1].buffer: expected a temporary that a step writes");
  EXPECT_EQ(changed("\"name\": \"sum\"", "\"name\": \"out\""),
            "plan.outputs: output 'out' is defined twice");
  EXPECT_EQ(changed("\"at_most\": 512, ", ""), "plan.checks[0]: expected a member 'at_most'");
}

TEST(PlanReader, LaunchesAreChecked) {
  EXPECT_EQ(changed("\"kernel\": \"hide\"", "\"kernel\": \"seek\""),
            "plan.steps[1].kernel: the object has no kernel 'seek'");
  EXPECT_EQ(changed("\"b\": {\"buffer\": \"x\"}, ", ""),
            "plan.steps[0]: expected the argument 'b' of kernel 'add'");
  EXPECT_EQ(changed("\"eps\": -3, ", ""),
            "plan.steps[1]: expected the argument 'eps' of kernel 'hide'");
  EXPECT_EQ(changed("\"eps\": -3", "\"epsilon\": -3"),
            "plan.steps[1].scalars: kernel 'hide' has no scalar 'epsilon'");
  EXPECT_EQ(changed("\"eps\": -3", "\"x\": -3"),
            "plan.steps[1].scalars: kernel 'hide' has no scalar 'x'");
  EXPECT_EQ(changed("\"flags\": {\"buffer\": \"mask\"", "\"rows\": {\"buffer\": \"mask\""),
            "plan.steps[1].tensors: kernel 'hide' has no tensor 'rows'");
  EXPECT_EQ(changed("\"flags\": {\"buffer\": \"mask\"", "\"flags\": {\"buffer\": \"w\""),
            "plan.steps[1].tensors.flags: expected a buffer of the type of the argument");
  EXPECT_EQ(changed("\"a\": {\"buffer\": \"x\"}", "\"a\": {\"buffer\": \"mask\"}"),
            "plan.steps[0].tensors.a: expected a buffer of the type of the argument");
  EXPECT_EQ(changed("\"a\": {\"buffer\": \"x\"}", "\"a\": {\"buffer\": \"v\"}"),
            "plan.steps[0].tensors.a.buffer: the plan has no buffer 'v'");
  std::string kernels = replaced(kPlanKernels, R"("eps", "kind": "scalar", "type": "i64")",
                                 R"("eps", "kind": "scalar", "type": "f32")");
  EXPECT_EQ(refusal(planObject(kPlan, kernels)),
            "kernel object: plan.steps[1].scalars.eps: expected an argument of type i32 or i64, "
            "but got f32");
}

TEST(PlanReader, WritesAndReadsAreChecked) {
  EXPECT_EQ(changed("\"c\": {\"buffer\": \"h\"}", "\"c\": {\"buffer\": \"w\"}"),
            "plan.steps[0].tensors.c: 'w' is written, but is a constant");
  EXPECT_EQ(changed("\"tensors\": {\"x\": {\"buffer\": \"h\"}",
                    "\"tensors\": {\"x\": {\"buffer\": \"x\"}"),
            "plan.steps[1].tensors.x: 'x' is written, but is an input");
  // In place means that the kernel reads what is there.
  EXPECT_EQ(changed("\"tensors\": {\"x\": {\"buffer\": \"h\"}",
                    "\"tensors\": {\"x\": {\"buffer\": \"u\"}"),
            "plan.steps[1].tensors.x: 'u' is read, but no earlier step writes it");
  EXPECT_EQ(changed("\"a\": {\"buffer\": \"x\"}", "\"a\": {\"buffer\": \"z\"}"),
            "plan.steps[0].tensors.a: 'z' is read, but no earlier step writes it");
  EXPECT_EQ(changed("\"c\": {\"buffer\": \"z\"}", "\"c\": {\"buffer\": \"u\"}"),
            "plan.steps[4].tensors: argument 'c' is written, but has the buffer of 'b'");
  EXPECT_EQ(changed("\"a\": {\"buffer\": \"h\"", "\"a\": {\"buffer\": \"z\""),
            "plan.steps[2].product.a: 'z' is read, but no earlier step writes it");
  EXPECT_EQ(changed("\"c\": {\"buffer\": \"y\"", "\"c\": {\"buffer\": \"bias\""),
            "plan.steps[2].product.c: 'bias' is written, but is a constant");
}

TEST(PlanReader, ProductsAreChecked) {
  EXPECT_EQ(changed("\"a\": {\"buffer\": \"h\"", "\"a\": {\"buffer\": \"mask\""),
            "plan.steps[2].product.a: expected a buffer of f32, f16 or bf16");
  std::string half = replaced(kPlan, R"("u", "kind": "temporary", "type": "f32")",
                              R"("u", "kind": "temporary", "type": "f16")");
  EXPECT_EQ(
      refusal(planObject(replaced(half, "\"b\": {\"buffer\": \"w\"", "\"b\": {\"buffer\": \"u\""))),
      "kernel object: plan.steps[2].product.b: expected a buffer of the type of 'a'");
  EXPECT_EQ(
      refusal(planObject(replaced(half, "\"c\": {\"buffer\": \"y\"", "\"c\": {\"buffer\": \"u\""))),
      "kernel object: plan.steps[2].product.c: expected a buffer of f32 or of the type of 'a'");
  EXPECT_EQ(changed("\"bias\": {\"buffer\": \"bias\"}", "\"bias\": {\"buffer\": \"mask\"}"),
            "plan.steps[2].product.bias: expected a buffer of the type of 'c'");
  EXPECT_EQ(changed("\"alpha\": 2", "\"alpha\": 1e39"),
            "plan.steps[2].product.alpha: expected a number that fits f32");
  EXPECT_EQ(changed("\"alpha\": 2", "\"beta\": 2"),
            "plan.steps[2].product: expected a member 'alpha'");
  EXPECT_EQ(changed("\"batch_strides\": []", "\"batch_strides\": [1]"),
            "plan.steps[2].product.a.batch_strides: expected 0 strides, but got 1");
  EXPECT_EQ(changed("\"batch\": []", "\"batch\": [1, 1, 1, 1, 1]"),
            "plan.steps[2].product.batch: expected at most 4 elements, but got 5");
}

TEST(PlanReader, TooManyBuffersAreRefused) {
  std::string many;
  for (int i = 0; i <= 1 << 14; ++i)
    many += "0, ";
  EXPECT_EQ(changed("\"buffers\": [", "\"buffers\": [" + many),
            "plan.buffers: expected at most 16384 elements, but got 16393");
  EXPECT_EQ(changed("\"steps\": [", "\"steps\": [" + many),
            "plan.steps: expected at most 16384 elements, but got 16390");
}
