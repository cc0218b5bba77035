//===- ParseJSON.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_PARSEJSON_H
#define BASIN_DIALECT_ONNX_UTILS_PARSEJSON_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace basin::onnx {

/// Parses text that anybody may have written. Refuses what nests deeper than 64 levels, because
/// LLVM's parser recurses.
llvm::Expected<llvm::json::Value> parseJSON(llvm::StringRef text);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_PARSEJSON_H
