//===- Mixers.h -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds what mixes tokens and is no softmax attention: recurrences, linear attention, convolutions
// and Fourier transforms.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_ANALYSIS_MIXERS_H
#define BASIN_DIALECT_SINK_ANALYSIS_MIXERS_H

#include "basin/Dialect/Sink/IR/Sink.h"

namespace basin {

/// One mixer. A kind is given only if the structure proves it:
/// - linear_attention: products of queries and keys under a decay, or an operator of that meaning
/// - selective_scan: a linear recurrence whose state is contracted at each token (Mamba)
/// - linear_recurrence: a linear recurrence that is read as it is (RG-LRU)
/// - wkv: a recurrence of a weighted mean with a running maximum (RWKV)
/// - recurrent_network: LSTM, GRU or RNN
/// - convolution: a convolution of each channel by itself along the tokens, or over an image
/// - fourier: the real part of a Fourier transform over tokens and channels (FNet)
/// - long_convolution: a product between a Fourier transform and its inverse (Hyena)
/// - sparse_attention, paged_attention: operators that no sink op stands for
struct Mixer {
  /// The op that the mixer ends with, or its operator.
  mlir::Operation *op;
  mlir::Value output;
  llvm::StringRef kind;
  /// The operator's name, `Loop` or `Scan`, `unrolled`, or `decomposed`.
  std::string form;
  /// Whether a token sees no later one. Nothing if that is not proven either way.
  std::optional<bool> causal;
  /// The number of tokens, or of pixels on each axis, that a convolution sees.
  llvm::SmallVector<int64_t, 2> kernel;
  /// Whether the result of a convolution is multiplied by a projection that does not depend on it.
  bool gated = false;
};

/// Returns the mixers of a raised module, in program order.
llvm::SmallVector<Mixer> findMixers(mlir::ModuleOp module);

} // namespace basin

#endif // BASIN_DIALECT_SINK_ANALYSIS_MIXERS_H
