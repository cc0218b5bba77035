//===- PointwiseProgramTest.cpp ---------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the parser of pointwise programs makes of a text, and each of its errors.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/PointwiseProgram.h"

#include "llvm/ADT/bit.h"

#include <gtest/gtest.h>

#include <random>

using namespace basin::kernels;

/// Returns the error of a program over two axes, of which a launch gives the first, or "".
static std::string refusal(llvm::StringRef program, llvm::StringRef sizes = "?x64") {
  auto space = parsePointwiseSizes(sizes);
  if (!space)
    return llvm::toString(space.takeError());
  llvm::Expected<PointwiseProgram> parsed = parsePointwiseProgram(program, *space);
  return parsed ? "" : llvm::toString(parsed.takeError());
}

/// Returns the error of an expression that an i64 tensor stores.
static std::string wrong(const std::string &expression) {
  return refusal("(in x f32 (64 1)) (in n i64 (1)) (in i i64 (64 1)) (scalar a f32) (out y i64 (64 "
                 "1) " +
                 expression + ")");
}

TEST(PointwisePrograms, HaveWhatTheTextSays) {
  auto sizes = parsePointwiseSizes("?x3x64");
  ASSERT_TRUE(bool(sizes));
  llvm::Expected<PointwiseProgram> parsed = parsePointwiseProgram(
      "(in x bf16 (? 64 1) align 16) (scalar s f32)\n"
      "(out y f32 (192 64 1) (let ((a (mul x (arg s)))) (if (lt (index 2) 4) a (add a 1.5))))",
      *sizes);
  ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  EXPECT_EQ(parsed->sizes[0], std::nullopt);
  EXPECT_EQ(parsed->sizes[2], 64);
  ASSERT_EQ(parsed->tensors.size(), 2u);
  const PointwiseTensor &x = parsed->tensors[0], &y = parsed->tensors[1];
  EXPECT_EQ(x.alignment, 16);
  EXPECT_EQ(x.strides[0], std::nullopt);
  EXPECT_FALSE(x.stored);
  EXPECT_EQ(y.alignment, 4);
  const PointwiseExpression &let = (*parsed)[*y.stored], &branch = (*parsed)[let.operands.back()];
  EXPECT_EQ(let.op, PointwiseOperator::Let);
  EXPECT_EQ(branch.op, PointwiseOperator::If);
  // What let binds is evaluated before, so the branches read nothing.
  EXPECT_EQ(branch.number, 0);
  EXPECT_EQ(branch.operands[1], let.operands[0]);
}

TEST(PointwisePrograms, LiteralsAreTheNearestNumbers) {
  auto literal = [](const std::string &text) {
    llvm::Expected<PointwiseProgram> parsed =
        parsePointwiseProgram("(out y f32 (1) " + text + ")", {{64}});
    EXPECT_TRUE(bool(parsed)) << text;
    return llvm::bit_cast<float>(static_cast<int32_t>((*parsed)[0].number));
  };
  EXPECT_EQ(literal("0.1"), 0.1f);
  EXPECT_EQ(literal("-0x1.8p3"), -12.f);
  EXPECT_EQ(literal("1e-5"), 1e-5f);
  EXPECT_EQ(literal("1e-45"), 0x1p-149f);
  EXPECT_EQ(literal("-inf"), -INFINITY);
  EXPECT_EQ(literal("3.4028235e38"), 0x1.fffffep127f);
  // Rounded once, from the text to 24 bits: over f64 it would be 1.
  EXPECT_EQ(literal("1.00000005960464477540"), 0x1.000002p0f);
}

TEST(PointwisePrograms, SayWhatIsWrongWithSizes) {
  EXPECT_EQ(refusal("", "1x2x3x4x5x6x7"), "sizes: expected 1 to 6 axes, but got 7");
  EXPECT_EQ(refusal("", "64x"), "sizes: expected ? or a number from 1 to 2147483647, but got ''");
  EXPECT_EQ(refusal("", "-1"), "sizes: expected ? or a number from 1 to 2147483647, but got '-1'");
  EXPECT_EQ(refusal("", "99999999999999999999"),
            "sizes: expected ? or a number from 1 to 2147483647, but got '99999999999999999999'");
  EXPECT_EQ(refusal("", "65536x32768"),
            "sizes: expected at most 2147483647 elements, but got 2147483648");
}

TEST(PointwisePrograms, SayWhatIsWrongWithDeclarations) {
  EXPECT_EQ(refusal(""), "expected a tensor that is written, (out ..)");
  EXPECT_EQ(refusal("x"), "'x': expected (in ..), (scalar ..) or (out ..)");
  EXPECT_EQ(refusal("(inout x)"), "'(inout x)': expected in, scalar or out, but got 'inout'");
  EXPECT_EQ(refusal("(in x f32)"), "'(in x f32)': expected (in NAME TYPE (STRIDES) [align N])");
  EXPECT_EQ(refusal("(out y f32 (64 1))"),
            "'(out y f32 (64 1))': expected (out NAME TYPE (STRIDES) [align N] EXPRESSION)");
  EXPECT_EQ(refusal("(in 3x f32 (1))"),
            "'3x': expected a name of up to 64 letters, digits and underscores");
  EXPECT_EQ(refusal("(in nan f32 (1))"),
            "'nan': expected a name of up to 64 letters, digits and underscores");
  EXPECT_EQ(refusal("(in x f32 (1)) (in x f32 (1))"),
            "'x': expected a name that nothing has, but got one that is in use");
  EXPECT_EQ(refusal("(in x f64 (1))"),
            "'f64': expected a type: f32, f16, bf16, i8, i32, i64, bool");
  EXPECT_EQ(refusal("(in x f32 (-1))"),
            "'(-1)': expected ? or a number from 0 to 1099511627776 as a stride, but got '-1'");
  EXPECT_EQ(refusal("(in x f32 (1 1 1 1 1 1 1 1 1))"),
            "'(1 1 1 1 1 1 1 1 1)': expected up to 8 strides, like (64 1)");
  EXPECT_EQ(refusal("(in x f32 (1) align 6)"),
            "'6': expected a power of two from 4 to 4096 as the alignment of 'x'");
  EXPECT_EQ(refusal("(in x f32 (1) align 2)"),
            "'2': expected a power of two from 4 to 4096 as the alignment of 'x'");
  EXPECT_EQ(refusal("(scalar s)"), "'(scalar s)': expected (scalar NAME i64) or (scalar NAME f32)");
  EXPECT_EQ(refusal("(scalar s i32)"),
            "'(scalar s i32)': expected a scalar of i64 or f32, but got 'i32'");
  EXPECT_EQ(refusal("(out y i32 (1) 3)"),
            "'(out y i32 (1) 3)': expected a stride for each of the 2 axes, but got 1");
  EXPECT_EQ(refusal("(out y i32 (0 1) 3)"),
            "'(out y i32 (0 1) 3)': expected strides other than 0, because each element is written "
            "once");
  EXPECT_EQ(refusal("(out y i32 (64 1) 3.0)"),
            "'(out y i32 (64 1) 3.0)': expected an integer to store as i32, but got a real");
  EXPECT_EQ(refusal("(in count f32 (1)) (out y i32 (64 1) 3)"),
            "'count': expected a name that nothing has, but got an argument's");
  EXPECT_EQ(refusal("(scalar size0 i64) (out y i32 (64 1) 3)"),
            "'size0': expected a name that nothing has, but got an argument's");
  EXPECT_EQ(refusal("(scalar size1 i64) (out y i32 (64 1) 3)"), "");
  EXPECT_EQ(refusal("(in x f32 (?)) (scalar x_stride0 i64) (out y i32 (64 1) 3)"),
            "'x_stride0': expected a name that nothing has, but got an argument's");
}

TEST(PointwisePrograms, SayWhatIsWrongWithExpressions) {
  EXPECT_EQ(wrong("()"), "'()': expected an expression, but got a list without an operation");
  EXPECT_EQ(wrong("z"), "'z': expected the name of a tensor that is read, or one that let binds");
  EXPECT_EQ(wrong("a"), "'a': expected (arg a) for a scalar");
  EXPECT_EQ(wrong("y"), "'y': expected a tensor that is read, but got one that is written");
  EXPECT_EQ(wrong("n"), "'n': expected a tensor of 2 axes, but got 1: its elements are (at n ..)");
  EXPECT_EQ(wrong("3..4"), "'3..4': expected a name or a number, such as 3, 1.5, -0x1.8p3 or -inf");
  EXPECT_EQ(wrong("1e99"), "'1e99': expected a name or a number, such as 3, 1.5, -0x1.8p3 or -inf");
  EXPECT_EQ(wrong("+3"), "'+3': expected a name or a number, such as 3, 1.5, -0x1.8p3 or -inf");
  EXPECT_EQ(wrong("9223372036854775808"), "'9223372036854775808': expected an integer of 64 bits");
  EXPECT_EQ(wrong("(index 2)"), "'(index 2)': expected an axis from 0 to 1");
  EXPECT_EQ(wrong("(size -1)"), "'(size -1)': expected an axis from 0 to 1");
  EXPECT_EQ(wrong("(arg x)"), "'(arg x)': expected the name of a scalar");
  EXPECT_EQ(wrong("(at y 0 0)"), "'(at y 0 0)': expected the name of a tensor that is read");
  EXPECT_EQ(wrong("(at n 0 0)"), "'(at n 0 0)': expected 1 indices of 'n', but got 2");
  EXPECT_EQ(wrong("(at n 0.5)"), "'0.5': expected an integer as an index, but got a real");
  EXPECT_EQ(wrong("(let x 3)"), "'(let x 3)': expected (let ((NAME EXPRESSION) ..) EXPRESSION)");
  EXPECT_EQ(wrong("(let ((v)) 3)"), "'(v)': expected (NAME EXPRESSION)");
  EXPECT_EQ(wrong("(let ((x 3)) x)"),
            "'x': expected a name that nothing has, but got one that is in use");
  EXPECT_EQ(wrong("(let ((v 3)) (let ((v 4)) v))"),
            "'v': expected a name that nothing has, but got one that is in use");
  EXPECT_EQ(wrong("(add (let ((v 3)) v) v)"),
            "'v': expected the name of a tensor that is read, or one that let binds");
  EXPECT_EQ(wrong("(add (let ((v 3)) v) (let ((v 4)) v))"), "");
  EXPECT_EQ(wrong("(reduce mul (j 3) j)"),
            "'(reduce mul (j 3) j)': expected (reduce add|min|max (NAME COUNT) EXPRESSION)");
  EXPECT_EQ(wrong("(reduce add (j 1.5) j)"),
            "'(reduce add (j 1.5) j)': expected an integer as the count, but got a real");
  EXPECT_EQ(wrong("(reduce add (x 3) 1)"),
            "'x': expected a name that nothing has, but got one that is in use");
  EXPECT_EQ(wrong("(reduce max (j 3) true)"),
            "'(reduce max (j 3) true)': expected reals or integers to reduce, but got a boolean");
  EXPECT_EQ(wrong("(add (reduce add (j 3) j) j)"),
            "'j': expected the name of a tensor that is read, or one that let binds");
  EXPECT_EQ(wrong("(if true 3)"), "'(if true 3)': expected (if CONDITION EXPRESSION EXPRESSION)");
  EXPECT_EQ(wrong("(if 1 3 4)"),
            "'(if 1 3 4)': expected a boolean as the condition, but got an integer");
  EXPECT_EQ(wrong("(if true 3 4.0)"),
            "'(if true 3 4.0)': expected branches of one type, but got an integer and a real");
  EXPECT_EQ(wrong("(wrap i16 3)"),
            "'(wrap i16 3)': expected (wrap i32 ..), (wrap i8 ..), (round f16 "
            "..) or (round bf16 ..)");
  EXPECT_EQ(wrong("(wrap 3)"),
            "'(wrap 3)': expected (wrap i32 ..), (wrap i8 ..), (round f16 ..) or "
            "(round bf16 ..)");
  EXPECT_EQ(wrong("(wrap i8 x)"), "'(wrap i8 x)': expected an integer, but got a real");
  EXPECT_EQ(wrong("(round f16 3)"), "'(round f16 3)': expected a real, but got an integer");
  EXPECT_EQ(wrong("(cosh x)"), "'(cosh x)': unknown operation 'cosh'");
  EXPECT_EQ(wrong("(add 3)"), "'(add 3)': expected 2 operands, but got 1");
  EXPECT_EQ(wrong("(exp 3)"), "'(exp 3)': expected a real, but got an integer");
  EXPECT_EQ(wrong("(lt true false)"),
            "'(lt true false)': expected a real or an integer, but got a boolean");
  EXPECT_EQ(wrong("(add i x)"),
            "'(add i x)': expected operands of one type, but got an integer and a real");
}

TEST(PointwisePrograms, HaveLimits) {
  EXPECT_EQ(refusal("("), "program: 1 parentheses are not closed");
  EXPECT_EQ(refusal("(in x f32 (1)))"), "program: a ')' closes nothing");
  EXPECT_EQ(refusal("(out \x01 f32 (1) 3)"), "program: expected printable characters of ASCII");
  EXPECT_EQ(refusal(std::string(65537, ' ')),
            "program: expected at most 65536 bytes, but got 65537");
  EXPECT_EQ(refusal(std::string(129, '(')), "program: expected at most 128 nested parentheses");
  auto nested = [](int depth) {
    std::string text = "(index 0)";
    for (int i = 0; i < depth; ++i)
      text = "(neg " + text + ")";
    return "(out y i64 (64 1) " + text + ")";
  };
  EXPECT_EQ(refusal(nested(126)), "");
  EXPECT_EQ(refusal(nested(127)), "program: expected at most 128 nested parentheses");
  std::string tensors, scalars;
  for (int i = 0; i < 33; ++i) {
    tensors += "(in t" + std::to_string(i) + " i8 ())";
    scalars += "(scalar s" + std::to_string(i) + " i64)";
  }
  EXPECT_EQ(refusal(tensors), "'(in t32 i8 ())': expected at most 32 tensors");
  EXPECT_EQ(refusal(scalars), "'(scalar s32 i64)': expected at most 32 scalars");
  std::string declared = "(in x f32 (64 1))", written = "(out y f32 (64 1) ";
  std::string functions = "(exp x)";
  for (int i = 0; i < 7; ++i)
    functions = "(add " + functions + " " + functions + ")";
  EXPECT_EQ(refusal(declared + written + functions + ")"), "");
  EXPECT_EQ(refusal(declared + written + "(add " + functions + " (log x)))"),
            "'(log x)': expected at most 128 operations of many instructions, such as exp and mod");
  // A message shows the beginning of what is long.
  EXPECT_EQ(wrong("(" + std::string(1000, 'x') + ")"),
            "'(" + std::string(59, 'x') + "..': unknown operation '" + std::string(64, 'x') + "'");
}

// Texts that are nearly right must give a program or an error, and nothing else.
TEST(PointwisePrograms, DamagedTextsAreReadSafely) {
  const std::string text = "(in x bf16 (? 64) align 16) (scalar s f32) (out y f32 (64 1) (let ((a "
                           "(mul x (arg s)))) (if (lt (index 1) 4) a (at x (index 0) -3))))";
  const std::string characters = "()? x1a-.e\n";
  std::mt19937_64 random(3);
  int accepted = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = text;
    for (uint64_t n = 0, count = 1 + random() % 3; n < count; ++n) {
      size_t at = random() % damaged.size();
      switch (random() % 3) {
      case 0:
        damaged[at] = characters[random() % characters.size()];
        break;
      case 1:
        damaged.erase(at, 1 + random() % 9);
        break;
      default:
        damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 9));
      }
      if (damaged.empty())
        damaged = "(";
    }
    (refusal(damaged).empty() ? accepted : refused) += 1;
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 10000);
}
