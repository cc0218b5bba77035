//===- PointwiseReference.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PointwiseReference.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"

#include <bit>
#include <cmath>
#include <optional>
#include <sstream>

using namespace mlir;
using namespace basin;
using namespace basin::emulator;
using namespace basin::kernels;
using namespace basin::pointwise;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static bool isReal(const std::string &element) { return element.find('f') != std::string::npos; }

static const llvm::fltSemantics &semanticsOf(const std::string &element) {
  return element == "f32"   ? llvm::APFloat::IEEEsingle()
         : element == "f16" ? llvm::APFloat::IEEEhalf()
                            : llvm::APFloat::BFloat();
}

static double roundTo(const std::string &element, double x) {
  llvm::APFloat number(x);
  bool lost;
  number.convert(semanticsOf(element), llvm::APFloat::rmNearestTiesToEven, &lost);
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return number.convertToDouble();
}

size_t Memory::width() const {
  return element == "i64"                        ? 8
         : element == "f32" || element == "i32"  ? 4
         : element == "f16" || element == "bf16" ? 2
                                                 : 1;
}

void Memory::set(size_t i, Number value) {
  uint64_t bits = value.integer;
  if (isReal(element)) {
    llvm::APFloat number(value.real);
    bool lost;
    number.convert(semanticsOf(element), llvm::APFloat::rmNearestTiesToEven, &lost);
    bits = number.bitcastToAPInt().getZExtValue();
  }
  memcpy(&bytes.at(i * width()), &bits, width());
}

Number Memory::get(size_t i) const {
  uint64_t bits = 0;
  memcpy(&bits, &bytes.at(i * width()), width());
  if (element == "bool")
    return boolean(bits != 0);
  if (!isReal(element))
    return integer(llvm::SignExtend64(bits, 8 * width()));
  llvm::APFloat number(semanticsOf(element), llvm::APInt(8 * width(), bits));
  bool lost;
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return real(number.convertToDouble());
}

void Memory::draw(std::mt19937_64 &random, bool special) {
  static const double kReals[] = {0,         -0.0, 1,     -1,    0.5,   -1.5, 2.5,   INFINITY,
                                  -INFINITY, NAN,  1e-40, -3e38, 65504, 1e10, -7e18, 100};
  static const int64_t kIntegers[] = {0, 1, -1, 2, 63, 64, -64, INT64_MIN, INT64_MAX, 255, -128};
  std::normal_distribution<double> normal;
  for (size_t i = 0; i < count(); ++i) {
    bool isSpecial = special && random() % 3 == 0;
    if (isReal(element))
      set(i, real(isSpecial ? kReals[random() % std::size(kReals)] : 4 * normal(random)));
    else if (element == "bool")
      set(i, integer(random() % 2));
    else
      set(i, integer(isSpecial ? kIntegers[random() % std::size(kIntegers)]
                               : static_cast<int64_t>(random() % 41) - 20));
  }
}

int64_t Case::count() const {
  int64_t out = 1;
  for (int64_t dim : dims)
    out *= dim;
  return out;
}

//===----------------------------------------------------------------------===//
// Interpreter
//===----------------------------------------------------------------------===//

namespace {
struct Tree {
  std::string word;
  std::vector<Tree> parts;
};

/// Reads the next tree. The text is known to be right.
Tree readTree(std::istringstream &text) {
  Tree out;
  char c = 0;
  text >> c;
  if (c != '(') {
    for (; text && c != ')' && !isspace(c); c = static_cast<char>(text.get()))
      out.word += c;
    if (text)
      text.unget();
    return out;
  }
  while ((text >> std::ws).peek() != ')')
    out.parts.push_back(readTree(text));
  text.get();
  return out;
}

struct Interpreter {
  const Case &one;
  std::map<std::string, Tree> declared;
  std::vector<int64_t> indices;
  std::map<std::string, Number> bound;

  std::vector<int64_t> stridesOf(const std::string &name) {
    if (auto found = one.strides.find(name); found != one.strides.end())
      return found->second;
    std::vector<int64_t> out;
    for (const Tree &stride : declared.at(name).parts[3].parts)
      out.push_back(std::stoll(stride.word));
    return out;
  }
  size_t offset(const std::string &name, const std::vector<int64_t> &at) {
    int64_t out = 0;
    std::vector<int64_t> strides = stridesOf(name);
    for (size_t i = 0; i < at.size(); ++i)
      out += strides[i] * at[i];
    return out;
  }
  Number word(const std::string &text);
  Number evaluate(const Tree &tree);
  Number evaluateLet(const Tree &tree);
  Number evaluateReduce(const Tree &tree);
};
} // namespace

Number Interpreter::word(const std::string &text) {
  if (auto found = bound.find(text); found != bound.end())
    return found->second;
  if (declared.count(text))
    return one.tensors.at(text).get(offset(text, indices));
  if (text == "true" || text == "false")
    return boolean(text == "true");
  if (text.find_first_not_of("-0123456789") == std::string::npos)
    return integer(std::stoll(text));
  return real(std::strtof(text.c_str(), nullptr));
}

static int64_t toInteger(double x) {
  return std::isnan(x) ? 0
         : x >= 0x1p63 ? INT64_MAX
         : x < -0x1p63 ? INT64_MIN
                       : static_cast<int64_t>(x);
}

static Number applyReal(const std::string &op, double x) {
  static const std::map<std::string, double (*)(double)> kFunctions = {
      {"neg", [](double v) { return -v; }},
      {"abs", [](double v) { return std::fabs(v); }},
      {"sqrt", [](double v) { return std::sqrt(v); }},
      {"rsqrt", [](double v) { return 1 / std::sqrt(v); }},
      {"recip", [](double v) { return 1 / v; }},
      {"exp", [](double v) { return std::exp(v); }},
      {"log", [](double v) { return std::log(v); }},
      {"sin", [](double v) { return std::sin(v); }},
      {"cos", [](double v) { return std::cos(v); }},
      {"tanh", [](double v) { return std::tanh(v); }},
      {"erf", [](double v) { return std::erf(v); }},
      {"sigmoid", [](double v) { return 1 / (1 + std::exp(-v)); }},
      {"floor", [](double v) { return std::floor(v); }},
      {"ceil", [](double v) { return std::ceil(v); }},
      {"round", [](double v) { return std::nearbyint(v); }},
      {"sign", [](double v) { return v > 0   ? 1.0
                                     : v < 0 ? -1.0
                                             : v; }},
      {"real", [](double v) { return v; }}};
  if (op == "isnan")
    return boolean(std::isnan(x));
  if (op == "isinf")
    return boolean(std::isinf(x));
  if (op == "int")
    return integer(toInteger(x));
  if (op == "bool")
    return boolean(x != 0);
  return real(kFunctions.at(op)(x));
}

static double remainder(double x, double y, bool byDivisor) {
  double rest = std::fmod(x, y);
  if (!byDivisor || std::isnan(rest))
    return rest;
  if (rest == 0)
    return std::copysign(0.0, y);
  return (rest < 0) != (y < 0) ? rest + y : rest;
}

static Number applyReals(const std::string &op, double x, double y) {
  bool isLess = x < y || (x == y && std::signbit(x) && !std::signbit(y));
  bool isNaN = std::isnan(x) || std::isnan(y);
  if (op == "min" || op == "max")
    return real(isNaN ? NAN : isLess == (op == "min") ? x : y);
  if (op == "mod" || op == "fmod")
    return real(remainder(x, y, op == "mod"));
  if (op == "pow")
    return real(std::pow(x, y));
  if (op == "eq" || op == "ne")
    return boolean((x == y) == (op == "eq"));
  if (op == "lt" || op == "gt")
    return boolean(op == "lt" ? x < y : x > y);
  if (op == "le" || op == "ge")
    return boolean(op == "le" ? x <= y : x >= y);
  return real(op == "add" ? x + y : op == "sub" ? x - y : op == "mul" ? x * y : x / y);
}

static int64_t divide(const std::string &op, int64_t x, int64_t y) {
  if (y == 0)
    return 0;
  if (y == -1)
    return op == "div" ? static_cast<int64_t>(-static_cast<uint64_t>(x)) : 0;
  if (op == "div")
    return x / y;
  int64_t rest = x % y;
  return op == "mod" && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

static Number applyIntegers(const std::string &op, Number a, Number c) {
  int64_t x = a.integer, y = c.integer;
  auto ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  static const std::map<std::string, bool (*)(int64_t, int64_t)> kCompare = {
      {"eq", [](int64_t p, int64_t q) { return p == q; }},
      {"ne", [](int64_t p, int64_t q) { return p != q; }},
      {"lt", [](int64_t p, int64_t q) { return p < q; }},
      {"le", [](int64_t p, int64_t q) { return p <= q; }},
      {"gt", [](int64_t p, int64_t q) { return p > q; }},
      {"ge", [](int64_t p, int64_t q) { return p >= q; }}};
  if (auto found = kCompare.find(op); found != kCompare.end())
    return boolean(found->second(x, y));
  if (op == "div" || op == "mod" || op == "fmod")
    return integer(divide(op, x, y));
  if (op == "shr")
    return integer(x >> (uy < 64 ? y : 63));
  if (op == "shl")
    return integer(uy < 64 ? static_cast<int64_t>(ux << uy) : 0);
  if (op == "min" || op == "max")
    return integer(op == "min" ? std::min(x, y) : std::max(x, y));
  uint64_t out = op == "add"   ? ux + uy
                 : op == "sub" ? ux - uy
                 : op == "mul" ? ux * uy
                 : op == "and" ? ux & uy
                 : op == "or"  ? ux | uy
                               : ux ^ uy;
  return {a.type, 0, static_cast<int64_t>(out)};
}

static Number applyInteger(const std::string &op, Number a) {
  int64_t x = a.integer;
  if (op == "neg" || (op == "abs" && x < 0))
    return integer(static_cast<int64_t>(-static_cast<uint64_t>(x)));
  if (op == "not")
    return a.type == 'b' ? boolean(x == 0) : integer(~x);
  if (op == "real") // from 64 bits to f32 at once
    return {'r', static_cast<float>(x), 0};
  return op == "bool" ? boolean(x != 0) : integer(x);
}

Number Interpreter::evaluateLet(const Tree &tree) {
  for (const Tree &binding : tree.parts[1].parts)
    bound[binding.parts[0].word] = evaluate(binding.parts[1]);
  Number out = evaluate(tree.parts[2]);
  for (const Tree &binding : tree.parts[1].parts)
    bound.erase(binding.parts[0].word);
  return out;
}

Number Interpreter::evaluateReduce(const Tree &tree) {
  const std::string &op = tree.parts[1].word, &name = tree.parts[2].parts[0].word;
  int64_t count = evaluate(tree.parts[2].parts[1]).integer;
  std::optional<Number> out;
  for (int64_t turn = 0; turn < count; ++turn) {
    bound[name] = integer(turn);
    Number next = evaluate(tree.parts[3]);
    // A sum begins with 0, and -0 + 0 is 0.
    if (!out && op == "add" && next.type == 'r')
      out = real(0);
    out = !out               ? next
          : next.type == 'r' ? applyReals(op, out->real, next.real)
                             : applyIntegers(op, *out, next);
  }
  bound.erase(name);
  return out.value_or(integer(0));
}

Number Interpreter::evaluate(const Tree &tree) {
  if (tree.parts.empty())
    return word(tree.word);
  const std::string &op = tree.parts[0].word;
  if (op == "index" || op == "size") {
    size_t axis = std::stoul(tree.parts[1].word);
    return integer(op == "index" ? indices[axis] : one.dims[axis]);
  }
  if (op == "arg")
    return one.scalars.at(tree.parts[1].word);
  if (op == "let")
    return evaluateLet(tree);
  if (op == "reduce")
    return evaluateReduce(tree);
  if (op == "if")
    return evaluate(tree.parts[evaluate(tree.parts[1]).integer != 0 ? 2 : 3]);
  if (op == "wrap") {
    int64_t x = evaluate(tree.parts[2]).integer;
    return integer(tree.parts[1].word == "i32" ? static_cast<int32_t>(x) : static_cast<int8_t>(x));
  }
  if (op == "round" && tree.parts.size() == 3)
    return real(roundTo(tree.parts[1].word, evaluate(tree.parts[2]).real));
  std::vector<Number> operands;
  for (size_t i = op == "at" ? 2 : 1; i < tree.parts.size(); ++i)
    operands.push_back(evaluate(tree.parts[i]));
  if (op == "at") {
    std::vector<int64_t> at;
    for (const Number &operand : operands)
      at.push_back(operand.integer);
    return one.tensors.at(tree.parts[1].word).get(offset(tree.parts[1].word, at));
  }
  bool isPair = operands.size() == 2;
  if (operands[0].type == 'r')
    return isPair ? applyReals(op, operands[0].real, operands[1].real)
                  : applyReal(op, operands[0].real);
  return isPair ? applyIntegers(op, operands[0], operands[1]) : applyInteger(op, operands[0]);
}

std::map<std::string, Memory> basin::pointwise::interpret(const Case &one) {
  Interpreter state{one, {}, std::vector<int64_t>(one.dims.size()), {}};
  std::vector<Tree> outs;
  std::istringstream text(one.program);
  while (!(text >> std::ws).eof()) {
    Tree tree = readTree(text);
    if (tree.parts[0].word != "scalar")
      state.declared[tree.parts[1].word] = tree;
    if (tree.parts[0].word == "out")
      outs.push_back(tree);
  }
  std::map<std::string, Memory> written;
  for (const Tree &out : outs)
    written[out.parts[1].word] = one.tensors.at(out.parts[1].word);
  for (int64_t n = 0; n < one.count(); ++n) {
    int64_t rest = n;
    for (size_t axis = one.dims.size(); axis-- > 0; rest /= one.dims[axis])
      state.indices[axis] = rest % one.dims[axis];
    for (const Tree &out : outs) {
      const std::string &name = out.parts[1].word;
      written[name].set(state.offset(name, state.indices), state.evaluate(out.parts.back()));
    }
  }
  return written;
}

//===----------------------------------------------------------------------===//
// Emulator
//===----------------------------------------------------------------------===//

void PointwiseTest::compile(const Case &one, std::optional<int64_t> vector) {
  llvm::Expected<PointwiseSpec> parsed = parsePointwiseSpec(one.sizes, one.program, &context);
  ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  spec = std::move(*parsed);
  schedule = choosePointwiseSchedule(spec);
  schedule.threads = 32;
  if (vector)
    schedule.vector = schedule.elements = *vector;
  ASSERT_EQ(schedule.check(spec), std::nullopt);
  emulator.reset();
  module = ModuleOp::create(UnknownLoc::get(&context));
  buildPointwiseKernel(createKernelModule(*module, "kernels"), spec, schedule);
  ASSERT_TRUE(succeeded(verify(*module)));
  PassManager pm(&context);
  nvptx::buildLowerKernelsPipeline(pm);
  ASSERT_TRUE(succeeded(pm.run(*module)));
  llvm::Expected<Emulator> made = Emulator::create(*module);
  ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
  emulator = std::make_unique<Emulator>(std::move(*made));
}

static Argument toArgument(const Case &one, const KernelArgument &argument) {
  StringRef name = argument.name;
  if (auto found = one.scalars.find(argument.name); found != one.scalars.end())
    return argument.type.isF32() ? Argument(static_cast<float>(found->second.real))
                                 : Argument(found->second.integer);
  if (name == "count")
    return static_cast<int32_t>(one.count());
  if (name.consume_front("size"))
    return static_cast<int32_t>(one.dims[std::stoul(name.str())]);
  auto [tensor, axis] = name.rsplit("_stride");
  return one.strides.at(tensor.str())[std::stoul(axis.str())];
}

Report PointwiseTest::launch(Case &one, Order order, unsigned maxBlocks) {
  if (!emulator) // it did not compile, which failed the test
    return {};
  Launch launch;
  int64_t perBlock = schedule.threads * schedule.elements;
  int64_t blocks = (one.count() + perBlock - 1) / perBlock;
  launch.grid[0] = std::clamp<int64_t>(blocks, 1, maxBlocks);
  launch.block[0] = schedule.threads;
  launch.threadOrder = launch.blockOrder = order;
  for (const KernelArgument &argument : getArguments(spec)) {
    if (argument.kind == KernelArgument::Scalar) {
      launch.arguments.push_back(toArgument(one, argument));
      continue;
    }
    Memory &memory = one.tensors.at(argument.name);
    launch.arguments.push_back(memory.bytes.data());
    // The pointer is a multiple of the alignment and no better.
    launch.buffers.push_back({argument.name, memory.bytes.data(), memory.bytes.size(),
                              argument.kind == KernelArgument::Out,
                              static_cast<size_t>(argument.alignment)});
  }
  llvm::Expected<Report> report = emulator->launch(getName(spec), launch);
  if (report)
    return std::move(*report);
  ADD_FAILURE() << llvm::toString(report.takeError());
  return {};
}

static bool isSame(Number a, Number c) {
  if (a.type != 'r')
    return a.integer == c.integer;
  return (std::isnan(a.real) && std::isnan(c.real)) ||
         std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(c.real);
}

void PointwiseTest::check(Case one, std::optional<int64_t> vector) {
  std::map<std::string, Memory> want = interpret(one);
  compile(one, vector);
  for (Order order : {Order::Forward, Order::Random}) {
    Case run = one;
    last = launch(run, order);
    EXPECT_TRUE(last.clean()) << one.program << "\n" << print(last);
    for (const auto &[name, memory] : want)
      for (size_t i = 0; i < memory.count(); ++i) {
        Number is = run.tensors.at(name).get(i), should = memory.get(i);
        ASSERT_TRUE(isSame(is, should))
            << one.sizes << " " << one.program << "\n"
            << name << "[" << i << "] is " << is.real << " " << is.integer << ", should be "
            << should.real << " " << should.integer;
      }
  }
}
