//===- ProductTest.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of tensors in the memory of the host, for tests on the fake cuBLASLt.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_PRODUCTTEST_H
#define BASIN_UNITTESTS_PRODUCTTEST_H

#include "FakeCublasLt/FakeCublasLt.h"
#include "FakeCublasLt/Half.h"
#include "FakeDriver/FakeDriver.h"
#include "basin/Runtime/basin_rt.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace basin::test {

/// Memory that is aligned as the device's allocations are.
struct Memory {
  explicit Memory(size_t bytes)
      : data(static_cast<char *>(std::aligned_alloc(256, (bytes + 256) / 256 * 256)), &std::free) {}
  std::unique_ptr<char, void (*)(void *)> data;
};

inline int cudaTypeOf(basin_rt_type type) {
  return type == BASIN_RT_F32 ? 0 : type == BASIN_RT_F16 ? 2 : 14;
}

/// Makes a matrix that is contiguous, as are its batches.
inline basin_rt_matrix contiguousMatrix(const void *pointer, int64_t rows, int64_t columns,
                                        std::vector<int64_t> batch = {}) {
  basin_rt_matrix out = {pointer, columns, 1, {}};
  int64_t stride = rows * columns;
  for (size_t axis = batch.size(); axis-- > 0; stride *= batch[axis])
    out.batch_strides[axis] = stride;
  return out;
}

/// A contiguous product of f32 with memory of its own. All elements of a and b are 1 and 2.
struct Ones {
  Ones(int64_t m, int64_t n, int64_t k, std::vector<int64_t> batch = {}) {
    int64_t count = 1;
    for (size_t axis = 0; axis < batch.size(); ++axis)
      count *= product.batch[axis] = batch[axis];
    a.assign(static_cast<size_t>(count * m * k), 1);
    b.assign(static_cast<size_t>(count * k * n), 2);
    c.assign(static_cast<size_t>(count * m * n), -1);
    bias.assign(static_cast<size_t>(n), 7);
    product.m = m, product.n = n, product.k = k;
    product.batch_rank = static_cast<uint32_t>(batch.size());
    product.a = contiguousMatrix(a.data(), m, k, batch);
    product.b = contiguousMatrix(b.data(), k, n, batch);
    product.c = contiguousMatrix(c.data(), m, n, batch);
    product.alpha = 1;
  }
  basin_rt_status run(int32_t device = 0) {
    return basin_rt_product_run(&product, device, nullptr, workspace.data.get(), 1024);
  }
  /// Returns whether each element of c is this number.
  bool isAll(float number) const { return c == std::vector<float>(c.size(), number); }

  basin_rt_product product = {};
  std::vector<float> a, b, c, bias;
  Memory workspace{1024};
};

/// Tests on the fake libraries, which are loaded when the first test runs.
class Product : public testing::Test {
protected:
  void SetUp() override {
    Ones(1, 1, 1).run();
    fake_reset();
    fake_lt_reset();
  }
  /// Returns the library's calls since the last time.
  std::string log() {
    std::string text = fake_lt_log();
    std::string fresh = text.substr(seen);
    seen = text.size();
    return fresh;
  }
  /// Returns the first of `count` sizes that no test has used, so that the library must be asked.
  static int64_t freshSizes(int64_t count = 1) {
    static int64_t next = 100;
    return std::exchange(next, next + count);
  }
  size_t seen = 0;
};

} // namespace basin::test

#endif // BASIN_UNITTESTS_PRODUCTTEST_H
