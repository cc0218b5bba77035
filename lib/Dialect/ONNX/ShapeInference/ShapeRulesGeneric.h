//===- ShapeRulesGeneric.h --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shape rules by the name of an operator, for nodes without a rule of their own:
// operators that no typed op stands for, and uses that their typed op does not
// cover. Such a node may have any operands, results and attributes, of any kind.
// A rule therefore says nothing where something is not as it expects, and
// refuses nothing.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H
#define BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H

#include "ShapeRuleSupport.h"

namespace basin::onnx::infer {

/// A node's attribute, whether the op is typed or not; null if it has none.
mlir::Attribute getNodeAttr(mlir::Operation *op, llvm::StringRef name);
int64_t getNodeInt(mlir::Operation *op, llvm::StringRef name, int64_t otherwise);
/// A list of integers; nothing if there is none.
std::optional<Ints> getNodeInts(mlir::Operation *op, llvm::StringRef name);
llvm::StringRef getNodeString(mlir::Operation *op, llvm::StringRef name, llvm::StringRef otherwise);

/// The type that attribute `name` gives by its code; `otherwise` without one.
mlir::Type getNodeType(mlir::Operation *op, llvm::StringRef name, mlir::Type otherwise);

/// `a * factor + more`; unknown unless it is a size.
Dim scaleDim(const Dim &a, int64_t factor, int64_t more = 0);

/// numpy.matmul of shapes; nothing where they do not fit or a rank is unknown.
std::optional<Dims> multiplyDimsOf(TensorInfo a, TensorInfo b);

using Rule = void (*)(mlir::Operation *op, Types &types);

// ShapeRulesWindow.cpp
void convLike(mlir::Operation *op, Types &types);
void convInteger(mlir::Operation *op, Types &types);
void qLinearConv(mlir::Operation *op, Types &types);
void convTranspose(mlir::Operation *op, Types &types);
void pool(mlir::Operation *op, Types &types);
void globalPool(mlir::Operation *op, Types &types);
void maxUnpool(mlir::Operation *op, Types &types);

// ShapeRulesImage.cpp
void resize(mlir::Operation *op, Types &types);
void depthToSpace(mlir::Operation *op, Types &types);
void spaceToDepth(mlir::Operation *op, Types &types);
void gridSample(mlir::Operation *op, Types &types);
void roiAlign(mlir::Operation *op, Types &types);
void maxRoiPool(mlir::Operation *op, Types &types);

// ShapeRulesMicrosoft.cpp: the rule of an operator of com.microsoft, or null.
Rule lookupMicrosoftRule(llvm::StringRef opType);

} // namespace basin::onnx::infer

#endif // BASIN_LIB_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULESGENERIC_H
