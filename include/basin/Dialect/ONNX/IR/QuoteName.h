//===- QuoteName.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quotes names in diagnostics. A model's author chooses them, so they may contain anything.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_QUOTENAME_H
#define BASIN_DIALECT_ONNX_IR_QUOTENAME_H

#include "llvm/ADT/StringRef.h"

#include <string>

namespace basin::onnx {

/// Returns `name` in quotes for a diagnostic of one line. Control characters and bytes that are no
/// UTF-8 are escaped, and long names are cut.
std::string quoteName(llvm::StringRef name);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_QUOTENAME_H
