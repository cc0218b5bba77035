//===- NormRewrites.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses norms by the option that names them, makes their parameters, and changes their
// pre-affine vectors and their eps.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"

#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static std::optional<int64_t> lastDim(Value value) {
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : RankedTensorType();
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

std::optional<int64_t> basin::sink::getNormDim(NormInterface norm) {
  if (std::optional<int64_t> dim = lastDim(norm.getX()))
    return dim;
  // The result and the weight do not tell the size, because an x of one element is broadcast to
  // them.
  return std::nullopt;
}

ParameterNames::ParameterNames(ModuleOp module) {
  module.walk([&](Operation *op) {
    if (auto parameter = dyn_cast<ParameterOp>(op))
      used.insert(parameter.getName());
    for (Value result : op->getResults())
      if (StringRef name = getValueName(result); !name.empty())
        used.insert(name);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument arg : block.getArguments())
          used.insert(getValueName(arg));
  });
}

std::string ParameterNames::make(StringRef wanted) {
  std::string name = wanted.str();
  if (used.insert(name).second)
    return name;
  // The count is kept, because thousands of norms may ask for the same name.
  unsigned &count = counts[wanted];
  do
    name = (wanted + "_" + Twine(++count)).str();
  while (!used.insert(name).second);
  return name;
}

LogicalResult basin::sink::checkHasParameters(Operation *op, const Twine &what) {
  if (op->getParentOfType<GraphOp>())
    return success();
  return op->emitError(what)
         << " stands in a function, which has no parameters; inline functions first";
}

FailureOr<llvm::GlobPattern> basin::sink::parsePattern(ModuleOp module, StringRef option,
                                                       StringRef value, StringRef words) {
  auto pattern = llvm::GlobPattern::create(value == "all" ? StringRef("*") : value);
  if (pattern)
    return std::move(*pattern);
  return module.emitError("option '")
         << option << "': expected " << words << " or a pattern of names, but got '" << value
         << "': " << llvm::toString(pattern.takeError());
}

SmallVector<double> basin::sink::drawNormal(std::mt19937_64 &generator, int64_t count,
                                            int64_t dim) {
  // By the method of Box and Muller, because a distribution of the standard library is another one
  // in each implementation.
  auto uniform = [&] { return (double(generator() >> 11) + 0.5) * 0x1p-53; };
  SmallVector<double> numbers(count);
  for (double &value : numbers) {
    double length = std::sqrt(-2 * std::log(uniform()) / double(dim));
    value = length * std::cos(2 * M_PI * uniform());
  }
  return numbers;
}

StringRef basin::sink::getNormStem(NormInterface norm) {
  StringRef stem = norm.getWeight() ? getStreamValueName(norm.getWeight()) : StringRef();
  if (stem.consume_back(".weight") || stem.consume_back(".gamma"))
    return stem;
  return getStreamValueName(norm.getResult());
}

FailureOr<SmallVector<NormInterface>> basin::sink::chooseNorms(ModuleOp module, StringRef norms,
                                                               StringRef nothing) {
  bool isResidual = norms == "residual";
  DenseSet<Operation *> readers;
  if (isResidual)
    for (const ResidualStream &stream : findResidualStreams(module))
      for (const StreamReader &reader : stream.readers)
        if (reader.kind == StreamReader::Norm)
          readers.insert(reader.use->getOwner());
  FailureOr<llvm::GlobPattern> pattern = parsePattern(module, "norms", norms, "residual, all");
  if (failed(pattern))
    return failure();
  SmallVector<NormInterface> chosen;
  module.walk([&](NormInterface norm) {
    if (isResidual ? readers.contains(norm)
                   : pattern->match(getNormStem(norm)) ||
                         pattern->match(getStreamValueName(norm.getResult())))
      chosen.push_back(norm);
  });
  if (chosen.empty() && !isResidual && norms != "all")
    return module.emitError("option 'norms': no norm has a name like '") << norms << "'";
  if (chosen.empty())
    module.emitWarning(isResidual ? "no norm reads a residual stream" : "there is no norm")
        << ": " << nothing;
  return chosen;
}

Value basin::sink::makeNormParameter(NormInterface norm, StringRef part, RankedTensorType type,
                                     ArrayRef<double> values, ParameterNames &names) {
  const llvm::fltSemantics &semantics = cast<FloatType>(type.getElementType()).getFloatSemantics();
  SmallVector<APFloat> elements;
  for (double value : values) {
    APFloat element(value);
    bool losesInfo;
    element.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
    elements.push_back(element);
  }
  OpBuilder b(norm->getContext());
  // All subgraphs see the values of the graph's first block.
  b.setInsertionPointToStart(&norm->getParentOfType<GraphOp>().getBody().front());
  std::string name = names.make((getNormStem(norm) + "." + part).str());
  return ParameterOp::create(b, norm->getLoc(), type, name, DenseElementsAttr::get(type, elements));
}

/// Returns a name for a norm's new parameter. A weight "model.norm.weight" gives
/// "model.norm.pre_affine".
static std::string parameterName(NormInterface norm) {
  StringRef stem;
  if (Value weight = norm.getWeight())
    stem = getStreamValueName(weight);
  if (!stem.consume_back(".weight") && !stem.consume_back(".gamma"))
    stem = getStreamValueName(norm.getResult());
  return (stem + ".pre_affine").str();
}

/// Multiplies the values of a parameter that only `norm` reads.
static LogicalResult scaleParameter(NormInterface norm, ParameterOp parameter,
                                    ArrayRef<int> exponents) {
  FailureOr<TensorBytes> data = getTensorBytes(parameter.getValue(), parameter);
  if (failed(data))
    return failure();
  auto type = cast<RankedTensorType>(parameter.getType());
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  if (scaleByPowersOfTwo(*bytes, type.getElementType(), type.getShape(), -1, exponents))
    return norm->emitError("the pre-affine vector '")
           << parameter.getName() << "' would leave the normal range of " << type.getElementType();
  parameter.setValueAttr(makeElements(type, *bytes, bytes, parameter.getName()));
  return success();
}

/// Gives the norm a parameter of its own: a vector that others use, too, times 2^exponents.
static LogicalResult replaceVector(NormInterface norm, Value vector, ArrayRef<int> exponents,
                                   ParameterNames &names) {
  Attribute value = getConstantAttr(vector);
  auto type = dyn_cast<RankedTensorType>(vector.getType());
  auto graph = norm->getParentOfType<GraphOp>();
  if (!value || !type || !type.hasStaticShape() || !isScalable(type.getElementType()) || !graph ||
      type.getShape().back() != static_cast<int64_t>(exponents.size()))
    return norm->emitError("norm '")
           << getStreamValueName(norm.getResult())
           << "': expected its pre-affine vector to be a constant of the main graph with "
           << exponents.size() << " elements of f16, bf16, f32 or f64";
  FailureOr<TensorBytes> data = getTensorBytes(value, vector.getDefiningOp());
  if (failed(data))
    return failure();
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  if (scaleByPowersOfTwo(*bytes, type.getElementType(), type.getShape(), -1, exponents))
    return norm->emitError("the pre-affine vector '")
           << getValueName(vector) << "' would leave the normal range of " << type.getElementType();
  OpBuilder b(norm->getContext());
  b.setInsertionPointToStart(&graph.getBody().front());
  std::string name = names.make(parameterName(norm));
  auto parameter =
      ParameterOp::create(b, norm->getLoc(), type, name, makeElements(type, *bytes, bytes, name));
  norm.getPreAffineMutable().assign(parameter);
  return success();
}

LogicalResult basin::sink::setPreAffine(NormInterface norm, ArrayRef<int> exponents,
                                        ParameterNames &names) {
  StringRef name = getStreamValueName(norm.getResult());
  if (Value existing = norm.getPreAffine()) {
    if (auto parameter = existing.getDefiningOp<ParameterOp>(); parameter && existing.hasOneUse())
      return scaleParameter(norm, parameter, exponents);
    return replaceVector(norm, existing, exponents, names);
  }
  auto xType = dyn_cast<TensorType>(norm.getX().getType());
  if (!xType || !isScalable(xType.getElementType()))
    return norm->emitError("norm '")
           << name << "': expected f16, bf16, f32 or f64, but got " << norm.getX().getType();
  if (failed(checkHasParameters(norm, "norm '" + name + "'")))
    return failure();
  auto graph = norm->getParentOfType<GraphOp>();
  auto type =
      RankedTensorType::get({static_cast<int64_t>(exponents.size())}, xType.getElementType());
  std::optional<std::vector<char>> powers = makePowersOfTwo(xType.getElementType(), exponents);
  if (!powers)
    return norm->emitError("norm '")
           << name << "': a scale leaves the normal range of " << xType.getElementType();
  auto bytes = std::make_shared<std::vector<char>>(std::move(*powers));
  TypedAttr value = makeElements(type, *bytes, bytes, "pre_affine");
  OpBuilder b(norm->getContext());
  // All subgraphs see the values of the graph's first block.
  b.setInsertionPointToStart(&graph.getBody().front());
  auto parameter =
      ParameterOp::create(b, norm->getLoc(), type, names.make(parameterName(norm)), value);
  norm.getPreAffineMutable().assign(parameter);
  return success();
}

//===----------------------------------------------------------------------===//
// Epsilon
//===----------------------------------------------------------------------===//

LogicalResult basin::sink::scaleEpsilon(NormInterface norm, int exponent) {
  double epsilon = norm.getEpsilon().convertToDouble();
  if (epsilon == 0 || exponent == 0)
    return success();
  Form form(norm);
  if (form && failed(form.scaleEpsilon(exponent)))
    return failure();
  norm.setEpsilon(APFloat(std::ldexp(epsilon, exponent)));
  return success();
}
