//===- SinkParameters.h -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the steps that insert learnable sinks share: the choice of attentions, the facts that a sink
// needs, and how an attention whose form computes no sink gets one.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKPARAMETERS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKPARAMETERS_H

#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Support/WhyNot.h"

namespace basin::sink {

class ParameterNames;

/// An attention that gets a sink, and the static sizes of its heads.
struct SinkPlace {
  AttentionOp op;
  int64_t heads = 0, kvHeads = 0;
  /// The sizes of one head of keys and of values, if they are known.
  std::optional<int64_t> keyDim, valueDim;
  mlir::FloatType element;
};

/// Returns the attentions without a sink that the option `attentions` names, in program order.
/// Fails with a diagnostic if none has such a name, if one cannot have a sink, or if `check` fails,
/// which says why one cannot have the caller's sink. Those that `isMeant` denies are left out.
llvm::FailureOr<llvm::SmallVector<SinkPlace>>
findSinkPlaces(mlir::ModuleOp module, llvm::StringRef attentions,
               llvm::function_ref<WhyNot(const SinkPlace &)> check,
               llvm::function_ref<bool(AttentionOp)> isMeant = {});

/// Makes the parameter `part` of the attention at the start of the graph. `values` are rounded to
/// the attention's type, and are as many as the elements, or one.
mlir::Value makeSinkParameter(const SinkPlace &place, llvm::StringRef part,
                              llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> values,
                              ParameterNames &names);

/// Returns why the attention cannot be written without its form.
WhyNot checkDropsForm(AttentionOp op);
/// Drops the form, so that the attention means its decomposition. checkDropsForm was called. Values
/// inside of the form that are used elsewhere are computed before the attention, which is replaced
/// then. Returns the attention. What only the form used is erased, unless it `keepsUnused`.
AttentionOp dropForm(AttentionOp op, bool keepsUnused = false);

/// Writes a logit for each head into the form: as head_sink of a GroupQueryAttention, or as one
/// more column beside the scores of the form's only Softmax. Returns false, and changes nothing, if
/// the form has no such place.
bool writeLogitIntoForm(const SinkPlace &place, mlir::Value logit);
/// Returns whether writeLogitIntoForm finds a place.
bool canWriteLogitIntoForm(const SinkPlace &place);

/// Gives the attention the parameter `sink_logit`, one for each head. Returns whether its form was
/// dropped for that.
bool setSinkLogit(SinkPlace &place, llvm::ArrayRef<double> logits, ParameterNames &names);

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_SINKPARAMETERS_H
