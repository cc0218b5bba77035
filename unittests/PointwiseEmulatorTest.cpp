//===- PointwiseEmulatorTest.cpp --------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs pointwise kernels on the emulator and expects the interpreter's bits: all exact operations
// on special values, all types, layouts, gathers, ranges and masks. The functions that are not
// exact have a test of their own.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReference.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::pointwise;

namespace {
struct PointwiseKernels : PointwiseTest {
  std::mt19937_64 random{5};

  Memory drawn(const std::string &element, size_t count, bool special = false) {
    Memory out(element, count);
    out.draw(random, special);
    return out;
  }
};

const char *const kElements[] = {"f32", "f16", "bf16", "i8", "i32", "i64", "bool"};

/// Returns the type's conversion to what a tensor of another type stores.
std::string convert(const std::string &from, const std::string &to) {
  auto classOf = [](const std::string &e) {
    return e == "bool" ? "bool" : e[0] == 'i' ? "int" : "real";
  };
  return classOf(from) == std::string(classOf(to)) ? "x" : "(" + std::string(classOf(to)) + " x)";
}
} // namespace

TEST_F(PointwiseKernels, ExactOperationsHaveTheBitsOfTheReference) {
  const std::vector<std::string> real = {"(add x y)",
                                         "(sub x y)",
                                         "(mul x y)",
                                         "(div x y)",
                                         "(mod x y)",
                                         "(fmod x y)",
                                         "(neg x)",
                                         "(abs x)",
                                         "(min x y)",
                                         "(max x y)",
                                         "(sqrt x)",
                                         "(recip x)",
                                         "(floor x)",
                                         "(ceil x)",
                                         "(round x)",
                                         "(sign x)",
                                         "(round f16 x)",
                                         "(round bf16 x)",
                                         "(real (int x))",
                                         "(real (bool x))",
                                         "(real x)",
                                         "(if (isnan x) 1.5 (if (isinf x) -inf nan))",
                                         "(if (lt x y) x (if (ge x y) y 0x1.8p-3))",
                                         "(real (wrap i8 (int x)))"};
  const std::vector<std::string> integer = {"(add x y)",      "(sub x y)",
                                            "(mul x y)",      "(div x y)",
                                            "(mod x y)",      "(fmod x y)",
                                            "(neg x)",        "(abs x)",
                                            "(min x y)",      "(max x y)",
                                            "(and x y)",      "(or x y)",
                                            "(xor x y)",      "(not x)",
                                            "(shl x y)",      "(shr x y)",
                                            "(wrap i32 x)",   "(wrap i8 x)",
                                            "(int (real x))", "(int (bool x))",
                                            "(int x)",        "(if (gt x y) 3 -2)",
                                            "(div x -1)",     "(mod x 7)",
                                            "(div x 0)"};
  const std::vector<std::string> boolean = {"(and (lt x y) true)",
                                            "(or (le x y) (gt x 3))",
                                            "(xor (ge x y) (eq x y))",
                                            "(not (ne x y))",
                                            "(bool x)",
                                            "(bool (real x))",
                                            "(eq (bool x) false)",
                                            "(ne (bool x) (bool y))"};
  auto test = [&](const std::vector<std::string> &texts, const std::string &type,
                  const std::string &result) {
    const int64_t n = 300;
    Case one{"300", "(in x " + type + " (1)) (in y " + type + " (1))", {n}};
    one.tensors["x"] = drawn(type, n, true);
    one.tensors["y"] = drawn(type, n, true);
    for (auto [i, text] : llvm::enumerate(texts)) {
      std::string name = "z" + std::to_string(i);
      one.program += " (out " + name + " " + result + " (1) " + text + ")";
      one.tensors[name] = drawn(result, n);
    }
    check(one);
  };
  test(real, "f32", "f32");
  test(integer, "i64", "i64");
  test(boolean, "i64", "bool");
  test({"(isnan x)", "(isinf x)", "(bool x)", "(eq x y)", "(ne x y)", "(lt x y)", "(le x y)",
        "(gt x y)", "(ge x y)"},
       "f32", "bool");
  test({"(int x)", "(shl (int x) 2)"}, "f32", "i64");
}

TEST_F(PointwiseKernels, AllTypesAreReadAndWritten) {
  for (const char *from : kElements)
    for (const char *to : kElements) {
      Case one{"?x64",
               std::string("(in x ") + from + " (64 1) align 16) (out y " + to +
                   " (64 1) align 16 " + convert(from, to) + ")",
               {5, 64}};
      one.tensors["x"] = drawn(from, 320, true);
      one.tensors["y"] = drawn(to, 320);
      check(one);
    }
}

TEST_F(PointwiseKernels, SizesAtAndBesideVectors) {
  for (int64_t dim : {1, 7, 8, 64, 300})
    for (int64_t rows : {1, 3, 40})
      for (const char *type : {"f32", "bf16"}) {
        std::string n = std::to_string(dim);
        std::string tensors = std::string("(in x ") + type + " (" + n + " 1) align 16) (in w " +
                              type + " (0 1) align 16) (in c f32 (1 0)) (out y " + type + " (" + n +
                              " 1) align 16 (add (mul x w) c))";
        Case one{"?x" + n, tensors, {rows, dim}};
        one.tensors["x"] = drawn(type, rows * dim);
        one.tensors["w"] = drawn(type, dim);
        one.tensors["c"] = drawn("f32", rows);
        one.tensors["y"] = drawn(type, rows * dim);
        check(one);
        one.sizes = "?x?";
        check(one);
        one.sizes = std::to_string(rows) + "x" + n;
        check(one, 1);
      }
}

TEST_F(PointwiseKernels, SixAxesTransposedAndWithGaps) {
  Case one{"2x?x3x?x2x4",
           "(in x f32 (? ? ? ? ? ?)) (in t f16 (1 2 2 10 40 80)) (out y f32 (? ? ? ? 4 1) align 16 "
           "(add x t)) (out s i32 (1 2 10 30 150 300) (add (mul (index 1) (size 3)) (index 5)))",
           {2, 1, 3, 5, 2, 4}};
  one.strides["x"] = {1, 7, 2, 6, 30, 60};
  one.strides["y"] = {200, 0, 64, 8, 4, 1};
  one.tensors["x"] = drawn("f32", 300);
  one.tensors["t"] = drawn("f16", 500);
  one.tensors["y"] = drawn("f32", 400);
  one.tensors["s"] = drawn("i32", 2000);
  check(one);
  EXPECT_EQ(schedule.vector, 1);
}

TEST_F(PointwiseKernels, GathersAreGuardedByTheBranchTaken) {
  // Rows of a table by index; an index outside the table gives zeros.
  Case one{"?x64",
           "(in ids i64 (1)) (in table bf16 (64 1) align 16) (scalar rows i64) (out y bf16 (64 1) "
           "align 16 (let ((row (at ids (index 0))) (inside (and (ge row 0) (lt row (arg rows))))) "
           "(if inside (at table row (index 1)) 0.0)))",
           {9, 64}};
  one.scalars["rows"] = integer(5);
  one.tensors["ids"] = Memory("i64", 9);
  for (int64_t i = 0; i < 9; ++i)
    one.tensors["ids"].set(i, integer(i - 2));
  one.tensors["table"] = drawn("bf16", 5 * 64);
  one.tensors["y"] = drawn("bf16", 9 * 64);
  check(one);
  EXPECT_EQ(schedule.vector, 8);
  // The row decides for all lanes of a vector, so it is read in accesses of 16 bytes. The rest
  // are the indices, one for each vector.
  EXPECT_EQ(last.counters.globalLoads.bytes, 5u * 64 * 2 + 9u * 8 * 8);
}

TEST_F(PointwiseKernels, ConcatenationsReadOnlyTheirPart) {
  for (int64_t split : {64, 40, 33}) {
    std::string s = std::to_string(split), r = std::to_string(128 - split);
    Case one{"?x128",
             "(in a f32 (" + s + " 1) align 4) (in b f32 (" + r +
                 " 1) align 4) (out y f32 (128 1) "
                 "align 16 (if (lt (index 1) " +
                 s +
                 ") (at a (index 0) (index 1)) (at b (index 0) (sub "
                 "(index 1) " +
                 s + "))))",
             {3, 128}};
    one.tensors["a"] = drawn("f32", 3 * split);
    one.tensors["b"] = drawn("f32", 3 * (128 - split));
    one.tensors["y"] = drawn("f32", 3 * 128);
    check(one);
    EXPECT_EQ(schedule.vector, 4);
    // Nothing is read twice and nothing that is not taken.
    EXPECT_EQ(last.counters.globalLoads.bytes, 3u * 128 * 4);
  }
}

TEST_F(PointwiseKernels, ReductionsAreLoops) {
  // A sum of rows for each element of a vector, one up to each element, and the extremes of a
  // matrix, for all lanes alike. Without turns there is nothing to join.
  Case one{"?x8",
           "(in x f32 (? 1)) (in n i64 (5 1)) (scalar turns i64) (out s f32 (8 1) align 16 (reduce "
           "add (j 7) (mul (at x j (index 1)) 0.5))) (out c i32 (8 1) align 16 (reduce add (j (add "
           "(index 1) "
           "1)) (at n (index 0) (min j 4)))) (out m f32 (8 1) align 16 (reduce max (i (arg turns)) "
           "(reduce "
           "min (j 5) (at x i j)))) (out l i32 (8 1) align 16 (int (reduce add (j 0) 1.5)))",
           {3, 8}};
  one.strides["x"] = {9, 1};
  one.scalars["turns"] = integer(6);
  one.tensors["x"] = drawn("f32", 9 * 8);
  one.tensors["n"] = drawn("i64", 15);
  for (const char *name : {"s", "m"})
    one.tensors[name] = drawn("f32", 24);
  one.tensors["c"] = drawn("i32", 24);
  one.tensors["l"] = drawn("i32", 24);
  check(one);
  EXPECT_EQ(schedule.vector, 4);
}

TEST_F(PointwiseKernels, CausalMasksAndRanges) {
  Case one{
      "?x?x64",
      "(in x f16 (? ? 1) align 16) (scalar past i64) (scalar fill f32) (out y f16 (? ? 1) align "
      "16 (if (gt (index 2) (add (index 1) (arg past))) (arg fill) x)) (out n i32 (? ? 1) align "
      "16 (add (mul 2 (index 2)) 5)) (out b bool (? ? 1) align 16 (le (index 2) (index 1)))",
      {2, 7, 64}};
  one.scalars = {{"past", integer(30)}, {"fill", real(-65504)}};
  for (const char *name : {"x", "y", "n", "b"}) {
    one.strides[name] = {8 * 64, 64, 1};
    one.tensors[name] = drawn(name[0] == 'n' ? "i32" : name[0] == 'b' ? "bool" : "f16", 16 * 64);
  }
  check(one);
  EXPECT_EQ(schedule.vector, 8);
}

TEST_F(PointwiseKernels, RotaryHalvesKeepFullAccesses) {
  Case one{
      "?x?x64",
      "(in x bf16 (? ? 1) align 16) (in c f32 (0 32 1) align 16) (in s f32 (0 32 1) align 16) "
      "(out y bf16 (? ? 1) align 16 (if (lt (index 2) 32) (sub (mul x (at c 0 (index 1) (index "
      "2))) (mul (at x (index 0) (index 1) (add (index 2) 32)) (at s 0 (index 1) (index 2)))) "
      "(add (mul x (at c 0 (index 1) (sub (index 2) 32))) (mul (at x (index 0) (index 1) (sub "
      "(index 2) 32)) (at s 0 (index 1) (sub (index 2) 32))))))",
      {2, 4, 64}};
  one.strides["x"] = one.strides["y"] = {4 * 64, 64, 1};
  one.tensors["x"] = drawn("bf16", 512);
  one.tensors["y"] = drawn("bf16", 512);
  one.tensors["c"] = drawn("f32", 4 * 32);
  one.tensors["s"] = drawn("f32", 4 * 32);
  check(one);
  EXPECT_EQ(schedule.vector, 8);
  // 64 vectors of 8 elements are two warps. Each reads x twice and two accesses of each table, in
  // one of two branches, and stores once.
  EXPECT_EQ(last.counters.globalStores.instructions, 2u);
  EXPECT_EQ(last.counters.globalStores.bytes, 512u * 2);
}

TEST_F(PointwiseKernels, FullVectorsAreAccessesOf16Bytes) {
  Case one{
      "?x64",
      "(in x bf16 (64 1) align 16) (in w f32 (0 1) align 16) (out y bf16 (64 1) align 16 (mul x "
      "w))",
      {32, 64}};
  one.tensors["x"] = drawn("bf16", 2048);
  one.tensors["w"] = drawn("f32", 64);
  one.tensors["y"] = drawn("bf16", 2048);
  check(one);
  // 256 vectors are 8 warps. Each loads x once and w in two accesses, and stores once.
  EXPECT_EQ(last.counters.globalStores.instructions, 8u);
  EXPECT_EQ(last.counters.globalStores.bytes, 8u * 32 * 16);
  EXPECT_EQ(last.counters.globalLoads.instructions, 8u * 3);
  EXPECT_EQ(last.counters.globalLoads.bytes, 8u * 32 * 48);
}

TEST_F(PointwiseKernels, ManyElementsForFewBlocks) {
  Case one{"?", "(in x f32 (1)) (out y f32 (1) (add x 1.0))", {5000}};
  one.tensors["x"] = drawn("f32", 5000);
  one.tensors["y"] = drawn("f32", 5000);
  for (unsigned blocks : {1u, 2u, 1000u}) {
    compile(one);
    Case run = one;
    EXPECT_TRUE(launch(run, Order::Reverse, blocks).clean());
    EXPECT_EQ(run.tensors["y"].bytes, interpret(one).at("y").bytes) << blocks;
  }
}

// A vector's lanes share a comparison only where it changes between vectors.
TEST_F(PointwiseKernels, ComparisonsAtEveryBoundary) {
  for (const char *op : {"lt", "le", "gt", "ge", "eq", "ne"})
    for (bool isSwapped : {false, true}) {
      std::string program = "(in a f32 (1) align 16) (in b f32 (1) align 16)";
      Case one{"24", "", {24}};
      for (int64_t c = -1; c < 26; ++c) {
        std::string bound = std::to_string(c), name = "y" + std::to_string(c + 1);
        std::string test = isSwapped ? bound + " (index 0)" : "(index 0) " + bound;
        program += " (out " + name + " f32 (1) align 16 (if (" + op + " " + test +
                   ") (at a (index 0)) (at b (index 0))))";
        one.tensors[name] = Memory("f32", 24);
      }
      one.program = program;
      one.tensors["a"] = drawn("f32", 24);
      one.tensors["b"] = drawn("f32", 24);
      check(one);
      EXPECT_EQ(schedule.vector, 4);
    }
}

// The reads of a gather begin at every distance from a vector's beginning.
TEST_F(PointwiseKernels, ShiftedReadsOfEveryDistance) {
  std::string program = "(in a bf16 (64 1) align 16)";
  Case one{"2x32", "", {2, 32}};
  for (int64_t shift = 0; shift < 20; ++shift) {
    std::string name = "y" + std::to_string(shift), by = std::to_string(shift);
    program +=
        " (out " + name + " bf16 (32 1) align 16 (at a (index 0) (add (index 1) " + by + ")))";
    one.tensors[name] = Memory("bf16", 64);
  }
  program += " (out back bf16 (32 1) align 16 (at a (index 0) (sub (sub (index 1) -8) 8)))"
             " (out turned bf16 (32 1) align 16 (at a (index 0) (sub 31 (index 1))))";
  one.tensors["back"] = one.tensors["turned"] = Memory("bf16", 64);
  one.program = program;
  one.tensors["a"] = drawn("bf16", 128);
  check(one);
  EXPECT_EQ(schedule.vector, 8);
}

TEST_F(PointwiseKernels, TheProgramsOfThePage) {
  Case one{"?x64",
           "(in g bf16 (128 1) align 16) (in x bf16 (64 1) align 16) (scalar past i64) (out y bf16 "
           "(64 1) align 16 (mul (mul g (sigmoid g)) x)) (out m f32 (64 1) align 16 (if (gt (index "
           "1) (add (index 0) (arg past))) -inf x))",
           {5, 64}};
  one.scalars["past"] = integer(3);
  one.tensors["g"] = drawn("bf16", 5 * 128);
  one.tensors["x"] = drawn("bf16", 5 * 64);
  one.tensors["y"] = Memory("bf16", 5 * 64);
  one.tensors["m"] = Memory("f32", 5 * 64);
  std::map<std::string, Memory> want = interpret(one);
  compile(one);
  EXPECT_TRUE(launch(one, Order::Forward).clean());
  EXPECT_EQ(one.tensors["m"].bytes, want["m"].bytes);
  for (size_t i = 0; i < 320; ++i) {
    // The sigmoid is not the nearest number, so a result may be rounded to the neighbour.
    double should = want["y"].get(i).real;
    EXPECT_NEAR(one.tensors["y"].get(i).real, should, std::abs(should) / 128) << i;
  }
}
