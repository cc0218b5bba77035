//===- Launches.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes the launch that takes the place of a sink op. Private to the conversion.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H
#define BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Kernels/AddKernel.h"
#include "basin/Support/WhyNot.h"

namespace basin {

/// The module that kernels are added to, and the target that they are made for.
struct KernelModule {
  mlir::gpu::GPUModuleOp kernels;
  const kernels::KernelTarget &target;
};

/// Collects the arguments of a launch under the kernel's names for them.
class LaunchBuilder {
public:
  explicit LaunchBuilder(mlir::MLIRContext *context) : b(context) {}

  /// Adds an input. Returns false and adds nothing if `value` is null.
  bool input(llvm::StringRef name, mlir::Value value, bool transposed = false);

  using Factors = llvm::SmallVector<mlir::Attribute, 4>;
  /// Adds an output, which takes the place of `result`. The size of each axis is the product of
  /// its factors in `shape`. Returns false and adds nothing if `result` is null.
  bool output(llvm::StringRef name, mlir::Value result, llvm::ArrayRef<Factors> shape);
  /// Returns a shape whose sizes are those of tensor `of`.
  llvm::SmallVector<Factors> shapeOf(llvm::StringRef of, int64_t rank);

  mlir::Attribute number(int64_t value) { return b.getI64IntegerAttr(value); }
  mlir::Attribute size(llvm::StringRef of, int64_t axis) { return factor(of, "size", axis); }
  mlir::Attribute stride(llvm::StringRef of, int64_t axis) { return factor(of, "stride", axis); }
  void scalar(llvm::StringRef name, llvm::ArrayRef<mlir::Attribute> factors);
  /// Adds the scalar `rows`: the number of rows of a tensor [..., d].
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
/// Returns a type's name for a message. The type may be null.
std::string toString(mlir::Type type);

template <class... Ops> struct TypeList {};
/// The ops that kernels compute; each has a convertToLaunch.
using OpsWithKernels = TypeList<sink::RMSNormOp, sink::LayerNormOp, sink::DyTOp, sink::AttentionOp>;

// Each of these replaces the op by a launch, or returns why it has no kernel.
WhyNot convertToLaunch(sink::RMSNormOp op, const KernelModule &module);
WhyNot convertToLaunch(sink::LayerNormOp op, const KernelModule &module);
WhyNot convertToLaunch(sink::DyTOp op, const KernelModule &module);
WhyNot convertToLaunch(sink::AttentionOp op, const KernelModule &module);

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOGPU_LAUNCHES_H
