//===- PointwiseExpressions.cpp ---------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the expressions of programs, and finds their types.
//
//===----------------------------------------------------------------------===//

#include "PointwiseOperators.h"
#include "PointwiseParser.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

using namespace basin::kernels;
using llvm::StringRef;
using llvm::Twine;

static constexpr size_t kMaxShown = 64;
// The time that compilers take grows with the square of a block's length.
static constexpr int64_t kMaxLongOperations = 128;

llvm::Expected<unsigned> PointwiseParser::parseExpression(const Form &form) {
  if (!form.isList)
    return parseWord(form);
  if (form.parts.empty() || form.parts[0].isList)
    return failAt(form, "expected an expression, but got a list without an operation");
  StringRef head = form.parts[0].word;
  if (head == "index")
    return parseAxis(form, PointwiseOperator::Index);
  if (head == "size")
    return parseAxis(form, PointwiseOperator::Size);
  if (head == "arg")
    return parseArgument(form);
  if (head == "at")
    return parseGather(form);
  if (head == "let")
    return parseLet(form);
  if (head == "if")
    return parseIf(form);
  if (head == "reduce")
    return parseReduce(form);
  if (head == "wrap" || (head == "round" && form.parts.size() == 3))
    return parseNarrow(form);
  return parseOperation(form);
}

llvm::Expected<unsigned> PointwiseParser::parseWord(const Form &form) {
  if (auto found = bound.find(form.word); found != bound.end())
    return found->second;
  if (!isPointwiseName(form.word))
    return parseLiteral(form);
  const PointwiseTensor *tensor = findTensor(form.word);
  if (!tensor)
    return failAt(form, findScalar(form.word)
                            ? "expected (arg " + form.word + ") for a scalar"
                            : "expected the name of a tensor that is read, or one "
                              "that let binds");
  if (tensor->stored)
    return failAt(form, "expected a tensor that is read, but got one that is written");
  if (tensor->strides.size() != out.rank())
    return failAt(form, "expected a tensor of " + Twine(out.rank()) + " axes, but got " +
                            Twine(tensor->strides.size()) + ": its elements are (at " + form.word +
                            " ..)");
  ++reads;
  return add({PointwiseOperator::Read, getType(tensor->element), tensor - out.tensors.data()});
}

/// Reads a real as the nearest f32.
static bool parseReal(StringRef text, int64_t &bits) {
  bool isNegative = text.consume_front("-");
  llvm::APFloat number(llvm::APFloat::IEEEsingle());
  if (text == "inf") {
    number = llvm::APFloat::getInf(number.getSemantics());
  } else if (text == "nan") {
    number = llvm::APFloat::getNaN(number.getSemantics());
  } else {
    if (text.empty() || !llvm::isDigit(text[0]) || text.find_first_of(".eEpP") == StringRef::npos)
      return false;
    auto status = number.convertFromString(text, llvm::APFloat::rmNearestTiesToEven);
    if (!status) {
      llvm::consumeError(status.takeError());
      return false;
    }
    if (number.isInfinity())
      return false;
  }
  if (isNegative)
    number.changeSign();
  bits = llvm::bit_cast<int32_t>(number.convertToFloat());
  return true;
}

llvm::Expected<unsigned> PointwiseParser::parseLiteral(const Form &form) {
  StringRef text = form.word;
  int64_t number = 0;
  if (text == "true" || text == "false")
    return add({PointwiseOperator::Literal, PointwiseType::Boolean, text == "true"});
  StringRef digits = text;
  digits.consume_front("-");
  if (!digits.empty() && llvm::all_of(digits, llvm::isDigit)) {
    if (text.getAsInteger(10, number))
      return failAt(form, "expected an integer of 64 bits");
    return add({PointwiseOperator::Literal, PointwiseType::Integer, number});
  }
  if (!parseReal(text, number))
    return failAt(form, "expected a name or a number, such as 3, 1.5, -0x1.8p3 or -inf");
  return add({PointwiseOperator::Literal, PointwiseType::Real, number});
}

llvm::Expected<unsigned> PointwiseParser::parseAxis(const Form &form, PointwiseOperator op) {
  unsigned axis = 0;
  if (form.parts.size() != 2 || form.parts[1].isList || form.parts[1].word.getAsInteger(10, axis) ||
      axis >= out.rank())
    return failAt(form, "expected an axis from 0 to " + Twine(out.rank() - 1));
  return add({op, PointwiseType::Integer, axis});
}

llvm::Expected<unsigned> PointwiseParser::parseArgument(const Form &form) {
  const PointwiseScalar *scalar = form.parts.size() == 2 ? findScalar(form.parts[1].word) : nullptr;
  if (!scalar)
    return failAt(form, "expected the name of a scalar");
  return add({PointwiseOperator::Argument, scalar->type, scalar - out.scalars.data()});
}

llvm::Expected<unsigned> PointwiseParser::parseGather(const Form &form) {
  const PointwiseTensor *tensor = form.parts.size() >= 2 ? findTensor(form.parts[1].word) : nullptr;
  if (!tensor || tensor->stored)
    return failAt(form, "expected the name of a tensor that is read");
  if (form.parts.size() - 2 != tensor->strides.size())
    return failAt(form, "expected " + Twine(tensor->strides.size()) + " indices of '" +
                            tensor->name + "', but got " + Twine(form.parts.size() - 2));
  PointwiseExpression gather{PointwiseOperator::Gather, getType(tensor->element),
                             tensor - out.tensors.data()};
  for (const Form &part : llvm::ArrayRef(form.parts).drop_front(2)) {
    Number index = parseExpression(part);
    if (!index)
      return index;
    if (typeOf(*index) != PointwiseType::Integer)
      return failAt(part, "expected an integer as an index, but got " + describe(typeOf(*index)));
    gather.operands.push_back(*index);
  }
  ++reads;
  return add(std::move(gather));
}

llvm::Expected<unsigned> PointwiseParser::parseLet(const Form &form) {
  if (form.parts.size() != 3 || !form.parts[1].isList)
    return failAt(form, "expected (let ((NAME EXPRESSION) ..) EXPRESSION)");
  PointwiseExpression let{PointwiseOperator::Let, PointwiseType::Real};
  llvm::SmallVector<StringRef> names;
  for (const Form &part : form.parts[1].parts) {
    if (!part.isList || part.parts.size() != 2)
      return failAt(part, "expected (NAME EXPRESSION)");
    if (llvm::Error error = checkName(part.parts[0]))
      return error;
    Number value = parseExpression(part.parts[1]);
    if (!value)
      return value;
    let.operands.push_back(*value);
    names.push_back(part.parts[0].word);
    bound[names.back()] = *value;
  }
  Number body = parseExpression(form.parts[2]);
  if (!body)
    return body;
  for (StringRef name : names)
    bound.erase(name);
  let.operands.push_back(*body);
  let.type = typeOf(*body);
  return add(std::move(let));
}

/// Reads `(reduce add (NAME COUNT) E)`: the sum of E for NAME from 0 to COUNT - 1.
llvm::Expected<unsigned> PointwiseParser::parseReduce(const Form &form) {
  bool isShaped = form.parts.size() == 4 && !form.parts[1].isList && form.parts[2].isList &&
                  form.parts[2].parts.size() == 2;
  const Operation *join = isShaped ? findOperation(form.parts[1].word) : nullptr;
  bool isKnown = join && (join->op == PointwiseOperator::Add ||
                          join->op == PointwiseOperator::Min || join->op == PointwiseOperator::Max);
  if (!isKnown)
    return failAt(form, "expected (reduce add|min|max (NAME COUNT) EXPRESSION)");
  const Form &name = form.parts[2].parts[0];
  if (llvm::Error error = checkName(name))
    return error;
  Number count = parseExpression(form.parts[2].parts[1]);
  if (!count)
    return count;
  if (typeOf(*count) != PointwiseType::Integer)
    return failAt(form, "expected an integer as the count, but got " + describe(typeOf(*count)));
  Number counter = add({PointwiseOperator::Counter, PointwiseType::Integer});
  if (!counter)
    return counter;
  bound[name.word] = *counter;
  Number body = parseExpression(form.parts[3]);
  if (!body)
    return body;
  bound.erase(name.word);
  if (typeOf(*body) == PointwiseType::Boolean)
    return failAt(form, "expected reals or integers to reduce, but got a boolean");
  return add({PointwiseOperator::Reduce,
              typeOf(*body),
              static_cast<int64_t>(join->op),
              {*count, *counter, *body}});
}

llvm::Expected<unsigned> PointwiseParser::parseIf(const Form &form) {
  if (form.parts.size() != 4)
    return failAt(form, "expected (if CONDITION EXPRESSION EXPRESSION)");
  Number condition = parseExpression(form.parts[1]);
  if (!condition)
    return condition;
  if (typeOf(*condition) != PointwiseType::Boolean)
    return failAt(form,
                  "expected a boolean as the condition, but got " + describe(typeOf(*condition)));
  size_t before = reads;
  Number a = parseExpression(form.parts[2]);
  if (!a)
    return a;
  Number b = parseExpression(form.parts[3]);
  if (!b)
    return b;
  if (typeOf(*a) != typeOf(*b))
    return failAt(form, "expected branches of one type, but got " + describe(typeOf(*a)) + " and " +
                            describe(typeOf(*b)));
  return add({PointwiseOperator::If, typeOf(*a), reads != before, {*condition, *a, *b}});
}

/// Reads `(wrap i32 E)` and `(round bf16 E)`.
llvm::Expected<unsigned> PointwiseParser::parseNarrow(const Form &form) {
  bool isWrap = form.parts[0].word == "wrap", isThree = form.parts.size() == 3;
  bool isWide = isThree && isWord(form.parts[1], isWrap ? "i32" : "f16");
  if (!isThree || (!isWide && !isWord(form.parts[1], isWrap ? "i8" : "bf16")))
    return failAt(form, "expected (wrap i32 ..), (wrap i8 ..), (round f16 ..) or (round bf16 ..)");
  Number value = parseExpression(form.parts[2]);
  if (!value)
    return value;
  PointwiseType type = isWrap ? PointwiseType::Integer : PointwiseType::Real;
  if (typeOf(*value) != type)
    return failAt(form, "expected " + describe(type) + ", but got " + describe(typeOf(*value)));
  if (isWrap)
    return add({PointwiseOperator::Wrap, type, isWide ? 32 : 8, {*value}});
  return add(
      {isWide ? PointwiseOperator::RoundF16 : PointwiseOperator::RoundBF16, type, 0, {*value}});
}

llvm::Expected<unsigned> PointwiseParser::parseOperation(const Form &form) {
  const Operation *operation = findOperation(form.parts[0].word);
  if (!operation)
    return failAt(form, "unknown operation '" + form.parts[0].word.take_front(kMaxShown) + "'");
  size_t count = form.parts.size() - 1;
  if (count != operation->operands)
    return failAt(form,
                  "expected " + Twine(operation->operands) + " operands, but got " + Twine(count));
  if (operation->isLong && ++out.longOperations > kMaxLongOperations)
    return failAt(form, "expected at most " + Twine(kMaxLongOperations) +
                            " operations of many instructions, such as exp and mod");
  PointwiseExpression expression{operation->op, PointwiseType::Real};
  for (const Form &part : llvm::ArrayRef(form.parts).drop_front()) {
    Number value = parseExpression(part);
    if (!value)
      return value;
    PointwiseType type = typeOf(*value);
    if (!operation->takes(type))
      return failAt(form, "expected " + operation->describe() + ", but got " + describe(type));
    if (!expression.operands.empty() && type != typeOf(expression.operands[0]))
      return failAt(form, "expected operands of one type, but got " +
                              describe(typeOf(expression.operands[0])) + " and " + describe(type));
    expression.operands.push_back(*value);
  }
  expression.type = operation->result.value_or(typeOf(expression.operands[0]));
  return add(std::move(expression));
}
