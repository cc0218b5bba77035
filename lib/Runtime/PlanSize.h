//===- PlanSize.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes of a plan: sums of products of symbols, with integer factors. The inputs' shapes give the
// symbols their values.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_RUNTIME_PLANSIZE_H
#define BASIN_LIB_RUNTIME_PLANSIZE_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace basin::rt {

/// Most plans have a handful of each, but an exporter may name each dim of each cache of keys. With
/// the limits, values fit into an array, and a size is computed in bounded time.
constexpr size_t kMaxSymbols = 256;
constexpr size_t kMaxTerms = 64;
constexpr size_t kMaxFactors = 16;

/// The values of all symbols of a plan, by their indices.
using SymbolValues = std::array<int64_t, kMaxSymbols>;

class PlanSize {
public:
  struct Term {
    int64_t factor;
    std::vector<size_t> symbols;
  };

  explicit PlanSize(int64_t number = 0) : terms({{number, {}}}) {}
  explicit PlanSize(std::vector<Term> terms) : terms(std::move(terms)) {}

  /// Computes the size. Returns false if it does not fit into 64 bits.
  bool evaluate(const SymbolValues &symbols, int64_t &out) const;
  /// Returns the size's number, or nothing if it depends on symbols.
  std::optional<int64_t> getNumber() const;
  /// Returns the index of the symbol that the size is, or nothing if it is anything else.
  std::optional<size_t> getSymbol() const;

private:
  std::vector<Term> terms;
};

} // namespace basin::rt

#endif // BASIN_LIB_RUNTIME_PLANSIZE_H
