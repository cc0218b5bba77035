//===- QuantizeNodes.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each node is one f32 operation of the definition of Quantizer, in its order, so that the bits are
// those of QuantizeMatrix.cpp. Scales of tokens are scales of blocks that are as long as the last
// axis, because QuantizeLinear knows no other scales along several axes.
//
// Blocks are reduced on a view [..., blocks, size], padded by zeros, which change no maximum.
//
//===----------------------------------------------------------------------===//

#include "QuantizeNodes.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Quantization/QuantizeMatrix.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::quantization;
using sink::QuantizedNodes;

namespace {

/// Quantizes one activation.
class ActivationQuantizer {
public:
  ActivationQuantizer(NodeBuilder &n, Value x, const Quantizer &quantizer,
                      std::optional<CalibratedRange> range, QuantizedNodes nodes)
      : n(n), x(x), quantizer(quantizer), info(getInfo(quantizer.format)), range(range),
        nodes(nodes), f32(n.getBuilder().getF32Type()) {}
  Value quantize();

private:
  Value number(double value) { return n.scalar(value, f32); }
  Value div(Value a, Value b) { return n.node<DivOp>({a, b}); }
  Value mul(Value a, Value b) { return n.node<MulOp>({a, b}); }
  Value atLeast(Value a, double least) { return n.node<MaxOp>({a, number(least)}); }

  Value view();
  Value unview(Value viewed);
  Value reduceAll(Value magnitudes);
  Value makeScale();
  Value makeSecond(Value magnitudes);
  Value floorToPowerOfTwo(Value a);
  Value throughE4M3(Value value);
  Value round(Value value);
  Value simulate(Value scale);
  Value writeOperators(Value scale);
  Value makeZeroPoint(std::optional<uint8_t> value = std::nullopt);
  Value quantizeWithZeroPoint();

  bool isTensorwide() const { return quantizer.granularity == Granularity::Tensor; }

  NodeBuilder &n;
  /// The activation in f32, and its view [..., blocks, size] unless it has one scale.
  Value x, viewed;
  const Quantizer &quantizer;
  const FormatInfo &info;
  std::optional<CalibratedRange> range;
  QuantizedNodes nodes;
  Type f32;
  /// The number of axes, the sizes of the last one and of a block, and the number of blocks.
  int64_t rank = 0, depth = 0, block = 0, blocks = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Views and scales
//===----------------------------------------------------------------------===//

/// Returns the activation as [..., blocks, size]. Zeros of a Reshape keep the leading axes.
Value ActivationQuantizer::view() {
  rank = getTensorInfo(x).rank();
  depth = getTensorInfo(x).dims->back().size;
  block = quantizer.granularity == Granularity::Block ? quantizer.blockSize : depth;
  blocks = (depth + block - 1) / block;
  Value padded = x;
  if (blocks * block != depth) {
    SmallVector<int64_t> pads(2 * rank, 0);
    pads.back() = blocks * block - depth;
    padded = n.node<PadOp>({x, n.constant(pads)});
  }
  SmallVector<int64_t> shape(rank - 1, 0);
  shape.append({blocks, block});
  return n.reshape(padded, shape);
}

/// Returns [..., blocks, size] in the shape of the activation.
Value ActivationQuantizer::unview(Value viewed) {
  SmallVector<int64_t> shape(rank - 1, 0);
  shape.push_back(blocks * block);
  Value out = n.reshape(viewed, shape);
  return blocks * block == depth ? out : n.slice(out, rank - 1, 0, depth);
}

/// Returns the largest of all elements as a scalar.
Value ActivationQuantizer::reduceAll(Value magnitudes) {
  Value flat = n.reshape(magnitudes, {-1});
  return n.reduceMax(flat, {0}, /*keepDims=*/false);
}

/// Returns 2^floor(log2(a)). The logarithm is only a guess, which the neighbours mend.
Value ActivationQuantizer::floorToPowerOfTwo(Value a) {
  constexpr int kFirst = -102, kLast = 127;
  SmallVector<float> powers;
  for (int exponent = kFirst; exponent <= kLast; ++exponent)
    powers.push_back(std::ldexp(1.0f, exponent));
  auto type = RankedTensorType::get({static_cast<int64_t>(powers.size())}, f32);
  TypedAttr elements = DenseElementsAttr::get(type, ArrayRef<float>(powers));
  Value table = n.node<ConstantOp>({}, n.getBuilder().getNamedAttr("value", elements));
  Value log2 = mul(n.node<LogOp>({a}), number(1.0 / std::log(2.0)));
  Type i64 = n.getBuilder().getI64Type();
  Value index = n.node<AddOp>({n.cast(n.node<FloorOp>({log2}), i64), n.scalar(-kFirst, i64)});
  // A NaN becomes any integer, which must not be beyond the table.
  index = n.node<ClipOp>({index, n.scalar(1, i64), n.scalar(powers.size() - 1, i64)});
  Value guess = n.node<GatherOp>({table, index});
  guess = n.node<WhereOp>({n.node<GreaterOp>({guess, a}), mul(guess, number(0.5)), guess});
  Value next = mul(guess, number(2.0));
  return n.node<WhereOp>({n.node<GreaterOp>({next, a}), guess, next});
}

Value ActivationQuantizer::throughE4M3(Value value) {
  double most = getInfo(NumberFormat::Float8E4M3).largest;
  Value clipped = n.node<ClipOp>({value, number(-most), number(most)});
  return n.cast(n.cast(clipped, Float8E4M3FNType::get(n.getBuilder().getContext())), f32);
}

/// Returns the second scale, given the largest magnitudes [..., blocks, 1].
Value ActivationQuantizer::makeSecond(Value magnitudes) {
  double most = static_cast<double>(info.largest) * getInfo(NumberFormat::Float8E4M3).largest;
  if (!quantizer.isDynamic) {
    float second = range->getLargest() / static_cast<float>(most);
    return number(std::max(second, kLeastSecond));
  }
  Value a = quantizer.secondPerToken ? n.reduceMax(magnitudes, {rank - 1}) : reduceAll(magnitudes);
  return atLeast(div(a, number(most)), kLeastSecond);
}

/// Returns the scale s: a scalar, or [..., blocks, 1].
Value ActivationQuantizer::makeScale() {
  bool isPlain = quantizer.scale == ScaleFormat::Float32;
  if (isPlain && !quantizer.isDynamic)
    return number(std::max(range->getLargest() / info.largest, kLeastScale));
  Value magnitudes = n.node<AbsOp>({isTensorwide() ? x : viewed});
  Value a = isTensorwide() ? reduceAll(magnitudes) : n.reduceMax(magnitudes, {rank});
  if (isPlain)
    return atLeast(div(a, number(info.largest)), kLeastScale);
  if (quantizer.scale == ScaleFormat::PowerOfTwo)
    return mul(floorToPowerOfTwo(atLeast(a, kLeastMagnitude)),
               number(std::ldexp(1.0, -info.largestExponent)));
  Value second = makeSecond(a);
  Value first = throughE4M3(div(div(a, number(info.largest)), second));
  return mul(atLeast(first, kLeastE4M3), second);
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// Returns the numbers of the format that are nearest to the elements.
Value ActivationQuantizer::round(Value value) {
  if (quantizer.format == NumberFormat::Float8E4M3)
    return throughE4M3(value);
  auto most = number(info.largest);
  if (!info.isFloat)
    return n.node<ClipOp>({n.node<RoundOp>({value}), number(-info.largest - 1.0), most});
  // The distance of E2M1's neighbours is 1/2 below 2, 1 below 4, and 2 beyond.
  Value size = n.node<AbsOp>({value});
  auto isBelow = [&](double bound) { return n.node<LessOp>({size, number(bound)}); };
  Value upper = n.node<WhereOp>({isBelow(4.0), number(1.0), number(2.0)});
  Value step = n.node<WhereOp>({isBelow(2.0), number(0.5), upper});
  Value rounded = mul(n.node<RoundOp>({div(value, step)}), step);
  return n.node<ClipOp>({rounded, number(-info.largest), most});
}

Value ActivationQuantizer::simulate(Value scale) {
  Value source = isTensorwide() ? x : viewed;
  Value out = mul(round(div(source, scale)), scale);
  return isTensorwide() ? out : unview(out);
}

Value ActivationQuantizer::writeOperators(Value scale) {
  if (isTensorwide()) {
    // Before opset 21 the type of the zero point tells that of the codes.
    Value zero = makeZeroPoint();
    Value codes = n.node<QuantizeLinearOp>({x, scale, zero});
    return n.node<DequantizeLinearOp>({codes, scale, zero});
  }
  // On the view, whose Reshape no Transpose passes: ONNX Runtime moves a Transpose right before
  // QuantizeLinear behind it, and leaves the scales of blocks as they were.
  SmallVector<NamedAttribute> attrs{n.attr("axis", rank), n.attr("block_size", block)};
  SmallVector<NamedAttribute> typed = attrs;
  typed.push_back(n.attr("output_dtype", info.onnxType));
  Value codes = n.node<QuantizeLinearOp>({viewed, scale}, typed);
  return unview(n.node<DequantizeLinearOp>({codes, scale}, attrs));
}

/// Returns a zero point: 0 in the type of the codes, or an unsigned byte.
Value ActivationQuantizer::makeZeroPoint(std::optional<uint8_t> value) {
  OpBuilder &b = n.getBuilder();
  Type element = value ? b.getIntegerType(8, /*isSigned=*/false)
                       : getElementType(b.getContext(), info.onnxType);
  auto bytes = std::make_shared<std::vector<char>>(llvm::divideCeil(info.bits, 8),
                                                   static_cast<char>(value.value_or(0)));
  TypedAttr zero = makeElements(RankedTensorType::get({}, element), *bytes, bytes, "zero_point");
  return n.node<ConstantOp>({}, b.getNamedAttr("value", zero));
}

Value ActivationQuantizer::quantizeWithZeroPoint() {
  if (!quantizer.isDynamic) {
    ZeroPointScale found = getZeroPointScale(*range);
    Value scale = number(found.scale);
    if (nodes == QuantizedNodes::QDQ) {
      Value zero = makeZeroPoint(static_cast<uint8_t>(found.zeroPoint));
      return n.node<DequantizeLinearOp>({n.node<QuantizeLinearOp>({x, scale, zero}), scale, zero});
    }
    Value zero = number(found.zeroPoint);
    Value code = n.node<AddOp>({n.node<RoundOp>({div(x, scale)}), zero});
    code = n.node<ClipOp>({code, number(0.0), number(kMostWithZeroPoint)});
    return mul(n.node<SubOp>({code, zero}), scale);
  }
  auto made = n.create<DynamicQuantizeLinearOp>({x}, {}, 3);
  return n.node<DequantizeLinearOp>(made->getResults());
}

Value ActivationQuantizer::quantize() {
  Type element = getTensorInfo(x).element;
  x = n.cast(x, f32);
  Value out;
  if (!quantizer.isSymmetric) {
    out = quantizeWithZeroPoint();
  } else {
    if (!isTensorwide())
      viewed = view();
    Value scale = makeScale();
    out = nodes == QuantizedNodes::QDQ ? writeOperators(scale) : simulate(scale);
  }
  return n.cast(out, element);
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

int64_t basin::sink::getNeededOpset(const Quantizer &quantizer, QuantizedNodes nodes) {
  // Clip and Max take what these nodes give them, and QuantizeLinear an axis, from here on.
  constexpr int64_t kBase = 13, kBlocks = 21, kFloat8 = 19;
  bool hasFloat8 =
      quantizer.format == NumberFormat::Float8E4M3 || quantizer.scale == ScaleFormat::Float8E4M3;
  int64_t opset = std::max(kBase, hasFloat8 ? kFloat8 : kBase);
  if (nodes == QuantizedNodes::Simulate)
    return opset;
  bool isBlocked =
      quantizer.granularity == Granularity::Token || quantizer.granularity == Granularity::Block;
  return std::max({opset, getInfo(quantizer.format).opset, isBlocked ? kBlocks : kBase});
}

WhyNot basin::sink::checkQuantizable(Value x, const Quantizer &quantizer) {
  TensorInfo type = getTensorInfo(x);
  if (!type.element || !isScalable(type.element))
    return std::string("expected f16, bf16, f32 or f64 to quantize");
  if (quantizer.granularity == Granularity::Tensor)
    return std::nullopt;
  if (!type.hasRank() || type.rank() == 0 || !type.dims->back().isStatic() ||
      type.dims->back().size == 0)
    return std::string("expected a static last axis for scales of tokens or blocks");
  return std::nullopt;
}

Value basin::sink::addFakeQuantization(NodeBuilder &n, Value x, const Quantizer &quantizer,
                                       std::optional<CalibratedRange> range, QuantizedNodes nodes) {
  return ActivationQuantizer(n, x, quantizer, range, nodes).quantize();
}
