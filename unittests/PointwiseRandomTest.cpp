//===- PointwiseRandomTest.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Draws programs of exact operations, and compares the kernels with the interpreter to the bit.
//
//===----------------------------------------------------------------------===//

#include "PointwiseReference.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::pointwise;

namespace {
/// Draws a case with its tensors.
class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}
  Case draw();

private:
  uint64_t upTo(uint64_t n) { return random() % n; }
  template <size_t N> std::string pick(const char *const (&texts)[N]) { return texts[upTo(N)]; }

  void addInput();
  void addOutput(int64_t number);
  std::string expression(char type, int depth);
  std::string leaf(char type);
  std::string gather(const std::string &name, int depth);
  std::string binary(const std::string &op, char type, int depth) {
    return "(" + op + " " + expression(type, depth) + " " + expression(type, depth) + ")";
  }

  std::mt19937_64 random;
  Case one;
  struct Input {
    std::string name;
    char type;
    std::vector<int64_t> dims;
    bool isPlain;
  };
  std::vector<Input> inputs;
  /// Names that let binds where the generator is, with their types.
  std::vector<std::pair<std::string, char>> bound;
  int64_t names = 0;
};
} // namespace

static char typeOf(const std::string &element) {
  return element == "bool" ? 'b' : element[0] == 'i' ? 'i' : 'r';
}

void Generator::addInput() {
  static const char *const kElements[] = {"f32", "f16", "bf16", "i8", "i32", "i64", "bool"};
  std::string element = pick(kElements);
  Input input{"t" + std::to_string(inputs.size()), typeOf(element), one.dims, upTo(3) != 0};
  if (!input.isPlain) {
    input.dims.clear();
    for (uint64_t i = 0; i < 1 + upTo(3); ++i)
      input.dims.push_back(1 + upTo(9));
  }
  // Axes lie in memory in their order, or the last one is the outermost; some are broadcast.
  std::vector<int64_t> strides(input.dims.size());
  int64_t count = 1;
  bool isTurned = upTo(4) == 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    size_t axis = isTurned ? i : strides.size() - 1 - i;
    bool isBroadcast = input.isPlain && upTo(5) == 0;
    strides[axis] = isBroadcast ? 0 : count;
    count *= isBroadcast ? 1 : input.dims[axis];
  }
  std::string text;
  bool isDynamic = upTo(3) == 0;
  for (size_t i = 0; i < strides.size(); ++i)
    text += (i == 0 ? "" : " ") + (isDynamic && i + 1 != strides.size() && strides[i] % 16 == 0
                                       ? "?"
                                       : std::to_string(strides[i]));
  one.strides[input.name] = strides;
  one.program += "(in " + input.name + " " + element + " (" + text + ")" +
                 (upTo(2) == 0 ? " align 16" : "") + ") ";
  Memory memory(element, count);
  memory.draw(random, upTo(2) == 0);
  one.tensors[input.name] = std::move(memory);
  inputs.push_back(std::move(input));
}

std::string Generator::gather(const std::string &name, int depth) {
  const Input &input =
      *llvm::find_if(inputs, [&](const Input &other) { return other.name == name; });
  std::string out = "(at " + name;
  for (int64_t dim : input.dims) // Python's modulo is in the range for all integers
    out += " (mod " + expression('i', depth) + " " + std::to_string(dim) + ")";
  return out + ")";
}

std::string Generator::leaf(char type) {
  std::vector<std::string> all;
  for (const auto &[name, other] : bound)
    if (other == type)
      all.push_back(name);
  for (const Input &input : inputs)
    if (input.type == type && input.isPlain)
      all.push_back(input.name);
  static const char *const kReals[] = {"1.5", "-0x1.8p3", "1e-5", "inf", "nan", "-0.0", "100.0"};
  static const char *const kIntegers[] = {"3", "-2", "0", "1", "9223372036854775807", "8"};
  static const char *const kBooleans[] = {"true", "false"};
  all.push_back(type == 'r' ? pick(kReals) : type == 'i' ? pick(kIntegers) : pick(kBooleans));
  if (type == 'i') {
    all.push_back("(index " + std::to_string(upTo(one.dims.size())) + ")");
    all.push_back("(size " + std::to_string(upTo(one.dims.size())) + ")");
    all.push_back("(arg n)");
  } else if (type == 'r') {
    all.push_back("(arg a)");
  }
  return all[upTo(all.size())];
}

std::string Generator::expression(char type, int depth) {
  static const char *const kRealUnary[] = {"neg",  "abs",   "sqrt", "recip",     "floor",
                                           "ceil", "round", "sign", "round f16", "round bf16"};
  static const char *const kRealBinary[] = {"add", "sub", "mul", "div",
                                            "min", "max", "mod", "fmod"};
  static const char *const kIntegerUnary[] = {"neg", "abs", "not", "wrap i8", "wrap i32"};
  static const char *const kIntegerBinary[] = {"add", "sub", "mul", "div", "mod", "fmod", "min",
                                               "max", "and", "or",  "xor", "shl", "shr"};
  static const char *const kCompare[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  static const char *const kLogic[] = {"and", "or", "xor", "eq", "ne"};
  static const char *const kCasts[] = {"real", "int", "bool"};
  if (depth == 0 || upTo(8) == 0)
    return leaf(type);
  char other = "rib"[upTo(3)];
  switch (upTo(7)) {
  case 0:
    return "(if " + expression('b', depth - 1) + " " + expression(type, depth - 1) + " " +
           expression(type, depth - 1) + ")";
  case 1: {
    std::string name = "v" + std::to_string(names++);
    std::string value = expression(other, depth - 1);
    bound.emplace_back(name, other);
    std::string body = expression(type, depth - 1);
    bound.pop_back();
    return "(let ((" + name + " " + value + ")) " + body + ")";
  }
  case 2:
    return "(" +
           std::string(kCasts[type == 'r'   ? 0
                              : type == 'i' ? 1
                                            : 2]) +
           " " + expression(other, depth - 1) + ")";
  case 3:
    for (const Input &input : inputs)
      if (input.type == type && upTo(2) == 0)
        return gather(input.name, std::min(depth - 1, 1));
    return leaf(type);
  case 4:
    if (type == 'b')
      return binary(pick(kLogic), 'b', depth - 1);
    return "(" + (type == 'r' ? pick(kRealUnary) : pick(kIntegerUnary)) + " " +
           expression(type, depth - 1) + ")";
  default:
    if (type == 'b')
      return binary(pick(kCompare), upTo(2) ? 'r' : 'i', depth - 1);
    return binary(type == 'r' ? pick(kRealBinary) : pick(kIntegerBinary), type, depth - 1);
  }
}

void Generator::addOutput(int64_t number) {
  static const char *const kElements[] = {"f32", "f16", "bf16", "i8", "i32", "i64", "bool"};
  std::string element = pick(kElements), name = "y" + std::to_string(number), text;
  int64_t count = 1;
  for (size_t axis = one.dims.size(); axis-- > 0; count *= one.dims[axis])
    text = std::to_string(count) + (text.empty() ? "" : " ") + text;
  one.program += "(out " + name + " " + element + " (" + text + ")" +
                 (upTo(3) != 0 ? " align 16" : "") + " " + expression(typeOf(element), 5) + ") ";
  one.tensors[name] = Memory(element, count);
}

Case Generator::draw() {
  for (uint64_t i = 0, axes = 1 + upTo(4); i < axes; ++i)
    one.dims.push_back(1 + upTo(5));
  static const int64_t kLast[] = {1, 7, 8, 16, 24, 64};
  one.dims.back() = kLast[upTo(std::size(kLast))];
  for (auto [axis, dim] : llvm::enumerate(one.dims))
    one.sizes += (axis == 0 ? "" : "x") + (upTo(4) == 0 ? "?" : std::to_string(dim));
  one.program = "(scalar n i64) (scalar a f32) ";
  one.scalars = {{"n", integer(static_cast<int64_t>(upTo(9)) - 4)}, {"a", real(0.375)}};
  for (uint64_t i = 0, count = 1 + upTo(4); i < count; ++i)
    addInput();
  for (uint64_t i = 0, count = 1 + upTo(3); i < count; ++i)
    addOutput(i);
  return one;
}

TEST_F(PointwiseTest, DrawnProgramsGiveTheBitsOfTheInterpreter) {
  int64_t vectors = 0;
  for (uint64_t seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    check(Generator(seed).draw());
    vectors += schedule.vector > 1;
    if (HasFailure())
      return;
  }
  EXPECT_GT(vectors, 10); // the other programs are scalar
}
