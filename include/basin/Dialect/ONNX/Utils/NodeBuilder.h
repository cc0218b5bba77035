//===- NodeBuilder.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the nodes that a rewrite needs. Result types come from the ops' own shape rules. If an
// operator changed with its opset, the node is the one of the version that the model imports, so a
// rewrite need not know about versions.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_UTILS_NODEBUILDER_H
#define BASIN_DIALECT_ONNX_UTILS_NODEBUILDER_H

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace basin::onnx {

class NodeBuilder {
public:
  /// Names the nodes and their outputs `prefix`_Mul, `prefix`_Mul_2 and so on. Without a prefix
  /// they stay nameless, and the exporter names them.
  NodeBuilder(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef prefix = {});

  /// Returns the version of ai.onnx at the insertion point.
  int64_t getOpset() const { return opset; }
  mlir::OpBuilder &getBuilder() { return b; }

  template <typename OpTy>
  OpTy create(mlir::ValueRange inputs, llvm::ArrayRef<mlir::NamedAttribute> attrs = {},
              unsigned numResults = 1) {
    return llvm::cast<OpTy>(createNode(OpTy::getOperationName(), inputs, attrs, numResults));
  }
  /// Creates a node with one result and returns that.
  template <typename OpTy>
  mlir::Value node(mlir::ValueRange inputs, llvm::ArrayRef<mlir::NamedAttribute> attrs = {}) {
    return createNode(OpTy::getOperationName(), inputs, attrs, 1)->getResult(0);
  }

  /// Renames the node of `value` to `prefix`_`suffix` and returns `value`.
  mlir::Value named(mlir::Value value, llvm::StringRef suffix);

  mlir::NamedAttribute attr(llvm::StringRef name, int64_t value);
  mlir::NamedAttribute attr(llvm::StringRef name, llvm::ArrayRef<int64_t> value);

  /// Returns an i64 tensor: a vector of the values, or a scalar (rank 0).
  mlir::Value constant(llvm::ArrayRef<int64_t> values, int64_t rank = 1);
  /// Returns a scalar. A float type rounds to nearest, and an integer type truncates.
  mlir::Value scalar(double value, mlir::Type elementType);

  /// Returns `x` itself if it already has that element type.
  mlir::Value cast(mlir::Value x, mlir::Type elementType);
  mlir::Value reduceMean(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value reduceSum(mlir::Value x, llvm::ArrayRef<int64_t> axes, bool keepDims = true);
  mlir::Value reduceMax(mlir::Value x, llvm::ArrayRef<int64_t> axes, bool keepDims = true);
  mlir::Value unsqueeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value squeeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value concat(mlir::ValueRange parts, int64_t axis);
  /// Splits `x` into equal parts.
  llvm::SmallVector<mlir::Value> split(mlir::Value x, int64_t axis, unsigned parts);
  /// Returns `x[begin:end]` along `axis`. Bounds are as in ONNX, so negative ones count from the
  /// end.
  mlir::Value slice(mlir::Value x, int64_t axis, int64_t begin, int64_t end);
  mlir::Value slice(mlir::Value x, int64_t axis, mlir::Value begins, mlir::Value ends);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  mlir::Value reshape(mlir::Value x, mlir::Value shape);
  mlir::Value expand(mlir::Value x, mlir::Value shape);
  mlir::Value softmax(mlir::Value x, int64_t axis);

  /// Returns the sizes of the dims [begin, end) of `x` as an i64 vector. It is a constant if all
  /// are static, else it is computed from the Shape of `x`.
  mlir::Value dims(mlir::Value x, int64_t begin, int64_t end);
  /// Returns the size of dim `axis` as an i64 scalar.
  mlir::Value dim(mlir::Value x, int64_t axis);

private:
  mlir::Operation *createNode(llvm::StringRef opName, mlir::ValueRange inputs,
                              llvm::ArrayRef<mlir::NamedAttribute> attrs, unsigned numResults);
  void giveNames(mlir::Operation *op);
  mlir::Value elements(mlir::TypedAttr value);
  /// Creates a node whose `axes` are an attribute before opset `operandSince` and an operand from
  /// then on.
  template <typename OpTy>
  mlir::Value withAxes(mlir::Value x, llvm::ArrayRef<int64_t> axes, int64_t operandSince,
                       llvm::ArrayRef<mlir::NamedAttribute> more = {});

  mlir::OpBuilder &b;
  mlir::Location loc;
  std::string prefix;
  int64_t opset;
  llvm::StringMap<unsigned> counts;
};

} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_UTILS_NODEBUILDER_H
