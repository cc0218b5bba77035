//===- SizeSum.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums of products of symbolic sizes, as exporters compute them: batch * heads, past + sequence.
// Such a sum is the name of a dim, `?(4 * batch + 1)`, in one spelling, so that equal names are
// equal sizes.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_SIZESUM_H
#define BASIN_DIALECT_ONNX_IR_SIZESUM_H

#include "basin/Dialect/ONNX/IR/Dims.h"

#include <map>

namespace basin::onnx {

/// A sum of products of symbols with positive factors. It is never negative.
class SizeSum {
public:
  /// Returns what `dim` stands for. Returns nothing for an unknown dim, a negative number, and a
  /// name that shape inference numbered ("?7"), because such names are forgotten again.
  static std::optional<SizeSum> get(const Dim &dim);

  /// These return nothing if a factor would overflow or turn negative, if the quotient is not exact
  /// whatever the sizes are, or if the sum would be long.
  static std::optional<SizeSum> add(const SizeSum &a, const SizeSum &b);
  static std::optional<SizeSum> subtract(const SizeSum &a, const SizeSum &b);
  static std::optional<SizeSum> multiply(const SizeSum &a, const SizeSum &b);
  static std::optional<SizeSum> divide(const SizeSum &a, const SizeSum &b);

  /// Returns the sum as a number, a symbol, or a symbol that spells it.
  Dim toDim() const;

  /// If the sum is one product, returns its number and its symbols.
  std::optional<std::pair<int64_t, llvm::SmallVector<mlir::StringAttr>>> getProduct() const;

  /// Calls `visit` for each product with its symbols, none for a number, and its factor.
  void
  visitProducts(llvm::function_ref<void(llvm::ArrayRef<mlir::StringAttr>, int64_t)> visit) const;

private:
  /// The names of the symbols of a product, in order; empty for a number.
  using Symbols = llvm::SmallVector<mlir::StringAttr>;
  struct InOrder {
    bool operator()(const Symbols &a, const Symbols &b) const;
  };

  bool addProduct(Symbols symbols, int64_t factor);
  bool isShort() const;
  static std::optional<SizeSum> parse(mlir::StringAttr name);

  std::map<Symbols, int64_t, InOrder> products;
};

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_SIZESUM_H
