//===- Planner.h ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans a graph. Private to the library.
//
// The planner walks over the ops in order. It gives memory to the results of products, kernels and
// softmaxes, and to elementwise values that several ops read. Other values are not computed by a
// step of their own: a view (View.cpp) is another way to read its operand's memory, and an
// elementwise op becomes part of the kernels that read its result (PointwiseReader.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_PLAN_PLANNER_H
#define BASIN_LIB_PLAN_PLANNER_H

#include "basin/Dialect/Sink/IR/Sink.h"
#include "basin/Kernels/KernelFamily.h"
#include "basin/Plan/Plan.h"
#include "basin/Support/WhyNot.h"

#include "llvm/ADT/StringSet.h"

namespace basin::plan {

/// How a value lies in a buffer.
struct View {
  unsigned buffer;
  Sizes sizes, strides;
  Size offset;

  bool isContiguous() const;
};

/// Returns the sizes of a tensor, or nothing if one is not known.
std::optional<Sizes> getSizes(mlir::Value value);

/// Returns the view of `result` if it is a view of operand 0 of its op, which lies as `source`
/// says. Returns nothing if the op copies, or computes.
std::optional<View> applyView(mlir::OpResult result, const View &source);
/// Returns whether an op only chooses or orders elements of operand 0, so that its result may be a
/// view.
bool isViewOp(mlir::Operation *op);

/// An axis of a Slice: elements start, start + step, .. of it.
struct SlicedAxis {
  int64_t axis, step;
  Size start;
};
/// Returns the axes that a Slice cuts, or nothing if a start is not known.
std::optional<llvm::SmallVector<SlicedAxis>> readSlice(onnx::SliceOp op);

/// Returns the node's name for messages: of a node without one, that of its operator.
std::string nameNode(mlir::Operation *op);

/// Adds a check unless it is there already.
void addCheck(std::vector<SizeCheck> &checks, const Size &size, const Size &limit,
              mlir::Operation *op);

/// Infers the shapes of the graph again, with lengths of slices that only the run decides. `checks`
/// get what must hold when the plan runs. Fails with a diagnostic.
mlir::LogicalResult assumeSizes(onnx::GraphOp graph, std::vector<SizeCheck> &checks);

class PointwiseReader;
struct Index;

class Planner {
public:
  Planner(onnx::GraphOp graph, mlir::gpu::GPUModuleOp kernels, const kernels::KernelTarget &target)
      : graph(graph), kernels(kernels), target(target) {}

  /// Plans the graph, or fails with a diagnostic at the op that has no step.
  llvm::FailureOr<Plan> run();

  /// Returns how a value lies in memory, or nothing if it does not.
  std::optional<View> findView(mlir::Value value);
  /// Returns how a value lies in memory, after computing it if it does not.
  llvm::FailureOr<View> require(mlir::Value value);
  /// Does the same, but the view is contiguous.
  llvm::FailureOr<View> requireContiguous(mlir::Value value);

  /// Returns whether two sizes are equal, or may be: the plan then checks it before it runs.
  bool agree(const Size &a, const Size &b, mlir::Operation *op);

  const Buffer &getBuffer(const View &view) const { return plan.buffers[view.buffer]; }
  /// Returns whether an op is computed by steps of its own.
  static bool isStep(mlir::Operation *op);

private:
  struct Space;

  mlir::LogicalResult addInputs();
  mlir::LogicalResult checkSymbols();
  mlir::LogicalResult checkSizes();
  void findNeeded();
  mlir::LogicalResult planOp(mlir::Operation *op);
  mlir::LogicalResult planOutputs();
  mlir::LogicalResult planLaunch(sink::LaunchOp op);
  mlir::LogicalResult checkOperands(sink::LaunchOp op, const KernelStep &step,
                                    const llvm::StringMap<View> &tensors);
  mlir::LogicalResult planMatMul(onnx::MatMulOp op);
  mlir::LogicalResult planGemm(onnx::GemmOp op);
  mlir::LogicalResult planConv(onnx::ConvOp op);
  mlir::LogicalResult addConvProduct(onnx::ConvOp op, const View &a, const View &b,
                                     llvm::ArrayRef<Size> sizes);
  mlir::LogicalResult planSoftmax(onnx::SoftmaxOp op);

  /// Computes an elementwise value into a buffer of its own, or copies one that is in memory.
  llvm::FailureOr<View> compute(mlir::Value value);
  /// Does so without making the buffer the value's memory: others may be about to change it.
  llvm::FailureOr<View> write(mlir::Value value);
  using PointwiseText =
      llvm::function_ref<llvm::FailureOr<std::string>(PointwiseReader &, llvm::ArrayRef<Index> at)>;
  /// Adds a step that writes a tensor of `shape`; `write` gives the expression of an element.
  llvm::FailureOr<View> addPointwise(mlir::Operation *op, llvm::StringRef name,
                                     llvm::ArrayRef<Size> shape, mlir::Type type,
                                     PointwiseText write);
  View addBuffer(Buffer::Kind kind, llvm::StringRef name, mlir::Type type,
                 llvm::ArrayRef<Size> shape);
  /// Gives a value memory of its own.
  View define(mlir::Value value, llvm::ArrayRef<Size> sizes, Buffer::Kind kind);
  std::optional<View> defineConstant(mlir::Value value, bool isTransposed);
  /// Returns a matrix that the vendor's library takes: one of its last two strides is 1.
  llvm::FailureOr<View> requireMatrix(mlir::Value value);
  /// Adds a product of [.., m, k] and [.., k, n]. If an Add of a vector is the only reader of
  /// `result`, the product adds it, too.
  mlir::LogicalResult addProduct(mlir::Value result, View a, View b, mlir::Value bias,
                                 double alpha);
  std::optional<Sizes> getBatchStrides(const View &view, llvm::ArrayRef<Size> batch,
                                       mlir::Operation *op);
  onnx::AddOp findOnlyAdd(mlir::Value value);
  std::optional<Operand> findBias(mlir::Value bias, const Size &n, mlir::Type type);
  llvm::FailureOr<std::string> addKernel(mlir::Operation *op, llvm::StringRef family,
                                         llvm::StringRef spec);
  /// Returns how many reads of a value there are, its views' among them.
  unsigned countReaders(mlir::Value value);
  /// Returns how many ops a kernel evaluates one in another to read a value.
  unsigned getDepth(mlir::Operation *op);
  bool isHostInteger(mlir::Value value);

  onnx::GraphOp graph;
  mlir::gpu::GPUModuleOp kernels;
  const kernels::KernelTarget &target;
  Plan plan;
  llvm::DenseMap<mlir::Value, View> views;
  llvm::StringSet<> names;
  /// The value whose memory a buffer is.
  std::vector<mlir::Value> owners;
  llvm::DenseSet<mlir::Operation *> needed;
  llvm::DenseMap<mlir::Operation *, unsigned> depths;
};

} // namespace basin::plan

#endif // BASIN_LIB_PLAN_PLANNER_H
