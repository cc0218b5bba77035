//===- EmulatorMatrixTest.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ldmatrix, stmatrix and mma.sync. The places of each lane's elements are written down here once
// more, and whole products are compared with plain ones. Small integers are exact in every type.
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;

namespace {
enum class Element { F16, BF16, TF32 };

struct Matrices : EmulatorTest {
  /// Builds a kernel of one warp with words x and words y.
  void buildWords(Body body) {
    build({{"x", KernelArgument::In, i32()}, {"y", KernelArgument::Out, i32()}}, 32, body);
  }
  Report runWords(size_t sharedBytes = 0) {
    Launch launch;
    launch.block = {32, 1, 1};
    launch.sharedBytes = sharedBytes;
    launch.arguments = {x.data(), y.data()};
    launch.buffers = {buffer("x", x, false), buffer("y", y)};
    return run(launch);
  }
  std::vector<uint32_t> x = std::vector<uint32_t>(1024), y = std::vector<uint32_t>(1024);
};

uint32_t bitsOf(float value, Element type) {
  if (type == Element::TF32)
    return llvm::bit_cast<uint32_t>(value);
  llvm::APFloat number(value);
  bool inexact;
  number.convert(type == Element::F16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                 llvm::APFloat::rmNearestTiesToEven, &inexact);
  return uint32_t(number.bitcastToAPInt().getZExtValue());
}

Value load(KernelBuilder &b, int64_t words, int64_t first) {
  Value index = b.add(b.i32(first), b.mul(b.threadX(), b.i32(words)));
  return b.load(b.arg("x"), b.getI32Type(), index, words);
}

NVVM::LdStMatrixShapeAttr shape8x8(KernelBuilder &b) {
  return NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8);
}

Value loadMatrix(KernelBuilder &b, Value row, unsigned count, bool transposed) {
  Type type = b.getI32Type();
  if (count > 1)
    type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(count, type));
  return NVVM::LdMatrixOp::create(b, type, row, count,
                                  transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                                  shape8x8(b), NVVM::LdStMatrixEltType::B16);
}

Value part(KernelBuilder &b, Value words, int64_t i) {
  return isa<LLVM::LLVMStructType>(words.getType())
             ? Value(LLVM::ExtractValueOp::create(b, words, ArrayRef<int64_t>{i}))
             : words;
}

/// Copies 4 words of x in each lane to the same place of shared memory.
void fillShared(KernelBuilder &b) {
  Value index = b.mul(b.threadX(), b.i32(4));
  b.store(b.load(b.arg("x"), b.getI32Type(), index, 4), b.shared(), b.getI32Type(), index);
  NVVM::SyncWarpOp::create(b, b.i32(-1));
}

struct Mma {
  Element type;
  bool half; // whether accumulators are f16
  int k;
  int perWord() const { return type == Element::TF32 ? 1 : 2; }
  int aWords() const { return 16 * k / 32 / perWord(); }
  int bWords() const { return 8 * k / 32 / perWord(); }
  int cWords() const { return half ? 2 : 4; }
};

/// Stores the words of D to y. Fragments are in x lane by lane: those of A, then of B, then of C.
void buildMma(KernelBuilder &b, const Mma &mma) {
  MLIRContext *ctx = b.getContext();
  Type pair = VectorType::get({2}, b.getF16Type());
  auto split = [&](Value words, int count, Type as) {
    SmallVector<Value> parts;
    for (int i = 0; i < count; ++i) {
      Value word = count == 1 ? words : b.extract(words, i);
      parts.push_back(as ? Value(LLVM::BitcastOp::create(b, as, word)) : word);
    }
    return parts;
  };
  Type operand = mma.type == Element::F16 ? pair : Type();
  Type accumulator = mma.half ? pair : Type(b.getF32Type());
  auto a = split(load(b, mma.aWords(), 0), mma.aWords(), operand);
  auto bb = split(load(b, mma.bWords(), 256), mma.bWords(), operand);
  auto c = split(load(b, mma.cWords(), 512), mma.cWords(), accumulator);
  auto type = mma.type == Element::F16    ? NVVM::MMATypes::f16
              : mma.type == Element::BF16 ? NVVM::MMATypes::bf16
                                          : NVVM::MMATypes::tf32;
  auto result = LLVM::LLVMStructType::getLiteral(ctx, SmallVector<Type>(mma.cWords(), accumulator));
  Value d = NVVM::MmaOp::create(b, result, a, bb, c, ArrayRef<int64_t>{16, 8, mma.k}, std::nullopt,
                                std::nullopt, std::array{type, type},
                                std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (int i = 0; i < mma.cWords(); ++i)
    b.store(LLVM::BitcastOp::create(b, b.getI32Type(), part(b, d, i)), b.arg("y"), b.getI32Type(),
            b.add(b.mul(b.threadX(), b.i32(mma.cWords())), b.i32(i)));
}

float valueA(int row, int k) { return float((row * 5 + k * 3) % 7 - 3); }
float valueB(int k, int column) { return float((k * 2 + column * 5) % 9 - 4); }
float valueC(int row, int column) { return float(row - 2 * column); }

/// Returns the row and the column of accumulator i of a lane.
std::pair<int, int> placeC(int lane, int i) {
  return {lane / 4 + (i < 2 ? 0 : 8), lane % 4 * 2 + i % 2};
}
} // namespace

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

TEST_F(Matrices, ProductsOfEachShapeAndType) {
  for (Mma mma :
       {Mma{Element::F16, false, 16}, Mma{Element::F16, true, 16}, Mma{Element::BF16, false, 16},
        Mma{Element::F16, false, 8}, Mma{Element::BF16, false, 8}, Mma{Element::TF32, false, 8},
        Mma{Element::TF32, false, 4}}) {
    buildWords([&](KernelBuilder &b) { buildMma(b, mma); });
    int n = mma.perWord();
    for (int lane = 0; lane < 32; ++lane) {
      int g = lane / 4, t = lane % 4;
      for (int w = 0; w < mma.aWords(); ++w) { // rows come first, then k
        uint32_t &word = x[lane * mma.aWords() + w];
        word = 0;
        for (int i = 0; i < n; ++i)
          word |= bitsOf(valueA(g + w % 2 * 8, w / 2 * 4 * n + t * n + i), mma.type) << 16 * i;
      }
      for (int w = 0; w < mma.bWords(); ++w) {
        uint32_t &word = x[256 + lane * mma.bWords() + w];
        word = 0;
        for (int i = 0; i < n; ++i)
          word |= bitsOf(valueB(w * 4 * n + t * n + i, g), mma.type) << 16 * i;
      }
      for (int i = 0; i < 4; ++i) {
        auto [row, column] = placeC(lane, i);
        uint32_t bits = bitsOf(valueC(row, column), mma.half ? Element::F16 : Element::TF32);
        uint32_t &word = x[512 + lane * mma.cWords() + (mma.half ? i / 2 : i)];
        word = mma.half && i % 2 ? word | bits << 16 : bits;
      }
    }
    Report report = runWords();
    EXPECT_TRUE(report.clean()) << print(report);
    EXPECT_EQ(report.counters.mma, 1u);
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        auto [row, column] = placeC(lane, i);
        float want = valueC(row, column);
        for (int k = 0; k < mma.k; ++k)
          want += valueA(row, k) * valueB(k, column);
        uint32_t word = y[lane * mma.cWords() + (mma.half ? i / 2 : i)];
        uint32_t bits = mma.half ? word >> i % 2 * 16 & 0xffff : word;
        ASSERT_EQ(bits, bitsOf(want, mma.half ? Element::F16 : Element::TF32))
            << "type " << int(mma.type) << ", k " << mma.k << ", lane " << lane << ", " << i;
      }
  }
}

TEST_F(Matrices, LoadsOneTwoOrFourMatrices) {
  // Element e of the 256 halves in shared memory is e. Row r of matrix m begins at 64m + 8r.
  for (unsigned i = 0; i < 128; ++i)
    x[i] = 2 * i | (2 * i + 1) << 16;
  for (unsigned count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      buildWords([&](KernelBuilder &b) {
        fillShared(b);
        Value row = b.at(b.shared(), b.getI8Type(), b.mul(b.threadX(), b.i32(16)));
        Value words = loadMatrix(b, row, count, transposed);
        for (unsigned m = 0; m < count; ++m)
          b.store(part(b, words, m), b.arg("y"), b.getI32Type(),
                  b.add(b.mul(b.threadX(), b.i32(4)), b.i32(m)));
      });
      Report report = runWords(512);
      EXPECT_TRUE(report.clean()) << print(report);
      EXPECT_EQ(report.counters.sharedLoads.extraWavefronts, 0u);
      for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned m = 0; m < count; ++m) {
          unsigned g = lane / 4, t = lane % 4;
          unsigned low = transposed ? 64 * m + 16 * t + g : 64 * m + 8 * g + 2 * t;
          unsigned high = low + (transposed ? 8 : 1);
          ASSERT_EQ(y[lane * 4 + m], low | high << 16) << count << transposed << lane;
        }
    }
}

TEST_F(Matrices, StoreIsTheInverseOfLoad) {
  for (unsigned i = 0; i < 128; ++i)
    x[i] = 0x10001 * i + 77;
  for (bool transposed : {false, true}) {
    buildWords([&](KernelBuilder &b) {
      fillShared(b);
      auto row = [&](int64_t from) {
        return b.at(b.shared(from), b.getI8Type(), b.mul(b.threadX(), b.i32(16)));
      };
      Value words = loadMatrix(b, row(0), 4, transposed);
      SmallVector<Value> parts;
      for (int i = 0; i < 4; ++i)
        parts.push_back(part(b, words, i));
      NVVM::StMatrixOp::create(b, row(512), parts,
                               transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                               shape8x8(b), NVVM::LdStMatrixEltType::B16);
      NVVM::SyncWarpOp::create(b, b.i32(-1));
      Value index = b.mul(b.threadX(), b.i32(4));
      b.store(b.load(b.shared(512), b.getI32Type(), index, 4), b.arg("y"), b.getI32Type(), index);
    });
    Report report = runWords(1024);
    EXPECT_TRUE(report.clean()) << print(report);
    for (unsigned i = 0; i < 128; ++i)
      ASSERT_EQ(y[i], x[i]) << i;
  }
}

//===----------------------------------------------------------------------===//
// A product as kernels compute it: through shared memory, with B by rows of k
//===----------------------------------------------------------------------===//

TEST_F(Matrices, ProductThroughSharedMemory) {
  for (Element type : {Element::F16, Element::BF16}) {
    // A of 16x16 is in words 0 to 127, and B of 16x8 in words 128 to 191.
    buildWords([&](KernelBuilder &b) {
      Value t = b.threadX(), a4 = b.mul(t, b.i32(4)), b2 = b.mul(t, b.i32(2));
      b.store(b.load(b.arg("x"), b.getI32Type(), a4, 4), b.shared(), b.getI32Type(), a4);
      b.store(b.load(b.arg("x"), b.getI32Type(), b.add(b2, b.i32(128)), 2), b.shared(512),
              b.getI32Type(), b2);
      NVVM::SyncWarpOp::create(b, b.i32(-1));
      Value low = b.remU(t, 16), high = b.divU(t, 16);
      Value aRow =
          b.at(b.shared(), b.getI8Type(), b.add(b.mul(low, b.i32(32)), b.mul(high, b.i32(16))));
      Value bRow = b.at(b.shared(512), b.getI8Type(), b.mul(low, b.i32(16)));
      Value a = loadMatrix(b, aRow, 4, false), bb = loadMatrix(b, bRow, 2, true);
      Type pair = VectorType::get({2}, b.getF16Type());
      auto word = [&](Value words, int64_t i) -> Value {
        Value one = part(b, words, i);
        return type == Element::F16 ? Value(LLVM::BitcastOp::create(b, pair, one)) : one;
      };
      SmallVector<Value> aParts, bParts, zeros(4, b.f32(0));
      for (int i = 0; i < 4; ++i)
        aParts.push_back(word(a, i));
      for (int i = 0; i < 2; ++i)
        bParts.push_back(word(bb, i));
      auto types = type == Element::F16 ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
      Value d = NVVM::MmaOp::create(
          b, LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, b.getF32Type())),
          aParts, bParts, zeros, ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt,
          std::array{types, types}, std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
      Value first = b.add(b.mul(b.divU(t, 4), b.i32(8)), b.mul(b.remU(t, 4), b.i32(2)));
      for (int i = 0; i < 4; ++i)
        b.store(part(b, d, i), b.arg("y"), b.getF32Type(), b.add(first, b.i32(i / 2 * 64 + i % 2)));
    });
    auto put = [&](unsigned half, float value) {
      uint32_t &word = x[half / 2];
      uint32_t bits = bitsOf(value, type);
      word = half % 2 ? (word & 0xffff) | bits << 16 : bits;
    };
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < 16; ++k)
        put(i * 16 + k, valueA(i, k));
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < 8; ++j)
        put(256 + k * 8 + j, valueB(k, j));
    Report report = runWords(768);
    EXPECT_TRUE(report.clean()) << print(report);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j) {
        float want = 0;
        for (int k = 0; k < 16; ++k)
          want += valueA(i, k) * valueB(k, j);
        ASSERT_EQ(llvm::bit_cast<float>(y[i * 8 + j]), want) << i << ", " << j;
      }
  }
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

TEST_F(Matrices, RowsThatAreNotAlignedOrNotWritten) {
  auto loadAt = [&](int64_t first, bool sync) {
    buildWords([&](KernelBuilder &b) {
      Value index = b.mul(b.threadX(), b.i32(4));
      b.store(b.load(b.arg("x"), b.getI32Type(), index, 4), b.shared(), b.getI32Type(), index);
      if (sync)
        NVVM::SyncWarpOp::create(b, b.i32(-1));
      Value row = b.at(b.shared(first), b.getI8Type(), b.mul(b.remU(b.threadX(), 8), b.i32(16)));
      Named name(b, "load matrix");
      b.store(loadMatrix(b, row, 1, false), b.arg("y"), b.getI32Type(), b.threadX());
    });
    return runWords(1024);
  };
  expectOne(loadAt(8, true), FindingKind::Misaligned, "load matrix");
  expectOne(loadAt(512, true), FindingKind::Uninitialized, "load matrix");
  expectOne(loadAt(1024, true), FindingKind::OutOfBounds, "load matrix");
  Report report = loadAt(0, false); // other lanes wrote these rows
  ASSERT_FALSE(report.clean());
  EXPECT_EQ(first(report).kind, FindingKind::Race) << print(report);
  report = loadAt(384, true);
  EXPECT_TRUE(report.clean()) << print(report);
}

TEST_F(Matrices, HalfAWarpAtAProduct) {
  buildWords([&](KernelBuilder &b) {
    b.ifThen(b.lessU(b.threadX(), b.i32(16)), [&] {
      Named name(b, "product");
      buildMma(b, {Element::F16, false, 16});
    });
  });
  Report report = runWords();
  expectOne(report, FindingKind::Divergence, "product");
  EXPECT_NE(first(report).message.find("lanes 0xFFFF of 0xFFFFFFFF came"), std::string::npos)
      << print(report);
  EXPECT_EQ(report.counters.mma, 0u);
}
