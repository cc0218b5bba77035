//===- PointwiseReader.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PointwiseReader.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::plan;
using Text = PointwiseReader::Text;

Index Index::ofAxis(unsigned axis) {
  return {"(index " + std::to_string(axis) + ")", axis, std::nullopt};
}
Index Index::of(int64_t number) { return {std::to_string(number), std::nullopt, number}; }

std::optional<ValueKind> plan::getValueKind(Type type) {
  if (!type)
    return std::nullopt;
  if (type.isF32() || type.isF16() || type.isBF16())
    return ValueKind::Real;
  if (type.isInteger(1))
    return ValueKind::Boolean;
  if (type.isSignlessInteger(8) || type.isSignlessInteger(32) || type.isSignlessInteger(64))
    return ValueKind::Integer;
  return std::nullopt;
}

std::string plan::writeNumber(double number, ValueKind kind) {
  if (kind == ValueKind::Boolean)
    return number != 0 ? "true" : "false";
  if (kind == ValueKind::Integer)
    return std::to_string(static_cast<int64_t>(number));
  if (std::isnan(number))
    return "nan";
  if (std::isinf(number))
    return number < 0 ? "-inf" : "inf";
  char text[40];
  std::snprintf(text, sizeof text, "%a", number);
  return text;
}

static std::string call(StringRef function, ArrayRef<std::string> operands) {
  std::string text = ("(" + function).str();
  for (const std::string &operand : operands)
    text += " " + operand;
  return text + ")";
}

Index PointwiseReader::add(const Index &a, const Index &b) {
  if (a.number && b.number)
    return Index::of(*a.number + *b.number);
  if (a.number == 0)
    return b;
  if (b.number == 0)
    return a;
  return {call("add", {a.text, b.text}), std::nullopt, std::nullopt};
}

Index PointwiseReader::multiply(const Index &a, const Index &b) {
  if (a.number == 0 || b.number == 0)
    return Index::of(0);
  if (a.number == 1)
    return b;
  if (b.number == 1)
    return a;
  return {call("mul", {a.text, b.text}), std::nullopt, std::nullopt};
}

Index PointwiseReader::getIndex(const Size &size) {
  if (std::optional<int64_t> number = size.getNumber())
    return Index::of(*number);
  auto [place, isNew] = scalars.try_emplace(size.toString(), "n" + std::to_string(scalars.size()));
  if (isNew) {
    declarations += "(scalar " + place->second + " i64) ";
    arguments.scalars.emplace_back(place->second, size);
  }
  return {"(arg " + place->second + ")", std::nullopt, std::nullopt};
}

void PointwiseReader::addArguments(KernelStep &step) const {
  llvm::append_range(step.tensors, arguments.tensors);
  llvm::append_range(step.scalars, arguments.scalars);
}

//===----------------------------------------------------------------------===//
// Values in memory
//===----------------------------------------------------------------------===//

StringRef plan::getTypeName(Type type) {
  if (type.isF32())
    return "f32";
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  if (type.isInteger(1))
    return "bool";
  return type.isInteger(8) ? "i8" : type.isInteger(32) ? "i32" : "i64";
}

int64_t plan::getAlignment(const Size &offset, ArrayRef<Size> strides, Type type) {
  int64_t bytes = std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
  int64_t alignment = 16;
  auto fits = [&](const Size &size) { return size.isMultipleOf(alignment / bytes); };
  while (alignment > bytes && !(fits(offset) && llvm::all_of(strides, [&](const Size &stride) {
                                  return stride.getNumber() || fits(stride);
                                })))
    alignment /= 2;
  return alignment;
}

/// An index that is an axis or a number is part of the strides and of the place, so that the kernel
/// can load vectors.
Text PointwiseReader::load(const View &view, ArrayRef<Index> at) {
  const Buffer &buffer = planner.getBuffer(view);
  bool isPlain = llvm::all_of(at, [](const Index &index) { return index.axis || index.number; });
  Sizes strides;
  Size offset = view.offset;
  std::vector<std::string> indices;
  if (isPlain)
    strides.resize(spaceRank);
  for (auto [axis, index] : llvm::enumerate(at)) {
    if (view.sizes[axis].is(1))
      continue;
    if (index.number) {
      offset = offset + view.strides[axis] * Size(*index.number);
    } else if (isPlain) {
      strides[*index.axis] = strides[*index.axis] + view.strides[axis];
    } else {
      strides.push_back(view.strides[axis]);
      indices.push_back(index.text);
    }
  }
  int64_t alignment = getAlignment(offset, strides, buffer.type);
  std::string text = (" " + getTypeName(buffer.type) + " (").str();
  std::string key = std::to_string(view.buffer) + "+" + offset.toString() + text;
  for (auto [i, stride] : llvm::enumerate(strides)) {
    key += stride.toString() + " ";
    std::optional<int64_t> number = stride.getNumber();
    text += (i > 0 ? " " : "") + (number ? std::to_string(*number) : "?");
  }
  auto [place, isNew] =
      inputs.try_emplace(key + (isPlain ? "plain" : ""), "t" + std::to_string(inputs.size()));
  const std::string &name = place->second;
  if (isNew) {
    declarations += "(in " + name + text + ") align " + std::to_string(alignment) + ") ";
    arguments.tensors.emplace_back(name, Operand{view.buffer, offset});
    for (auto [i, stride] : llvm::enumerate(strides))
      if (!stride.getNumber())
        arguments.scalars.emplace_back(name + "_stride" + std::to_string(i), stride);
  }
  return isPlain ? name : "(at " + name + " " + llvm::join(indices, " ") + ")";
}

/// Reads an integer that is computed from sizes.
Text PointwiseReader::readHostInteger(Value value, ArrayRef<Index> at, bool &known) {
  known = false;
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  if (info.rank() > 1 || getValueKind(info.element) != ValueKind::Integer)
    return failure();
  std::optional<onnx::ShapeValue> entries = onnx::evaluateShapeValue(value);
  if (!entries || entries->empty() || entries->size() > 8)
    return failure();
  SmallVector<std::string> texts;
  for (const onnx::ShapeEntry &entry : *entries) {
    std::optional<Size> size =
        entry.constant ? std::optional(Size(*entry.constant)) : Size::of(entry.toDim());
    if (!size)
      return failure();
    texts.push_back(getIndex(*size).text);
  }
  known = true;
  if (info.rank() == 0 || texts.size() == 1)
    return texts.front();
  if (at[0].number)
    return *at[0].number < int64_t(texts.size()) ? Text(texts[*at[0].number]) : Text(failure());
  std::string text = texts.back();
  for (size_t i = texts.size() - 1; i-- > 0;)
    text = call("if", {call("eq", {at[0].text, std::to_string(i)}), texts[i], text});
  return text;
}

Text PointwiseReader::read(Value value, ArrayRef<Index> at) {
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  Operation *op = value.getDefiningOp();
  std::optional<ValueKind> kind = getValueKind(info.element);
  if (!kind || !info.hasRank()) {
    std::string type;
    llvm::raw_string_ostream(type) << value.getType();
    return emitError(value.getLoc()) << "expected a tensor of f32, f16, bf16, i8, i32, i64 or bool "
                                     << "and of known rank, but got " << type;
  }
  assert(at.size() == size_t(info.rank()) && "an index for each axis");
  if (std::optional<SmallVector<double>> number = onnx::getConstantFloats(value, 1);
      number && number->size() == 1 && kind == ValueKind::Real)
    return writeNumber(number->front(), *kind);
  if (kind != ValueKind::Real)
    if (std::optional<SmallVector<int64_t>> number = onnx::getConstantInts(value);
        number && number->size() == 1)
      return kind == ValueKind::Boolean ? writeNumber(double(number->front()), *kind)
                                        : std::to_string(number->front());
  if (std::optional<View> view = planner.findView(value))
    return load(*view, at);
  bool known;
  Text host = readHostInteger(value, at, known);
  if (known)
    return host;
  assert(op && "an argument lies in memory");
  if (planner.isStep(op) || isReduction(op)) {
    FailureOr<View> view = planner.require(value);
    return failed(view) ? Text(failure()) : load(*view, at);
  }
  return compute(cast<OpResult>(value), at);
}

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

Text PointwiseReader::readBroadcast(Operation *op, unsigned operand, Value result,
                                    ArrayRef<Index> at) {
  Value value = op->getOperand(operand);
  std::optional<Sizes> sizes = getSizes(value), resultSizes = getSizes(result);
  if (!sizes || !resultSizes)
    return op->emitOpError("expected operands and results of known sizes");
  Indices own;
  size_t missing = resultSizes->size() - sizes->size();
  for (auto [axis, size] : llvm::enumerate(*sizes)) {
    if (size.is(1)) {
      own.push_back(Index::of(0));
      continue;
    }
    if (!planner.agree(size, (*resultSizes)[missing + axis], op))
      return op->emitOpError("expected operands of the result's size ")
             << (*resultSizes)[missing + axis].toString() << ", but got " << size.toString();
    own.push_back(at[missing + axis]);
  }
  return read(value, own);
}

/// Returns the function of a program that an op is, or an empty text.
static StringRef getFunction(Operation *op) {
  return llvm::StringSwitch<StringRef>(op->getName().stripDialect())
      .Case("Abs", "abs")
      .Case("Neg", "neg")
      .Case("Exp", "exp")
      .Case("Log", "log")
      .Case("Sqrt", "sqrt")
      .Case("Reciprocal", "recip")
      .Case("Sigmoid", "sigmoid")
      .Case("Tanh", "tanh")
      .Case("Erf", "erf")
      .Case("Sin", "sin")
      .Case("Cos", "cos")
      .Case("Floor", "floor")
      .Case("Ceil", "ceil")
      .Case("Round", "round")
      .Case("Sign", "sign")
      .Case("Not", "not")
      .Case("IsNaN", "isnan")
      .Case("Add", "add")
      .Case("Sub", "sub")
      .Case("Mul", "mul")
      .Case("Div", "div")
      .Case("Pow", "pow")
      .Case("And", "and")
      .Case("Or", "or")
      .Case("Xor", "xor")
      .Case("Less", "lt")
      .Case("Greater", "gt")
      .Case("LessOrEqual", "le")
      .Case("GreaterOrEqual", "ge")
      .Case("Equal", "eq")
      .Cases({"Min"}, "min")
      .Cases({"Max"}, "max")
      .Cases({"Sum", "Mean"}, "add")
      .Default("");
}

/// Returns the expression of an op whose operands have the expressions `x`.
static std::string applyFunction(Operation *op, StringRef function, ArrayRef<std::string> x,
                                 Type operandType) {
  ValueKind kind = *getValueKind(operandType);
  if (isa<onnx::EqualOp>(op) && kind == ValueKind::Boolean)
    return call("not", {call("xor", x)});
  if (isa<onnx::SignOp>(op) && kind == ValueKind::Integer)
    return call("max", {"-1", call("min", {"1", x[0]})});
  std::string text = x.size() == 1 && isa<onnx::MinOp, onnx::MaxOp, onnx::SumOp, onnx::MeanOp>(op)
                         ? x[0]
                         : call(function, x.take_front(2));
  for (const std::string &next : x.drop_front(std::min<size_t>(2, x.size())))
    text = call(function, {text, next});
  if (isa<onnx::MeanOp>(op))
    text = call("div", {text, writeNumber(double(x.size()), ValueKind::Real)});
  bool narrows = kind == ValueKind::Integer && operandType.getIntOrFloatBitWidth() < 64 &&
                 isa<onnx::AddOp, onnx::SubOp, onnx::MulOp, onnx::NegOp, onnx::AbsOp, onnx::DivOp,
                     onnx::SumOp>(op);
  return narrows ? call("wrap", {getTypeName(operandType).str(), text}) : text;
}

Text PointwiseReader::readCast(onnx::CastOp op, ArrayRef<Index> at) {
  Text x = read(op.getInput(), at);
  Type from = onnx::getTensorInfo(op.getInput()).element;
  Type to = onnx::getTensorInfo(op.getResult()).element;
  if (failed(x))
    return failure();
  if (!getValueKind(to))
    return op.emitOpError("expected a cast to f32, f16, bf16, i8, i32, i64 or bool, but got ")
           << to;
  std::string text = *x;
  switch (*getValueKind(to)) {
  case ValueKind::Boolean:
    return getValueKind(from) == ValueKind::Boolean ? text : call("bool", {text});
  case ValueKind::Integer:
    if (getValueKind(from) != ValueKind::Integer)
      text = call("int", {text});
    if (!to.isInteger(64) && (getValueKind(from) == ValueKind::Real ||
                              to.getIntOrFloatBitWidth() < from.getIntOrFloatBitWidth()))
      text = call("wrap", {getTypeName(to).str(), text});
    return text;
  case ValueKind::Real:
    if (getValueKind(from) != ValueKind::Real)
      text = call("real", {text});
    return to.isF32() ? text : call("round", {getTypeName(to).str(), text});
  }
  llvm_unreachable("a kind without a cast");
}

Text PointwiseReader::readClip(onnx::ClipOp op, ArrayRef<Index> at) {
  Text x = read(op.getInput(), at);
  if (failed(x))
    return failure();
  std::string text = *x;
  for (auto [bound, attribute, function] : {std::tuple(op.getMinInput(), op.getMinAttr(), "max"),
                                            std::tuple(op.getMaxInput(), op.getMaxAttr(), "min")}) {
    if (bound) {
      Text limit = read(bound, {});
      if (failed(limit))
        return failure();
      text = call(function, {text, *limit});
    } else if (attribute) {
      text = call(function, {text, writeNumber(attribute.getValueAsDouble(), ValueKind::Real)});
    }
  }
  return text;
}

Text PointwiseReader::readGelu(onnx::GeluOp op, ArrayRef<Index> at) {
  Text x = read(op.getX(), at);
  if (failed(x))
    return failure();
  std::string v = newName(), half = writeNumber(0.5, ValueKind::Real);
  auto number = [](double value) { return writeNumber(value, ValueKind::Real); };
  std::string inner = call("erf", {call("mul", {v, number(M_SQRT1_2)})});
  if (op.getApproximate().value_or("none") == "tanh") {
    std::string cube = call("mul", {v, call("mul", {v, v})});
    inner = call("tanh", {call("mul", {number(std::sqrt(2 / M_PI)),
                                       call("add", {v, call("mul", {number(0.044715), cube})})})});
  }
  return call("let", {"((" + v + " " + *x + "))",
                      call("mul", {call("mul", {half, v}), call("add", {number(1), inner})})});
}

Text PointwiseReader::readElementwise(OpResult value, ArrayRef<Index> at, bool &known) {
  Operation *op = value.getOwner();
  known = true;
  if (auto typed = dyn_cast<onnx::CastOp>(op))
    return readCast(typed, at);
  if (auto typed = dyn_cast<onnx::ClipOp>(op))
    return readClip(typed, at);
  if (auto typed = dyn_cast<onnx::GeluOp>(op))
    return readGelu(typed, at);
  StringRef function = getFunction(op);
  bool isOther = isa<onnx::WhereOp, onnx::ReluOp, onnx::ModOp, onnx::SoftplusOp>(op);
  known = !function.empty() || isOther;
  if (!known)
    return failure();
  SmallVector<std::string> x;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    Text one = readBroadcast(op, i, value, at);
    if (failed(one))
      return failure();
    x.push_back(*one);
  }
  Type type = onnx::getTensorInfo(op->getOperand(0)).element;
  bool isReal = getValueKind(type) == ValueKind::Real;
  if (isa<onnx::WhereOp>(op))
    return call("if", x);
  if (isa<onnx::ReluOp>(op))
    return call("max", {x[0], isReal ? "0.0" : "0"});
  if (isa<onnx::SoftplusOp>(op)) {
    // log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow
    std::string v = newName();
    return call(
        "let",
        {"((" + v + " " + x[0] + "))",
         call("add",
              {call("max", {v, "0.0"}),
               call("log",
                    {call("add", {"1.0", call("exp", {call("neg", {call("abs", {v})})})})})})});
  }
  if (std::optional<double> exponent = isa<onnx::PowOp>(op) && isReal
                                           ? onnx::getConstantScalar(op->getOperand(1))
                                           : std::nullopt;
      exponent == 2.0 || exponent == 3.0) {
    std::string v = newName(), square = call("mul", {v, v});
    return call(
        "let", {"((" + v + " " + x[0] + "))", exponent == 2.0 ? square : call("mul", {v, square})});
  }
  if (auto mod = dyn_cast<onnx::ModOp>(op))
    return call(mod.getFmod().value_or(0) ? "fmod" : "mod", x);
  if (isa<onnx::PowOp>(op) && !isReal)
    return op->emitOpError("expected a real base, but got ") << type;
  if (auto pow = dyn_cast<onnx::PowOp>(op);
      pow && getValueKind(onnx::getTensorInfo(op->getOperand(1)).element) == ValueKind::Integer)
    x[1] = call("real", {x[1]});
  return applyFunction(op, function, x, type);
}

Text PointwiseReader::compute(OpResult value, ArrayRef<Index> at) {
  bool known = false;
  Text text = readElementwise(value, at, known);
  if (!known)
    text = readMoved(value, at, known);
  if (!known)
    return value.getOwner()->emitOpError("has no GPU lowering yet");
  return text;
}
