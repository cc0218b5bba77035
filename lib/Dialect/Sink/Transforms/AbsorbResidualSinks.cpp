//===- AbsorbResidualSinks.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Moves a power of two for each dimension out of the writers of a stream and into the norms'
// pre-affine vectors. The dimensions and powers are those that the options give, or those that
// were measured, or guesses from the weights, in that order.
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "StreamScaling.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"
#include "basin/Dialect/Sink/Transforms/ResidualScales.h"

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
  LogicalResult checkOptions();
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

/// Returns round(log2(value / typical)), or 0 if that is negative.
static int exponentOf(double value, double typical) {
  if (!(typical > 0) || !(value > typical))
    return 0;
  return std::max(0, static_cast<int>(std::lround(std::log2(value / typical))));
}

std::vector<int> basin::sink::chooseResidualExponents(ArrayRef<double> largest) {
  std::vector<double> known = largest.vec();
  llvm::erase_if(known, [](double one) { return !std::isfinite(one); });
  double typical = median(known);
  std::vector<int> out;
  for (double one : largest)
    out.push_back(std::isfinite(one) ? exponentOf(one, typical) : 0);
  return out;
}

LogicalResult AbsorbResidualSinksPass::checkOptions() {
  if (!scaleDims.empty() && !stats.empty())
    return getOperation().emitError("options 'scale-dims' and 'stats' both choose the scales: "
                                    "expected one of them, but got both");
  return sink::checkInexact(getOperation(), inexact);
}

FailureOr<SmallVector<Exponents>>
AbsorbResidualSinksPass::parseScales(ArrayRef<ResidualStream> streams) {
  SmallVector<Exponents> out;
  for (const ResidualStream &stream : streams)
    out.emplace_back(stream.dim.value_or(0), 0);
  for (StringRef text : scaleDims) {
    auto [place, scaleText] = text.split(':');
    bool namesStream = place.contains('/');
    auto [streamText, dimText] =
        namesStream ? place.split('/') : std::pair<StringRef, StringRef>("", place);
    std::optional<size_t> only;
    int64_t dim;
    double scale;
    int exponent;
    if ((namesStream && streamText.trim().getAsInteger(10, only.emplace())) ||
        dimText.trim().getAsInteger(10, dim) || scaleText.trim().getAsDouble(scale) ||
        !(scale > 0) || std::frexp(scale, &exponent) != 0.5)
      return getOperation().emitError("option 'scale-dims': expected dimension:scale with a power "
                                      "of two as the scale, but got ")
             << onnx::quoteName(text);
    if (only && *only >= out.size() && !out.empty())
      return getOperation().emitError("option 'scale-dims': expected a residual stream below ")
             << out.size() << ", but got " << *only;
    for (auto [number, exponents] : llvm::enumerate(out)) {
      if (only && *only != number)
        continue;
      if (dim < 0 || dim >= static_cast<int64_t>(exponents.size()))
        return getOperation().emitError("option 'scale-dims': expected a dimension below ")
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
    out.emplace_back(llvm::to_vector(sink::chooseResidualExponents(maxima)));
  }
  return out;
}

//===----------------------------------------------------------------------===//
// The heuristic on weights alone
//===----------------------------------------------------------------------===//

/// Returns the number of elements of a value, or nothing if its shape is not static.
static std::optional<int64_t> countElements(Value value) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
  return type && type.hasStaticShape() ? std::optional(type.getNumElements()) : std::nullopt;
}

/// Calls `visit` with each element of a weight and its position on `axis`, without copying the
/// data. Returns false if the data is not of a real type or cannot be read.
static bool visitWeight(Value weight, int64_t axis,
                        llvm::function_ref<void(double, int64_t)> visit) {
  Attribute value = onnx::getConstantAttr(weight);
  RankedTensorType type = value ? onnx::getElementsType(value) : RankedTensorType();
  if (!type || isa<onnx::SparseAttr>(value) || !onnx::isScalable(type.getElementType()))
    return false;
  FailureOr<onnx::TensorBytes> data = onnx::getTensorBytes(value, weight.getDefiningOp());
  if (failed(data))
    return false;
  onnx::visitElements(data->bytes, type.getElementType(), type.getShape(), axis, visit);
  return true;
}

/// Returns, for each dimension, the smallest norm weight among the readers, relative to the median
/// of that norm's weights.
static std::vector<double> readerWeights(const ResidualStream &stream) {
  std::vector<double> smallest(*stream.dim, 1);
  DenseSet<Value> seen;
  for (const StreamReader &reader : stream.readers) {
    if (reader.kind != StreamReader::Norm)
      continue;
    Value weight = cast<sink::NormInterface>(reader.use->getOwner()).getWeight();
    std::vector<double> magnitudes;
    // Thousands of norms may share a weight.
    if (!seen.insert(weight).second || countElements(weight) != stream.dim ||
        !visitWeight(weight, -1,
                     [&](double value, int64_t) { magnitudes.push_back(std::abs(value)); }))
      continue;
    double typical = median(magnitudes);
    for (size_t j = 0; j < smallest.size(); ++j)
      if (typical > 0)
        smallest[j] = std::min(smallest[j], magnitudes[j] / typical);
  }
  return smallest;
}

/// Returns, for each dimension, the largest norm of a writer's column, relative to the median of
/// that writer's columns.
static std::vector<double> writerColumns(const ResidualStream &stream) {
  std::vector<double> largest(*stream.dim, 0);
  DenseSet<Value> seen;
  for (const StreamWriter &writer : stream.writers) {
    auto type =
        writer.weight ? dyn_cast<RankedTensorType>(writer.weight.getType()) : RankedTensorType();
    if (!type || type.getRank() != 2)
      continue;
    int64_t axis = writer.axis < 0 ? writer.axis + 2 : writer.axis;
    std::vector<double> columns(*stream.dim, 0);
    if (type.getDimSize(axis) != *stream.dim || !seen.insert(writer.weight).second ||
        !visitWeight(writer.weight, axis,
                     [&](double value, int64_t j) { columns[j] += value * value; }))
      continue;
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
  if (!scaleDims.empty())
    return parseScales(streams);
  if (!stats.empty())
    return measure(streams);
  return llvm::map_to_vector(streams, guess);
}

/// Checks that every member of the streams has the axis of dimensions. A scale for each dimension
/// needs it.
static LogicalResult checkAxes(ArrayRef<ResidualStream> streams) {
  for (const ResidualStream &stream : streams) {
    Value value = stream.dim ? stream.unproven : stream.values.front();
    if (!value)
      continue;
    auto diag = emitError(value.getLoc(), "residual stream '")
                << getStreamValueName(value) << "': ";
    if (stream.dim)
      diag << "expected a last axis of size " << *stream.dim << ", but got " << value.getType();
    else
      diag << "expected a static last axis, but got " << value.getType();
    return failure();
  }
  return success();
}

void AbsorbResidualSinksPass::runOnOperation() {
  if (failed(checkOptions()))
    return signalPassFailure();
  SmallVector<ResidualStream> streams = findResidualStreams(getOperation());
  if (failed(checkAxes(streams)))
    return signalPassFailure();
  FailureOr<SmallVector<Exponents>> exponents = choose(streams);
  if (failed(exponents))
    return signalPassFailure();
  if (streams.empty())
    getOperation().emitWarning("no residual stream was found: nothing to absorb");
  sink::ParameterNames names(getOperation());
  sink::StreamScaler scaler(getOperation(), names, inexact);
  for (auto [stream, list] : llvm::zip_equal(streams, *exponents))
    if (llvm::any_of(list, [](int e) { return e != 0; })) {
      if (failed(scaler.plan(stream, list, /*intoEpsilon=*/false)))
        return signalPassFailure();
      ++numStreams;
    }
  if (failed(scaler.apply()))
    return signalPassFailure();
  numWeights += scaler.getNumWeights();
  numProducts += scaler.getNumProducts();
}
