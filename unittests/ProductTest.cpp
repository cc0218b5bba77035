//===- ProductTest.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Draws products of all types, layouts and batches, and runs them on the fake cuBLASLt, which
// computes what its descriptors say. Factors are small integers, so that sums are exact, and the
// results must have the bits of a reference in f64 that is rounded once. Memory between and behind
// the elements of c must stay as it was.
//
//===----------------------------------------------------------------------===//

#include "ProductTest.h"

#include "basin/Runtime/Runtime.h"

#include <algorithm>
#include <numeric>
#include <random>

extern "C" int run_project(int32_t device, void *stream, const void *x, const void *weight,
                           const void *bias, void *y, int64_t rows,
                           void *(*allocate)(uint64_t bytes));

using namespace basin::test;

namespace {
using Random = std::mt19937;
using Index = std::vector<int64_t>;

int64_t draw(Random &random, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(random);
}

/// A tensor whose last two axes are a matrix, with a drawn layout.
struct Tensor {
  Tensor(Random &random, basin_rt_type type, const Index &sizes, bool mayRepeat, bool hasRows);

  int64_t at(const Index &index) const {
    return std::inner_product(index.begin(), index.end(), strides.begin(), offset);
  }
  double read(const Index &index) const {
    return readNumber(memory.data.get(), cudaTypeOf(type), at(index));
  }
  basin_rt_matrix matrix() const {
    size_t rank = sizes.size() - 2;
    int64_t each = type == BASIN_RT_F32 ? 4 : 2;
    basin_rt_matrix out = {memory.data.get() + offset * each, strides[rank], strides[rank + 1], {}};
    std::copy_n(strides.begin(), rank, out.batch_strides);
    return out;
  }

  basin_rt_type type;
  Index sizes, strides;
  int64_t offset;
  size_t bytes;
  Memory memory;
};

/// Lays the axes around each other in a drawn order, with gaps. The innermost is one of the matrix.
Index layOut(Random &random, const Index &sizes, bool mayRepeat, bool hasRows, int64_t &extent) {
  size_t rank = sizes.size(), inner = hasRows ? rank - 1 : rank - 2;
  std::vector<size_t> order(rank);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  std::swap(order[0], *std::ranges::find(order, inner));
  // Without gaps and in this order, neighbouring axes of the batch can become one.
  bool isDense = draw(random, 0, 2) == 0;
  if (isDense)
    std::sort(order.begin() + 1, order.end(), std::greater<>());
  Index strides(rank);
  extent = 1;
  for (size_t axis : order) {
    bool repeats = mayRepeat && axis + 2 < rank && draw(random, 0, 3) == 0;
    strides[axis] = repeats ? 0 : extent;
    // The stride of an axis with one element means nothing.
    if (sizes[axis] == 1 && draw(random, 0, 1))
      strides[axis] = draw(random, -20, 20);
    else if (!repeats)
      extent = extent * sizes[axis] + (isDense ? 0 : draw(random, 0, 3));
  }
  return strides;
}

Tensor::Tensor(Random &random, basin_rt_type type, const Index &sizes, bool mayRepeat, bool hasRows)
    : type(type), sizes(sizes), offset(draw(random, 0, 9)), memory(0) {
  int64_t extent = 0;
  strides = layOut(random, sizes, mayRepeat, hasRows, extent);
  int64_t count = offset + extent + 8, each = type == BASIN_RT_F32 ? 4 : 2;
  bytes = static_cast<size_t>(count * each);
  memory = Memory(bytes);
  for (int64_t i = 0; i < count; ++i)
    writeNumber(memory.data.get(), cudaTypeOf(type), i, static_cast<float>(draw(random, -4, 4)));
}

/// A product with its tensors.
struct DrawnProduct {
  explicit DrawnProduct(Random &random);

  /// Returns what the memory of c must be afterwards.
  std::string expected() const;
  std::string memoryOfC() const { return {c->memory.data.get(), c->bytes}; }

  basin_rt_product product = {};
  std::unique_ptr<Tensor> a, b, c, bias;
};

DrawnProduct::DrawnProduct(Random &random) {
  static constexpr basin_rt_type kTypes[] = {BASIN_RT_F32, BASIN_RT_F16, BASIN_RT_BF16};
  product.type = kTypes[draw(random, 0, 2)];
  product.result_type = draw(random, 0, 1) ? product.type : BASIN_RT_F32;
  auto size = [&] { return draw(random, 0, 30) == 0 ? 0 : draw(random, 1, 6); };
  product.m = size(), product.n = size(), product.k = size();
  product.batch_rank = static_cast<uint32_t>(draw(random, 0, BASIN_RT_MAX_BATCH));
  Index batch;
  for (uint32_t axis = 0; axis < product.batch_rank; ++axis)
    batch.push_back(product.batch[axis] = draw(random, 0, 60) == 0 ? 0 : draw(random, 1, 3));
  auto make = [&](basin_rt_type type, int64_t rows, int64_t columns, bool mayRepeat, bool hasRows) {
    Index sizes = batch;
    sizes.insert(sizes.end(), {rows, columns});
    return std::make_unique<Tensor>(random, type, sizes, mayRepeat, hasRows);
  };
  bool hasRows = draw(random, 0, 2) > 0;
  a = make(product.type, product.m, product.k, true, draw(random, 0, 1));
  b = make(product.type, product.k, product.n, true, draw(random, 0, 1));
  c = make(product.result_type, product.m, product.n, false, hasRows);
  product.a = a->matrix(), product.b = b->matrix(), product.c = c->matrix();
  if (hasRows && product.k > 0 && draw(random, 0, 1)) {
    bias = std::make_unique<Tensor>(random, product.result_type, Index{1, product.n}, false, true);
    product.bias = bias->matrix().pointer;
  }
  static constexpr float kFactors[] = {1, 0.5f, -2};
  product.alpha = kFactors[draw(random, 0, 2)];
}

std::string DrawnProduct::expected() const {
  std::string out = memoryOfC();
  const Index &sizes = c->sizes;
  if (std::ranges::find(sizes, 0) != sizes.end())
    return out;
  Index index(sizes.size());
  size_t row = index.size() - 2, column = row + 1;
  bool more = true;
  while (more) {
    double sum = 0;
    Index ofA = index, ofB = index;
    for (int64_t i = 0; i < product.k; ++i) {
      ofA[column] = ofB[row] = i;
      sum += a->read(ofA) * b->read(ofB);
    }
    double value = product.k == 0 ? 0 : product.alpha * sum;
    if (bias)
      value += bias->read({0, index[column]});
    writeNumber(out.data(), cudaTypeOf(c->type), c->at(index), static_cast<float>(value));
    more = false;
    for (size_t axis = index.size(); !more && axis-- > 0;)
      if (!(more = ++index[axis] < sizes[axis]))
        index[axis] = 0;
  }
  return out;
}

size_t count(const std::string &text, const std::string &line) {
  size_t out = 0;
  for (size_t at = 0; (at = text.find(line, at)) != std::string::npos; ++at)
    ++out;
  return out;
}
} // namespace

TEST_F(Product, DrawnProductsAreExact) {
  Random random(20261201);
  Memory workspace(4096);
  size_t withBias = 0, ofSeveralCalls = 0, ofBatches = 0;
  for (int i = 0; i < 1500; ++i) {
    DrawnProduct drawn(random);
    std::string expected = drawn.expected();
    fake_lt_reset();
    uint64_t bytes = draw(random, 0, 1) ? 4096 : 0;
    ASSERT_EQ(basin_rt_product_run(&drawn.product, 0, nullptr,
                                   bytes ? workspace.data.get() : nullptr, bytes),
              BASIN_RT_OK)
        << "product " << i << ": " << basin_rt_last_error();
    ASSERT_EQ(drawn.memoryOfC(), expected) << "product " << i;
    std::string calls = fake_lt_log();
    withBias += drawn.product.bias != nullptr;
    ofSeveralCalls += count(calls, "multiply") > 1;
    ofBatches += count(calls, "multiply") > count(calls, "batch 1 ");
  }
  // The draws had what they are for.
  EXPECT_GT(withBias, 300u);
  EXPECT_GT(ofSeveralCalls, 300u);
  EXPECT_GT(ofBatches, 600u);
}

//===----------------------------------------------------------------------===//
// Which calls a product becomes
//===----------------------------------------------------------------------===//

namespace {
class ProductBatches : public Product {
protected:
  /// Returns the calls that multiply, without the stream.
  std::string calls(Ones &ones) {
    EXPECT_EQ(ones.run(), BASIN_RT_OK) << basin_rt_last_error();
    EXPECT_TRUE(ones.isAll(static_cast<float>(2 * ones.product.k)));
    std::string text = log(), out;
    for (size_t at = 0; (at = text.find("multiply ", at)) != std::string::npos; ++at)
      out += text.substr(at + 9, text.find(" stream", at) - at - 9) + "\n";
    return out;
  }
};
} // namespace

TEST_F(ProductBatches, ContiguousOnesAreOneCall) {
  Ones ones(2, 3, 5, {4, 1, 3, 2});
  EXPECT_EQ(calls(ones), "NN 3 x 2 x 5 batch 24\n");
}

TEST_F(ProductBatches, OneMatrixForAllIsOneCall) {
  Ones ones(2, 3, 5, {4, 6});
  ones.product.b.batch_strides[0] = ones.product.b.batch_strides[1] = 0;
  EXPECT_EQ(calls(ones), "NN 3 x 2 x 5 batch 24\n");
}

TEST_F(ProductBatches, OneMatrixForEachOuterElementIsACallForEach) {
  Ones ones(2, 3, 5, {2, 6});
  ones.product.b.batch_strides[1] = 0;
  EXPECT_EQ(calls(ones), "NN 3 x 2 x 5 batch 6\nNN 3 x 2 x 5 batch 6\n");
}

TEST_F(ProductBatches, TheLongestAxisIsTheBatch) {
  // The two inner axes become one of 6. The outer one has 7 and is therefore taken.
  Ones ones(2, 3, 5, {7, 2, 3});
  ones.product.a.batch_strides[0] = 0;
  std::string call = "NN 3 x 2 x 5 batch 7\n";
  EXPECT_EQ(calls(ones), call + call + call + call + call + call);
}

TEST_F(ProductBatches, AxesInAnotherOrderBecomeOne) {
  Ones ones(2, 3, 5, {3, 4});
  for (basin_rt_matrix *matrix : {&ones.product.a, &ones.product.b, &ones.product.c}) {
    matrix->batch_strides[1] = 3 * (matrix->batch_strides[0] = matrix->batch_strides[1]);
  }
  EXPECT_EQ(calls(ones), "NN 3 x 2 x 5 batch 12\n");
}

TEST_F(ProductBatches, ACallHasNoMoreThanTheLibraryCounts) {
  // Together the axes would have 2^32 elements. The fake refuses before it looks for c.
  Ones ones(1, 1, 1);
  ones.product.batch_rank = 2;
  ones.product.batch[0] = ones.product.batch[1] = 1 << 16;
  ones.product.c = {reinterpret_cast<const void *>(uint64_t(1) << 46), 1, 1, {1 << 16, 1}};
  fake_lt_find_nothing();
  EXPECT_EQ(ones.run(), BASIN_RT_PRODUCT_LIBRARY_ERROR) << basin_rt_last_error();
  EXPECT_NE(log().find(" batch 65536\n"), std::string::npos);
}

TEST_F(ProductBatches, ProductsOfNothingAreNoCalls) {
  for (auto [m, n, batch] : {std::tuple{0, 3, 2}, {3, 0, 2}, {3, 3, 0}}) {
    Ones ones(m, n, 5, {batch});
    ones.product.a.pointer = ones.product.b.pointer = ones.product.c.pointer = nullptr;
    EXPECT_EQ(calls(ones), "");
  }
}

TEST_F(ProductBatches, EmptySumsAreZeros) {
  Ones ones(2, 3, 0, {2, 2});
  // There is nothing in a and b, wherever they are.
  ones.product.a = ones.product.b = {nullptr, -1, 3, {INT64_MAX, INT64_MAX / 3}};
  EXPECT_EQ(calls(ones), "");
  EXPECT_STREQ(fake_log(), "memset 0 pitch 12 width 12 height 8 stream 0\n");
}

//===----------------------------------------------------------------------===//
// Other ways to a product
//===----------------------------------------------------------------------===//

TEST_F(Product, ExampleInC) {
  constexpr int64_t kRows = 3, kDim = 64, kColumns = 16;
  std::vector<uint16_t> x(kRows * kDim, bf16Of(0.5f)), weight(kColumns * kDim), y(kRows * kColumns),
      bias(kColumns, bf16Of(1)), expected;
  for (size_t i = 0; i < weight.size(); ++i)
    weight[i] = bf16Of(std::floor(static_cast<float>(i) / kDim)); // row j has only j
  for (size_t i = 0; i < y.size(); ++i)
    expected.push_back(bf16Of(static_cast<float>(32 * (i % kColumns) + 1)));
  static uint64_t asked;
  static Memory workspace(size_t(32) << 20);
  auto allocate = [](uint64_t bytes) -> void * {
    asked = bytes;
    return workspace.data.get();
  };
  EXPECT_TRUE(
      run_project(0, nullptr, x.data(), weight.data(), bias.data(), y.data(), kRows, allocate));
  EXPECT_EQ(asked, uint64_t(32) << 20);
  EXPECT_EQ(y, expected);
  EXPECT_FALSE(
      run_project(7, nullptr, x.data(), weight.data(), nullptr, y.data(), kRows, allocate));
}

TEST_F(Product, InCpp) {
  basin::rt::loadProducts(0);
  EXPECT_EQ(basin::rt::productWorkspace(1), uint64_t(4) << 20);
  Ones ones(2, 3, 4);
  basin::rt::checkProduct(ones.product);
  basin::rt::runProduct(ones.product, 0, nullptr, nullptr, 0);
  EXPECT_TRUE(ones.isAll(8));
  ones.product.k = -1;
  EXPECT_THROW(basin::rt::checkProduct(ones.product), basin::rt::Error);
  EXPECT_THROW(basin::rt::useCublasLt("other.so"), basin::rt::Error);
  basin_rt_product_provider provider = {};
  EXPECT_THROW(basin::rt::useProducts(&provider), basin::rt::Error);
  basin::rt::useProducts(nullptr);
}
