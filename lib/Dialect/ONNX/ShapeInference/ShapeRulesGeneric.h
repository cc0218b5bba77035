//===- ShapeRulesGeneric.h --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shape rules by the name of an operator, for nodes without a rule of their own. These are
// operators without a typed op, and nodes that their typed op does not cover. Such a node may have
// any operands, results and attributes of any kind, so a rule leaves the result unknown if it meets
// something unexpected. A rule never fails.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H
#define BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H

#include "ShapeRuleSupport.h"

namespace basin::onnx::infer {

/// Returns an attribute of the node, whether the op is typed or not. Null if it has none.
mlir::Attribute getNodeAttr(mlir::Operation *op, llvm::StringRef name);
int64_t getNodeInt(mlir::Operation *op, llvm::StringRef name, int64_t otherwise);
/// Returns a list of integers, or nothing if there is none.
std::optional<Ints> getNodeInts(mlir::Operation *op, llvm::StringRef name);
llvm::StringRef getNodeString(mlir::Operation *op, llvm::StringRef name, llvm::StringRef otherwise);

/// Returns the type whose code attribute `name` gives, or `otherwise` if it is absent.
mlir::Type getNodeType(mlir::Operation *op, llvm::StringRef name, mlir::Type otherwise);

/// Returns `a * factor + more`, which is unknown unless it is a size.
Dim scaleDim(const Dim &a, int64_t factor, int64_t more = 0);

/// Returns the shape of numpy.matmul, or nothing if the shapes do not fit or a rank is unknown.
std::optional<Dims> multiplyDimsOf(TensorInfo a, TensorInfo b);

using Rule = void (*)(mlir::Operation *op, Types &types);

// Defined in ShapeRulesWindow.cpp
void convLike(mlir::Operation *op, Types &types);
void convInteger(mlir::Operation *op, Types &types);
void qLinearConv(mlir::Operation *op, Types &types);
void convTranspose(mlir::Operation *op, Types &types);
void pool(mlir::Operation *op, Types &types);
void globalPool(mlir::Operation *op, Types &types);
void maxUnpool(mlir::Operation *op, Types &types);

// Defined in ShapeRulesImage.cpp
void resize(mlir::Operation *op, Types &types);
void depthToSpace(mlir::Operation *op, Types &types);
void spaceToDepth(mlir::Operation *op, Types &types);
void gridSample(mlir::Operation *op, Types &types);
void roiAlign(mlir::Operation *op, Types &types);
void maxRoiPool(mlir::Operation *op, Types &types);

// Returns the rule of an operator of com.microsoft, or null. Defined in ShapeRulesMicrosoft.cpp
Rule lookupMicrosoftRule(llvm::StringRef opType);

} // namespace basin::onnx::infer

#endif // BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H
