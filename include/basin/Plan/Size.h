//===- Size.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes, strides and offsets of a plan: sums of products of symbols, with integer factors. A symbol
// is the name of a dim. Whoever runs the plan knows its value from the shapes of the inputs.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_PLAN_SIZE_H
#define BASIN_PLAN_SIZE_H

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <vector>

namespace basin::plan {

class Size {
public:
  Size(int64_t number = 0);
  /// Returns what `dim` stands for. Returns nothing for a dim without a name, and for one that
  /// shape inference numbered ("?7"), because no input has such a dim.
  static std::optional<Size> of(const onnx::Dim &dim);

  Size operator+(const Size &other) const;
  Size operator-(const Size &other) const { return *this + other * Size(-1); }
  Size operator*(const Size &other) const;
  /// Two sizes are equal whatever the symbols are if and only if this returns true.
  bool operator==(const Size &other) const { return terms == other.terms; }

  /// Returns the number if the size has no symbols.
  std::optional<int64_t> getNumber() const;
  bool is(int64_t number) const { return getNumber() == number; }
  /// Returns the least value for symbols that are not negative, or nothing if there is none.
  std::optional<int64_t> getLeast() const;
  /// Returns whether each factor is a multiple of `number`, which is positive.
  bool isMultipleOf(int64_t number) const;
  /// Returns whether a factor did not fit into 64 bits. Such a size means nothing.
  bool hasOverflown() const { return overflown; }

  /// Returns the size as a dim of a type, or nothing if a factor is negative or types cannot spell
  /// it.
  std::optional<onnx::Dim> toDim(mlir::MLIRContext *context) const;
  /// Returns the symbol if the size is one.
  std::optional<llvm::StringRef> getSymbol() const;
  /// Calls `visit` for the name of each symbol.
  void visitSymbols(llvm::function_ref<void(llvm::StringRef)> visit) const;
  /// Returns a number, or {"sum": [[4, "batch", "seq"], [1, "past"]]}.
  llvm::json::Value toJSON() const;
  /// Returns the size for messages: `4 * batch * seq + past`.
  std::string toString() const;

private:
  void add(std::vector<std::string> symbols, int64_t factor);

  /// The factor of each product of symbols, which are sorted. No factor is 0.
  std::map<std::vector<std::string>, int64_t> terms;
  bool overflown = false;
};

using Sizes = llvm::SmallVector<Size, 4>;

/// Returns the product of all sizes.
Size multiply(llvm::ArrayRef<Size> sizes);

/// Returns the strides of a contiguous tensor.
Sizes getContiguousStrides(llvm::ArrayRef<Size> sizes);

} // namespace basin::plan

#endif // BASIN_PLAN_SIZE_H
