//===- ONNX.h ---------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The onnx dialect: a lossless mirror of a ModelProto.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNX_H
#define BASIN_DIALECT_ONNX_IR_ONNX_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <initializer_list>

#include "basin/Dialect/ONNX/IR/ONNXDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXAttrs.h.inc"

namespace basin::onnx {

/// The operand and result names of a typed op. A name "x?" may be absent, "x*"
/// takes the rest.
class NodeSchema {
public:
  NodeSchema(llvm::StringRef opType, llvm::StringRef domain,
             std::initializer_list<llvm::StringRef> inputs,
             std::initializer_list<llvm::StringRef> outputs,
             std::initializer_list<llvm::StringRef> regions);

  llvm::StringRef opType, domain;
  llvm::SmallVector<llvm::StringRef, 4> inputs, outputs, regions;
  unsigned minInputs = 0;
  bool variadicInputs = false, variadicOutputs = false;

  /// Whether a node with these counts fits the schema.
  bool acceptsCounts(size_t numInputs, size_t numOutputs) const;
};

/// The typed op for `opType` of `domain` ("" is ai.onnx), if there is one.
std::optional<mlir::RegisteredOperationName> lookupTypedOp(mlir::MLIRContext *ctx,
                                                           llvm::StringRef domain,
                                                           llvm::StringRef opType,
                                                           const NodeSchema *&schema);

/// Whether a use of the operator `name` with these counts, attributes and
/// subgraphs can be its typed op.
bool fitsTypedOp(mlir::RegisteredOperationName name, const NodeSchema &schema, size_t numInputs,
                 size_t numOutputs, const mlir::NamedAttrList &attrs,
                 llvm::ArrayRef<mlir::Attribute> regionNames);

/// Operand (result) `index`; null if there is none or it is absent.
mlir::Value getInputOrNull(mlir::Operation *op, unsigned index);
mlir::Value getOutputOrNull(mlir::Operation *op, unsigned index);

// Shared by the typed ops' generated methods.
mlir::DictionaryAttr getInherentNodeAttrs(mlir::Operation *op);
llvm::SmallVector<mlir::StringAttr> getSchemaRegionNames(mlir::Operation *op,
                                                         const NodeSchema &schema);
llvm::LogicalResult verifyNode(mlir::Operation *op, const NodeSchema &schema);

// Names of the discardable attributes that mirror a NodeProto.
inline constexpr llvm::StringLiteral kNameAttr = "onnx.name";
inline constexpr llvm::StringLiteral kOutsAttr = "onnx.outs";
inline constexpr llvm::StringLiteral kDomainAttr = "onnx.domain";
inline constexpr llvm::StringLiteral kSubgraphsAttr = "onnx.subgraphs";
// Of the module.
inline constexpr llvm::StringLiteral kModelAttr = "onnx.model";
inline constexpr llvm::StringLiteral kBaseDirAttr = "onnx.base_dir";

/// ONNX's name of a value: a graph input, a node's output or an initializer;
/// empty if it has none.
llvm::StringRef getValueName(mlir::Value value);

/// Gives result `result` the ONNX name `name`.
void setValueName(mlir::OpResult result, llvm::StringRef name);

/// The node's name, or else its first output's.
llvm::StringRef getNodeName(mlir::Operation *op);

/// The opset version of `domain` in force at `op`: that of the enclosing
/// function if there is one, else the model's; 0 if it imports none.
int64_t getOpsetVersion(mlir::Operation *op, llvm::StringRef domain = "");

} // namespace basin::onnx

#include "basin/Dialect/ONNX/IR/ONNXInterfaces.h.inc"

#include "basin/Dialect/ONNX/ShapeInference/ShapeRules.h"

#define GET_OP_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXOps.h.inc"

namespace basin::onnx {
/// Replaces `node` by its typed op where there is one that it fits; a call of a
/// model-local function must not get here.
void toTypedOp(NodeOp node);
} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_ONNX_H
