//===- PlanSteps.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans what is no pointwise work: products of matrices, softmaxes and the launches of kernels.
//
//===----------------------------------------------------------------------===//

#include "Planner.h"

#include "basin/Dialect/Kernel/IR/Kernel.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool isMatrix(const View &view) {
  size_t rank = view.sizes.size();
  for (size_t axis : {rank - 1, rank - 2})
    if (view.strides[axis].is(1) || view.sizes[axis].is(1))
      return true;
  return false;
}

FailureOr<View> Planner::requireMatrix(Value value) {
  FailureOr<View> view = require(value);
  if (failed(view) || view->sizes.size() < 2 || isMatrix(*view))
    return view;
  return compute(value);
}

/// Returns the strides of the axes before the last two, for a batch of these sizes. Axes that are
/// broadcast have stride 0. Returns nothing if sizes differ.
std::optional<Sizes> Planner::getBatchStrides(const View &view, ArrayRef<Size> batch,
                                              Operation *op) {
  size_t rank = view.sizes.size() - 2, missing = batch.size() - rank;
  Sizes strides(batch.size());
  for (size_t axis = 0; axis < rank; ++axis) {
    if (view.sizes[axis].is(1))
      continue;
    if (!agree(view.sizes[axis], batch[missing + axis], op))
      return std::nullopt;
    strides[missing + axis] = view.strides[axis];
  }
  return strides;
}

static Matrix toMatrix(const View &view, Sizes batchStrides) {
  size_t rank = view.sizes.size();
  return {{view.buffer, view.offset},
          view.strides[rank - 2],
          view.strides[rank - 1],
          std::move(batchStrides)};
}

/// Makes the batch's axes more rows of a, if b has no batch and the rows of a and of c follow each
/// other.
static void foldBatch(ProductStep &step) {
  auto isZero = [](const Size &stride) { return stride.is(0); };
  if (!llvm::all_of(step.b.batchStrides, isZero))
    return;
  while (!step.batch.empty()) {
    for (Matrix *matrix : {&step.a, &step.c})
      if (!(matrix->batchStrides.back() == matrix->rowStride * step.m))
        return;
    step.m = step.m * step.batch.back();
    step.batch.pop_back();
    for (Matrix *matrix : {&step.a, &step.b, &step.c})
      matrix->batchStrides.pop_back();
  }
}

std::optional<Operand> Planner::findBias(Value bias, const Size &n, Type type) {
  std::optional<Sizes> sizes = getSizes(bias);
  if (!sizes || sizes->empty() || !(sizes->back() == n) || !(multiply(*sizes) == n) ||
      onnx::getTensorInfo(bias).element != type)
    return std::nullopt;
  std::optional<View> view = findView(bias);
  if (!view || !view->isContiguous())
    return std::nullopt;
  return Operand{view->buffer, view->offset};
}

/// Returns the Add that is the only reader of `value`, or null. Ops that no output needs are no
/// readers.
onnx::AddOp Planner::findOnlyAdd(Value value) {
  if (countReaders(value) != 1)
    return {};
  for (Operation *user : value.getUsers())
    if (auto add = dyn_cast<onnx::AddOp>(user); add && needed.contains(add))
      return add;
  return {};
}

LogicalResult Planner::addProduct(Value result, View a, View b, Value bias, double alpha) {
  Operation *op = result.getDefiningOp();
  std::optional<Sizes> sizes = getSizes(result);
  if (!sizes)
    return op->emitOpError("expected results of known sizes");
  Type type = getBuffer(a).type;
  if (!isa<FloatType>(type) || getBuffer(b).type != type ||
      onnx::getTensorInfo(result).element != type)
    return op->emitOpError("expected matrices of f32, f16 or bf16 alike, but got ")
           << type << " and " << getBuffer(b).type;
  size_t rank = sizes->size();
  if (!agree(a.sizes.back(), b.sizes[b.sizes.size() - 2], op))
    return op->emitOpError("expected as many columns as rows, but got ")
           << a.sizes.back().toString() << " and " << b.sizes[b.sizes.size() - 2].toString();
  ProductStep step;
  step.alpha = alpha;
  step.batch = Sizes(ArrayRef(*sizes).drop_back(2));
  step.m = (*sizes)[rank - 2];
  step.n = (*sizes)[rank - 1];
  step.k = a.sizes.back();
  std::optional<Sizes> batchA = getBatchStrides(a, step.batch, op);
  std::optional<Sizes> batchB = getBatchStrides(b, step.batch, op);
  if (!batchA || !batchB)
    return op->emitOpError("expected batches of equal sizes");
  step.a = toMatrix(a, *batchA);
  step.b = toMatrix(b, *batchB);
  if (bias) {
    step.bias = findBias(bias, step.n, type);
    if (!step.bias)
      return op->emitOpError("expected a bias of ") << step.n.toString() << " elements";
  } else if (onnx::AddOp add = findOnlyAdd(result)) {
    Value other = add.getA() == result ? add.getB() : add.getA();
    std::optional<Sizes> sum = getSizes(add.getResult());
    if (sum && *sum == *sizes && (step.bias = findBias(other, step.n, type)))
      result = add.getResult();
  }
  View c = define(result, *sizes, Buffer::Temporary);
  step.c = toMatrix(c, Sizes(ArrayRef(c.strides).drop_back(2)));
  foldBatch(step);
  plan.steps.push_back(std::move(step));
  return success();
}

LogicalResult Planner::planMatMul(onnx::MatMulOp op) {
  std::optional<Sizes> sizesA = getSizes(op.getA()), sizesB = getSizes(op.getB());
  if (!sizesA || !sizesB || sizesA->size() < 2 || sizesB->size() < 2)
    return op.emitOpError("expected matrices of known sizes");
  FailureOr<View> a = requireMatrix(op.getA());
  FailureOr<View> b = failed(a) ? a : requireMatrix(op.getB());
  if (failed(b))
    return failure();
  return addProduct(op.getResult(), *a, *b, {}, 1);
}

LogicalResult Planner::planGemm(onnx::GemmOp op) {
  double alpha = op.getAlpha() ? op.getAlphaAttr().getValueAsDouble() : 1;
  double beta = op.getBeta() ? op.getBetaAttr().getValueAsDouble() : 1;
  if (op.getC() && beta != 1)
    return op.emitOpError("expected beta = 1, but got ") << beta;
  FailureOr<View> a = requireMatrix(op.getA());
  FailureOr<View> b = failed(a) ? a : requireMatrix(op.getB());
  if (failed(b))
    return failure();
  if (op.getC() && failed(require(op.getC())))
    return failure();
  for (auto [view, transposed] : {std::pair(&*a, op.getTransA()), std::pair(&*b, op.getTransB())})
    if (transposed.value_or(0)) {
      std::swap(view->sizes[0], view->sizes[1]);
      std::swap(view->strides[0], view->strides[1]);
    }
  return addProduct(op.getResult(), *a, *b, op.getC(), alpha);
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// The kernel writes in the place of its scores, which must be nobody else's.
LogicalResult Planner::planSoftmax(onnx::SoftmaxOp op) {
  std::optional<Sizes> sizes = getSizes(op.getInput());
  if (!sizes || sizes->empty())
    return op.emitOpError("expected an operand of known sizes");
  int64_t rank = sizes->size(), axis = -1;
  // Before opset 13 the default was 1, and the axes from there on were one.
  bool isOld = onnx::getOpsetVersion(op) < 13;
  axis = op.getAxis() ? int64_t(*op.getAxis()) : isOld ? 1 : -1;
  if (axis != -1 && axis != rank - 1)
    return op.emitOpError("expected a softmax over the last axis, but got axis ") << axis;
  FailureOr<View> view = requireContiguous(op.getInput());
  if (failed(view))
    return failure();
  bool isOwn = getBuffer(*view).kind == Buffer::Temporary && view->offset.is(0) &&
               countReaders(owners[view->buffer]) == 1;
  if (!isOwn && failed(view = write(op.getInput())))
    return failure();
  std::string type;
  llvm::raw_string_ostream(type) << getBuffer(*view).type;
  // A row that hides every key is NaN, as ONNX has it.
  FailureOr<std::string> kernel = addKernel(op, "softmax", "type=" + type + ",nan_hidden_rows");
  if (failed(kernel))
    return failure();
  // A block has rows of several heads.
  Size queries = rank > 1 ? (*sizes)[rank - 2] : 1, heads = rank > 2 ? (*sizes)[rank - 3] : 1;
  Size batch = rank > 3 ? multiply(ArrayRef(*sizes).drop_back(3)) : 1, keys = sizes->back();
  plan.steps.push_back(KernelStep{*kernel,
                                  {{"scores", Operand{view->buffer, view->offset}}},
                                  {{"batch", batch},
                                   {"heads", heads},
                                   {"queries", queries},
                                   {"keys", keys},
                                   {"row_stride", keys}}});
  views[op.getResult()] = *view;
  owners[view->buffer] = op.getResult();
  return success();
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Returns whether the kernel may read a tensor that lies like this.
static bool isTaken(const View &view, kernels::ArgumentAttr argument, Type type) {
  int64_t bytes = std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
  int64_t elements = std::max<int64_t>(1, argument.getAlignment() / bytes);
  if (!view.offset.isMultipleOf(elements))
    return false;
  if (!argument.getIsStrided())
    return view.isContiguous();
  for (auto [axis, stride] : llvm::enumerate(view.strides)) {
    bool isLast = axis + 1 == view.strides.size();
    if (!view.sizes[axis].is(1) && !(isLast ? stride.is(1) : stride.isMultipleOf(elements)))
      return false;
  }
  return true;
}

/// Returns a scalar of a launch, a product of numbers and of sizes and strides of tensors.
static Size evaluate(ArrayAttr factors, const llvm::StringMap<View> &tensors) {
  Size product = 1;
  for (Attribute factor : factors) {
    if (auto number = dyn_cast<IntegerAttr>(factor)) {
      product = product * Size(number.getInt());
      continue;
    }
    auto part = cast<DictionaryAttr>(factor);
    const View &view = tensors.find(part.getAs<StringAttr>("of").getValue())->second;
    if (auto axis = part.getAs<IntegerAttr>("size")) {
      product = product * view.sizes[axis.getInt()];
    } else {
      int64_t of = part.getAs<IntegerAttr>("stride").getInt();
      product = product * (view.sizes[of].is(1) ? Size(0) : view.strides[of]);
    }
  }
  return product;
}

/// Checks the sizes of operands that a kernel does not look at: it reads as many rows of a residual
/// as x has, and of a mask as there are scores, unless a size is one.
LogicalResult Planner::checkOperands(sink::LaunchOp op, const KernelStep &step,
                                     const llvm::StringMap<View> &tensors) {
  auto x = tensors.find("x"), residual = tensors.find("residual"), mask = tensors.find("mask");
  if (residual != tensors.end()) {
    ArrayRef<Size> sizes = x->second.sizes, other = residual->second.sizes;
    bool agrees = sizes.size() == other.size();
    for (size_t i = 0; i < sizes.size() && agrees; ++i)
      agrees = agree(sizes[i], other[i], op);
    if (!agrees)
      return op.emitOpError("expected a residual of the sizes of x");
  }
  if (mask == tensors.end())
    return success();
  Sizes scores;
  for (StringRef name : {"batch", "heads", "queries", "keys"})
    for (const auto &[scalar, size] : step.scalars)
      if (scalar == name)
        scores.push_back(size);
  ArrayRef<Size> sizes = mask->second.sizes;
  for (auto [size, wanted] : llvm::zip(llvm::reverse(sizes), llvm::reverse(scores)))
    if (!size.is(1) && !agree(size, wanted, op))
      return op.emitOpError("expected a mask that is broadcast to the scores");
  return success();
}

LogicalResult Planner::planLaunch(sink::LaunchOp op) {
  auto contract = kernels::ContractAttr::of(
      SymbolTable::lookupSymbolIn(kernels, op.getKernel().getLeafReference()));
  KernelStep step;
  step.kernel = op.getKernel().getLeafReference().str();
  llvm::StringMap<View> tensors;
  ArrayAttr transposed = op.getTransposed().value_or(ArrayAttr());
  for (auto [name, value] :
       llvm::zip(op.getInputs().getAsValueRange<StringAttr>(), op.getTensors())) {
    if (transposed && llvm::is_contained(transposed.getAsValueRange<StringAttr>(), name)) {
      std::optional<View> matrix = defineConstant(value, /*isTransposed=*/true);
      if (!matrix)
        return op.emitOpError("expected a constant matrix for '") << name << "'";
      step.tensors.emplace_back(name.str(), Operand{matrix->buffer, 0});
      tensors[name] = *matrix;
      continue;
    }
    FailureOr<View> view = require(value);
    if (succeeded(view) && !isTaken(*view, contract.find(name), getBuffer(*view).type))
      view = compute(value);
    if (failed(view))
      return failure();
    step.tensors.emplace_back(name.str(), Operand{view->buffer, view->offset});
    tensors[name] = *view;
  }
  for (auto [name, result] :
       llvm::zip(op.getOutputs().getAsValueRange<StringAttr>(), op.getResults())) {
    std::optional<Sizes> sizes = getSizes(result);
    if (!sizes)
      return op.emitOpError("expected results of known sizes");
    View view = define(result, *sizes, Buffer::Temporary);
    step.tensors.emplace_back(name.str(), Operand{view.buffer, 0});
    tensors[name] = view;
  }
  for (NamedAttribute scalar : op.getScalars())
    step.scalars.emplace_back(scalar.getName().str(),
                              evaluate(cast<ArrayAttr>(scalar.getValue()), tensors));
  if (failed(checkOperands(op, step, tensors)))
    return failure();
  plan.steps.push_back(std::move(step));
  return success();
}
