//===- QuoteName.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names in diagnostics. A model's author chooses them, and they may be anything.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_QUOTENAME_H
#define BASIN_DIALECT_ONNX_IR_QUOTENAME_H

#include "llvm/ADT/StringRef.h"

#include <string>

namespace basin::onnx {

/// `name` in quotes, for a diagnostic of one line: control characters and what
/// is no UTF-8 are escaped, the rest of a long name is left out.
std::string quoteName(llvm::StringRef name);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_QUOTENAME_H
