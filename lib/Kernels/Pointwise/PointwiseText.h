//===- PointwiseText.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The text of a pointwise program as nested lists of words.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_POINTWISE_POINTWISETEXT_H
#define BASIN_LIB_KERNELS_POINTWISE_POINTWISETEXT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace basin::kernels {

/// A word, or a list of forms. Words point into the program's text.
struct Form {
  bool isList = false;
  llvm::StringRef word;
  std::vector<Form> parts;
};

/// Reads all forms of a text of up to 64 KiB, nested up to 128 deep.
llvm::Expected<std::vector<Form>> readForms(llvm::StringRef text);

/// Returns the form's text for a message, cut off if it is long.
std::string show(const Form &form);

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_POINTWISE_POINTWISETEXT_H
