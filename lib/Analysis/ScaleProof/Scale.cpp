//===- Scale.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constants are compared element by element. The exponent of a change is that of the quotient,
// which must be a power of two. If both constants have the same attribute, their data are not read,
// however large they are.
//
//===----------------------------------------------------------------------===//

#include "Scale.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

Scale::Scale(SmallVector<int> each) : exponents(each.begin(), each.end()) {
  if (exponents.empty())
    exponents.push_back(0);
  // Equal exponents become one number.
  int first = kAny;
  for (int one : exponents)
    if (one != kAny) {
      if (first != kAny && one != first)
        return;
      first = one;
    }
  if (first == kAny || !llvm::is_contained(exponents, kAny))
    exponents.resize(1);
}

template <typename Fn> static std::optional<Scale> zip(const Scale &a, const Scale &b, Fn fn) {
  size_t size = std::max(a.size(), b.size());
  if ((!a.isUniform() && a.size() != size) || (!b.isUniform() && b.size() != size))
    return std::nullopt;
  SmallVector<int> out(size);
  for (size_t i = 0; i < size; ++i) {
    std::optional<int> one = fn(a.at(i), b.at(i));
    if (!one)
      return std::nullopt;
    out[i] = *one;
  }
  return Scale(std::move(out));
}

std::optional<Scale> Scale::meet(const Scale &a, const Scale &b) {
  return zip(a, b, [](int x, int y) -> std::optional<int> {
    if (x == kAny || x == y)
      return y;
    return y == kAny ? std::optional(x) : std::nullopt;
  });
}

std::optional<Scale> Scale::combine(const Scale &a, const Scale &b, int sign) {
  return zip(a, b, [&](int x, int y) -> std::optional<int> {
    // A quotient by 0 has no exponent that fits.
    if (y == kAny && sign < 0)
      return std::nullopt;
    return x == kAny || y == kAny ? kAny : x + sign * y;
  });
}

std::optional<Scale> Scale::times(int numerator, int denominator) const {
  return zip(*this, Scale(), [&](int x, int) -> std::optional<int> {
    if (x == kAny)
      return x;
    if (x * numerator % denominator != 0)
      return std::nullopt;
    return x * numerator / denominator;
  });
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

bool basin::isConstantOp(Value value) {
  return isa_and_nonnull<InitializerOp, ConstantOp, sink::ParameterOp>(value.getDefiningOp());
}

Value basin::getTransposed(Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose || !isConstantOp(transpose.getData()))
    return {};
  auto type = dyn_cast<RankedTensorType>(transpose.getData().getType());
  bool turns = !transpose.getPerm() || *transpose.getPerm() == ArrayRef<int64_t>{1, 0};
  return type && type.getRank() == 2 && turns ? transpose.getData() : Value();
}

static Attribute getData(Value constant) {
  Operation *op = constant.getDefiningOp();
  if (auto initializer = dyn_cast_or_null<InitializerOp>(op))
    return stripTensorInfo(initializer.getValue());
  if (auto parameter = dyn_cast_or_null<sink::ParameterOp>(op))
    return parameter.getValue();
  Attribute value = op ? op->getAttr("value") : Attribute();
  return value ? stripTensorInfo(value) : Attribute();
}

namespace {
/// Reads the elements of a constant of real type one at a time.
struct Numbers {
  RankedTensorType type;
  TensorBytes data;

  static std::optional<Numbers> read(Value constant) {
    auto type = dyn_cast<RankedTensorType>(constant.getType());
    Attribute value = isConstantOp(constant) ? getData(constant) : Attribute();
    if (!type || !type.hasStaticShape() || !value || !isa<FloatType>(type.getElementType()) ||
        type.getElementTypeBitWidth() % 8 != 0 || type.getElementTypeBitWidth() > 64)
      return std::nullopt;
    FailureOr<TensorBytes> bytes = getTensorBytes(value, constant.getDefiningOp());
    if (failed(bytes) ||
        bytes->bytes.size() != uint64_t(type.getNumElements()) * type.getElementTypeBitWidth() / 8)
      return std::nullopt;
    return Numbers{type, *bytes};
  }

  int64_t size() const { return type.getNumElements(); }
  double at(int64_t i) const {
    if (type.getElementType().isF32()) {
      float number;
      std::memcpy(&number, data.bytes.data() + i * sizeof number, sizeof number);
      return number;
    }
    unsigned bytes = type.getElementTypeBitWidth() / 8;
    uint64_t bits = 0;
    std::memcpy(&bits, data.bytes.data() + i * bytes, bytes);
    APFloat number(cast<FloatType>(type.getElementType()).getFloatSemantics(),
                   APInt(bytes * 8, bits));
    bool losesInfo;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    return number.convertToDouble();
  }
};
} // namespace

/// Returns k if b = a 2^k, and kAny if both are 0 with the same sign.
static std::optional<int> exponentOf(double a, double b) {
  if (a == 0 || b == 0)
    return a == 0 && b == 0 && std::signbit(a) == std::signbit(b) ? std::optional(Scale::kAny)
                                                                  : std::nullopt;
  // A power of two as factor leaves an infinity or a NaN what it is, so any exponent fits.
  if (!std::isfinite(a) || !std::isfinite(b))
    return (std::isnan(a) && std::isnan(b)) || a == b ? std::optional(Scale::kAny) : std::nullopt;
  int ka, kb;
  if (std::frexp(a, &ka) != std::frexp(b, &kb))
    return std::nullopt;
  return kb - ka;
}

/// Returns k if every element of `b` is the element of `a` times 2^k. Both must be f32. Returns
/// nothing if this is not so or if this quick look cannot tell. Most weights change like this, and
/// they hold gigabytes: the loop has no branch, so only memory limits its speed.
static std::optional<int> findOneExponent(const Numbers &a, const Numbers &b) {
  if (!a.type.getElementType().isF32())
    return std::nullopt;
  auto elements = [](const Numbers &of) {
    return ArrayRef(reinterpret_cast<const float *>(of.data.bytes.data()), of.size());
  };
  ArrayRef<float> before = elements(a), after = elements(b);
  if (reinterpret_cast<uintptr_t>(before.data()) % alignof(float) != 0 ||
      reinterpret_cast<uintptr_t>(after.data()) % alignof(float) != 0)
    return std::nullopt;
  const float *first = llvm::find_if(before, [](float x) { return x != 0; });
  if (first == before.end())
    return std::nullopt;
  std::optional<int> k = exponentOf(*first, after[first - before.begin()]);
  if (!k || *k == Scale::kAny)
    return std::nullopt;
  const double factor = std::ldexp(1.0, *k);
  unsigned differs = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    // The product is exact in double. The signs of zeros are compared as well. A NaN equals
    // nothing, so a weight with NaNs is left to the slow comparison.
    double wanted = before[i] * factor, got = after[i];
    differs |= static_cast<unsigned>(wanted != got) |
               static_cast<unsigned>(std::signbit(before[i]) != std::signbit(after[i])) |
               static_cast<unsigned>(std::abs(got) > std::numeric_limits<float>::max());
  }
  return differs ? std::nullopt : k;
}

static bool isSameData(Value before, Value after) {
  Attribute a = getData(before), b = getData(after);
  return a && a == b && before.getType() == after.getType();
}

std::optional<Scale> basin::compareConstants(Value before, Value after) {
  if (isSameData(before, after))
    return Scale();
  std::optional<Numbers> a = Numbers::read(before), b = Numbers::read(after);
  if (!a || !b || a->type.getShape() != b->type.getShape() ||
      a->type.getElementType() != b->type.getElementType())
    return std::nullopt;
  if (std::optional<int> k = findOneExponent(*a, *b))
    return Scale(*k);
  int64_t width = a->type.getRank() == 0 ? 1 : a->type.getShape().back();
  SmallVector<int> out(width, Scale::kAny);
  for (int64_t i = 0; i < a->size(); ++i) {
    std::optional<int> k = exponentOf(a->at(i), b->at(i));
    int &known = out[i % width];
    if (!k || (*k != Scale::kAny && known != Scale::kAny && known != *k))
      return std::nullopt;
    known = *k == Scale::kAny ? known : *k;
  }
  return Scale(std::move(out));
}

std::optional<Scale> basin::compareMatrices(Value before, Value after, const Scale &rows,
                                            bool transposed) {
  if (isSameData(before, after))
    return rows.isUniform() ? std::optional(rows) : std::nullopt;
  std::optional<Numbers> a = Numbers::read(before), b = Numbers::read(after);
  if (!a || !b || a->type.getShape() != b->type.getShape() || a->type.getRank() < 2 ||
      a->type.getElementType() != b->type.getElementType())
    return std::nullopt;
  int64_t rank = a->type.getRank(), inner = a->type.getDimSize(rank - 1),
          outer = a->type.getDimSize(rank - 2);
  if (!rows.isUniform() && int64_t(rows.size()) != (transposed ? inner : outer))
    return std::nullopt;
  if (rows.isUniform())
    if (std::optional<int> k = findOneExponent(*a, *b))
      return rows.at(0) == Scale::kAny ? rows : Scale(*k + rows.at(0));
  SmallVector<int> out(transposed ? outer : inner, Scale::kAny);
  for (int64_t i = 0; i < a->size(); ++i) {
    int64_t column = i % inner, row = i / inner % outer;
    if (transposed)
      std::swap(row, column);
    std::optional<int> k = exponentOf(a->at(i), b->at(i));
    if (!k)
      return std::nullopt;
    int brings = rows.at(row);
    if (*k == Scale::kAny || brings == Scale::kAny)
      continue;
    int &known = out[column];
    if (known != Scale::kAny && known != *k + brings)
      return std::nullopt;
    known = *k + brings;
  }
  return Scale(std::move(out));
}

std::optional<Scale> basin::getPowersOfTwo(Value constant) {
  std::optional<Numbers> numbers = Numbers::read(constant);
  if (!numbers)
    return std::nullopt;
  ArrayRef<int64_t> shape = numbers->type.getShape();
  if (llvm::any_of(shape.empty() ? shape : shape.drop_back(), [](int64_t d) { return d != 1; }))
    return std::nullopt;
  SmallVector<int> out;
  for (int64_t i = 0; i < numbers->size(); ++i) {
    int exponent;
    double number = numbers->at(i);
    if (!(number > 0) || !std::isfinite(number) || std::frexp(number, &exponent) != 0.5)
      return std::nullopt;
    out.push_back(exponent - 1);
  }
  return Scale(std::move(out));
}

bool basin::isZero(Value value) {
  if (auto fill = value.getDefiningOp<ConstantOfShapeOp>()) {
    auto dense =
        fill.getValue() ? dyn_cast<DenseElementsAttr>(*fill.getValue()) : DenseElementsAttr();
    if (!fill.getValue())
      return true;
    return dense && dense.isSplat() && isa<FloatType>(dense.getElementType()) &&
           dense.getSplatValue<APFloat>().isZero();
  }
  std::optional<Numbers> numbers = Numbers::read(value);
  if (!numbers)
    return false;
  for (int64_t i = 0; i < numbers->size(); ++i)
    if (numbers->at(i) != 0)
      return false;
  return true;
}
