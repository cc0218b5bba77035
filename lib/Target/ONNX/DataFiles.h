//===- DataFiles.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses names for the data files beside a model that is written.
//
// The name is OUT.data if no file has it, else OUT.1.data, OUT.2.data, and so on, because a file
// that some model may refer to is never written to. After the new model has replaced an old one,
// the data that only the old one had is removed.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_DATAFILES_H
#define BASIN_LIB_TARGET_ONNX_DATAFILES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace basin::onnx {

/// Returns the first name for the data of the model file `path` that no file in its folder has
/// and that `isTaken` does not reserve.
std::string chooseDataName(llvm::StringRef path, llvm::function_ref<bool(llvm::StringRef)> isTaken);

/// Returns the names of data files that this scheme gave to the model now at `path` and that no
/// other model of the folder mentions.
std::vector<std::string> findOwnDataFiles(llvm::StringRef path);

} // namespace basin::onnx

#endif // BASIN_LIB_TARGET_ONNX_DATAFILES_H
