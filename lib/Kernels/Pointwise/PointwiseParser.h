//===- PointwiseParser.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes declarations and expressions of a program's forms.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISEPARSER_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISEPARSER_H

#include "PointwiseText.h"

#include "basin/Kernels/PointwiseProgram.h"

#include "llvm/ADT/StringMap.h"

namespace basin::kernels {

/// Returns an error about a part of the program, which it shows.
inline llvm::Error failAt(const Form &form, const llvm::Twine &message) {
  return llvm::createStringError("'" + show(form) + "': " + message);
}

inline bool isWord(const Form &form, llvm::StringRef word) {
  return !form.isList && form.word == word;
}

/// Returns whether a tensor, a scalar or a binding may have that name.
bool isPointwiseName(llvm::StringRef text);

template <typename T> const T *findNamed(const std::vector<T> &all, llvm::StringRef name) {
  for (const T &one : all)
    if (one.name == name)
      return &one;
  return nullptr;
}

class PointwiseParser {
public:
  explicit PointwiseParser(llvm::ArrayRef<PointwiseSize> sizes) {
    out.sizes.assign(sizes.begin(), sizes.end());
  }

  llvm::Error parse(llvm::ArrayRef<Form> forms);
  PointwiseProgram out;

private:
  using Number = llvm::Expected<unsigned>;

  llvm::Error parseTensor(const Form &form, bool isOut);
  llvm::Error parseStored(const Form &form);
  llvm::Error parseStrides(const Form &form, PointwiseTensor &tensor);
  llvm::Error parseAlignment(const Form &form, PointwiseTensor &tensor);
  llvm::Error parseScalar(const Form &form);
  llvm::Error checkName(const Form &form);
  llvm::Error checkArguments();

  Number parseExpression(const Form &form);
  Number parseWord(const Form &form);
  Number parseLiteral(const Form &form);
  Number parseAxis(const Form &form, PointwiseOperator op);
  Number parseArgument(const Form &form);
  Number parseGather(const Form &form);
  Number parseLet(const Form &form);
  Number parseReduce(const Form &form);
  Number parseIf(const Form &form);
  Number parseNarrow(const Form &form);
  Number parseOperation(const Form &form);

  unsigned add(PointwiseExpression expression) {
    out.expressions.push_back(std::move(expression));
    return out.expressions.size() - 1;
  }
  PointwiseType typeOf(unsigned i) const { return out.expressions[i].type; }
  const PointwiseTensor *findTensor(llvm::StringRef name) const {
    return findNamed(out.tensors, name);
  }
  const PointwiseScalar *findScalar(llvm::StringRef name) const {
    return findNamed(out.scalars, name);
  }

  /// The names that are bound where the parser is, and how many reads it has met.
  llvm::StringMap<unsigned> bound;
  size_t reads = 0;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISEPARSER_H
