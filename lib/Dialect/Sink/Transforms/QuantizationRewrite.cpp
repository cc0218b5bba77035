//===- QuantizationRewrite.cpp ----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes what was chosen. Products that read the same value share its quantized value. Weights come
// back at the start of the graph, and activations right before the first product that reads them.
//
//===----------------------------------------------------------------------===//

#include "Quantization.h"
#include "StreamPlaces.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Imports.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Parts.h"
#include "basin/Dialect/Sink/IR/Sink.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::quantization;
using sink::ProjectionPoint;
using sink::Quantization;

//===----------------------------------------------------------------------===//
// Trials and calibration
//===----------------------------------------------------------------------===//

Value Quantization::makeFlag(StringRef name) {
  OpBuilder b(module.getContext());
  auto graph = *module.getOps<GraphOp>().begin();
  b.setInsertionPointToStart(&graph.getBody().front());
  auto type = RankedTensorType::get({}, b.getI1Type());
  return ParameterOp::create(b, module.getLoc(), type, names.make(name.str()),
                             DenseElementsAttr::get(type, false));
}

Value Quantization::choose(OpBuilder &b, Value flag, Value quantized, Value x) {
  if (!flag)
    return quantized;
  return NodeBuilder(b, x.getLoc()).node<WhereOp>({flag, quantized, x});
}

void Quantization::measure(Value x, StringRef kind, StringRef name, const Quantizer &quantizer,
                           OpBuilder &b) {
  if (!measured.insert(x).second)
    return;
  NodeBuilder n(b, x.getLoc());
  std::string output = names.make(("basin." + Twine(outputs.size()) + ".value").str());
  Value copy = n.reshape(n.cast(x, b.getF32Type()), {-1});
  setValueName(cast<OpResult>(copy), output);
  outputs.push_back({output, copy, RankedTensorType::get({ShapedType::kDynamic}, b.getF32Type())});
  outputEntries.push_back(llvm::json::Object{{"kind", kind},
                                             {"name", llvm::json::fixUTF8(name)},
                                             {"output", output},
                                             {"symmetric", quantizer.isSymmetric}});
}

/// Fails with a diagnostic if the value cannot be an output of the model.
static LogicalResult checkMeasurable(Value x, StringRef name) {
  if (isa_and_nonnull<GraphOp>(x.getParentBlock()->getParentOp()))
    return success();
  return emitError(x.getLoc()) << "'" << name << "' stands in a subgraph, where no magnitude can "
                               << "be calibrated; dynamic scales need none";
}

//===----------------------------------------------------------------------===//
// Residual streams
//===----------------------------------------------------------------------===//

LogicalResult Quantization::quantizeResidual() {
  if (!residual || (mode == Mode::Calibrate && !residual->needsCalibration()))
    return success();
  // What additions return is stored. Rows of an embedding come from its table.
  StreamPlaces places(module, /*sumsOnly=*/true);
  if (!places.hasStreams())
    return module.emitError("option 'residual': no residual stream was found");
  auto check = [&](Value value) -> LogicalResult {
    if (WhyNot why = checkQuantizable(value, *residual))
      return emitError(value.getLoc())
             << "residual stream '" << getStreamValueName(value) << "': " << *why;
    return success();
  };
  if (failed(places.check("quantize", check)))
    return failure();
  bool isMissing = false;
  Value flag = mode == Mode::Trials ? makeFlag("basin.quantize.residual") : Value();
  places.replace([&](Value value, StringRef name, OpBuilder &b) -> Value {
    std::string stem = name.str();
    if (mode == Mode::Calibrate) {
      isMissing |= failed(checkMeasurable(value, stem));
      if (!isMissing)
        measure(value, "residual", stem, *residual, b);
      return value;
    }
    // Of several places without a magnitude, the first one is reported.
    if (isMissing)
      return value;
    FailureOr<std::optional<CalibratedRange>> range = findRange(*residual, stem);
    isMissing = failed(range);
    if (isMissing)
      return value;
    std::string made = names.make(stem + ".quantized");
    NodeBuilder n(b, value.getLoc(), made);
    Value quantized = addFakeQuantization(n, value, *residual, *range, nodes);
    quantized = choose(b, flag, quantized, value);
    quantized.setType(value.getType());
    setValueName(cast<OpResult>(quantized), made);
    ++numPlaces;
    return quantized;
  });
  if (isMissing)
    return failure();
  if (flag)
    groupEntries.push_back(llvm::json::Object{
        {"name", "residual"}, {"flag", flag.getDefiningOp<ParameterOp>().getName()}});
  return success();
}

//===----------------------------------------------------------------------===//
// Projections
//===----------------------------------------------------------------------===//

FailureOr<Value> Quantization::quantizeInput(ProjectionPoint &point) {
  Value x = point.getInput().get();
  if (WhyNot why = checkQuantizable(x, *scheme.activations))
    return point.op->emitError("input of projection '") << point.name << "': " << *why;
  Value &known = inputs[{x, point.op->getBlock()}];
  if (known)
    return known;
  FailureOr<std::optional<CalibratedRange>> range =
      findRange(*scheme.activations, point.measuredName);
  if (failed(range))
    return failure();
  OpBuilder b(point.op);
  NodeBuilder n(b, point.op->getLoc(), names.make(point.measuredName + ".quantized"));
  Value quantized = addFakeQuantization(n, x, *scheme.activations, *range, nodes);
  quantized.setType(x.getType());
  known = quantized;
  return quantized;
}

LogicalResult Quantization::quantizeProjection(ProjectionPoint &point) {
  if (mode == Mode::Calibrate) {
    if (!scheme.activations || !scheme.activations->needsCalibration())
      return success();
    Value x = point.getInput().get();
    if (failed(checkMeasurable(x, point.measuredName)))
      return failure();
    OpBuilder b(point.op);
    measure(x, "projection", point.measuredName, *scheme.activations, b);
    return success();
  }
  if (isNBits)
    return weights.replaceByNBits(point.op, point.matrix, point.depthAxis, *scheme.weights);
  Value flag = mode == Mode::Trials ? makeFlag("basin.quantize." + point.name) : Value();
  OpBuilder b(point.op);
  if (scheme.activations) {
    FailureOr<Value> quantized = quantizeInput(point);
    if (failed(quantized))
      return failure();
    b.setInsertionPoint(point.op);
    point.getInput().set(choose(b, flag, *quantized, point.getInput().get()));
  }
  if (scheme.weights) {
    FailureOr<Value> quantized =
        weights.quantize(point.matrix, point.depthAxis, *scheme.weights, nodes);
    if (failed(quantized))
      return failure();
    point.getWeight().set(choose(b, flag, *quantized, point.getWeight().get()));
  }
  if (flag)
    projectionEntries.push_back(
        llvm::json::Object{{"name", llvm::json::fixUTF8(point.name)},
                           {"weight", llvm::json::fixUTF8(getValueName(point.matrix.source))},
                           {"role", point.role},
                           {"layer", point.layer},
                           {"flag", flag.getDefiningOp<ParameterOp>().getName()}});
  return success();
}

/// Erases the constants that nothing reads any more, and the ops between.
static void eraseUnused(ArrayRef<Value> operands) {
  for (Value value : operands) {
    while (Operation *def = value.getDefiningOp()) {
      if (!isa<InitializerOp, ConstantOp, TransposeOp, CastOp, IdentityOp>(def) ||
          !def->use_empty())
        break;
      value = def->getNumOperands() > 0 ? def->getOperand(0) : Value();
      def->erase();
      if (!value)
        break;
    }
  }
}

LogicalResult Quantization::quantizeProjections() {
  SetVector<Value> old;
  for (ProjectionPoint &point : chosen) {
    old.insert(point.getWeight().get());
    if (failed(quantizeProjection(point)))
      return failure();
    ++numProjections;
  }
  eraseUnused(old.getArrayRef());
  if (isNBits)
    importDomain(module, "com.microsoft", /*version=*/1);
  return success();
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

/// Returns the keys or values of new tokens, quantized. Each head's row of a token has a scale.
Value Quantization::quantizeRows(Value rows, AttentionOp op, Layout layout, int64_t headDim,
                                 StringRef part) {
  OpBuilder b(op);
  std::string stem = (getStreamValueName(op.getResult()) + "." + part).str();
  NodeBuilder n(b, op.getLoc(), names.make(stem + ".quantized"));
  Quantizer quantizer = *cache;
  if (layout == Layout::bsd) {
    quantizer.granularity = Granularity::Block;
    quantizer.blockSize = headDim;
  }
  unsigned axis = getHeadDimAxis(layout), rank = *getRankOf(layout);
  if (axis + 1 == rank) {
    Value out = addFakeQuantization(n, rows, quantizer, std::nullopt, nodes);
    out.setType(rows.getType());
    return out;
  }
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(perm[axis], perm[rank - 1]);
  Value turned = n.transpose(rows, perm);
  Value out = n.transpose(addFakeQuantization(n, turned, quantizer, std::nullopt, nodes), perm);
  out.setType(rows.getType());
  return out;
}

LogicalResult Quantization::quantizeCaches() {
  if (!cache || mode == Mode::Calibrate)
    return success();
  Value flag = mode == Mode::Trials ? makeFlag("basin.quantize.kv_cache") : Value();
  SmallVector<CachePlace> places;
  if (failed(findCaches(module, *cache, places)))
    return failure();
  for (CachePlace &place : places) {
    OpBuilder b(place.op);
    Value key = place.op.getKey(), value = place.op.getValue();
    Value newKey = quantizeRows(key, place.op, place.op.getKeyLayout(), place.keyDim, "key");
    Value newValue =
        quantizeRows(value, place.op, place.op.getValueLayout(), place.valueDim, "value");
    place.op.getKeyMutable().assign(choose(b, flag, newKey, key));
    place.op.getValueMutable().assign(choose(b, flag, newValue, value));
    ++numCaches;
  }
  if (flag)
    groupEntries.push_back(llvm::json::Object{
        {"name", "kv-cache"}, {"flag", flag.getDefiningOp<ParameterOp>().getName()}});
  return success();
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

/// Says what was not quantized and why, one line for each reason.
void Quantization::describe() {
  llvm::MapVector<StringRef, SmallVector<StringRef>> byReason;
  for (const SkippedProduct &one : found.skipped)
    byReason[one.why].push_back(one.name);
  for (const auto &[why, list] : byReason) {
    InFlightDiagnostic remark = emitRemark(UnknownLoc::get(module.getContext()));
    remark << "kept " << list.size() << (list.size() == 1 ? " product ('" : " products (first: '")
           << list.front() << "'): " << why;
  }
}

LogicalResult Quantization::run() {
  if (!llvm::hasSingleElement(module.getOps<GraphOp>()))
    return module.emitError("expected one main graph");
  if (failed(readRequest()) || failed(chooseProjections()) || failed(raise()))
    return failure();
  // The stream goes first: products that read it directly then read its quantized value.
  if (failed(quantizeResidual()) || failed(quantizeCaches()) || failed(quantizeProjections()))
    return failure();
  if (mode == Mode::Apply) {
    describe();
    return success();
  }
  addOutputs(*module.getOps<GraphOp>().begin(), outputs);
  llvm::json::Object run{{"projections", std::move(projectionEntries)},
                         {"groups", std::move(groupEntries)},
                         {"outputs", std::move(outputEntries)}};
  setMetadata(module, "basin.quantization-run",
              llvm::formatv("{0}", llvm::json::Value(std::move(run))).str());
  return success();
}
