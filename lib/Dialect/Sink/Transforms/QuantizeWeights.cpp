//===- QuantizeWeights.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Codes have the layout of the product's operand, so a Transpose between the stored matrix and the
// product goes. DequantizeLinear has scales for the tensor, along one axis, or for blocks of one
// axis. Blocks that span several channels repeat their scale for each. E4M3 scales are dequantized
// by their second scale first.
//
//===----------------------------------------------------------------------===//

#include "QuantizeWeights.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Quantization/QuantizeMatrix.h"

#include <cmath>

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::quantization;
using sink::ConstantMatrix;
using sink::QuantizedNodes;
using sink::WeightQuantizer;

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Returns whether the Cast keeps every number: a float becomes the same or a wider float.
static bool isWidening(CastOp cast) {
  Type from = getTensorInfo(cast->getOperand(0)).element;
  Type to = getTensorInfo(cast->getResult(0)).element;
  if (!from || !to || !isScalable(from) || !isScalable(to))
    return false;
  return from == to || from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth();
}

sink::MatrixOrReason basin::sink::findConstantMatrix(Value operand) {
  constexpr unsigned kMaxSteps = 16;
  auto miss = [](const Twine &why) { return MatrixOrReason{std::nullopt, why.str()}; };
  auto type = dyn_cast<RankedTensorType>(operand.getType());
  if (!type || !type.hasStaticShape() || !isScalable(type.getElementType()))
    return miss("its matrix is not stored as floats");
  if (type.getRank() != 2)
    return miss("its matrix has " + Twine(type.getRank()) + " axes");
  ConstantMatrix out;
  out.rows = type.getDimSize(0);
  out.columns = type.getDimSize(1);
  out.element = cast<FloatType>(type.getElementType());
  if (out.rows < 2 || out.columns < 1)
    return miss("its matrix is a vector");
  Value value = operand;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    if (Attribute data = getConstantAttr(value)) {
      RankedTensorType stored = getElementsType(data);
      if (!stored || isa<SparseAttr>(data) || stored.getRank() != 2 ||
          !isScalable(stored.getElementType()))
        return miss("its matrix is not stored as floats");
      out.source = value;
      return {out, ""};
    }
    Operation *def = value.getDefiningOp();
    if (auto transpose = dyn_cast_or_null<TransposeOp>(def)) {
      auto perm = transpose.getPerm();
      bool swaps = !perm || llvm::equal(*perm, ArrayRef<int64_t>{1, 0});
      if (!swaps && !llvm::equal(*perm, ArrayRef<int64_t>{0, 1}))
        return miss("its matrix is transposed along other axes");
      out.isTransposed ^= swaps;
    } else if (auto cast = dyn_cast_or_null<CastOp>(def); cast && !isWidening(cast)) {
      return miss("its matrix is rounded by a Cast on the way");
    } else if (!isa_and_nonnull<IdentityOp, CastOp>(def)) {
      return miss("its matrix is not stored as floats");
    }
    value = def->getOperand(0);
  }
  return miss("its matrix is computed in too many steps");
}

FailureOr<std::vector<float>> WeightQuantizer::read(const ConstantMatrix &matrix) {
  Attribute data = getConstantAttr(matrix.source);
  RankedTensorType type = getElementsType(data);
  FailureOr<TensorBytes> bytes = getTensorBytes(data, matrix.source.getDefiningOp());
  auto fail = [&](const Twine &why) -> FailureOr<std::vector<float>> {
    return emitError(matrix.source.getLoc())
           << "weight '" << getValueName(matrix.source) << "': " << why;
  };
  if (failed(bytes))
    return fail("its data cannot be read");
  std::vector<float> stored;
  stored.reserve(type.getNumElements());
  bool isFinite = true;
  visitElements(bytes->bytes, type.getElementType(), type.getShape(), 0,
                [&](double value, int64_t) {
                  stored.push_back(static_cast<float>(value));
                  isFinite &= std::isfinite(stored.back());
                });
  if (!isFinite)
    return fail("expected finite elements to quantize it");
  if (!matrix.isTransposed)
    return stored;
  std::vector<float> out(stored.size());
  for (int64_t i = 0; i < matrix.rows; ++i)
    for (int64_t j = 0; j < matrix.columns; ++j)
      out[i * matrix.columns + j] = stored[j * matrix.rows + i];
  return out;
}

static MatrixLayout getLayout(const ConstantMatrix &matrix, int64_t depthAxis) {
  if (depthAxis == 1)
    return {matrix.rows, matrix.columns, matrix.columns, 1};
  return {matrix.columns, matrix.rows, 1, matrix.columns};
}

//===----------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------===//

OpBuilder WeightQuantizer::makeBuilder(const ConstantMatrix &matrix) {
  OpBuilder b(module.getContext());
  auto graph = matrix.source.getDefiningOp()->getParentOfType<GraphOp>();
  // After all initializers, among them those that were made before.
  Block &body = graph.getBody().front();
  auto place = llvm::find_if(body, [](Operation &op) { return !isa<InitializerOp>(op); });
  b.setInsertionPoint(&body, place);
  return b;
}

Value WeightQuantizer::makeInitializer(const ConstantMatrix &matrix, ArrayRef<int64_t> shape,
                                       Type element, std::vector<char> bytes, StringRef suffix) {
  OpBuilder b = makeBuilder(matrix);
  auto owner = std::make_shared<std::vector<char>>(std::move(bytes));
  auto type = RankedTensorType::get(shape, element);
  std::string name = names.make((getValueName(matrix.source) + suffix).str());
  TypedAttr value = makeElements(type, *owner, owner, name);
  // The old data was in a file of its own, so the new data goes into one.
  NamedAttrList info;
  if (isa<ExternalAttr>(getConstantAttr(matrix.source)))
    info.set("spill", UnitAttr::get(b.getContext()));
  return InitializerOp::create(b, matrix.source.getLoc(), type, b.getStringAttr(name), value,
                               info.empty() ? DictionaryAttr()
                                            : info.getDictionary(b.getContext()));
}

Value WeightQuantizer::makeFloats(const ConstantMatrix &matrix, ArrayRef<int64_t> shape,
                                  ArrayRef<float> values, Type element, StringRef suffix) {
  const llvm::fltSemantics &semantics = cast<FloatType>(element).getFloatSemantics();
  std::vector<char> bytes;
  if (element.isF32()) {
    const auto *data = reinterpret_cast<const char *>(values.data());
    bytes.assign(data, data + values.size() * sizeof(float));
    return makeInitializer(matrix, shape, element, std::move(bytes), suffix);
  }
  unsigned size = cast<FloatType>(element).getWidth() / 8;
  bytes.reserve(values.size() * size);
  for (float value : values) {
    APFloat number(value);
    bool losesInfo;
    number.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
    uint64_t word = number.bitcastToAPInt().getZExtValue();
    for (unsigned i = 0; i < size; ++i)
      bytes.push_back(static_cast<char>(word >> (8 * i)));
  }
  return makeInitializer(matrix, shape, element, std::move(bytes), suffix);
}

/// Returns numbers of the format as `raw_data` has them: 4-bit ones in pairs, the first one low.
static std::vector<char> pack(ArrayRef<float> codes, NumberFormat format) {
  unsigned bits = getInfo(format).bits;
  std::vector<char> bytes(llvm::divideCeil(codes.size() * bits, 8), 0);
  for (auto [i, code] : llvm::enumerate(codes)) {
    unsigned word = encode(code, format);
    if (bits == 4) {
      bytes[i / 2] = static_cast<char>(static_cast<unsigned char>(bytes[i / 2]) |
                                       (word << (i % 2 == 0 ? 0 : 4)));
      continue;
    }
    for (unsigned byte = 0; byte < bits / 8; ++byte)
      bytes[i * (bits / 8) + byte] = static_cast<char>(word >> (8 * byte));
  }
  return bytes;
}

Value WeightQuantizer::makeCodes(const ConstantMatrix &matrix, ArrayRef<int64_t> shape,
                                 ArrayRef<float> codes, NumberFormat format, StringRef suffix) {
  Type element = getElementType(module.getContext(), getInfo(format).onnxType);
  return makeInitializer(matrix, shape, element, pack(codes, format), suffix);
}

//===----------------------------------------------------------------------===//
// DequantizeLinear
//===----------------------------------------------------------------------===//

/// Returns scales as DequantizeLinear takes them: [1] for the tensor, [channels], or, in the layout
/// of the operand, one for each block and channel.
static std::vector<float> arrangeScales(const QuantizedMatrix &made, const MatrixLayout &layout,
                                        int64_t depthAxis, bool isTensor) {
  std::vector<float> out;
  int64_t channels = isTensor ? 1 : layout.rows;
  out.resize(channels * made.depthGroups);
  for (int64_t channel = 0; channel < channels; ++channel)
    for (int64_t group = 0; group < made.depthGroups; ++group) {
      int64_t at = depthAxis == 1 ? channel * made.depthGroups + group : group * channels + channel;
      out[at] = made.scales[channel / made.groupRows * made.depthGroups + group];
    }
  return out;
}

Value WeightQuantizer::dequantize(const ConstantMatrix &matrix, int64_t depthAxis,
                                  const Quantizer &quantizer, const QuantizedMatrix &made) {
  MatrixLayout layout = getLayout(matrix, depthAxis);
  std::vector<float> scales =
      arrangeScales(made, layout, depthAxis, quantizer.granularity == Granularity::Tensor);
  Value codes =
      makeCodes(matrix, {matrix.rows, matrix.columns}, made.codes, quantizer.format, ".codes");
  bool isBlock = quantizer.granularity == Granularity::Block;
  SmallVector<int64_t> shape;
  if (isBlock)
    shape = depthAxis == 1 ? SmallVector<int64_t>{layout.rows, made.depthGroups}
                           : SmallVector<int64_t>{made.depthGroups, layout.rows};
  else if (quantizer.granularity == Granularity::Channel)
    shape = {layout.rows};
  Type f32 = Float32Type::get(module.getContext());
  bool hasSecond = quantizer.scale == ScaleFormat::Float8E4M3;
  Value scale = hasSecond ? makeCodes(matrix, shape, scales, NumberFormat::Float8E4M3, ".scale")
                          : makeFloats(matrix, shape, scales, f32, ".scale");
  Value second = hasSecond ? makeFloats(matrix, {}, made.seconds, f32, ".scale_2") : Value();
  OpBuilder b = makeBuilder(matrix);
  NodeBuilder n(b, matrix.source.getLoc(), getValueName(matrix.source));
  if (hasSecond)
    scale = n.node<DequantizeLinearOp>({scale, second});
  SmallVector<NamedAttribute> attrs;
  if (isBlock)
    attrs = {n.attr("axis", depthAxis), n.attr("block_size", quantizer.blockSize)};
  else if (quantizer.granularity == Granularity::Channel)
    attrs = {n.attr("axis", 1 - depthAxis)};
  return n.cast(n.node<DequantizeLinearOp>({codes, scale}, attrs), matrix.element);
}

FailureOr<Value> WeightQuantizer::quantize(const ConstantMatrix &matrix, int64_t depthAxis,
                                           const Quantizer &quantizer, QuantizedNodes nodes) {
  for (const Made &one : known[matrix.source])
    if (one.isTransposed == matrix.isTransposed && one.depthAxis == depthAxis &&
        one.element == matrix.element)
      return one.value;
  FailureOr<std::vector<float>> data = read(matrix);
  if (failed(data))
    return failure();
  MatrixLayout layout = getLayout(matrix, depthAxis);
  Value value;
  if (nodes == QuantizedNodes::Simulate)
    value = makeFloats(matrix, {matrix.rows, matrix.columns},
                       fakeQuantize(*data, layout, quantizer), matrix.element, ".quantized");
  else
    value = dequantize(matrix, depthAxis, quantizer, quantizeMatrix(*data, layout, quantizer));
  known[matrix.source].push_back({matrix.isTransposed, depthAxis, matrix.element, value});
  return value;
}

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

WhyNot WeightQuantizer::checkNBits(Operation *op, const ConstantMatrix &matrix,
                                   const Quantizer &quantizer) {
  constexpr int64_t kLeastBlock = 16;
  bool isPlain = quantizer.granularity == Granularity::Block && quantizer.blockChannels == 1 &&
                 quantizer.scale == ScaleFormat::Float32 && !getInfo(quantizer.format).isFloat &&
                 getInfo(quantizer.format).bits <= 8;
  if (!isPlain || quantizer.blockSize < kLeastBlock || !llvm::isPowerOf2_64(quantizer.blockSize))
    return std::string("MatMulNBits has integers of 4 or 8 bits in blocks of 16, 32, 64 and so on");
  if (!matrix.element.isF32())
    return std::string("MatMulNBits would round the scales to the product's type");
  auto gemm = dyn_cast<GemmOp>(op);
  auto isOne = [](std::optional<APFloat> factor) { return !factor || factor->isExactlyValue(1.0); };
  if (!isa<MatMulOp>(op) && !(gemm && isOne(gemm.getAlpha()) && isOne(gemm.getBeta())))
    return std::string("it is neither a MatMul nor a Gemm without factors");
  return std::nullopt;
}

/// Returns codes [N, blocks, size] plus half of the range, which is the operator's zero point.
/// Codes of 4 bits are in pairs. The last block is filled up with zero points.
static std::vector<char> packNBits(const QuantizedMatrix &made, const MatrixLayout &layout,
                                   unsigned bits) {
  int64_t padded = made.depthGroups * made.groupDepth;
  unsigned zeroPoint = 1u << (bits - 1);
  std::vector<char> bytes(layout.rows * padded * bits / 8, 0);
  for (int64_t row = 0; row < layout.rows; ++row)
    for (int64_t k = 0; k < padded; ++k) {
      float code = k < layout.depth ? made.codes[layout.at(row, k)] : 0.0f;
      unsigned word = static_cast<unsigned>(static_cast<int>(code) + static_cast<int>(zeroPoint));
      size_t bit = (row * padded + k) * bits;
      bytes[bit / 8] =
          static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) | (word << (bit % 8)));
    }
  return bytes;
}

LogicalResult WeightQuantizer::replaceByNBits(Operation *op, const ConstantMatrix &matrix,
                                              int64_t depthAxis, const Quantizer &quantizer) {
  FailureOr<std::vector<float>> data = read(matrix);
  if (failed(data))
    return failure();
  MatrixLayout layout = getLayout(matrix, depthAxis);
  QuantizedMatrix made = quantizeMatrix(*data, layout, quantizer);
  unsigned bits = getInfo(quantizer.format).bits;
  Type byte = IntegerType::get(module.getContext(), 8, IntegerType::Unsigned);
  int64_t size = quantizer.blockSize * bits / 8;
  Value codes = makeInitializer(matrix, {layout.rows, made.depthGroups, size}, byte,
                                packNBits(made, layout, bits), ".codes");
  Value scales =
      makeFloats(matrix, {layout.rows * made.depthGroups}, made.scales, matrix.element, ".scale");
  OpBuilder b(op);
  NodeBuilder n(b, op->getLoc(), getNodeName(op));
  Value product =
      n.node<MSMatMulNBitsOp>({op->getOperand(0), codes, scales},
                              {n.attr("K", layout.depth), n.attr("N", layout.rows),
                               n.attr("bits", bits), n.attr("block_size", quantizer.blockSize)});
  Value bias = isa<GemmOp>(op) ? getInputOrNull(op, 2) : Value();
  Value result = bias ? n.node<AddOp>({product, bias}) : product;
  result.setType(op->getResult(0).getType());
  StringRef name = getValueName(op->getResult(0));
  setValueName(cast<OpResult>(result), name);
  op->getResult(0).replaceAllUsesWith(result);
  op->erase();
  return success();
}
