//===- TypeCodec.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Converts TypeProto to MLIR types and back.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_TYPECODEC_H
#define BASIN_LIB_TARGET_ONNX_TYPECODEC_H

#include "Rope.h"
#include "Wire.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"

namespace basin::onnx::wire {

/// Returns the MLIR type of a TypeProto. Fails on an element type that ONNX does not define. An
/// MLIR type cannot hold everything (denotations, nonsensical sizes). To find out whether
/// something was lost, compare `encodeType` with the original bytes.
llvm::Expected<mlir::Type> decodeType(mlir::MLIRContext *ctx, const Type &type);

/// Returns the TypeProto of an MLIR type, or an empty rope for `!onnx.unknown`.
Rope encodeType(mlir::Type type);

} // namespace basin::onnx::wire

#endif // BASIN_LIB_TARGET_ONNX_TYPECODEC_H
