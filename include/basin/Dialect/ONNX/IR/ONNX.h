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

/// The names of the operands, results and regions of a typed op. An operand or result "x?" may be
/// absent, and "x*" takes all that remain.
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

  /// Returns whether the schema allows these numbers of operands and results.
  bool acceptsCounts(size_t numInputs, size_t numOutputs) const;
};

/// Returns the typed op for `opType` of `domain` ("" is ai.onnx), if there is one, and sets
/// `schema`.
std::optional<mlir::RegisteredOperationName> lookupTypedOp(mlir::MLIRContext *ctx,
                                                           llvm::StringRef domain,
                                                           llvm::StringRef opType,
                                                           const NodeSchema *&schema);

/// Returns whether a node with these counts, attributes and subgraphs can be the typed op `name`.
bool fitsTypedOp(mlir::RegisteredOperationName name, const NodeSchema &schema, size_t numInputs,
                 size_t numOutputs, const mlir::NamedAttrList &attrs,
                 llvm::ArrayRef<mlir::Attribute> regionNames);

/// Returns operand (result) `index`, or null if there is none or it is absent.
mlir::Value getInputOrNull(mlir::Operation *op, unsigned index);
mlir::Value getOutputOrNull(mlir::Operation *op, unsigned index);

// The generated methods of all typed ops call these functions.
mlir::DictionaryAttr getInherentNodeAttrs(mlir::Operation *op);
llvm::SmallVector<mlir::StringAttr> getSchemaRegionNames(mlir::Operation *op,
                                                         const NodeSchema &schema);
llvm::LogicalResult verifyNode(mlir::Operation *op, const NodeSchema &schema);

// Discardable attributes of an op that keep the parts of its NodeProto.
inline constexpr llvm::StringLiteral kNameAttr = "onnx.name";
inline constexpr llvm::StringLiteral kOutsAttr = "onnx.outs";
inline constexpr llvm::StringLiteral kDomainAttr = "onnx.domain";
inline constexpr llvm::StringLiteral kSubgraphsAttr = "onnx.subgraphs";
// Attributes of the module.
inline constexpr llvm::StringLiteral kModelAttr = "onnx.model";
inline constexpr llvm::StringLiteral kBaseDirAttr = "onnx.base_dir";

/// Returns ONNX's name of a value, which is a graph input, the output of a node, or an initializer.
/// Empty if it has none.
llvm::StringRef getValueName(mlir::Value value);

/// Gives result `result` the ONNX name `name`.
void setValueName(mlir::OpResult result, llvm::StringRef name);

/// Returns the node's name, or else the first name of an output.
llvm::StringRef getNodeName(mlir::Operation *op);

/// Returns the opset version of `domain` at `op`. That of the enclosing function counts if there is
/// one, else that of the model. Returns 0 if `domain` is not imported.
int64_t getOpsetVersion(mlir::Operation *op, llvm::StringRef domain = "");

} // namespace basin::onnx

#include "basin/Dialect/ONNX/IR/ONNXInterfaces.h.inc"

#include "basin/Dialect/ONNX/ShapeInference/ShapeRules.h"

#define GET_OP_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXOps.h.inc"

namespace basin::onnx {
/// Replaces `node` by its typed op if there is one that it fits. Must not be called for a call of a
/// model-local function.
void toTypedOp(NodeOp node);
} // namespace basin::onnx

#endif // BASIN_DIALECT_ONNX_IR_ONNX_H
