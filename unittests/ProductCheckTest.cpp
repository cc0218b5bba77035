//===- ProductCheckTest.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is refused of a product, and why.
//
//===----------------------------------------------------------------------===//

#include "ProductTest.h"

using namespace basin::test;

namespace {
/// A product of 4 x 6 x 5 in batches of 2 and 3.
class ProductCheck : public testing::Test {
protected:
  /// Returns why the product is refused after a change.
  template <typename Change> std::string with(Change change) {
    basin_rt_product product = ones.product;
    change(product);
    return basin_rt_product_check(&product) == BASIN_RT_OK ? "" : basin_rt_last_error();
  }
  Ones ones{4, 6, 5, {2, 3}};
};
} // namespace

TEST_F(ProductCheck, RightOnesPass) {
  EXPECT_EQ(with([](auto &) {}), "");
  EXPECT_EQ(with([&](auto &p) { p.bias = ones.bias.data(); }), "");
  // Inputs may share memory and repeat.
  EXPECT_EQ(with([](auto &p) { p.b.pointer = p.a.pointer; }), "");
  EXPECT_EQ(with([](auto &p) { p.a.batch_strides[0] = p.a.batch_strides[1] = 0; }), "");
  // The stride along an axis with one element is not looked at.
  EXPECT_EQ(with([](auto &p) { p.m = 1, p.a.row_stride = p.c.row_stride = -7; }), "");
  EXPECT_EQ(with([](auto &p) { p.k = 1, p.a.row_stride = 3, p.a.column_stride = 9; }), "");
  EXPECT_EQ(with([](auto &p) { p.batch[0] = 1, p.c.batch_strides[0] = INT64_MIN; }), "");
  // Without results nothing but sizes and types is.
  EXPECT_EQ(with([](auto &p) { p.n = 0, p.c.row_stride = -1, p.a.pointer = nullptr; }), "");
  // Without factors they are not.
  EXPECT_EQ(with([](auto &p) { p.k = 0, p.a = p.b = {}; }), "");
}

TEST_F(ProductCheck, TypesAndSizes) {
  EXPECT_EQ(with([](auto &p) { p.type = BASIN_RT_I32; }),
            "product: expected factors of f32, f16 or bf16, but got i32");
  EXPECT_EQ(with([](auto &p) { p.type = static_cast<basin_rt_type>(7); }),
            "product: expected factors of f32, f16 or bf16, but got an unknown type");
  EXPECT_EQ(with([](auto &p) { p.result_type = BASIN_RT_BF16; }),
            "product: 'c': expected the type of the factors, f32, or f32, but got bf16");
  EXPECT_EQ(with([](auto &p) { p.batch_rank = 5; }),
            "product: expected at most 4 axes of the batch, but got 5");
  EXPECT_EQ(with([](auto &p) { p.k = -1; }), "product: 'k': expected a size, but got -1");
  EXPECT_EQ(with([](auto &p) { p.m = 0, p.n = -2; }), "product: 'n': expected a size, but got -2");
  EXPECT_EQ(with([](auto &p) { p.batch[1] = int64_t(1) << 31; }),
            "product: axis 1 of the batch: expected a size up to 2147483647, but got 2147483648");
  EXPECT_EQ(with([](auto &p) { p.batch[0] = -1; }),
            "product: axis 0 of the batch: expected a size up to 2147483647, but got -1");
}

TEST_F(ProductCheck, StridesStayInMemory) {
  auto outside = [](const std::string &name) {
    return "product: '" + name + "': expected strides that are not negative and stay in memory";
  };
  EXPECT_EQ(with([](auto &p) { p.a.row_stride = -5; }), outside("a"));
  EXPECT_EQ(with([](auto &p) { p.b.batch_strides[0] = INT64_MAX; }), outside("b"));
  EXPECT_EQ(with([](auto &p) { p.c.batch_strides[1] = INT64_MAX / 2; }), outside("c"));
  EXPECT_EQ(with([](auto &p) { p.m = INT64_MAX; }), outside("c"));
  EXPECT_EQ(with([](auto &p) { p.k = INT64_MAX; }), outside("a"));
  EXPECT_EQ(with([](auto &p) { p.c.row_stride = (int64_t(1) << 57) / 3; }), outside("c"));
  // The strides are right, but the addresses end before.
  EXPECT_EQ(with([](auto &p) { p.a.pointer = reinterpret_cast<const void *>(UINT64_MAX - 15); }),
            "product: 'a': expected elements that stay in memory");
}

TEST_F(ProductCheck, MatricesHaveRowsOrColumns) {
  auto scattered = [](const std::string &name) {
    return "product: '" + name + "': expected rows or columns that are contiguous and lie apart";
  };
  EXPECT_EQ(with([](auto &p) { p.a.column_stride = 2; }), scattered("a"));
  EXPECT_EQ(with([](auto &p) { p.a.row_stride = 4; }), scattered("a"));
  EXPECT_EQ(with([](auto &p) { p.b.row_stride = 0; }), scattered("b"));
  EXPECT_EQ(with([](auto &p) { p.c.column_stride = 0; }), scattered("c"));
  // Columns that are contiguous, but begin in one another.
  EXPECT_EQ(with([](auto &p) { p.b.row_stride = 1, p.b.column_stride = 4; }), scattered("b"));
  EXPECT_EQ(with([](auto &p) { p.b.row_stride = 1, p.b.column_stride = 5; }), "");
}

TEST_F(ProductCheck, Pointers) {
  auto moved = [](const void *pointer, int64_t bytes) {
    return static_cast<const char *>(pointer) + bytes;
  };
  EXPECT_EQ(with([](auto &p) { p.b.pointer = nullptr; }), "product: 'b' is null");
  EXPECT_EQ(with([&](auto &p) { p.c.pointer = moved(p.c.pointer, 2); }),
            "product: 'c': expected a pointer aligned to 4 bytes");
  // The last element of c is the first one of a.
  EXPECT_EQ(with([&](auto &p) { p.c.pointer = moved(p.a.pointer, -4 * (2 * 3 * 4 * 6 - 1)); }),
            "product: 'c' is written, but shares memory with 'a'");
  EXPECT_EQ(with([&](auto &p) { p.c.pointer = moved(p.a.pointer, -4 * (2 * 3 * 4 * 6)); }), "");
  EXPECT_EQ(with([](auto &p) { p.b.pointer = p.c.pointer; }),
            "product: 'c' is written, but shares memory with 'b'");
  EXPECT_EQ(with([](auto &p) { p.bias = p.c.pointer; }),
            "product: 'c' is written, but shares memory with 'bias'");
}

TEST_F(ProductCheck, ResultsHavePlacesOfTheirOwn) {
  std::string shared = "product: 'c': expected elements that share no memory";
  EXPECT_EQ(with([](auto &p) { p.c.batch_strides[0] = 0; }), shared);
  EXPECT_EQ(with([](auto &p) { p.c.batch_strides[1] = 23; }), shared);
  EXPECT_EQ(with([](auto &p) { p.c.batch_strides[0] = p.c.batch_strides[1]; }), shared);
}

TEST_F(ProductCheck, Bias) {
  auto biased = [&](auto change) {
    return with([&](auto &p) {
      p.bias = ones.bias.data();
      change(p);
    });
  };
  EXPECT_EQ(biased([](auto &p) { p.k = 0; }), "product: 'bias': expected none if k is 0");
  EXPECT_EQ(biased([](auto &p) { p.c.row_stride = 1, p.c.column_stride = 4; }),
            "product: 'bias': expected a 'c' with contiguous rows");
  EXPECT_EQ(biased([](auto &p) { p.bias = static_cast<const char *>(p.bias) + 1; }),
            "product: 'bias': expected a pointer aligned to 4 bytes");
}

TEST_F(ProductCheck, NullIsNoProduct) {
  EXPECT_EQ(basin_rt_product_check(nullptr), BASIN_RT_INVALID_ARGUMENT);
  EXPECT_STREQ(basin_rt_last_error(), "product is null");
}
