//===- Quantization.h -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantizes a model: projections, residual streams and caches of keys and values. Two passes share
// it: one that quantizes, and one that instruments the model for calibration and for trials.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATION_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATION_H

#include "GraphOutputs.h"
#include "QuantizationPoints.h"

#include "llvm/Support/JSON.h"

namespace basin::sink {

/// What is asked for, as the passes' options have it.
struct QuantizationRequest {
  std::string scheme, schemeFile, residual, residualScale, cache, exclude, nodes, calibration;
  bool head;
};

class Quantization {
public:
  /// Apply quantizes. Calibrate returns as outputs what needs a calibrated magnitude. Trials
  /// quantizes under flags, which are parameters and false at first.
  enum class Mode { Apply, Calibrate, Trials };

  Quantization(mlir::ModuleOp module, QuantizationRequest request, Mode mode);
  /// Changes the module. Fails with a diagnostic.
  llvm::LogicalResult run();

  unsigned numProjections = 0, numPlaces = 0, numCaches = 0;

private:
  llvm::LogicalResult readRequest();
  llvm::LogicalResult readScheme();
  llvm::LogicalResult readCalibration();
  llvm::LogicalResult chooseProjections();
  llvm::LogicalResult checkNBits();
  llvm::LogicalResult raise();
  llvm::FailureOr<std::optional<quantization::CalibratedRange>>
  findRange(const quantization::Quantizer &quantizer, llvm::StringRef name);

  llvm::LogicalResult quantizeResidual();
  llvm::LogicalResult quantizeProjections();
  llvm::LogicalResult quantizeProjection(ProjectionPoint &point);
  llvm::FailureOr<mlir::Value> quantizeInput(ProjectionPoint &point);
  llvm::LogicalResult quantizeCaches();
  mlir::Value quantizeRows(mlir::Value rows, AttentionOp op, Layout layout, int64_t headDim,
                           llvm::StringRef part);

  /// Returns what stands for `x` when it is quantized: in a trial, a choice by the flag.
  mlir::Value choose(mlir::OpBuilder &b, mlir::Value flag, mlir::Value quantized, mlir::Value x);
  mlir::Value makeFlag(llvm::StringRef name);
  /// Makes `x` an output for calibration.
  void measure(mlir::Value x, llvm::StringRef kind, llvm::StringRef name,
               const quantization::Quantizer &quantizer, mlir::OpBuilder &b);
  void describe();

  mlir::ModuleOp module;
  QuantizationRequest request;
  Mode mode;
  QuantizedNodes nodes = QuantizedNodes::QDQ;
  bool isNBits = false;
  quantization::Scheme scheme;
  std::optional<quantization::Quantizer> residual, cache;
  ParameterNames names;
  WeightQuantizer weights;
  ProjectionPoints found;
  llvm::SmallVector<ProjectionPoint> chosen;
  /// The numbers of the file of calibration by their keys.
  llvm::StringMap<float> calibrated;
  llvm::StringSet<> excluded;
  /// The quantized inputs of products, by block.
  llvm::DenseMap<std::pair<mlir::Value, mlir::Block *>, mlir::Value> inputs;
  llvm::DenseSet<mlir::Value> measured;
  llvm::SmallVector<GraphOutput> outputs;
  llvm::json::Array projectionEntries, groupEntries, outputEntries;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZATION_H
