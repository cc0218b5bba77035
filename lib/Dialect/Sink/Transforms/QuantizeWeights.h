//===- QuantizeWeights.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Quantizes constant matrices, and writes them as initializers with the nodes that bring them back.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZEWEIGHTS_H
#define BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZEWEIGHTS_H

#include "NormRewrites.h"
#include "QuantizeNodes.h"

#include "basin/Quantization/QuantizeMatrix.h"

namespace basin::sink {

/// A constant matrix [d0, d1] as a product's operand has it.
struct ConstantMatrix {
  /// The initializer or Constant that it is made from, by Identity, Transpose and Cast.
  mlir::Value source;
  bool isTransposed = false;
  int64_t rows = 0, columns = 0;
  mlir::FloatType element;
};

/// Returns the matrix that `operand` is, or why it cannot be quantized.
struct MatrixOrReason {
  std::optional<ConstantMatrix> matrix;
  std::string reason;
};
MatrixOrReason findConstantMatrix(mlir::Value operand);

class WeightQuantizer {
public:
  WeightQuantizer(mlir::ModuleOp module, ParameterNames &names) : module(module), names(names) {}

  /// Returns the matrix after it was quantized and brought back, as a value at the start of the
  /// graph, in the layout and the type of the operand. `depthAxis` is the axis that the product
  /// sums over. Fails with a diagnostic if the data cannot be read or are not finite.
  llvm::FailureOr<mlir::Value> quantize(const ConstantMatrix &matrix, int64_t depthAxis,
                                        const quantization::Quantizer &quantizer,
                                        QuantizedNodes nodes);

  /// Replaces a product by a MatMulNBits of the same numbers, up to the order of sums. Returns why
  /// it cannot be, and fails with a diagnostic as above.
  static WhyNot checkNBits(mlir::Operation *op, const ConstantMatrix &matrix,
                           const quantization::Quantizer &quantizer);
  llvm::LogicalResult replaceByNBits(mlir::Operation *op, const ConstantMatrix &matrix,
                                     int64_t depthAxis, const quantization::Quantizer &quantizer);

private:
  llvm::FailureOr<std::vector<float>> read(const ConstantMatrix &matrix);
  mlir::Value makeInitializer(const ConstantMatrix &matrix, llvm::ArrayRef<int64_t> shape,
                              mlir::Type element, std::vector<char> bytes, llvm::StringRef suffix);
  mlir::Value makeFloats(const ConstantMatrix &matrix, llvm::ArrayRef<int64_t> shape,
                         llvm::ArrayRef<float> values, mlir::Type element, llvm::StringRef suffix);
  mlir::Value makeCodes(const ConstantMatrix &matrix, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<float> codes, quantization::NumberFormat format,
                        llvm::StringRef suffix);
  mlir::Value dequantize(const ConstantMatrix &matrix, int64_t depthAxis,
                         const quantization::Quantizer &quantizer,
                         const quantization::QuantizedMatrix &made);
  mlir::OpBuilder makeBuilder(const ConstantMatrix &matrix);

  mlir::ModuleOp module;
  ParameterNames &names;
  struct Made {
    bool isTransposed;
    int64_t depthAxis;
    mlir::Type element;
    mlir::Value value;
  };
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Made, 1>> known;
};

} // namespace basin::sink

#endif // BASIN_LIB_DIALECT_SINK_TRANSFORMS_QUANTIZEWEIGHTS_H
