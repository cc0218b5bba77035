//===- PlanSize.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PlanSize.h"

using namespace basin::rt;

/// A size that overflows on the way is refused, even if a later factor is 0 or a later term would
/// bring the sum back: no tensor has such sizes.
bool PlanSize::evaluate(const SymbolValues &symbols, int64_t &out) const {
  out = 0;
  for (const Term &term : terms) {
    int64_t product = term.factor;
    for (size_t symbol : term.symbols)
      if (__builtin_mul_overflow(product, symbols[symbol], &product))
        return false;
    if (__builtin_add_overflow(out, product, &out))
      return false;
  }
  return true;
}

std::optional<int64_t> PlanSize::getNumber() const {
  int64_t sum = 0;
  for (const Term &term : terms)
    if (!term.symbols.empty() || __builtin_add_overflow(sum, term.factor, &sum))
      return std::nullopt;
  return sum;
}

std::optional<size_t> PlanSize::getSymbol() const {
  if (terms.size() != 1 || terms[0].factor != 1 || terms[0].symbols.size() != 1)
    return std::nullopt;
  return terms[0].symbols[0];
}
