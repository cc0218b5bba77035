//===- PointwiseOperators.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PointwiseOperators.h"

#include "llvm/ADT/STLExtras.h"

using namespace basin::kernels;

static constexpr unsigned kReal = 1, kInteger = 2, kBoolean = 4, kAll = 7;
using Operator = PointwiseOperator;

static constexpr Operation kOperations[] = {
    {"add", Operator::Add, 2, kReal | kInteger, {}},
    {"sub", Operator::Sub, 2, kReal | kInteger, {}},
    {"mul", Operator::Mul, 2, kReal | kInteger, {}},
    {"div", Operator::Div, 2, kReal | kInteger, {}, /*isLong=*/true},
    {"mod", Operator::Mod, 2, kReal | kInteger, {}, /*isLong=*/true},
    {"fmod", Operator::Fmod, 2, kReal | kInteger, {}, /*isLong=*/true},
    {"neg", Operator::Neg, 1, kReal | kInteger, {}},
    {"abs", Operator::Abs, 1, kReal | kInteger, {}},
    {"min", Operator::Min, 2, kReal | kInteger, {}},
    {"max", Operator::Max, 2, kReal | kInteger, {}},
    {"eq", Operator::Eq, 2, kAll, PointwiseType::Boolean},
    {"ne", Operator::Ne, 2, kAll, PointwiseType::Boolean},
    {"lt", Operator::Lt, 2, kReal | kInteger, PointwiseType::Boolean},
    {"le", Operator::Le, 2, kReal | kInteger, PointwiseType::Boolean},
    {"gt", Operator::Gt, 2, kReal | kInteger, PointwiseType::Boolean},
    {"ge", Operator::Ge, 2, kReal | kInteger, PointwiseType::Boolean},
    {"and", Operator::And, 2, kInteger | kBoolean, {}},
    {"or", Operator::Or, 2, kInteger | kBoolean, {}},
    {"xor", Operator::Xor, 2, kInteger | kBoolean, {}},
    {"not", Operator::Not, 1, kInteger | kBoolean, {}},
    {"shl", Operator::Shl, 2, kInteger, {}},
    {"shr", Operator::Shr, 2, kInteger, {}},
    {"sqrt", Operator::Sqrt, 1, kReal, {}},
    {"rsqrt", Operator::Rsqrt, 1, kReal, {}},
    {"recip", Operator::Recip, 1, kReal, {}},
    {"exp", Operator::Exp, 1, kReal, {}, /*isLong=*/true},
    {"log", Operator::Log, 1, kReal, {}, /*isLong=*/true},
    {"pow", Operator::Pow, 2, kReal, {}, /*isLong=*/true},
    {"sin", Operator::Sin, 1, kReal, {}, /*isLong=*/true},
    {"cos", Operator::Cos, 1, kReal, {}, /*isLong=*/true},
    {"tanh", Operator::Tanh, 1, kReal, {}, /*isLong=*/true},
    {"erf", Operator::Erf, 1, kReal, {}, /*isLong=*/true},
    {"sigmoid", Operator::Sigmoid, 1, kReal, {}, /*isLong=*/true},
    {"floor", Operator::Floor, 1, kReal, {}},
    {"ceil", Operator::Ceil, 1, kReal, {}},
    {"round", Operator::Round, 1, kReal, {}},
    {"sign", Operator::Sign, 1, kReal, {}},
    {"isnan", Operator::IsNaN, 1, kReal, PointwiseType::Boolean},
    {"isinf", Operator::IsInf, 1, kReal, PointwiseType::Boolean},
    {"real", Operator::ToReal, 1, kAll, PointwiseType::Real},
    {"int", Operator::ToInteger, 1, kAll, PointwiseType::Integer},
    {"bool", Operator::ToBoolean, 1, kAll, PointwiseType::Boolean},
};

llvm::ArrayRef<Operation> basin::kernels::getOperations() { return kOperations; }

const Operation *basin::kernels::findOperation(llvm::StringRef name) {
  const Operation *found =
      llvm::find_if(kOperations, [&](const Operation &one) { return one.name == name; });
  return found == std::end(kOperations) ? nullptr : found;
}

std::string basin::kernels::describe(PointwiseType type) {
  static constexpr const char *kNames[] = {"a real", "an integer", "a boolean"};
  return kNames[static_cast<int>(type)];
}

std::string Operation::describe() const {
  std::string out;
  for (auto type : {PointwiseType::Real, PointwiseType::Integer, PointwiseType::Boolean})
    if (takes(type))
      out += (out.empty() ? "" : " or ") + basin::kernels::describe(type);
  return out;
}
