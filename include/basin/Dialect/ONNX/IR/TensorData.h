//===- TensorData.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The elements of a constant tensor as bytes, wherever they are kept.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_TENSORDATA_H
#define BASIN_DIALECT_ONNX_IR_TENSORDATA_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include <memory>

namespace basin::onnx {

/// ONNX's element type code (`TensorProto.DataType`); 0 if it has none.
int32_t getElementTypeCode(mlir::Type type);
/// The MLIR element type; null for a code that ONNX does not define.
mlir::Type getElementType(mlir::MLIRContext *ctx, int32_t code);
/// Bits of one element in `raw_data` (4-bit and 2-bit types are packed); 0 for
/// strings.
unsigned getElementBits(mlir::Type elementType);
/// Bytes that `shape` of `elementType` takes in `raw_data`; nothing on overflow
/// or for strings.
std::optional<uint64_t> getRawByteSize(llvm::ArrayRef<int64_t> shape, mlir::Type elementType);

/// Bytes in `raw_data` layout (little endian, packed), with what keeps them
/// alive.
struct TensorBytes {
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<void> owner;
};

/// The bytes of a constant's `value`: `dense`, `dense_resource`,
/// `#onnx.external` or `#onnx.tensor`. `from` is any op inside the module (it
/// locates external files). Fails silently for strings and sparse values, with
/// a diagnostic at `from` when a file cannot be mapped.
llvm::FailureOr<TensorBytes> getTensorBytes(mlir::Attribute value, mlir::Operation *from);

/// An elements attribute of `type` over `bytes` in `raw_data` layout: `dense`
/// where small, else a `dense_resource` named `name` that keeps `owner`.
mlir::TypedAttr makeElements(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes,
                             std::shared_ptr<void> owner, llvm::StringRef name);

/// The value of `#onnx.tensor` without its information; other attributes as
/// they are.
mlir::Attribute stripTensorInfo(mlir::Attribute value);

/// Opens `location` relative to `baseDir`, refusing paths that leave the folder
/// (absolute, `..`, links out of it). On success `path` is the file's path and
/// `size` its length.
llvm::Error resolveExternalFile(llvm::StringRef baseDir, llvm::StringRef location,
                                std::string &path, uint64_t &size);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_TENSORDATA_H
