//===- AbsorbResidualSinks.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Per dimension: powers of two out of the writers, into the norms' pre-affine
// vectors. Which dimensions and how much is told, measured or guessed, in that
// order.
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "StreamScaling.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include <cmath>

using namespace mlir;
using namespace basin;

namespace basin::sink {
#define GEN_PASS_DEF_ABSORBRESIDUALSINKSPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using Exponents = SmallVector<int>;

namespace {
class AbsorbResidualSinksPass
    : public basin::sink::impl::AbsorbResidualSinksPassBase<AbsorbResidualSinksPass> {
public:
  using AbsorbResidualSinksPassBase::AbsorbResidualSinksPassBase;
  void runOnOperation() override;

private:
  FailureOr<SmallVector<Exponents>> choose(ArrayRef<ResidualStream> streams);
  FailureOr<SmallVector<Exponents>> parseScales(ArrayRef<ResidualStream> streams);
  FailureOr<SmallVector<Exponents>> measure(ArrayRef<ResidualStream> streams);
};
} // namespace

static double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// 2^round(log2(value / typical)), where that is more than 1.
static int exponentOf(double value, double typical) {
  if (!(typical > 0) || !(value > typical))
    return 0;
  return std::max(0, static_cast<int>(std::lround(std::log2(value / typical))));
}

FailureOr<SmallVector<Exponents>>
AbsorbResidualSinksPass::parseScales(ArrayRef<ResidualStream> streams) {
  SmallVector<Exponents> out;
  for (const ResidualStream &stream : streams)
    out.emplace_back(stream.dim.value_or(0), 0);
  for (StringRef text : scaleDims) {
    auto [dimText, scaleText] = text.split(':');
    int64_t dim;
    double scale;
    int exponent;
    if (dimText.trim().getAsInteger(10, dim) || scaleText.trim().getAsDouble(scale) ||
        !(scale > 0) || std::frexp(scale, &exponent) != 0.5)
      return getOperation().emitError("expected dimension:scale with a power of two as the "
                                      "scale, but got '")
             << text << "'";
    for (auto [stream, exponents] : llvm::zip_equal(streams, out)) {
      if (dim < 0 || dim >= static_cast<int64_t>(exponents.size()))
        return getOperation().emitError("expected a dimension below ")
               << exponents.size() << ", but got " << dim;
      exponents[dim] = exponent - 1;
    }
  }
  return out;
}

FailureOr<SmallVector<Exponents>>
AbsorbResidualSinksPass::measure(ArrayRef<ResidualStream> streams) {
  auto statistics = sink::readResidualStatistics(stats);
  if (!statistics)
    return getOperation().emitError(llvm::toString(statistics.takeError()));
  if (statistics->maxAbs.size() != streams.size())
    return getOperation().emitError("the statistics describe ")
           << statistics->maxAbs.size() << " residual streams, but the model has "
           << streams.size();
  SmallVector<Exponents> out;
  for (auto [stream, maxima] : llvm::zip_equal(streams, statistics->maxAbs)) {
    if (stream.dim != static_cast<int64_t>(maxima.size()))
      return getOperation().emitError("the statistics of a residual stream have ")
             << maxima.size() << " dimensions, but the stream has " << stream.dim.value_or(0);
    double typical = median(maxima);
    out.push_back(llvm::map_to_vector(maxima, [&](double m) { return exponentOf(m, typical); }));
  }
  return out;
}

//===----------------------------------------------------------------------===//
// The heuristic on weights alone
//===----------------------------------------------------------------------===//

/// Largest elements are read in f64; a model's matrices are this large at most.
static constexpr size_t kMaxElements = size_t(1) << 30;

/// Per dimension, the smallest norm weight among the readers, relative to each
/// norm's median.
static std::vector<double> readerWeights(const ResidualStream &stream) {
  std::vector<double> smallest(*stream.dim, 1);
  for (const StreamReader &reader : stream.readers) {
    if (reader.kind != StreamReader::Norm)
      continue;
    Value weight = sink::getNormWeight(reader.use->getOwner());
    auto values = weight ? onnx::getConstantFloats(weight, kMaxElements) : std::nullopt;
    if (!values || values->size() != smallest.size())
      continue;
    std::vector<double> magnitudes;
    for (double value : *values)
      magnitudes.push_back(std::abs(value));
    double typical = median(magnitudes);
    for (size_t j = 0; j < smallest.size(); ++j)
      if (typical > 0)
        smallest[j] = std::min(smallest[j], magnitudes[j] / typical);
  }
  return smallest;
}

/// Per dimension, the largest norm of a writer's column, relative to the
/// writer's median.
static std::vector<double> writerColumns(const ResidualStream &stream) {
  std::vector<double> largest(*stream.dim, 0);
  for (const StreamWriter &writer : stream.writers) {
    auto type =
        writer.weight ? dyn_cast<RankedTensorType>(writer.weight.getType()) : RankedTensorType();
    if (!type || type.getRank() != 2)
      continue;
    auto values = onnx::getConstantFloats(writer.weight, kMaxElements);
    int64_t axis = writer.axis < 0 ? writer.axis + 2 : writer.axis;
    if (!values || type.getDimSize(axis) != *stream.dim)
      continue;
    std::vector<double> columns(*stream.dim, 0);
    int64_t inner = axis == 0 ? type.getDimSize(1) : 1;
    for (size_t i = 0; i < values->size(); ++i)
      columns[(i / inner) % *stream.dim] += (*values)[i] * (*values)[i];
    double typical = median(columns);
    for (size_t j = 0; j < columns.size(); ++j)
      if (typical > 0)
        largest[j] = std::max(largest[j], std::sqrt(columns[j] / typical));
  }
  return largest;
}

static Exponents guess(const ResidualStream &stream) {
  std::vector<double> weights = readerWeights(stream), columns = writerColumns(stream);
  Exponents out(*stream.dim, 0);
  for (size_t j = 0; j < out.size(); ++j)
    if (weights[j] < 0.1 && columns[j] > 4)
      out[j] = exponentOf(columns[j], 1);
  return out;
}

FailureOr<SmallVector<Exponents>>
AbsorbResidualSinksPass::choose(ArrayRef<ResidualStream> streams) {
  if (!scaleDims.empty() && !stats.empty())
    return getOperation().emitError("expected scale-dims or stats, but got both");
  if (!scaleDims.empty())
    return parseScales(streams);
  if (!stats.empty())
    return measure(streams);
  return llvm::map_to_vector(streams, guess);
}

void AbsorbResidualSinksPass::runOnOperation() {
  SmallVector<ResidualStream> streams = findResidualStreams(getOperation());
  for (const ResidualStream &stream : streams)
    if (!stream.dim) {
      emitError(stream.values.front().getLoc(), "residual stream '")
          << getStreamValueName(stream.values.front()) << "': expected a static last axis, but got "
          << stream.values.front().getType();
      return signalPassFailure();
    }
  FailureOr<SmallVector<Exponents>> exponents = choose(streams);
  if (failed(exponents))
    return signalPassFailure();
  if (streams.empty())
    getOperation().emitWarning("no residual stream was found: nothing to absorb");
  sink::ParameterNames names(getOperation());
  sink::StreamScaler scaler(getOperation(), names);
  for (auto [stream, list] : llvm::zip_equal(streams, *exponents))
    if (llvm::any_of(list, [](int e) { return e != 0; }))
      scaler.plan(stream, list, /*intoEpsilon=*/false);
  if (failed(scaler.apply()))
    signalPassFailure();
}
