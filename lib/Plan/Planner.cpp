//===- Planner.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Planner.h"

#include "PointwiseReader.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Kernels/AddKernel.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

/// A kernel evaluates at most this many ops one in another.
static constexpr unsigned kMaxDepth = 24;
static constexpr unsigned kMaxAxes = 6;

bool Planner::isStep(Operation *op) {
  return isa<sink::LaunchOp, onnx::MatMulOp, onnx::GemmOp, onnx::SoftmaxOp>(op);
}

/// Returns whether an op reads the elements of an operand. Other operands give sizes, which the
/// types have.
static bool readsElements(Operation *op, unsigned operand) {
  if (isa<onnx::ShapeOp, onnx::SizeOp, onnx::ConstantOfShapeOp>(op))
    return false;
  if (isa<onnx::RangeOp>(op))
    return operand != 1;
  if (isa<onnx::ReshapeOp, onnx::ExpandOp, onnx::SliceOp, onnx::SplitOp, onnx::UnsqueezeOp,
          onnx::SqueezeOp, onnx::TileOp>(op))
    return operand == 0;
  return true;
}

/// Returns whether an integer is computed from sizes.
bool Planner::isHostInteger(Value value) {
  onnx::TensorInfo info = onnx::getTensorInfo(value);
  if (!info.hasRank() || info.rank() > 1 || getValueKind(info.element) != ValueKind::Integer)
    return false;
  std::optional<onnx::ShapeValue> entries = onnx::evaluateShapeValue(value);
  return entries && entries->size() <= 8 &&
         llvm::all_of(*entries, [](const onnx::ShapeEntry &entry) {
           return entry.constant || Size::of(entry.toDim());
         });
}

void Planner::findNeeded() {
  SmallVector<Value> work(graph.getBody().front().getTerminator()->getOperands());
  while (!work.empty()) {
    Value value = work.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || isHostInteger(value) || !needed.insert(op).second)
      continue;
    for (OpOperand &operand : op->getOpOperands())
      if (readsElements(op, operand.getOperandNumber()))
        work.push_back(operand.get());
  }
}

unsigned Planner::countReaders(Value value) {
  unsigned count = 0;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value one = work.pop_back_val();
    for (OpOperand &use : one.getUses()) {
      Operation *op = use.getOwner();
      if (isa<onnx::ReturnOp>(op)) {
        ++count;
      } else if (needed.contains(op) && readsElements(op, use.getOperandNumber())) {
        if (isViewOp(op))
          llvm::append_range(work, op->getResults());
        else
          ++count;
      }
    }
  }
  return count;
}

unsigned Planner::getDepth(Operation *op) {
  auto known = depths.find(op);
  if (known != depths.end())
    return known->second;
  unsigned depth = 0;
  // Ops come in order, so the depths of operands are known.
  for (OpOperand &operand : op->getOpOperands())
    if (Operation *from = operand.get().getDefiningOp();
        from && !views.contains(operand.get()) && depths.contains(from))
      depth = std::max(depth, depths.lookup(from));
  return depths[op] = depth + 1;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

View Planner::define(Value value, ArrayRef<Size> sizes, Buffer::Kind kind) {
  Buffer buffer;
  buffer.kind = kind;
  // Inputs come first, and their names are unique. Constants may have the name of an input's
  // default.
  buffer.name = onnx::getValueName(value).str();
  if (buffer.name.empty() || !names.insert(buffer.name).second) {
    buffer.name += "#" + std::to_string(plan.buffers.size());
    names.insert(buffer.name);
  }
  buffer.type = onnx::getTensorInfo(value).element;
  buffer.shape = Sizes(sizes);
  View view{unsigned(plan.buffers.size()), Sizes(sizes), getContiguousStrides(sizes), Size(0)};
  plan.buffers.push_back(std::move(buffer));
  owners.push_back(value);
  views[value] = view;
  return view;
}

/// Gives a constant a buffer. A transposed one is another buffer than the constant as it is.
std::optional<View> Planner::defineConstant(Value value, bool isTransposed) {
  Operation *op = value.getDefiningOp();
  std::optional<Sizes> sizes = getSizes(value);
  Attribute elements = op ? onnx::getConstantAttr(value) : Attribute();
  if (!elements || !sizes || !getValueKind(onnx::getTensorInfo(value).element))
    return std::nullopt;
  if (isTransposed)
    std::swap((*sizes)[sizes->size() - 1], (*sizes)[sizes->size() - 2]);
  std::optional<View> before;
  if (views.contains(value))
    before = views.lookup(value);
  View view = define(value, *sizes, Buffer::Constant);
  Buffer &buffer = plan.buffers.back();
  buffer.elements = elements;
  buffer.from = op;
  buffer.isTransposed = isTransposed;
  if (isTransposed) {
    if (before)
      views[value] = *before;
    else
      views.erase(value);
  }
  return view;
}

std::optional<View> Planner::findView(Value value) {
  auto known = views.find(value);
  if (known != views.end())
    return known->second;
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (isa<onnx::ConstantOp, onnx::InitializerOp>(op))
    return defineConstant(value, /*isTransposed=*/false);
  if (!isViewOp(op))
    return std::nullopt;
  std::optional<View> source = findView(op->getOperand(0));
  std::optional<View> view = source ? applyView(cast<OpResult>(value), *source) : std::nullopt;
  if (view)
    views[value] = *view;
  return view;
}

FailureOr<View> Planner::require(Value value) {
  if (std::optional<View> view = findView(value))
    return *view;
  Operation *op = value.getDefiningOp();
  if (isStep(op)) {
    if (failed(planOp(op)))
      return failure();
    return views.lookup(value);
  }
  // The operand of a view gets the memory: others may read it as it is.
  if (isViewOp(op) && !isHostInteger(op->getOperand(0))) {
    if (failed(require(op->getOperand(0))))
      return failure();
    if (std::optional<View> view = findView(value))
      return *view;
  }
  return compute(value);
}

FailureOr<View> Planner::requireContiguous(Value value) {
  FailureOr<View> view = require(value);
  if (failed(view) || view->isContiguous())
    return view;
  return compute(value);
}

//===----------------------------------------------------------------------===//
// Pointwise steps
//===----------------------------------------------------------------------===//

FailureOr<std::string> Planner::addKernel(Operation *op, StringRef family, StringRef spec) {
  const kernels::KernelFamily *found = kernels::findKernelFamily(family);
  assert(found && "a family of kernels");
  auto parsed = found->parse(spec, op->getContext());
  llvm::Error error = parsed ? llvm::Error::success() : parsed.takeError();
  if (!error) {
    llvm::Expected<std::string> name = kernels::addKernel(kernels, **parsed, target);
    if (name)
      return *name;
    error = name.takeError();
  }
  return op->emitOpError("has no kernel: ") << llvm::toString(std::move(error));
}

/// Axes of size one are no axes of the iteration space, except for a single one if there is no
/// other.
FailureOr<View> Planner::compute(Value value) {
  std::optional<Sizes> sizes = getSizes(value);
  Operation *op = value.getDefiningOp() ? value.getDefiningOp() : graph.getOperation();
  if (!sizes)
    return op->emitOpError("expected results of known sizes");
  Sizes space, strides, all = getContiguousStrides(*sizes);
  Indices at;
  for (auto [size, stride] : llvm::zip(*sizes, all)) {
    at.push_back(size.is(1) ? Index::of(0) : Index::ofAxis(space.size()));
    if (size.is(1))
      continue;
    space.push_back(size);
    strides.push_back(stride);
  }
  if (space.empty()) {
    space.push_back(1);
    strides.push_back(1);
  }
  if (space.size() > kMaxAxes)
    return op->emitOpError("expected at most ")
           << kMaxAxes << " axes longer than one, but got " << space.size();
  PointwiseReader reader(*this, space.size());
  PointwiseReader::Text text = findView(value) || isHostInteger(value)
                                   ? reader.read(value, at)
                                   : reader.compute(cast<OpResult>(value), at);
  if (failed(text))
    return failure();
  KernelStep step;
  std::string sizesText, stridesText;
  for (auto [axis, size] : llvm::enumerate(space)) {
    std::optional<int64_t> number = size.getNumber(), stride = strides[axis].getNumber();
    sizesText += (axis > 0 ? "x" : "") + (number ? std::to_string(*number) : "?");
    stridesText += (axis > 0 ? " " : "") + (stride ? std::to_string(*stride) : "?");
    if (!number)
      step.scalars.emplace_back("size" + std::to_string(axis), size);
    if (!stride)
      step.scalars.emplace_back("y_stride" + std::to_string(axis), strides[axis]);
  }
  step.scalars.emplace_back("count", multiply(space));
  Type type = onnx::getTensorInfo(value).element;
  int64_t bytes = std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8), alignment = 16;
  while (alignment > bytes && !llvm::all_of(strides, [&](const Size &stride) {
           return stride.getNumber() || stride.isMultipleOf(alignment / bytes);
         }))
    alignment /= 2;
  std::string program = reader.getDeclarations() + "(out y " + getTypeName(type).str() + " (" +
                        stridesText + ") align " + std::to_string(alignment) + " " + *text + ")";
  FailureOr<std::string> kernel =
      addKernel(op, "pointwise", "sizes=" + sizesText + ",program=" + program);
  if (failed(kernel))
    return failure();
  step.kernel = *kernel;
  reader.addArguments(step);
  View view = define(value, *sizes, Buffer::Temporary);
  step.tensors.emplace_back("y", Operand{view.buffer, Size(0)});
  plan.steps.push_back(std::move(step));
  return view;
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

LogicalResult Planner::addInputs() {
  for (BlockArgument argument : graph.getBody().getArguments()) {
    std::optional<Sizes> sizes = getSizes(argument);
    if (!sizes || !getValueKind(onnx::getTensorInfo(argument).element))
      return graph.emitOpError("expected inputs of f32, f16, bf16, i8, i32, i64 or bool with "
                               "named sizes, but got ")
             << argument.getType() << " for '" << onnx::getValueName(argument) << "'";
    plan.inputs.push_back(define(argument, *sizes, Buffer::Input).buffer);
  }
  return success();
}

LogicalResult Planner::planOp(Operation *op) {
  if (auto launch = dyn_cast<sink::LaunchOp>(op))
    return planLaunch(launch);
  if (auto matmul = dyn_cast<onnx::MatMulOp>(op))
    return planMatMul(matmul);
  if (auto gemm = dyn_cast<onnx::GemmOp>(op))
    return planGemm(gemm);
  return planSoftmax(cast<onnx::SoftmaxOp>(op));
}

/// A value that is an output must be a whole buffer, which no other output is.
LogicalResult Planner::planOutputs() {
  llvm::DenseSet<unsigned> taken;
  Operation *terminator = graph.getBody().front().getTerminator();
  ArrayAttr names = graph.getInfo().getOutputs();
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    FailureOr<View> view = require(value);
    if (failed(view))
      return failure();
    const Buffer &buffer = getBuffer(*view);
    bool isWhole = buffer.kind == Buffer::Temporary && view->isContiguous() && view->offset.is(0) &&
                   multiply(view->sizes) == multiply(buffer.shape);
    if (!isWhole || !taken.insert(view->buffer).second) {
      view = compute(value);
      if (failed(view))
        return failure();
      taken.insert(view->buffer);
    }
    plan.buffers[view->buffer].shape = view->sizes;
    plan.outputs.emplace_back(cast<onnx::ValueInfoAttr>(names[i]).getName().str(), view->buffer);
  }
  return success();
}

FailureOr<Plan> Planner::run() {
  plan.name = graph.getSymName().str();
  if (failed(addInputs()))
    return failure();
  findNeeded();
  for (Operation &op : graph.getBody().front().without_terminator()) {
    if (!needed.contains(&op) || isa<onnx::ConstantOp, onnx::InitializerOp, onnx::AbsentOp>(op))
      continue;
    if (isStep(&op)) {
      if (!views.contains(op.getResult(0)) && failed(planOp(&op)))
        return failure();
      continue;
    }
    bool isShared = !isViewOp(&op) && countReaders(op.getResult(0)) > 1;
    if ((isShared || getDepth(&op) > kMaxDepth) && !views.contains(op.getResult(0)) &&
        failed(require(op.getResult(0))))
      return failure();
  }
  if (failed(planOutputs()))
    return failure();
  return std::move(plan);
}
