//===- PointwiseReader.h ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes the program of a pointwise kernel (docs/kernels-pointwise.md) that reads a value. A value
// that lies in memory is loaded. The expression of another value is that of its op on the
// expressions of its operands, at the indices where the op reads them: a Transpose exchanges
// indices, a Gather reads one, a Concat decides by one which operand to read. Private to the
// library.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_PLAN_POINTWISEREADER_H
#define BASIN_LIB_PLAN_POINTWISEREADER_H

#include "Planner.h"

namespace basin::plan {

/// An integer expression of a program. An index that is an axis of the iteration space, or a
/// number, is known as such.
struct Index {
  std::string text;
  std::optional<unsigned> axis;
  std::optional<int64_t> number;

  static Index ofAxis(unsigned axis);
  static Index of(int64_t number);
};
using Indices = llvm::SmallVector<Index, 6>;

/// What an expression's value is.
enum class ValueKind { Real, Integer, Boolean };
/// Returns nothing for a type that no program computes with, such as f64.
std::optional<ValueKind> getValueKind(mlir::Type type);

class PointwiseReader {
public:
  /// The program's iteration space has `spaceRank` axes.
  PointwiseReader(Planner &planner, unsigned spaceRank) : planner(planner), spaceRank(spaceRank) {}

  using Text = llvm::FailureOr<std::string>;
  /// Returns the expression of an element.
  Text read(mlir::Value value, llvm::ArrayRef<Index> at);
  /// Does so for an element of `value` itself: it is the result of an op that is not in memory.
  Text compute(mlir::OpResult value, llvm::ArrayRef<Index> at);

  /// Returns the expression of an element of a tensor in memory.
  Text load(const View &view, llvm::ArrayRef<Index> at);
  Index add(const Index &a, const Index &b);
  Index multiply(const Index &a, const Index &b);

  /// Adds the tensors and scalars that the expressions read to a step.
  void addArguments(KernelStep &step) const;
  /// Returns the program without its outs.
  std::string getDeclarations() const { return declarations; }

  /// Returns an integer expression for a size.
  Index getIndex(const Size &size);

private:
  Text readHostInteger(mlir::Value value, llvm::ArrayRef<Index> at, bool &known);
  Text readElementwise(mlir::OpResult value, llvm::ArrayRef<Index> at, bool &known);
  Text readMoved(mlir::OpResult value, llvm::ArrayRef<Index> at, bool &known);
  Text readBroadcast(mlir::Operation *op, unsigned operand, mlir::Value result,
                     llvm::ArrayRef<Index> at);
  Text readCast(onnx::CastOp op, llvm::ArrayRef<Index> at);
  Text readClip(onnx::ClipOp op, llvm::ArrayRef<Index> at);
  Text readGelu(onnx::GeluOp op, llvm::ArrayRef<Index> at);
  Text readReshaped(mlir::Operation *op, mlir::Value result, llvm::ArrayRef<Index> at);
  Text readSlice(onnx::SliceOp op, llvm::ArrayRef<Index> at);
  Text readSplit(onnx::SplitOp op, mlir::OpResult result, llvm::ArrayRef<Index> at);
  Text readGather(onnx::GatherOp op, llvm::ArrayRef<Index> at);
  Text readGatherElements(onnx::GatherElementsOp op, llvm::ArrayRef<Index> at);
  Text readGatherND(onnx::GatherNDOp op, llvm::ArrayRef<Index> at);
  Text readConcat(onnx::ConcatOp op, llvm::ArrayRef<Index> at);
  Text readTile(onnx::TileOp op, llvm::ArrayRef<Index> at);
  Text readTrilu(onnx::TriluOp op, llvm::ArrayRef<Index> at);
  Text readRange(onnx::RangeOp op, llvm::ArrayRef<Index> at);
  Text readReduction(mlir::Operation *op, llvm::ArrayRef<Index> at);
  Text readCumSum(onnx::CumSumOp op, llvm::ArrayRef<Index> at);
  Text readFill(onnx::ConstantOfShapeOp op);
  /// Returns `index` as an index of an axis of that size: a negative one counts from the end, and
  /// one that is out of range becomes the nearest that is not.
  std::string wrapIndex(const std::string &index, const Size &size);
  std::string newName() { return "v" + std::to_string(names++); }

  Planner &planner;
  unsigned spaceRank;
  std::string declarations;
  KernelStep arguments;
  std::map<std::string, std::string> inputs, scalars;
  unsigned names = 0;
};

/// Returns whether an op sums or compares many elements for each of its results.
bool isReduction(mlir::Operation *op);

/// Returns a number of this kind as programs write it.
std::string writeNumber(double number, ValueKind kind);
/// Returns how many bytes the place of a tensor of `type`, and those of its strides that the run
/// decides, are multiples of, up to 16.
int64_t getAlignment(const Size &offset, llvm::ArrayRef<Size> strides, mlir::Type type);
/// Returns a type's name in programs.
llvm::StringRef getTypeName(mlir::Type type);

/// Groups of axes of two shapes with equal products, from the front; axes of size one are in no
/// group. Returns nothing if there are none for all axes.
struct AxisGroup {
  llvm::SmallVector<unsigned> from, to;
};
std::optional<llvm::SmallVector<AxisGroup>> groupAxes(llvm::ArrayRef<Size> from,
                                                      llvm::ArrayRef<Size> to);

} // namespace basin::plan

#endif // BASIN_LIB_PLAN_POINTWISEREADER_H
