//===- ExternalData.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The files beside a model that hold its tensors.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H
#define BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace basin::onnx {

/// A module's attribute. It names all data files that the model came with, relative to its folder,
/// even if nothing refers to them any more.
inline constexpr llvm::StringLiteral kDataFilesAttr = "onnx.data_files";

/// Fails unless `location` may stand in a model: it must be no absolute path and must not contain
/// `..`.
llvm::Error checkExternalName(llvm::StringRef location);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_EXTERNALDATA_H
