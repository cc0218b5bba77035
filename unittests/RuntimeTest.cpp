//===- RuntimeTest.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Launches on the fake driver, through the C++ API: what reaches it, byte by byte.
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

using namespace basin;
using rt::Error;
using rt::Kernel;
using rt::Object;

namespace {
class Runtime : public testing::Test {
protected:
  void SetUp() override {
    (void)rt::deviceCount(); // loads the driver, once
    fake_reset();
    bytes = test::goodObject();
    object.emplace(Object::fromMemory(bytes.data(), bytes.size()));
  }
  Kernel kernel(const char *name) { return object->find(name); }
  /// The calls since the last time.
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
  // The object's other kernels run there.
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
            "the device has compute capability 7.0, which none of the object's sections is for: "
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
  // A zero on one axis, too much on another.
  kernel("wide").launch(0, nullptr, wideArguments(0, INT64_MAX));
  EXPECT_EQ(log(), "");
}

TEST_F(Runtime, ResidentBlocksAreNoMoreThanRunAtOnce) {
  std::string text = test::kNormKernel;
  text.insert(1, "\"resident\": true, ");
  bytes = test::object({{"cubin", "sm_90a", test::cubin("for sm_90a")}}, text);
  object.emplace(Object::fromMemory(bytes.data(), bytes.size()));
  EXPECT_TRUE(kernel("norm").describe().is_resident);
  // Two on each of three processors; without a device all of them.
  EXPECT_EQ(kernel("norm").grid(normArguments(4097))[0], 1025u);
  kernel("norm").launch(0, nullptr, normArguments(4097));
  EXPECT_EQ(log(), "retain 0\nload 0 cubin for sm_90a\nfunction norm\noccupancy norm 128 0\n"
                   "launch norm on 0 grid 6 1 1 block 128 1 1 shared 0 stream 0 \n");
  kernel("norm").launch(0, nullptr, normArguments(8));
  EXPECT_EQ(log(), "launch norm on 0 grid 2 1 1 block 128 1 1 shared 0 stream 0 \n");
}

TEST_F(Runtime, GridHasLimits) {
  auto grid = [&](int32_t a, int64_t b) { return kernel("wide").grid(wideArguments(a, b)); };
  EXPECT_EQ(grid(131070, 65535), (std::array<uint32_t, 3>{131070u * 1024u, 65535, 65535}));
  EXPECT_EQ(kernel("norm").grid(normArguments(INT32_MAX))[0], 1u << 29);
  EXPECT_NE(messageOf([&] { grid(1, 65536); }).find("axis 1 of the grid has more than 65535"),
            std::string::npos);
  EXPECT_NE(messageOf([&] { grid(131071, 1); }).find("axis 2"), std::string::npos);
  // 2^31 blocks, one too many; and a product that would not fit 64 bits.
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
