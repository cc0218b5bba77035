//===- PrefixAttentions.h ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The facts that must be proven before the first tokens of every sequence become keys and values
// of attentions.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXATTENTIONS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXATTENTIONS_H

#include "WholeSequence.h"

namespace basin::sink {

/// Proves that tokens influence each other by causal attention alone, and that their keys and
/// values do not depend on other inputs. Returns the attentions whose keys are those of tokens, in
/// program order. Fails with a diagnostic otherwise.
llvm::FailureOr<llvm::SmallVector<AttentionOp>>
findPrefixAttentions(onnx::GraphOp graph, const TokenRows &rows, const PrefixInputs &inputs);

/// The names of an attention's keys and values of the prefix, in the file and among the outputs of
/// the graph that computes them.
std::string getPrefixKeyName(AttentionOp op);
std::string getPrefixValueName(AttentionOp op);

/// Appends the ids to those that the metadata has of tokens with which sequences are taken no more.
/// Fails with a diagnostic if the metadata are not such a list.
llvm::LogicalResult recordPrefix(mlir::ModuleOp module, llvm::ArrayRef<int64_t> ids);

/// Reads the option `ids`: numbers, or one file of numbers, "@FILE". Fails with a diagnostic at
/// `module`.
llvm::FailureOr<llvm::SmallVector<int64_t>> readPrefix(mlir::ModuleOp module,
                                                       llvm::ArrayRef<std::string> ids);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_PREFIXATTENTIONS_H
