//===- ProductLibraryTest.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the runtime asks of cuBLASLt and when, what it keeps, errors and threads.
//
//===----------------------------------------------------------------------===//

#include "Allocations.h"
#include "ProductTest.h"

#include <algorithm>
#include <thread>

using namespace basin::test;

TEST_F(Product, TheFirstRunAsksAndLaterOnesDoNot) {
  int64_t k = freshSizes();
  std::string inner = std::to_string(k);
  Ones ones(2, 3, k, {4});
  Memory biases(512);
  auto bias = [&](int64_t which) {
    float *out = reinterpret_cast<float *>(biases.data.get()) + 64 * which;
    std::fill_n(out, 3, static_cast<float>(7 + which));
    return out;
  };
  ones.product.bias = bias(0);
  size_t before = countAllocations();
  ASSERT_EQ(ones.run(), BASIN_RT_OK) << basin_rt_last_error();
  EXPECT_GT(countAllocations(), before);
  EXPECT_TRUE(ones.isAll(static_cast<float>(2 * k + 7)));
  std::string call = "multiply NN 3 x 2 x " + inner + " batch 4 stream 0\n";
  std::string text = log();
  EXPECT_EQ(text.substr(0, text.find("find")),
            "operation 68 0\noperation-set 3\noperation-set 4\noperation-set 7\noperation-set 8\n"
            "layout 0 3 x " +
                inner +
                ", 3\nlayout-set 5\nlayout-set 6\n"
                "layout 0 " +
                inner + " x 2, " + inner +
                "\nlayout-set 5\nlayout-set 6\n"
                "layout 0 3 x 2, 3\nlayout-set 5\nlayout-set 6\n"
                "preference\npreference-set 1\npreference-set 3\npreference-set 5\n"
                "preference-set 6\npreference-set 7\npreference-set 8\n");
  EXPECT_TRUE(text.ends_with("schemes 2 batch 4\noperation-set 8\n" + call));

  ones.product.bias = bias(1);
  ones.product.alpha = 2;
  before = countAllocations();
  basin_rt_status status = ones.run();
  EXPECT_EQ(countAllocations(), before);
  ASSERT_EQ(status, BASIN_RT_OK);
  EXPECT_TRUE(ones.isAll(static_cast<float>(4 * k + 8)));
  EXPECT_EQ(log(), "operation-set 8\n" + call);
}

TEST_F(Product, AlignmentIsPartOfTheQuestion) {
  constexpr int64_t each = 1 << 16;
  Memory memory(5 * each);
  auto at = [&](int64_t bytes) { return memory.data.get() + bytes; };
  Ones ones(2, 2, freshSizes());
  ones.product.a.pointer = at(256), ones.product.b.pointer = at(each + 8);
  ones.product.c.pointer = at(2 * each + 16);
  auto asked = [&] {
    EXPECT_EQ(ones.run(), BASIN_RT_OK) << basin_rt_last_error();
    std::string text = log();
    size_t begin = text.find("find ");
    return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
  };
  // The factors are exchanged, because c has rows.
  EXPECT_EQ(asked(), "find workspace 1024 alignments 8 256 16 16 bias 0 schemes 2 batch 1");
  ones.product.a.pointer = at(256 + 4);
  EXPECT_EQ(asked(), "find workspace 1024 alignments 8 4 16 16 bias 0 schemes 2 batch 1");
  ones.product.a.pointer = at(256 + 12);
  EXPECT_EQ(asked(), "");
  ones.product.bias = at(3 * each + 4);
  EXPECT_EQ(asked(), "find workspace 1024 alignments 8 4 16 16 bias 4 schemes 2 batch 1");
  // No pointer counts as better aligned than the plan can say.
  ones.product.bias = at(4 * each);
  EXPECT_EQ(asked(), "find workspace 1024 alignments 8 4 16 16 bias 256 schemes 2 batch 1");
  ones.product.bias = at(4 * each + 256);
  EXPECT_EQ(asked(), "");
}

TEST_F(Product, ShapesAreToldApart) {
  constexpr int64_t each = 1 << 18;
  Memory memory(4 * each);
  std::fill_n(memory.data.get(), 4 * each, 0);
  int64_t distance = freshSizes(2); // of the rows of c
  uint64_t workspace = 1024;
  Ones ones(1, 1, 1);
  auto setUp = [&](auto change) {
    workspace = 1024;
    ones.product = {};
    ones.product.m = ones.product.n = ones.product.k = 8;
    const char *begin = memory.data.get();
    ones.product.a = basin_rt_rows(begin, 8);
    ones.product.b = basin_rt_rows(begin + each, 8);
    ones.product.c = basin_rt_rows(begin + 2 * each, distance);
    change(ones.product);
  };
  auto asks = [&](auto change) {
    setUp(change);
    EXPECT_EQ(basin_rt_product_run(&ones.product, 0, nullptr, ones.workspace.data.get(), workspace),
              BASIN_RT_OK)
        << basin_rt_last_error();
    return log().find("find") != std::string::npos;
  };
  auto same = [](auto &) {};
  EXPECT_TRUE(asks(same));
  auto isAskedOnce = [&](auto change) { return asks(change) && !asks(change) && !asks(same); };
  EXPECT_TRUE(isAskedOnce([](auto &p) { std::swap(p.a.row_stride, p.a.column_stride); }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { std::swap(p.b.row_stride, p.b.column_stride); }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { ++p.a.row_stride; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { ++p.b.row_stride; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { ++p.c.row_stride; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { --p.m; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { --p.n; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { --p.k; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { p.allow_tf32 = 1; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { p.type = BASIN_RT_F16; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { p.type = p.result_type = BASIN_RT_F16; }));
  EXPECT_TRUE(isAskedOnce([](auto &p) { p.type = p.result_type = BASIN_RT_BF16; }));
  EXPECT_TRUE(isAskedOnce([&](auto &) { workspace = 512; }));
  EXPECT_TRUE(isAskedOnce([&](auto &p) { p.bias = memory.data.get() + 3 * each; }));
  auto batched = [&](auto &p) {
    p.batch_rank = 1, p.batch[0] = 2;
    p.c.batch_strides[0] = 8 * distance;
  };
  EXPECT_TRUE(isAskedOnce(batched));
  EXPECT_TRUE(isAskedOnce([&](auto &p) { batched(p), p.a.batch_strides[0] = 64; }));
  EXPECT_TRUE(isAskedOnce([&](auto &p) { batched(p), p.b.batch_strides[0] = 64; }));
  EXPECT_TRUE(isAskedOnce([&](auto &p) { batched(p), p.c.batch_strides[0] += 64; }));
  EXPECT_TRUE(isAskedOnce([&](auto &p) { batched(p), p.batch[0] = 3; }));
  EXPECT_FALSE(asks([](auto &p) { p.alpha = 3; }));
  EXPECT_FALSE(asks([](auto &p) { std::swap(p.a.pointer, p.b.pointer); }));
}

TEST_F(Product, TF32IsOnlyUsedIfAllowed) {
  Ones ones(2, 2, freshSizes());
  ones.product.allow_tf32 = 1;
  ASSERT_EQ(ones.run(), BASIN_RT_OK);
  EXPECT_TRUE(log().starts_with("operation 77 0\n"));
  ones.product.allow_tf32 = 0;
  ASSERT_EQ(ones.run(), BASIN_RT_OK);
  EXPECT_TRUE(log().starts_with("operation 68 0\n"));
  // Products of f16 have no such choice.
  ones.product.type = BASIN_RT_F16;
  ones.product.allow_tf32 = 1;
  ASSERT_EQ(ones.run(), BASIN_RT_OK);
  EXPECT_TRUE(log().starts_with("operation 68 0\n"));
}

TEST_F(Product, EachErrorIsReportedAndLeavesNothing) {
  struct {
    const char *function, *call;
    int count; // of calls in the first run of a shape
  } functions[] = {{"operation", "cublasLtMatmulDescCreate", 1},
                   {"operation-set", "cublasLtMatmulDescSetAttribute", 5},
                   {"layout", "cublasLtMatrixLayoutCreate", 3},
                   {"layout-set", "cublasLtMatrixLayoutSetAttribute", 6},
                   {"preference", "cublasLtMatmulPreferenceCreate", 1},
                   {"preference-set", "cublasLtMatmulPreferenceSetAttribute", 6},
                   {"find", "cublasLtMatmulAlgoGetHeuristic", 1},
                   {"multiply", "cublasLtMatmul", 1}};
  // The other tests do not use this device, so no plan of it goes.
  for (auto [function, call, calls] : functions)
    for (int i = 0; i < calls; ++i) {
      int64_t k = freshSizes();
      Ones ones(2, 2, k, {2});
      ones.product.bias = ones.bias.data();
      int live = fake_lt_live();
      fake_lt_fail(function, i, 14);
      EXPECT_EQ(ones.run(1), BASIN_RT_PRODUCT_LIBRARY_ERROR);
      EXPECT_EQ(basin_rt_last_error(), std::string(call) + ": CUBLAS_STATUS_INTERNAL_ERROR (14)");
      // A plan that was made is kept, even if the product could not be enqueued. The last call that
      // sets an attribute gives the plan its bias.
      bool isPlanned = call == std::string("cublasLtMatmul") || (calls == 5 && i == 4);
      EXPECT_EQ(fake_lt_live(), live + (isPlanned ? 4 : 0)) << function << i;
      EXPECT_EQ(ones.run(1), BASIN_RT_OK) << function << i << ": " << basin_rt_last_error();
      EXPECT_TRUE(ones.isAll(static_cast<float>(2 * k + 7)));
      EXPECT_EQ(fake_lt_live(), live + 4);
    }
}

TEST_F(Product, WithoutAnAlgorithmItIsAnError) {
  Ones ones(2, 2, freshSizes());
  int live = fake_lt_live();
  fake_lt_find_nothing();
  EXPECT_EQ(ones.run(), BASIN_RT_PRODUCT_LIBRARY_ERROR);
  EXPECT_STREQ(basin_rt_last_error(),
               "cublasLtMatmulAlgoGetHeuristic: no algorithm for the product "
               "with a workspace of 1024 bytes");
  EXPECT_EQ(fake_lt_live(), live);
}

TEST_F(Product, ErrorsOfTheDriverAreReported) {
  Ones ones(2, 2, 0);
  fake_fail("memset", 2);
  EXPECT_EQ(ones.run(), BASIN_RT_DRIVER_ERROR);
  EXPECT_STREQ(basin_rt_last_error(),
               "cuMemsetD2D8Async: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
  EXPECT_EQ(ones.run(9), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "no device 9: there are 2");
}

TEST_F(Product, PlansAreBounded) {
  int64_t first = freshSizes(300);
  Ones ones(1, 1, first + 300);
  auto run = [&](int64_t k) {
    ones.product.k = k;
    EXPECT_EQ(ones.run(), BASIN_RT_OK) << basin_rt_last_error();
    return log().find("find") != std::string::npos;
  };
  for (int64_t i = 0; i < 300; ++i)
    EXPECT_TRUE(run(first + i));
  // The plan of one product is two descriptors of factors, one of the result and an operation.
  EXPECT_LE(fake_lt_live(), 2 * 256 * 4);
  EXPECT_FALSE(run(first + 299));
  EXPECT_FALSE(run(first + 44));
  EXPECT_TRUE(run(first));
  // The last run took the place of the one that was not used for longest.
  EXPECT_FALSE(run(first + 44));
  EXPECT_TRUE(run(first + 45));
}

TEST_F(Product, ThreadsShareAPlan) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 50; ++turn) {
        Ones ones(2, 3, 19 + i % 2);
        // The pointer of the bias is part of the plan that the threads share.
        ones.bias.assign(3, static_cast<float>(1000 * i + turn));
        ones.product.bias = ones.bias.data();
        bool isRight = ones.run() == BASIN_RT_OK &&
                       ones.isAll(static_cast<float>(2 * (19 + i % 2) + 1000 * i + turn));
        wrong += !isRight;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Product, WorkspaceIsChecked) {
  Ones ones(2, 2, 21);
  auto refusal = [&](const void *workspace, uint64_t bytes) -> std::string {
    basin_rt_status status =
        basin_rt_product_run(&ones.product, 0, nullptr, const_cast<void *>(workspace), bytes);
    return status == BASIN_RT_OK ? "" : basin_rt_last_error();
  };
  const char *workspace = ones.workspace.data.get();
  std::string expected = "product: expected a workspace of 512 bytes, aligned to 256";
  EXPECT_EQ(refusal(workspace + 128, 512), expected);
  EXPECT_EQ(refusal(nullptr, 512), expected);
  EXPECT_EQ(refusal(nullptr, 0), "");
  EXPECT_EQ(refusal(workspace + 256, 512), "");
}

TEST_F(Product, WorkspaceDependsOnTheDevice) {
  uint64_t bytes = 0;
  EXPECT_EQ(basin_rt_product_workspace(0, &bytes), BASIN_RT_OK);
  EXPECT_EQ(bytes, uint64_t(32) << 20);
  EXPECT_EQ(basin_rt_product_workspace(1, &bytes), BASIN_RT_OK);
  EXPECT_EQ(bytes, uint64_t(4) << 20);
}
