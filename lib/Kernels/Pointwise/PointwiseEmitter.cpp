//===- PointwiseEmitter.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PointwiseEmitter.h"

#include "PointwiseMath.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace basin::kernels;
using Operator = PointwiseOperator;
using FloatPredicate = arith::CmpFPredicate;
using IntPredicate = arith::CmpIPredicate;

Type basin::kernels::getMLIRType(MLIRContext *context, PointwiseType type) {
  switch (type) {
  case PointwiseType::Real:
    return Float32Type::get(context);
  case PointwiseType::Integer:
    return IntegerType::get(context, 64);
  case PointwiseType::Boolean:
    return IntegerType::get(context, 1);
  }
  llvm_unreachable("a type that is none of three");
}

Type basin::kernels::getMLIRType(MLIRContext *context, PointwiseElement element) {
  switch (element) {
  case PointwiseElement::F32:
    return Float32Type::get(context);
  case PointwiseElement::F16:
    return Float16Type::get(context);
  case PointwiseElement::BF16:
    return BFloat16Type::get(context);
  default:
    return IntegerType::get(context, 8 * getBytes(element));
  }
}

static Value boolean(KernelBuilder &b, bool value) {
  return arith::ConstantOp::create(b, b.getBoolAttr(value));
}
static Value compare(KernelBuilder &b, IntPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, predicate, x, y);
}

Value basin::kernels::emitLiteral(KernelBuilder &b, const PointwiseExpression &expression) {
  switch (expression.type) {
  case PointwiseType::Real:
    return b.f32(llvm::bit_cast<float>(static_cast<int32_t>(expression.number)));
  case PointwiseType::Integer:
    return b.i64(expression.number);
  case PointwiseType::Boolean:
    return boolean(b, expression.number != 0);
  }
  llvm_unreachable("a type that is none of three");
}

Value basin::kernels::emitNeutral(KernelBuilder &b, const PointwiseExpression &join) {
  bool isReal = join.type == PointwiseType::Real;
  if (join.op == Operator::Add)
    return isReal ? b.f32(0) : b.i64(0);
  bool isMax = join.op == Operator::Max;
  if (isReal)
    return b.f32(isMax ? -INFINITY : INFINITY);
  return b.i64(isMax ? INT64_MIN : INT64_MAX);
}

//===----------------------------------------------------------------------===//
// Reals
//===----------------------------------------------------------------------===//

/// Returns the remainder with the sign of y, also of a zero.
static Value emitMod(KernelBuilder &b, Value x, Value y) {
  Value rest = emitFmod(b, x, y);
  Value isZero = emitCompare(b, FloatPredicate::OEQ, rest, b.f32(0));
  Value differs = arith::XOrIOp::create(b, emitCompare(b, FloatPredicate::OLT, rest, b.f32(0)),
                                        emitCompare(b, FloatPredicate::OLT, y, b.f32(0)));
  Value moved = b.select(differs, b.fadd(rest, y), rest);
  return b.select(isZero, emitCopySign(b, rest, y), moved);
}

static Value emitSign(KernelBuilder &b, Value x) {
  Value isOther = emitCompare(b, FloatPredicate::UEQ, x, b.f32(0)); // zeros and NaN stay
  return b.select(isOther, x, emitCopySign(b, b.f32(1), x));
}

static Value emitRounded(KernelBuilder &b, Value x, Type type) {
  return b.toF32(b.fromF32(x, type));
}

/// Emits what has one real operand, or returns null.
static Value emitRealFunction(KernelBuilder &b, Operator op, Value x) {
  switch (op) {
  case Operator::Neg:
    return arith::NegFOp::create(b, x);
  case Operator::Abs:
    return emitUnary(b, "llvm.fabs", x);
  case Operator::Sqrt:
    return emitUnary(b, "llvm.sqrt", x);
  case Operator::Rsqrt:
    return b.intrinsic("llvm.nvvm.rsqrt.approx.f", b.getF32Type(), x);
  case Operator::Recip:
    return arith::DivFOp::create(b, b.f32(1), x);
  case Operator::Exp:
    return emitExp(b, x);
  case Operator::Log:
    return emitLog(b, x);
  case Operator::Sin:
    return emitSin(b, x);
  case Operator::Cos:
    return emitCos(b, x);
  case Operator::Tanh:
    return emitTanh(b, x);
  case Operator::Erf:
    return emitErf(b, x);
  case Operator::Sigmoid:
    return emitSigmoid(b, x);
  case Operator::Floor:
    return emitUnary(b, "llvm.floor", x);
  case Operator::Ceil:
    return emitUnary(b, "llvm.ceil", x);
  case Operator::Round:
    return emitUnary(b, "llvm.roundeven", x);
  case Operator::Sign:
    return emitSign(b, x);
  case Operator::IsNaN:
    return emitCompare(b, FloatPredicate::UNO, x, x);
  case Operator::IsInf:
    return emitCompare(b, FloatPredicate::OEQ, emitUnary(b, "llvm.fabs", x), b.f32(INFINITY));
  case Operator::ToReal:
    return x;
  case Operator::ToInteger: // saturates, and makes 0 of NaN
    return b.intrinsic("llvm.fptosi.sat", b.getI64Type(), x);
  case Operator::ToBoolean:
    return emitCompare(b, FloatPredicate::UNE, x, b.f32(0));
  case Operator::RoundF16:
    return emitRounded(b, x, b.getF16Type());
  case Operator::RoundBF16:
    return emitRounded(b, x, b.getBF16Type());
  default:
    return {};
  }
}

/// Emits what has two real operands, or returns null.
static Value emitReals(KernelBuilder &b, Operator op, Value x, Value y) {
  switch (op) {
  case Operator::Add:
    return b.fadd(x, y);
  case Operator::Sub:
    return b.fsub(x, y);
  case Operator::Mul:
    return b.fmul(x, y);
  case Operator::Div:
    return arith::DivFOp::create(b, x, y);
  case Operator::Mod:
    return emitMod(b, x, y);
  case Operator::Fmod:
    return emitFmod(b, x, y);
  case Operator::Min:
    return LLVM::MinimumOp::create(b, x, y);
  case Operator::Max:
    return LLVM::MaximumOp::create(b, x, y);
  case Operator::Pow:
    return emitPow(b, x, y);
  case Operator::Eq:
    return emitCompare(b, FloatPredicate::OEQ, x, y);
  case Operator::Ne:
    return emitCompare(b, FloatPredicate::UNE, x, y);
  case Operator::Lt:
    return emitCompare(b, FloatPredicate::OLT, x, y);
  case Operator::Le:
    return emitCompare(b, FloatPredicate::OLE, x, y);
  case Operator::Gt:
    return emitCompare(b, FloatPredicate::OGT, x, y);
  case Operator::Ge:
    return emitCompare(b, FloatPredicate::OGE, x, y);
  default:
    return {};
  }
}

//===----------------------------------------------------------------------===//
// Integers and booleans
//===----------------------------------------------------------------------===//

/// Emits a quotient, or a remainder with the sign of x, or one with the sign of y. A division by 0
/// gives 0. One by -1 negates, because the least integer has no quotient.
static Value emitDivision(KernelBuilder &b, Operator op, Value x, Value y) {
  Value zero = b.i64(0), isZero = compare(b, IntPredicate::eq, y, zero);
  Value isMinus = compare(b, IntPredicate::eq, y, b.i64(-1));
  Value divisor = b.select(arith::OrIOp::create(b, isZero, isMinus), b.i64(1), y);
  if (op == Operator::Div) {
    Value quotient = arith::DivSIOp::create(b, x, divisor);
    return b.select(isZero, zero, b.select(isMinus, b.sub(zero, x), quotient));
  }
  Value rest = arith::RemSIOp::create(b, x, divisor); // 0 if the divisor was replaced by 1
  if (op == Operator::Fmod)
    return rest;
  Value differs = compare(b, IntPredicate::slt, arith::XOrIOp::create(b, rest, y), zero);
  Value isSome = compare(b, IntPredicate::ne, rest, zero);
  return b.select(arith::AndIOp::create(b, differs, isSome), b.add(rest, y), rest);
}

/// Emits a shift. By 64 bits or more it leaves nothing but the sign of a shift to the right.
static Value emitShift(KernelBuilder &b, bool isLeft, Value x, Value y) {
  Value isShort = compare(b, IntPredicate::ult, y, b.i64(64));
  if (!isLeft)
    return arith::ShRSIOp::create(b, x, b.select(isShort, y, b.i64(63)));
  Value shifted = arith::ShLIOp::create(b, x, b.select(isShort, y, b.i64(0)));
  return b.select(isShort, shifted, b.i64(0));
}

static Value emitWrap(KernelBuilder &b, Value x, int64_t bits) {
  Value low = arith::TruncIOp::create(b, b.getIntegerType(bits), x);
  return b.extend(low);
}

/// Emits what has one integer or boolean operand, or returns null.
static Value emitIntegerFunction(KernelBuilder &b, const PointwiseExpression &expression, Value x) {
  bool isBoolean = x.getType().isInteger(1);
  switch (expression.op) {
  case Operator::Neg:
    return b.sub(b.i64(0), x);
  case Operator::Abs:
    return b.select(compare(b, IntPredicate::slt, x, b.i64(0)), b.sub(b.i64(0), x), x);
  case Operator::Not:
    return arith::XOrIOp::create(b, x, isBoolean ? boolean(b, true) : b.i64(-1));
  case Operator::ToReal:
    return isBoolean ? Value(arith::UIToFPOp::create(b, b.getF32Type(), x))
                     : Value(arith::SIToFPOp::create(b, b.getF32Type(), x));
  case Operator::ToInteger:
    return isBoolean ? Value(arith::ExtUIOp::create(b, b.getI64Type(), x)) : x;
  case Operator::ToBoolean:
    return isBoolean ? x : compare(b, IntPredicate::ne, x, b.i64(0));
  case Operator::Wrap:
    return emitWrap(b, x, expression.number);
  default:
    return {};
  }
}

/// Emits what has two integer or boolean operands, or returns null.
static Value emitIntegers(KernelBuilder &b, Operator op, Value x, Value y) {
  switch (op) {
  case Operator::Add:
    return b.add(x, y);
  case Operator::Sub:
    return b.sub(x, y);
  case Operator::Mul:
    return b.mul(x, y);
  case Operator::Div:
  case Operator::Mod:
  case Operator::Fmod:
    return emitDivision(b, op, x, y);
  case Operator::Min:
    return arith::MinSIOp::create(b, x, y);
  case Operator::Max:
    return arith::MaxSIOp::create(b, x, y);
  case Operator::And:
    return arith::AndIOp::create(b, x, y);
  case Operator::Or:
    return arith::OrIOp::create(b, x, y);
  case Operator::Xor:
    return arith::XOrIOp::create(b, x, y);
  case Operator::Shl:
  case Operator::Shr:
    return emitShift(b, op == Operator::Shl, x, y);
  case Operator::Eq:
    return compare(b, IntPredicate::eq, x, y);
  case Operator::Ne:
    return compare(b, IntPredicate::ne, x, y);
  case Operator::Lt:
    return compare(b, IntPredicate::slt, x, y);
  case Operator::Le:
    return compare(b, IntPredicate::sle, x, y);
  case Operator::Gt:
    return compare(b, IntPredicate::sgt, x, y);
  case Operator::Ge:
    return compare(b, IntPredicate::sge, x, y);
  default:
    return {};
  }
}

Value basin::kernels::emitOperation(KernelBuilder &b, const PointwiseExpression &expression,
                                    ValueRange operands) {
  bool isReal = operands[0].getType().isF32(), isPair = operands.size() == 2;
  Value out = isReal && isPair ? emitReals(b, expression.op, operands[0], operands[1])
              : isReal         ? emitRealFunction(b, expression.op, operands[0])
              : isPair         ? emitIntegers(b, expression.op, operands[0], operands[1])
                               : emitIntegerFunction(b, expression, operands[0]);
  assert(out && "the parser lets no operation have such operands");
  return out;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value basin::kernels::emitFromElement(KernelBuilder &b, Value value, PointwiseElement element) {
  switch (getType(element)) {
  case PointwiseType::Real:
    return b.toF32(value);
  case PointwiseType::Integer:
    return element == PointwiseElement::I64 ? value : b.extend(value);
  case PointwiseType::Boolean:
    return compare(b, IntPredicate::ne, value, arith::ConstantOp::create(b, b.getI8IntegerAttr(0)));
  }
  llvm_unreachable("a type that is none of three");
}

Value basin::kernels::emitToElement(KernelBuilder &b, Value value, PointwiseElement element) {
  Type type = getMLIRType(b.getContext(), element);
  switch (getType(element)) {
  case PointwiseType::Real:
    return b.fromF32(value, type);
  case PointwiseType::Integer:
    return value.getType() == type ? value : Value(arith::TruncIOp::create(b, type, value));
  case PointwiseType::Boolean:
    return arith::ExtUIOp::create(b, type, value);
  }
  llvm_unreachable("a type that is none of three");
}
