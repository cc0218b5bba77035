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
  return isa<sink::LaunchOp, onnx::MatMulOp, onnx::GemmOp, onnx::ConvOp, onnx::SoftmaxOp>(op);
}

/// Returns whether an op reads the elements of an operand. Other operands give sizes, which the
/// types have.
static bool readsElements(Operation *op, unsigned operand) {
  if (isa<onnx::ShapeOp, onnx::SizeOp, onnx::ConstantOfShapeOp>(op))
    return false;
  if (isa<onnx::RangeOp>(op))
    return operand != 1;
  if (isReduction(op))
    return operand == 0;
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

std::string plan::nameNode(Operation *op) {
  StringRef name = onnx::getNodeName(op);
  return name.empty() ? op->getName().getStringRef().str() : llvm::json::fixUTF8(name);
}

void plan::addCheck(std::vector<SizeCheck> &checks, const Size &size, const Size &limit,
                    Operation *op) {
  bool isNew = llvm::none_of(
      checks, [&](const SizeCheck &check) { return check.size == size && check.limit == limit; });
  if (isNew)
    checks.push_back({size, limit, nameNode(op)});
}

/// An exporter that names the sizes of all inputs apart leaves equal ones unrelated. Where an op
/// needs them equal, the model is wrong if they are not.
bool Planner::agree(const Size &a, const Size &b, Operation *op) {
  if (a == b)
    return true;
  if (a.getNumber() && b.getNumber())
    return false;
  addCheck(plan.checks, a, b, op);
  addCheck(plan.checks, b, a, op);
  return true;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

View Planner::addBuffer(Buffer::Kind kind, StringRef name, Type type, ArrayRef<Size> shape) {
  Buffer buffer;
  buffer.kind = kind;
  // Inputs come first, and their names are unique. Constants may have the name of an input's
  // default.
  buffer.name = llvm::json::fixUTF8(name);
  if (buffer.name.empty() || !names.insert(buffer.name).second) {
    buffer.name += "#" + std::to_string(plan.buffers.size());
    names.insert(buffer.name);
  }
  buffer.type = type;
  buffer.shape = Sizes(shape);
  View view{unsigned(plan.buffers.size()), Sizes(shape), getContiguousStrides(shape), Size(0)};
  plan.buffers.push_back(std::move(buffer));
  owners.push_back(Value());
  return view;
}

View Planner::define(Value value, ArrayRef<Size> sizes, Buffer::Kind kind) {
  View view = addBuffer(kind, onnx::getValueName(value), onnx::getTensorInfo(value).element, sizes);
  owners.back() = value;
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
    assert(views.contains(value) && "steps are planned before their readers");
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

/// The iteration space of a pointwise kernel that writes a contiguous tensor, and the tensor's
/// strides. Axes of size one are no axes of it, except for a single one if there is no other.
struct Planner::Space {
  Sizes sizes, strides;
  Indices at;

  explicit Space(ArrayRef<Size> shape) {
    for (auto [size, stride] : llvm::zip(shape, getContiguousStrides(shape))) {
      at.push_back(size.is(1) ? Index::of(0) : Index::ofAxis(sizes.size()));
      if (size.is(1))
        continue;
      sizes.push_back(size);
      strides.push_back(stride);
    }
    if (sizes.empty()) {
      sizes.push_back(1);
      strides.push_back(1);
    }
  }
};

/// Returns the text of a list of numbers; `?` stands for one that the run decides, for which the
/// step gets a scalar of that name and the axis.
static std::string writeList(ArrayRef<Size> list, StringRef separator, StringRef name,
                             KernelStep &step) {
  std::string text;
  for (auto [axis, size] : llvm::enumerate(list)) {
    std::optional<int64_t> number = size.getNumber();
    text += (axis > 0 ? separator.str() : "") + (number ? std::to_string(*number) : "?");
    if (!number)
      step.scalars.emplace_back((name + Twine(axis)).str(), size);
  }
  return text;
}

FailureOr<View> Planner::addPointwise(Operation *op, StringRef name, ArrayRef<Size> shape,
                                      Type type, PointwiseText write) {
  Space space(shape);
  if (space.sizes.size() > kMaxAxes)
    return op->emitOpError("expected at most ")
           << kMaxAxes << " axes longer than one, but got " << space.sizes.size();
  PointwiseReader reader(*this, space.sizes.size());
  FailureOr<std::string> text = write(reader, space.at);
  if (failed(text))
    return failure();
  KernelStep step;
  std::string sizes = writeList(space.sizes, "x", "size", step);
  std::string strides = writeList(space.strides, " ", "y_stride", step);
  step.scalars.emplace_back("count", plan::multiply(space.sizes));
  std::string program = reader.getDeclarations() + "(out y " + getTypeName(type).str() + " (" +
                        strides + ") align " +
                        std::to_string(getAlignment(0, space.strides, type)) + " " + *text + ")";
  FailureOr<std::string> kernel =
      addKernel(op, "pointwise", "sizes=" + sizes + ",program=" + program);
  if (failed(kernel))
    return failure();
  step.kernel = *kernel;
  reader.addArguments(step);
  View view = addBuffer(Buffer::Temporary, name, type, shape);
  step.tensors.emplace_back("y", Operand{view.buffer, Size(0)});
  plan.steps.push_back(std::move(step));
  return view;
}

FailureOr<View> Planner::write(Value value) {
  std::optional<Sizes> sizes = getSizes(value);
  Operation *op = value.getDefiningOp() ? value.getDefiningOp() : graph.getOperation();
  if (!sizes)
    return op->emitOpError("expected results of known sizes");
  if (!getValueKind(onnx::getTensorInfo(value).element))
    return op->emitOpError("expected a tensor of f32, f16, bf16, i8, i32, i64 or bool, but got ")
           << value.getType();
  FailureOr<View> view =
      addPointwise(op, onnx::getValueName(value), *sizes, onnx::getTensorInfo(value).element,
                   [&](PointwiseReader &reader, ArrayRef<Index> at) {
                     return findView(value) || isHostInteger(value)
                                ? reader.read(value, at)
                                : reader.compute(cast<OpResult>(value), at);
                   });
  if (succeeded(view))
    owners[view->buffer] = value;
  return view;
}

FailureOr<View> Planner::compute(Value value) {
  FailureOr<View> view = write(value);
  if (succeeded(view))
    views[value] = *view;
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
  return checkSymbols();
}

/// A run learns a symbol's value from an axis that has just that size.
LogicalResult Planner::checkSymbols() {
  llvm::StringSet<> defined;
  for (unsigned input : plan.inputs)
    for (const Size &size : plan.buffers[input].shape)
      if (std::optional<StringRef> symbol = size.getSymbol())
        defined.insert(*symbol);
  for (unsigned input : plan.inputs)
    for (const Size &size : plan.buffers[input].shape) {
      std::string missing;
      size.visitSymbols([&](StringRef symbol) {
        if (!defined.contains(symbol))
          missing = symbol.str();
      });
      if (!missing.empty())
        return graph.emitOpError("expected an input with an axis of the size ")
               << missing << ", which is part of the sizes of '" << plan.buffers[input].name << "'";
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
  if (auto conv = dyn_cast<onnx::ConvOp>(op))
    return planConv(conv);
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
    plan.outputs.emplace_back(
        llvm::json::fixUTF8(cast<onnx::ValueInfoAttr>(names[i]).getName().getValue()),
        view->buffer);
  }
  return success();
}

/// Factors beyond 64 bits come from models that no memory could hold.
LogicalResult Planner::checkSizes() {
  bool fits = true;
  auto check = [&](ArrayRef<Size> sizes) {
    for (const Size &size : sizes)
      fits &= !size.hasOverflown();
  };
  auto checkMatrix = [&](const Matrix &matrix) {
    check({matrix.where.offset, matrix.rowStride, matrix.columnStride});
    check(matrix.batchStrides);
  };
  for (const Buffer &buffer : plan.buffers)
    check({plan::multiply(buffer.shape)});
  for (const Step &step : plan.steps) {
    if (const auto *kernel = std::get_if<KernelStep>(&step)) {
      for (const auto &[name, operand] : kernel->tensors)
        check({operand.offset});
      for (const auto &[name, size] : kernel->scalars)
        check({size});
      continue;
    }
    const auto &product = std::get<ProductStep>(step);
    check({product.m, product.n, product.k});
    check(product.batch);
    for (const Matrix *matrix : {&product.a, &product.b, &product.c})
      checkMatrix(*matrix);
  }
  return fits ? success() : graph.emitOpError("expected tensors whose sizes fit 64 bits");
}

FailureOr<Plan> Planner::run() {
  plan.name = llvm::json::fixUTF8(graph.getSymName());
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
    bool isShared = isReduction(&op) || (!isViewOp(&op) && countReaders(op.getResult(0)) > 1);
    if ((isShared || getDepth(&op) > kMaxDepth) && !views.contains(op.getResult(0)) &&
        failed(require(op.getResult(0))))
      return failure();
  }
  if (failed(planOutputs()) || failed(checkSizes()))
    return failure();
  return std::move(plan);
}
