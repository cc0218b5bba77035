//===- TensorData.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The elements of a constant tensor as bytes, wherever the bytes are.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_TENSORDATA_H
#define BASIN_DIALECT_ONNX_IR_TENSORDATA_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include <memory>

namespace basin::onnx {

/// Returns ONNX's code of the element type (`TensorProto.DataType`), or 0 if there is none.
int32_t getElementTypeCode(mlir::Type type);
/// Returns the MLIR element type, or null for a code that ONNX does not define.
mlir::Type getElementType(mlir::MLIRContext *ctx, int32_t code);
/// Returns the bits of one element in `raw_data`, or 0 for strings. Types of 4 and 2 bits are
/// packed.
unsigned getElementBits(mlir::Type elementType);
/// Returns the bytes that a tensor of `shape` takes in `raw_data`, or nothing for strings or if the
/// number overflows.
std::optional<uint64_t> getRawByteSize(llvm::ArrayRef<int64_t> shape, mlir::Type elementType);

/// Bytes in the layout of `raw_data` (little endian, packed), and the owner that keeps them alive.
struct TensorBytes {
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<void> owner;
};

/// Returns the bytes of a constant's `value`, which is `dense`, `dense_resource`, `#onnx.external`
/// or `#onnx.tensor`. `from` is any op inside the module, which is needed to find external files.
/// Strings and sparse values fail without a diagnostic. A file that cannot be mapped fails with one
/// at `from`.
llvm::FailureOr<TensorBytes> getTensorBytes(mlir::Attribute value, mlir::Operation *from);

/// Returns an elements attribute of `type` for `bytes` in the layout of `raw_data`. Small tensors
/// become `dense`, others a `dense_resource` called `name` that keeps `owner` alive.
mlir::TypedAttr makeElements(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes,
                             std::shared_ptr<void> owner, llvm::StringRef name);

/// Returns the elements of an `#onnx.tensor`, and other attributes as they are.
mlir::Attribute stripTensorInfo(mlir::Attribute value);

/// Finds the file `location` relative to `baseDir`. Refuses paths that leave the folder (absolute
/// ones, `..`, and links out of it). On success `path` is the real path of the file and `size` its
/// length.
llvm::Error resolveExternalFile(llvm::StringRef baseDir, llvm::StringRef location,
                                std::string &path, uint64_t &size);

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_TENSORDATA_H
