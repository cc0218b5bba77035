//===- RuntimeTest.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Launches on the fake driver through the C++ API. The tests check byte by byte what reaches the
// driver.
//
//===----------------------------------------------------------------------===//

#include "basin/Runtime/Runtime.h"
#include "FakeDriver/FakeDriver.h"
#include "KernelObjectWriter.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

extern "C" int run_norm(const char *path, int32_t device, void *stream, const void *x, void *y,
                        int32_t rows);

extern "C" int run_block(const basin_rt_object *object, int32_t device, void *stream,
                         const basin_rt_tensor *inputs, size_t count,
                         void *(*allocate)(uint64_t bytes), basin_rt_tensor *output);

using namespace basin;
using rt::Error;
using rt::Kernel;
using rt::Object;

namespace {
class Runtime : public testing::Test {
protected:
  void SetUp() override {
    (void)rt::deviceCount(); // loads the driver once
    fake_reset();
    bytes = test::goodObject();
    object.emplace(Object::fromMemory(bytes.data(), bytes.size()));
  }
  Kernel kernel(const char *name) { return object->find(name); }
  /// Returns the calls since the last time.
  std::string log() {
    std::string text = fake_log();
    std::string fresh = text.substr(seen);
    seen = text.size();
    return fresh;
  }

  std::string bytes;
  std::optional<Object> object;
  size_t seen = 0;
};
} // namespace

static const void *address(uint64_t value) { return reinterpret_cast<const void *>(value); }

static std::vector<basin_rt_argument> normArguments(int32_t rows) {
  return {rt::pointer(BASIN_RT_BF16, address(0x1000)), rt::pointer(BASIN_RT_BF16, address(0x2000)),
          rt::scalar(rows)};
}

static std::vector<basin_rt_argument> wideArguments(int32_t a, int64_t b) {
  return {rt::pointer(BASIN_RT_F32, address(0x123456789abcdef4)), rt::scalar(a), rt::scalar(b),
          rt::scalar(1.5f)};
}

template <typename Body> static std::string messageOf(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error.what();
  }
  return "(no error)";
}

TEST_F(Runtime, LaunchLoadsOnceAndPassesArguments) {
  int sizes[] = {8, 8, 4};
  fake_set_parameter_sizes(sizes, 3);
  kernel("norm").launch(0, address(0x77), normArguments(4097));
  EXPECT_EQ(log(), "retain 0\nload 0 cubin for sm_90a\nfunction norm\n"
                   "launch norm on 0 grid 1025 1 1 block 128 1 1 shared 0 stream 119 "
                   "0000000000001000,0000000000002000,00001001\n");
  kernel("norm").launch(0, nullptr, normArguments(1));
  EXPECT_EQ(log(), "launch norm on 0 grid 1 1 1 block 128 1 1 shared 0 stream 0 "
                   "0000000000001000,0000000000002000,00000001\n");
  object.reset();
  EXPECT_EQ(log(), "synchronize\nunload\nrelease 0\n");
}

TEST_F(Runtime, MuchSharedMemoryIsAskedFor) {
  int sizes[] = {8, 4, 8, 4};
  fake_set_parameter_sizes(sizes, 4);
  kernel("wide").launch(0, nullptr, wideArguments(3, 65));
  EXPECT_EQ(log(), "retain 0\nload 0 cubin for sm_90a\nfunction wide\nattribute wide 8 65536\n"
                   "launch wide on 0 grid 6 65 2 block 32 4 2 shared 65536 stream 0 "
                   "123456789abcdef4,00000003,0000000000000041,3fc00000\n");
}

TEST_F(Runtime, DeviceWithLessSharedMemoryIsRefused) {
  EXPECT_EQ(messageOf([&] { kernel("wide").launch(1, nullptr, wideArguments(3, 65)); }),
            "wide: needs 65536 bytes of shared memory, but a block has 49152 on this device");
  // The other kernels of the object still run there.
  kernel("norm").launch(1, nullptr, normArguments(1));
}

TEST_F(Runtime, EachDeviceGetsItsSection) {
  kernel("norm").load(1);
  EXPECT_EQ(log(), "retain 1\nload 1 cubin for sm_80\nfunction norm\n");
  fake_set_capability(0, 10, 0);
  kernel("norm").load(0);
  EXPECT_EQ(log(), "retain 0\nload 0 ptx of sm_80\nfunction norm\n");
}

TEST_F(Runtime, UnsupportedDeviceIsNamed) {
  fake_set_capability(0, 7, 0);
  EXPECT_EQ(messageOf([&] { kernel("norm").load(0); }),
            "the device has compute capability 7.0, but the sections of the object are for: "
            "cubin sm_90a, cubin sm_80, PTX sm_80");
  EXPECT_EQ(messageOf([&] { kernel("norm").load(2); }), "no device 2: there are 2");
}

TEST_F(Runtime, CurrentDevice) {
  EXPECT_NE(messageOf([&] {
              kernel("norm").load(BASIN_RT_CURRENT_DEVICE);
            }).find("no current CUDA context"),
            std::string::npos);
  fake_set_current_device(1);
  kernel("norm").load(BASIN_RT_CURRENT_DEVICE);
  EXPECT_EQ(log(), "retain 1\nload 1 cubin for sm_80\nfunction norm\n");
}

TEST_F(Runtime, ErrorsOfTheDriverHaveNamesAndAreNotKept) {
  fake_set_capability(0, 10, 0);
  fake_fail("load", 218);
  EXPECT_EQ(messageOf([&] { kernel("norm").load(0); }),
            "cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX (218): a PTX JIT compilation failed "
            "(section for sm_80)\nline 7: no such instruction");
  kernel("norm").load(0);
  fake_fail("launch", 2);
  EXPECT_EQ(messageOf([&] { kernel("norm").launch(0, nullptr, normArguments(1)); }),
            "norm: cuLaunchKernel: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  fake_fail("function", 500);
  EXPECT_EQ(messageOf([&] { kernel("wide").load(0); }),
            "wide: cuModuleGetFunction: unknown error (500): no description");
  kernel("wide").load(0);
}

TEST_F(Runtime, ArgumentsAreChecked) {
  auto launch = [&](std::vector<basin_rt_argument> arguments) {
    return messageOf([&] { kernel("norm").launch(0, nullptr, arguments); });
  };
  auto with = [](size_t i, basin_rt_argument argument) {
    auto out = normArguments(4);
    out[i] = argument;
    return out;
  };
  EXPECT_EQ(launch({}), "norm: expected 3 arguments, but got 0");
  EXPECT_EQ(launch(with(0, rt::pointer(BASIN_RT_F16, address(16)))),
            "norm: argument 'x': expected a pointer to bf16, but got a pointer to f16");
  EXPECT_EQ(launch(with(2, rt::scalar(int64_t(4)))),
            "norm: argument 'rows': expected a scalar i32, but got a scalar i64");
  EXPECT_EQ(launch(with(2, rt::pointer(BASIN_RT_I32, address(16)))),
            "norm: argument 'rows': expected a scalar i32, but got a pointer to i32");
  EXPECT_EQ(launch(with(1, rt::pointer(BASIN_RT_BF16, nullptr))), "norm: argument 'y' is null");
  EXPECT_EQ(launch(with(1, rt::pointer(BASIN_RT_BF16, address(8)))),
            "norm: argument 'y': expected a pointer aligned to 16 bytes");
  EXPECT_EQ(launch(with(1, rt::pointer(BASIN_RT_BF16, address(0x1000)))),
            "norm: argument 'y' is written, but is the same pointer as 'x'");
  EXPECT_EQ(launch(normArguments(-1)), "norm: argument 'rows': expected a size, but got -1");
  EXPECT_EQ(log(), "");
}

TEST_F(Runtime, LaunchOfNothingDoesNothing) {
  auto arguments = normArguments(0);
  arguments[0].value.pointer = nullptr;
  kernel("norm").launch(0, nullptr, arguments);
  // One axis is zero, and another is too large.
  kernel("wide").launch(0, nullptr, wideArguments(0, INT64_MAX));
  EXPECT_EQ(log(), "");
}

TEST_F(Runtime, ResidentBlocksAreNoMoreThanRunAtOnce) {
  std::string text = test::kNormKernel;
  text.insert(1, "\"resident\": true, ");
  bytes = test::object({{"cubin", "sm_90a", test::cubin("for sm_90a")}}, text);
  object.emplace(Object::fromMemory(bytes.data(), bytes.size()));
  EXPECT_TRUE(kernel("norm").describe().is_resident);
  // Two blocks run on each of three processors. Without a device the grid has all of them.
  EXPECT_EQ(kernel("norm").grid(normArguments(4097))[0], 1025u);
  kernel("norm").launch(0, nullptr, normArguments(4097));
  EXPECT_EQ(log(), "retain 0\nload 0 cubin for sm_90a\nfunction norm\noccupancy norm 128 0\n"
                   "launch norm on 0 grid 6 1 1 block 128 1 1 shared 0 stream 0 \n");
  kernel("norm").launch(0, nullptr, normArguments(8));
  EXPECT_EQ(log(), "launch norm on 0 grid 2 1 1 block 128 1 1 shared 0 stream 0 \n");
}

namespace {
/// Tests the function of functionObject(): h = add(x, w) in the workspace, sum = add(h, w).
class RuntimeFunction : public Runtime {
protected:
  void SetUp() override {
    Runtime::SetUp();
    bytes = test::functionObject();
    object.emplace(Object::fromMemory(bytes.data(), bytes.size()));
    function.emplace(object->findFunction("block"));
    int64_t ofX[] = {5, 64}, ofW[] = {64, 16};
    inputs = {basin_rt_contiguous(BASIN_RT_BF16, address(0x10000), 2, ofX),
              basin_rt_contiguous(BASIN_RT_BF16, address(0x20000), 2, ofW)};
    // The matrix is transposed in memory.
    inputs[1].strides[0] = 1;
    inputs[1].strides[1] = 64;
  }
  /// Returns the message with which the plan or the launch refuses these inputs.
  std::string refusal(std::vector<basin_rt_tensor> given) {
    return messageOf([&] {
      auto [outputs, size] = function->plan(given);
      outputs[0].pointer = address(0x30000);
      function->launch(0, nullptr, given, outputs, const_cast<void *>(address(0x40000)), size);
    });
  }

  std::optional<rt::Function> function;
  std::vector<basin_rt_tensor> inputs;
};
} // namespace

TEST_F(RuntimeFunction, IsDescribed) {
  EXPECT_EQ(basin_rt_object_function_count(object->get()), 1u);
  basin_rt_function_info info = function->describe();
  EXPECT_STREQ(info.name, "block");
  EXPECT_EQ(info.input_count, 2u);
  EXPECT_EQ(info.output_count, 1u);
  EXPECT_EQ(info.step_count, 2u);
  EXPECT_STREQ(function->input(1).name, "w");
  EXPECT_EQ(function->input(1).type, BASIN_RT_BF16);
  EXPECT_TRUE(function->input(1).is_transposed);
  EXPECT_FALSE(function->input(0).is_transposed);
  EXPECT_STREQ(function->output(0).name, "sum");
  EXPECT_EQ(messageOf([&] { object->findFunction("blocks"); }),
            "the object has no function 'blocks'");
  EXPECT_EQ(messageOf([&] { function->input(2); }), "no input 2: there are 2");
}

TEST_F(RuntimeFunction, LaunchesItsStepsInOrder) {
  auto [outputs, size] = function->plan(inputs);
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].rank, 2u);
  EXPECT_EQ(outputs[0].sizes[0], 10);
  EXPECT_EQ(outputs[0].sizes[1], 16);
  EXPECT_EQ(outputs[0].strides[0], 16);
  // The first 256 bytes are for tensors without elements. Then comes h, [5, 64] with two bytes for
  // each element.
  EXPECT_EQ(size, 256u + 768u);
  EXPECT_EQ(log(), "");
  function->load(0);
  EXPECT_EQ(log(), "retain 0\nload 0 ptx of sm_80\nfunction add\n");
  int sizes[] = {8, 8, 8, 4, 8};
  fake_set_parameter_sizes(sizes, 5);
  outputs[0].pointer = address(0x30000);
  function->launch(0, address(0x77), inputs, outputs, const_cast<void *>(address(0x40000)), size);
  EXPECT_EQ(log(),
            "launch add on 0 grid 5 1 1 block 32 1 1 shared 0 stream 119 "
            "0000000000010000,0000000000020000,0000000000040100,00000005,0000000000000040\n"
            "launch add on 0 grid 10 1 1 block 32 1 1 shared 0 stream 119 "
            "0000000000040100,0000000000020000,0000000000030000,0000000a,0000000000000040\n");
  // Rows need not be neighbours. The stride of an axis of size 1 is 0.
  inputs[0].strides[0] = 72;
  function->launch(0, nullptr, inputs, outputs, const_cast<void *>(address(0x40000)), size);
  EXPECT_NE(log().find("0000000000040100,00000005,0000000000000048\n"), std::string::npos);
  inputs[0].sizes[0] = 1;
  outputs = function->plan(inputs).first;
  outputs[0].pointer = address(0x30000);
  function->launch(0, nullptr, inputs, outputs, const_cast<void *>(address(0x40000)), size);
  EXPECT_NE(log().find("0000000000040100,00000001,0000000000000000\n"), std::string::npos);
}

TEST_F(RuntimeFunction, ExampleInC) {
  static std::vector<uint64_t> asked;
  asked.clear();
  auto allocate = [](uint64_t bytes) {
    asked.push_back(bytes);
    return const_cast<void *>(address(0x100000 * asked.size()));
  };
  basin_rt_tensor output;
  EXPECT_TRUE(
      run_block(object->get(), 0, nullptr, inputs.data(), inputs.size(), allocate, &output));
  EXPECT_EQ(asked, (std::vector<uint64_t>{10 * 16 * 2, 1024}));
  EXPECT_EQ(output.pointer, address(0x100000));
  EXPECT_NE(log().find("launch add on 0 grid 10 1 1"), std::string::npos);
  EXPECT_FALSE(run_block(object->get(), 0, nullptr, inputs.data(), 1, allocate, &output));
}

TEST_F(RuntimeFunction, OfNothingLaunchesNothing) {
  inputs[0].sizes[0] = 0;
  inputs[0].pointer = nullptr;
  EXPECT_EQ(refusal(inputs), "(no error)");
  EXPECT_EQ(log(), "");
}

TEST_F(RuntimeFunction, TensorsAreChecked) {
  auto with = [&](size_t input, auto change) {
    std::vector<basin_rt_tensor> out = inputs;
    change(out[input]);
    return refusal(out);
  };
  EXPECT_EQ(refusal({inputs[0]}), "block: expected 2 inputs, but got 1");
  EXPECT_EQ(with(0, [](auto &x) { x.type = BASIN_RT_F16; }),
            "block: 'x': expected a tensor of the input's type");
  EXPECT_EQ(with(0, [](auto &x) { x.rank = 9; }), "block: 'x': expected at most 8 axes, but got 9");
  EXPECT_EQ(with(0, [](auto &x) { x.rank = 1; }),
            "block: 'x': expected an axis 1, but its rank is 1");
  EXPECT_EQ(with(0, [](auto &x) { x.sizes[0] = -1; }),
            "block: 'x': expected sizes of a tensor that fits into memory");
  EXPECT_EQ(with(0, [](auto &x) { x.sizes[0] = INT64_MAX / 2; }),
            "block: 'x': expected sizes of a tensor that fits into memory");
  EXPECT_EQ(with(0, [](auto &x) { x.strides[0] = INT64_MAX / 2; }),
            "block: 'x': expected strides that are not negative and stay in memory");
  EXPECT_EQ(with(0, [](auto &x) { x.strides[0] = 65; }),
            "block: 'x': expected rows side by side that begin at multiples of 16 bytes");
  EXPECT_EQ(with(0, [](auto &x) { x.strides[0] = 1, x.strides[1] = 8; }),
            "block: 'x': expected rows side by side that begin at multiples of 16 bytes");
  EXPECT_EQ(
      with(1, [](auto &w) { w.strides[0] = 16, w.strides[1] = 1; }),
      "block: 'w': expected a matrix that is contiguous when its last two axes are exchanged");
  EXPECT_EQ(with(0, [](auto &x) { x.pointer = nullptr; }), "add: argument 'a' is null");
  EXPECT_EQ(with(1, [](auto &w) { w.pointer = address(0x20008); }),
            "add: argument 'b': expected a pointer aligned to 16 bytes");
  // w reaches 16 bytes into `sum`, and x is in the workspace where h is.
  EXPECT_EQ(with(1, [](auto &w) { w.pointer = address(0x30000 - 2048 + 16); }),
            "block: 'sum': is written, but shares memory with 'w'");
  EXPECT_EQ(with(0, [](auto &x) { x.pointer = address(0x40120); }),
            "block: 'h': is written, but shares memory with 'x'");
  // This would do no harm, because the first step reads x and only the second one writes sum. It is
  // refused nevertheless.
  EXPECT_EQ(with(0, [](auto &x) { x.pointer = address(0x30000); }),
            "block: 'sum': is written, but shares memory with 'x'");
  // Inputs may overlap each other.
  EXPECT_EQ(with(0, [](auto &x) { x.strides[0] = 128, x.pointer = address(0x20000); }),
            "(no error)");
  EXPECT_NE(log(), "");
  // An i32 cannot count the rows.
  EXPECT_EQ(with(0, [](auto &x) { x.sizes[0] = int64_t(1) << 31; }),
            "block: 'rows': 2147483648 does not fit i32");
  EXPECT_EQ(log(), "");
}

TEST_F(RuntimeFunction, OutputsAndWorkspaceAreChecked) {
  auto [outputs, size] = function->plan(inputs);
  outputs[0].pointer = address(0x30000);
  auto launch = [&](std::vector<basin_rt_tensor> out, uint64_t workspace, uint64_t bytes) {
    return messageOf([&] {
      function->launch(0, nullptr, inputs, out, const_cast<void *>(address(workspace)), bytes);
    });
  };
  EXPECT_EQ(launch({}, 0x40000, size), "block: expected 1 outputs, but got 0");
  std::string workspace = "block: expected a workspace of 1024 bytes, aligned to 256";
  EXPECT_EQ(launch(outputs, 0x40000, size - 1), workspace);
  EXPECT_EQ(launch(outputs, 0x40010, size), workspace);
  EXPECT_EQ(launch(outputs, 0, size), workspace);
  std::vector<basin_rt_tensor> other = outputs;
  other[0].sizes[0] = 9;
  std::string sum =
      "block: 'sum': expected a contiguous tensor of the type and sizes that the plan says";
  EXPECT_EQ(launch(other, 0x40000, size), sum);
  other = outputs;
  other[0].strides[0] = 17;
  EXPECT_EQ(launch(other, 0x40000, size), sum);
  EXPECT_EQ(log(), "");
}

TEST_F(Runtime, GridHasLimits) {
  auto grid = [&](int32_t a, int64_t b) { return kernel("wide").grid(wideArguments(a, b)); };
  EXPECT_EQ(grid(131070, 65535), (std::array<uint32_t, 3>{131070u * 1024u, 65535, 65535}));
  EXPECT_EQ(kernel("norm").grid(normArguments(INT32_MAX))[0], 1u << 29);
  EXPECT_NE(messageOf([&] { grid(1, 65536); }).find("axis 1 of the grid has more than 65535"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { grid(131071, 1); }).find("axis 2"), std::string::npos);
  // The first grid has 2^31 blocks, which is one too many. The product of the second does not fit
  // 64 bits.
  EXPECT_NE(messageOf([&] { grid(1 << 21, 1 << 16); }).find("axis 0"), std::string::npos);
  EXPECT_NE(messageOf([&] { grid(INT32_MAX, INT64_MAX); }).find("axis 0"), std::string::npos);
}

TEST_F(Runtime, ThreadsLoadOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] { kernel("norm").launch(0, nullptr, normArguments(4)); });
  for (std::thread &thread : threads)
    thread.join();
  std::string text = log();
  auto count = [&](const std::string &line) {
    unsigned out = 0;
    for (size_t at = 0; (at = text.find(line, at)) != std::string::npos; ++at)
      ++out;
    return out;
  };
  EXPECT_EQ(count("retain 0\n"), 1u);
  EXPECT_EQ(count("load 0 "), 1u);
  EXPECT_EQ(count("function norm\n"), 1u);
  EXPECT_EQ(count("launch norm "), 16u);
}

TEST_F(Runtime, Devices) {
  EXPECT_EQ(rt::deviceCount(), 2);
  EXPECT_EQ(rt::deviceCapability(1), (std::pair<int32_t, int32_t>{8, 6}));
  EXPECT_NE(messageOf([] { rt::useDriver("libother.so"); }).find("already in use"),
            std::string::npos);
}

TEST_F(Runtime, ExampleInC) {
  std::string path = testing::TempDir() + "basin-example.bko";
  std::ofstream(path, std::ios::binary) << bytes;
  void *y = const_cast<void *>(address(0x2000));
  EXPECT_TRUE(run_norm(path.c_str(), 0, nullptr, address(0x1000), y, 5));
  EXPECT_EQ(log(), "retain 0\nload 0 cubin for sm_90a\nfunction norm\n"
                   "launch norm on 0 grid 2 1 1 block 128 1 1 shared 0 stream 0 \n"
                   "synchronize\nunload\nrelease 0\n");
  std::remove(path.c_str());
  EXPECT_FALSE(run_norm(path.c_str(), 0, nullptr, address(0x1000), y, 5));
}
