//===- Parameters.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the stored float tensors of a model are for: which ones a training may change, and which
// ones the steps of this project have inserted to be learned.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_PARAMETERS_H
#define BASIN_DIALECT_SINK_ANALYSIS_PARAMETERS_H

#include "basin/Dialect/Sink/IR/Sink.h"

#include "mlir/IR/BuiltinOps.h"

namespace basin {

/// A stored tensor of floats. Roles of what can be learned beside the model's own weights:
/// - pre_affine, sink_logit, sink_key, sink_value, sink_tokens
/// - prefix_key, prefix_value: rows that are joined with the keys and values, such as those of an
///   absorbed prefix
/// - gate: a matrix or bias of a norm's gate
/// - attention_gate: the matrix that scores an attention's gate
/// - alpha: the factor of a dynamic tanh
/// Other roles:
/// - norm: a weight or bias of a norm, or of a dynamic tanh
/// - weight: any other tensor
/// - table: what only angles of rotary embeddings are computed from
/// - mask: what has numbers that hide keys
/// - scale: a scale of quantized numbers
/// - constant: a single number
struct Parameter {
  mlir::Value value;
  llvm::StringRef role;
};

/// Returns the initializers of floats of the main graphs of a raised module, in program order.
llvm::SmallVector<Parameter> findParameters(mlir::ModuleOp module);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_PARAMETERS_H
