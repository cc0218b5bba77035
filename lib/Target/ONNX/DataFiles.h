//===- DataFiles.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names of the data files beside a model that is written.
//
// OUT.data where no such file is, else OUT.1.data, OUT.2.data, ...: a file that
// some model may refer to is never written to. When the new model has replaced
// an old one, the data that only the old one had is removed.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_DATAFILES_H
#define BASIN_LIB_TARGET_ONNX_DATAFILES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace basin::onnx {

/// The first name for the data of the model file `path` that no file in its
/// folder has and that `isTaken` does not reserve.
std::string chooseDataName(llvm::StringRef path, llvm::function_ref<bool(llvm::StringRef)> isTaken);

/// Names of data files that this scheme gave to the model now at `path` and
/// that no other model of the folder mentions.
std::vector<std::string> findOwnDataFiles(llvm::StringRef path);

} // namespace basin::onnx

#endif // BASIN_LIB_TARGET_ONNX_DATAFILES_H
