//===- ExportForms.h --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The forms in which a model with sink ops can be written as ONNX, one entry for each.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_EXPORTFORMS_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_EXPORTFORMS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// Replaces each of `ops` in place by the nodes of its form or decomposition.
llvm::LogicalResult convertInline(mlir::ModuleOp module, llvm::ArrayRef<mlir::Operation *> ops);

/// Replaces each of `ops` whose form has an operator for several nodes by the nodes of its
/// decomposition, and the others by the nodes of their forms. Remarks say which operators are left.
llvm::LogicalResult convertToNodes(mlir::ModuleOp module, llvm::ArrayRef<mlir::Operation *> ops);

/// Replaces each of `ops` by a call of a function of domain `ai.basin`, which is made of its form
/// or decomposition. Outer values become inputs. Equal bodies share a function.
llvm::LogicalResult convertToFunctions(mlir::ModuleOp module,
                                       llvm::ArrayRef<mlir::Operation *> ops);

/// Replaces each of `ops` by operators that ONNX Runtime registers, where they mean the same, or
/// by the nodes of its form or decomposition. Remarks say which ops are left, and why.
llvm::LogicalResult convertToRuntimeOperators(mlir::ModuleOp module,
                                              llvm::ArrayRef<mlir::Operation *> ops);

/// Does the same, and has the model's caches updated in place. Fails with a diagnostic if one of
/// them cannot be.
llvm::LogicalResult convertToInPlaceOperators(mlir::ModuleOp module,
                                              llvm::ArrayRef<mlir::Operation *> ops);

/// These do the same with operators of ai.onnx version 23 or 25, to which the model's import is
/// raised.
llvm::LogicalResult convertToOpset23(mlir::ModuleOp module, llvm::ArrayRef<mlir::Operation *> ops);
llvm::LogicalResult convertToOpset25(mlir::ModuleOp module, llvm::ArrayRef<mlir::Operation *> ops);

/// `convert`, or `convertInPlace` for caches that are updated in place, takes all ops of the module
/// that can be decomposed and leaves only onnx ops. An op inside another one's form precedes that
/// one. Fails with a diagnostic.
struct ExportForm {
  llvm::StringLiteral name, summary;
  llvm::LogicalResult (*convert)(mlir::ModuleOp module, llvm::ArrayRef<mlir::Operation *> ops);
  /// Null if the form has no operator that does that.
  llvm::LogicalResult (*convertInPlace)(mlir::ModuleOp module,
                                        llvm::ArrayRef<mlir::Operation *> ops) = nullptr;
};

inline constexpr ExportForm kExportForms[] = {
    {"original", "inline, in the exporter's own operators", convertInline},
    {"nodes", "operators of attention, norms and rotary embedding as nodes of what they compute",
     convertToNodes},
    {"functions", "calls of ai.basin functions", convertToFunctions},
    {"operators:opset23", "operators of ai.onnx 23", convertToOpset23},
    {"operators:opset25", "operators of ai.onnx 25", convertToOpset25},
    {"operators:ort", "operators of ONNX Runtime", convertToRuntimeOperators,
     convertToInPlaceOperators},
};

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_EXPORTFORMS_H
