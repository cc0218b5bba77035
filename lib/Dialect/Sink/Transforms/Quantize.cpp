//===- Quantize.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Quantization.h"

#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;
using sink::Quantization;

namespace basin::sink {
#define GEN_PASS_DEF_QUANTIZEPASS
#define GEN_PASS_DEF_INSTRUMENTQUANTIZATIONPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

namespace {

class QuantizePass : public basin::sink::impl::QuantizePassBase<QuantizePass> {
public:
  using QuantizePassBase::QuantizePassBase;
  void runOnOperation() override {
    Quantization quantization(
        getOperation(),
        {scheme, schemeFile, residual, residualScale, kvCache, exclude, nodes, calibration, head},
        Quantization::Mode::Apply);
    if (failed(quantization.run()))
      return signalPassFailure();
    numProjections += quantization.numProjections;
    numPlaces += quantization.numPlaces;
    numCaches += quantization.numCaches;
    if (quantization.numProjections + quantization.numPlaces + quantization.numCaches == 0)
      getOperation().emitWarning("no projection was found: nothing was quantized");
  }
};

class InstrumentQuantizationPass
    : public basin::sink::impl::InstrumentQuantizationPassBase<InstrumentQuantizationPass> {
public:
  using InstrumentQuantizationPassBase::InstrumentQuantizationPassBase;
  void runOnOperation() override {
    auto mode = trials ? Quantization::Mode::Trials : Quantization::Mode::Calibrate;
    Quantization quantization(getOperation(),
                              {scheme, schemeFile, residual, residualScale, kvCache, exclude,
                               /*nodes=*/"simulate", calibration, head},
                              mode);
    if (failed(quantization.run()))
      signalPassFailure();
  }
};

} // namespace
