//===- ProductLoadingTest.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How cuBLASLt is found, and products that a provider computes in its place. Each test of loading
// is a process of its own.
//
//===----------------------------------------------------------------------===//

#include "ProductTest.h"

#include <cstdio>

using namespace basin::test;

TEST_F(Product, ProvidersComputeInTheLibrarysPlace) {
  static const basin_rt_product *got;
  got = nullptr;
  basin_rt_status answer = BASIN_RT_OK;
  basin_rt_product_provider provider = {&answer,
                                        [](void *context, const basin_rt_product *product,
                                           int32_t device, void *stream, void *, uint64_t bytes) {
                                          got = product;
                                          EXPECT_EQ(device, 5);
                                          EXPECT_EQ(stream, reinterpret_cast<void *>(0x77));
                                          EXPECT_EQ(bytes, 0u);
                                          return *static_cast<basin_rt_status *>(context);
                                        }};
  ASSERT_EQ(basin_rt_use_products(&provider), BASIN_RT_OK);
  Ones ones(2, 2, 0), empty(0, 2, 2);
  auto run = [&](const Ones &which) {
    return basin_rt_product_run(&which.product, 5, reinterpret_cast<void *>(0x77), nullptr, 0);
  };
  EXPECT_EQ(run(ones), BASIN_RT_OK);
  EXPECT_EQ(got, &ones.product);
  EXPECT_EQ(run(empty), BASIN_RT_OK);
  EXPECT_EQ(got, &ones.product);
  answer = BASIN_RT_OUT_OF_MEMORY;
  EXPECT_EQ(run(ones), BASIN_RT_OUT_OF_MEMORY);
  EXPECT_STREQ(basin_rt_last_error(), "the provider of products failed");
  uint64_t bytes = 1;
  EXPECT_EQ(basin_rt_product_workspace(5, &bytes), BASIN_RT_OK);
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(basin_rt_product_load(5), BASIN_RT_OK);
  // A wrong product does not get there.
  got = nullptr;
  ones.product.m = -1;
  EXPECT_EQ(run(ones), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_EQ(got, nullptr);

  ASSERT_EQ(basin_rt_use_products(nullptr), BASIN_RT_OK);
  Ones again(2, 2, 3);
  EXPECT_EQ(again.run(), BASIN_RT_OK);
  EXPECT_TRUE(again.isAll(6));
  provider.run = nullptr;
  EXPECT_EQ(basin_rt_use_products(&provider), BASIN_RT_INVALID_ARGUMENT);
}

namespace {
/// The tests' bodies run in processes that have loaded nothing. A body ends with its answer.
class ProductLoading : public testing::Test {
protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void answer(const std::string &text) {
  std::fprintf(stderr, "[%s]\n", text.c_str());
  std::exit(0);
}

std::string load(int32_t device = 0) {
  basin_rt_status status = basin_rt_product_load(device);
  return std::string(basin_rt_status_name(status)) +
         (status == BASIN_RT_OK ? "" : std::string(": ") + basin_rt_last_error());
}
} // namespace

TEST_F(ProductLoading, LoadsOnceForEachDevice) {
  EXPECT_EXIT(
      {
        std::string both = load(0) + " " + load(0) + " " + load(1) + " ";
        answer(both + fake_lt_log());
      },
      testing::ExitedWithCode(0), "\\[ok ok ok create\ncreate\n\\]");
}

TEST_F(ProductLoading, AFailedHandleIsTriedAgain) {
  EXPECT_EXIT(
      {
        fake_lt_fail("create", 0, 14);
        std::string first = load();
        answer(first + " " + load());
      },
      testing::ExitedWithCode(0),
      "\\[product library error: cublasLtCreate: CUBLAS_STATUS_INTERNAL_ERROR \\(14\\) ok\\]");
}

TEST_F(ProductLoading, Versions12And13AreTaken) {
  for (auto [version, pattern] :
       {std::pair{120000, "\\[ok\\]"},
        {139999, "\\[ok\\]"},
        {119999, "no product library: no cuBLASLt: libcublasLt.so.13: expected version 12 or 13, "
                 "but got 119999"},
        {140000, "but got 140000"}})
    EXPECT_EXIT(
        {
          fake_lt_set_version(static_cast<size_t>(version));
          answer(load());
        },
        testing::ExitedWithCode(0), pattern);
}

TEST_F(ProductLoading, AWrongPathIsNamedAndAnotherMayFollow) {
  EXPECT_EXIT(
      {
        basin_rt_use_cublaslt("/nowhere/libcublasLt.so.13");
        std::string first = load();
        basin_rt_use_cublaslt("libcublasLt.so.13");
        answer(first + " " + load());
      },
      testing::ExitedWithCode(0),
      "\\[no product library: no cuBLASLt: /nowhere/libcublasLt.so.13: cannot open .* ok\\]");
}

TEST_F(ProductLoading, AnotherLibraryIsNone) {
  EXPECT_EXIT(
      {
        basin_rt_use_cublaslt("libcuda.so.1");
        answer(load());
      },
      testing::ExitedWithCode(0), "libcuda.so.1: it has no function cublasLtGetVersion\\]");
}

TEST_F(ProductLoading, TheLibraryInUseStays) {
  EXPECT_EXIT(
      {
        std::string first = load();
        basin_rt_use_cublaslt("other.so");
        std::string second = basin_rt_last_error();
        basin_rt_use_cublaslt("");
        answer(first + " " + second + " " + basin_rt_last_error());
      },
      testing::ExitedWithCode(0),
      "\\[ok the cuBLASLt libcublasLt.so.13 is already in use expected the path of a cuBLASLt, but "
      "got an empty text\\]");
}
