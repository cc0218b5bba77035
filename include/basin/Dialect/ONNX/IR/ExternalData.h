//===- ExternalData.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The files beside a model that hold tensors.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H
#define BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace basin::onnx {

/// A module's attribute: names of all data files that the model came with,
/// relative to its folder, whether something refers to them still or not.
inline constexpr llvm::StringLiteral kDataFilesAttr = "onnx.data_files";

/// Whether `location` may stand in a model: no absolute path, no `..`.
llvm::Error checkExternalName(llvm::StringRef location);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H
