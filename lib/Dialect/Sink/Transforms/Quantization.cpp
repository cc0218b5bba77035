//===- Quantization.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that can be refused is examined before the first op is changed. A file of calibration
// has f32 scalars: `largest/NAME` is the magnitude that the scale of NAME maps to the largest
// number of its format, `lowest/NAME` and `highest/NAME` are the ends of its range if it has a zero
// point, and `exclude/NAME` tells that the product NAME is not quantized.
//
//===----------------------------------------------------------------------===//

#include "Quantization.h"

#include "TensorFile.h"

#include "Statistics.h"
#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Utils/Imports.h"
#include "basin/Dialect/ONNX/Utils/RaiseOpset.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::quantization;
using sink::ProjectionPoint;
using sink::Quantization;
using sink::QuantizedNodes;

Quantization::Quantization(ModuleOp module, QuantizationRequest request, Mode mode)
    : module(module), request(std::move(request)), mode(mode), names(module),
      weights(module, names) {}

//===----------------------------------------------------------------------===//
// Request
//===----------------------------------------------------------------------===//

LogicalResult Quantization::readScheme() {
  if (!request.schemeFile.empty()) {
    std::string path = decodePath(request.schemeFile);
    if (request.scheme != "none")
      return module.emitError("options 'scheme' and 'scheme-file' exclude each other");
    MappedFileCheck intact;
    auto buffer = mapFile(path);
    if (!buffer)
      return module.emitError("option 'scheme-file': ")
             << quoteName(path) << ": " << buffer.getError().message();
    llvm::Expected<Scheme> parsed = parseScheme((*buffer)->getBuffer());
    if (!parsed)
      return module.emitError("option 'scheme-file': ")
             << quoteName(path) << ": " << llvm::toString(parsed.takeError());
    if (llvm::Error error = intact.check())
      return module.emitError(llvm::toString(std::move(error)));
    scheme = *parsed;
    return success();
  }
  scheme.name = request.scheme;
  if (request.scheme == "none")
    return success();
  std::optional<Scheme> named = findScheme(request.scheme);
  if (!named)
    return module.emitError("option 'scheme': expected none, ")
           << llvm::join(listSchemes(), ", ") << ", but got '" << request.scheme << "'";
  scheme = *named;
  return success();
}

/// Reads the quantizer of a tensor that no weight multiplies.
static LogicalResult readTensorQuantizer(ModuleOp module, StringRef option, StringRef word,
                                         bool perToken, std::optional<Quantizer> &out) {
  if (word == "none")
    return success();
  out = findTensorQuantizer(word, perToken);
  if (!out)
    return module.emitError("option '") << option << "': expected none, int4, int8, int16 or fp8, "
                                        << "but got '" << word << "'";
  return success();
}

LogicalResult Quantization::readRequest() {
  if (failed(readScheme()))
    return failure();
  if (request.residualScale != "tensor" && request.residualScale != "token")
    return module.emitError("option 'residual-scale': expected tensor or token, but got '")
           << request.residualScale << "'";
  if (failed(readTensorQuantizer(module, "residual", request.residual,
                                 request.residualScale == "token", residual)) ||
      failed(readTensorQuantizer(module, "kv-cache", request.cache, true, cache)))
    return failure();
  if (!scheme.weights && !scheme.activations && !residual && !cache)
    return module.emitError("expected one of the options 'scheme', 'scheme-file', 'residual' and "
                            "'kv-cache' to say what is quantized");
  if (request.nodes != "qdq" && request.nodes != "simulate" && request.nodes != "nbits")
    return module.emitError("option 'nodes': expected qdq, simulate or nbits, but got '")
           << request.nodes << "'";
  isNBits = request.nodes == "nbits" && mode == Mode::Apply;
  bool simulates = request.nodes == "simulate" || mode == Mode::Trials;
  nodes = simulates ? QuantizedNodes::Simulate : QuantizedNodes::QDQ;
  if (isNBits && (!scheme.weights || scheme.activations))
    return module.emitError("option 'nodes': nbits needs a scheme of weights alone, but '")
           << scheme.name << "' is none";
  return readCalibration();
}

LogicalResult Quantization::readCalibration() {
  if (request.calibration.empty())
    return success();
  FailureOr<StoredTensors> tensors = readTensorFile(module, request.calibration);
  if (failed(tensors))
    return failure();
  for (auto &[key, tensor] : *tensors) {
    auto [kind, name] = StringRef(key).split('/');
    if (!tensor.type.getElementType().isF32() || tensor.type.getNumElements() != 1 ||
        !llvm::is_contained({"largest", "lowest", "highest", "exclude"}, kind))
      return module.emitError("option 'calibration': expected f32 scalars 'largest/NAME', "
                              "'lowest/NAME', 'highest/NAME' and 'exclude/NAME', but got '")
             << key << "' of type " << tensor.type;
    float number;
    std::memcpy(&number, tensor.bytes->data(), sizeof number);
    if (kind == "exclude") {
      excluded.insert(name);
      continue;
    }
    if (!((kind == "lowest" ? -number : number) >= 0) || std::isinf(number))
      return module.emitError("option 'calibration': the ")
             << (kind == "largest" ? StringRef("largest magnitude") : kind) << " of '" << name
             << "' is " << number;
    calibrated[key] = number;
  }
  return success();
}

FailureOr<std::optional<CalibratedRange>> Quantization::findRange(const Quantizer &quantizer,
                                                                  StringRef name) {
  if (!quantizer.needsCalibration())
    return std::optional<CalibratedRange>();
  auto find = [&](StringRef kind) -> std::optional<float> {
    auto it = calibrated.find((kind + "/" + name).str());
    return it == calibrated.end() ? std::nullopt : std::optional(it->second);
  };
  std::optional<float> lowest, highest;
  if (quantizer.isSymmetric) {
    highest = find("largest");
    if (highest)
      lowest = -*highest;
  } else {
    lowest = find("lowest");
    highest = find("highest");
  }
  if (lowest && highest)
    return std::optional(CalibratedRange{*lowest, *highest});
  StringRef what = quantizer.isSymmetric ? "the largest magnitude" : "the range";
  return module.emitError("option 'calibration': expected a file with ")
         << what << " of '" << name << "', which basin rewrite makes from 'stats' or 'data'";
}

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

LogicalResult Quantization::chooseProjections() {
  if (!scheme.weights && !scheme.activations)
    return success();
  found = findProjections(module, request.head);
  bool isAuto = StringRef(request.exclude).starts_with("auto:");
  // The pattern refers to the text.
  StringRef text = isAuto ? StringRef("none") : StringRef(request.exclude);
  FailureOr<llvm::GlobPattern> pattern = parsePattern(module, "exclude", text, "none, auto:N");
  if (failed(pattern))
    return failure();
  unsigned numExcluded = 0;
  for (ProjectionPoint &point : found.points) {
    StringRef weight = getValueName(point.matrix.source), node = getNodeName(point.op);
    bool isExcluded = excluded.contains(point.name);
    if (!isAuto && request.exclude != "none")
      isExcluded |= pattern->match(point.name) || pattern->match(weight) || pattern->match(node);
    if (isExcluded && mode != Mode::Trials) {
      found.skipped.push_back({point.name, "it is excluded"});
      ++numExcluded;
      continue;
    }
    chosen.push_back(point);
  }
  if (!isAuto && request.exclude != "none" && numExcluded == 0 && mode == Mode::Apply)
    return module.emitError("option 'exclude': no projection, weight or node is called '")
           << request.exclude << "'";
  if (isAuto && mode == Mode::Apply && excluded.empty())
    return module.emitError("option 'exclude': expected the excluded products in the file of "
                            "'calibration', which basin rewrite makes by runs of the model");
  return checkNBits();
}

LogicalResult Quantization::checkNBits() {
  if (!isNBits)
    return success();
  for (ProjectionPoint &point : chosen)
    if (WhyNot why = WeightQuantizer::checkNBits(point.op, point.matrix, *scheme.weights))
      return point.op->emitError("projection '") << point.name << "': " << *why;
  return success();
}

LogicalResult Quantization::raise() {
  int64_t needed = 0;
  auto need = [&](const std::optional<Quantizer> &one) {
    if (one)
      needed = std::max(needed, getNeededOpset(*one, nodes));
  };
  if (mode == Mode::Calibrate)
    return success();
  if (!chosen.empty()) {
    need(scheme.activations);
    // Simulated weights are plain floats, and MatMulNBits is no operator of ai.onnx.
    if (nodes == QuantizedNodes::QDQ && !isNBits)
      need(scheme.weights);
  }
  need(residual);
  need(cache);
  int64_t opset = getOpsetVersion(module);
  if (opset >= needed)
    return success();
  if (WhyNot why = raiseOpset(module, needed))
    return module.emitError("expected opset ")
           << needed << " or later for what is quantized, but got " << opset
           << ", and it cannot be raised: " << *why;
  return success();
}
