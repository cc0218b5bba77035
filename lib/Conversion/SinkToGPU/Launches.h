//===- Launches.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a sink op to the launch that takes its place. Private to the conversion.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H
#define BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Kernels/AddKernel.h"
#include "basin/Support/WhyNot.h"

namespace basin {

/// Where kernels go, and what they are made for.
struct KernelModule {
  mlir::gpu::GPUModuleOp kernels;
  const kernels::KernelTarget &target;
};

/// The arguments of a launch, by the kernel's names.
class LaunchBuilder {
public:
  explicit LaunchBuilder(mlir::MLIRContext *context) : b(context) {}

  /// False, and no argument, where `value` is null.
  bool input(llvm::StringRef name, mlir::Value value, bool transposed = false);

  using Factors = llvm::SmallVector<mlir::Attribute, 4>;
  /// The launch's result takes the place of `result`, of the size that each axis's
  /// factors give. False where `result` is null.
  bool output(llvm::StringRef name, mlir::Value result, llvm::ArrayRef<Factors> shape);
  /// The sizes of a tensor of that rank.
  llvm::SmallVector<Factors> shapeOf(llvm::StringRef of, int64_t rank);

  mlir::Attribute number(int64_t value) { return b.getI64IntegerAttr(value); }
  mlir::Attribute size(llvm::StringRef of, int64_t axis) { return factor(of, "size", axis); }
  mlir::Attribute stride(llvm::StringRef of, int64_t axis) { return factor(of, "stride", axis); }
  void scalar(llvm::StringRef name, llvm::ArrayRef<mlir::Attribute> factors);
  /// Rows of a tensor [..., d].
  void rows(llvm::StringRef of, int64_t rank);

  /// Adds the kernel of `spec` and replaces `ops` by its launch, which stands where the first
  /// of them does. Gives the reason where there is no kernel.
  template <typename Spec>
  WhyNot replace(llvm::ArrayRef<mlir::Operation *> ops, const Spec &spec,
                 const KernelModule &module) {
    llvm::Expected<std::string> kernel = kernels::addKernel(module.kernels, spec, module.target);
    if (!kernel)
      return llvm::toString(kernel.takeError());
    create(ops, module.kernels, *kernel);
    return std::nullopt;
  }

private:
  mlir::Attribute factor(llvm::StringRef of, llvm::StringRef what, int64_t axis);
  void create(llvm::ArrayRef<mlir::Operation *> ops, mlir::gpu::GPUModuleOp kernels,
              llvm::StringRef kernel);

  mlir::Builder b;
  llvm::SmallVector<mlir::Value> operands, replaced;
  llvm::SmallVector<mlir::Attribute> inputs, outputs, transposed;
  mlir::NamedAttrList scalars, shapes;
};

inline mlir::Type elementOf(mlir::Value value) { return onnx::getTensorInfo(value).element; }
/// A type's name for a message, also of a null one.
std::string toString(mlir::Type type);

// Each replaces the op by a launch, or says why it has no kernel.
WhyNot convertNorm(sink::RMSNormOp op, const KernelModule &module);
WhyNot convertNorm(sink::LayerNormOp op, const KernelModule &module);
WhyNot convertDyT(sink::DyTOp op, const KernelModule &module);
WhyNot convertAttention(sink::AttentionOp op, const KernelModule &module);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H
