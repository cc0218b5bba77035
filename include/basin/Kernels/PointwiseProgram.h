//===- PointwiseProgram.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The programs of pointwise kernels: what is computed for each element of an iteration space.
// docs/kernels-pointwise.md describes the language. Programs may come from files, so the parser
// checks lengths, depths and numbers, and its errors name the expression.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_POINTWISEPROGRAM_H
#define BASIN_KERNELS_POINTWISEPROGRAM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace basin::kernels {

/// The type of an expression: a real is computed in f32, an integer in i64.
enum class PointwiseType { Real, Integer, Boolean };

/// The type of a tensor's elements in memory. A boolean is one byte, 0 or 1.
enum class PointwiseElement { F32, F16, BF16, I8, I32, I64, Bool };

/// Returns the type that an element has in expressions.
PointwiseType getType(PointwiseElement element);
/// Returns the bytes of an element.
int64_t getBytes(PointwiseElement element);
/// Returns the name, like "bf16".
llvm::StringRef getName(PointwiseElement element);

enum class PointwiseOperator {
  // Leaves. `number` is the literal (of a real its bits as an f32), the axis, the scalar or the
  // tensor.
  Literal,
  Index,
  Size,
  Argument,
  Read,
  // `number` is the tensor, the operands are its indices.
  Gather,
  // The operands are the bindings and then the body, whose value it has.
  Let,
  // `number` is 1 if one of the branches reads memory, so only the one taken may be evaluated.
  If,
  // The operands are the number of turns, the Counter of the turn, and the body. `number` is the
  // operator that joins the values of all turns: Add, Min or Max.
  Reduce,
  Counter,
  // Arithmetic.
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  Fmod,
  Neg,
  Abs,
  Min,
  Max,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  And,
  Or,
  Xor,
  Not,
  Shl,
  Shr,
  Sqrt,
  Rsqrt,
  Recip,
  Exp,
  Log,
  Pow,
  Sin,
  Cos,
  Tanh,
  Erf,
  Sigmoid,
  Floor,
  Ceil,
  Round,
  Sign,
  IsNaN,
  IsInf,
  // Casts. `number` of Wrap is the bits that stay.
  ToReal,
  ToInteger,
  ToBoolean,
  Wrap,
  RoundF16,
  RoundBF16
};

struct PointwiseExpression {
  PointwiseOperator op;
  PointwiseType type;
  int64_t number = 0;
  /// The numbers of earlier expressions of the program.
  llvm::SmallVector<unsigned, 3> operands = {};
};

/// The number of an axis's elements, or a stride in elements. It is absent if a launch gives it.
using PointwiseSize = std::optional<int64_t>;

struct PointwiseTensor {
  std::string name;
  PointwiseElement element;
  llvm::SmallVector<PointwiseSize, 6> strides;
  /// The pointer and all strides that a launch gives are multiples of this many bytes.
  int64_t alignment;
  /// The expression that is stored, if the tensor is written.
  std::optional<unsigned> stored;
};

struct PointwiseScalar {
  std::string name;
  PointwiseType type; // Integer is an i64, Real an f32
};

struct PointwiseProgram {
  llvm::SmallVector<PointwiseSize, 6> sizes;
  std::vector<PointwiseTensor> tensors;
  std::vector<PointwiseScalar> scalars;
  /// Operands come before the expressions that have them.
  std::vector<PointwiseExpression> expressions;
  /// How many of them take many instructions, such as exp and mod.
  int64_t longOperations = 0;

  unsigned rank() const { return sizes.size(); }
  const PointwiseExpression &operator[](unsigned i) const { return expressions[i]; }
};

/// Reads an iteration space, like "?x?x64".
llvm::Expected<llvm::SmallVector<PointwiseSize, 6>> parsePointwiseSizes(llvm::StringRef text);

/// Reads a program over the space `sizes`.
llvm::Expected<PointwiseProgram> parsePointwiseProgram(llvm::StringRef text,
                                                       llvm::ArrayRef<PointwiseSize> sizes);

/// Returns the program's text with one blank between its parts.
std::string normalizePointwiseProgram(llvm::StringRef text);

} // namespace basin::kernels

#endif // BASIN_KERNELS_POINTWISEPROGRAM_H
