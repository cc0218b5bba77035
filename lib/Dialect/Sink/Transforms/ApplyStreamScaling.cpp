//===- ApplyStreamScaling.cpp -----------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Does what StreamScaler planned. First it restores the stream for readers, then it multiplies
// what writers write, then it changes limits and weights, and norms last.
//
//===----------------------------------------------------------------------===//

#include "StreamScalingState.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

LogicalResult StreamScaler::fold(Value weight, Way way, ArrayRef<Part *> parts) {
  ++state->numWeights;
  if (way == Way::Change)
    return state->weights.change(parts.front()->scale);
  for (Part *part : parts) {
    FailureOr<Value> copy = state->weights.copy(part->scale);
    if (failed(copy))
      return failure();
    for (OpOperand *use : part->uses)
      use->set(*copy);
  }
  return success();
}

/// Multiplies the input h of a head by 2^exponents. The norm that makes h takes the factor if the
/// head is h's only reader. Otherwise a multiplication is inserted.
LogicalResult StreamScaler::compensate(const Head &head) {
  Value h = head.input->get();
  auto norm = h.getDefiningOp<NormInterface>();
  SmallVector<Part, 0> parts;
  bool folds = norm && h == norm.getResult() && h.hasOneUse() && norm.getWeight();
  if (folds) {
    // The roles are found anew, because uses have changed since the plan.
    WeightRoles roles;
    for (OpOperand *use : getScaleUses(norm)) {
      WeightScale scale{use->get(), -1, head.exponents};
      std::optional<RoleUses> uses = isWeight(use->get()) ? roles.find(*use) : std::nullopt;
      FailureOr<bool> fits = uses ? state->weights.canTake(scale) : FailureOr<bool>(false);
      if (failed(fits))
        return failure();
      folds &= *fits && WeightScaler::isCopyable(scale);
      if (folds)
        parts.push_back({scale, std::move(*uses), 0});
    }
  }
  if (!folds) {
    OpBuilder b(head.input->getOwner());
    FailureOr<Value> product = makeProduct(b, h, head.exponents, ".scaled");
    if (succeeded(product))
      head.input->set(*product);
    return success(succeeded(product));
  }
  for (Part &part : parts) {
    Value weight = part.scale.weight;
    bool all = part.uses.size() ==
               static_cast<size_t>(std::distance(weight.use_begin(), weight.use_end()));
    if (failed(fold(weight, all ? Way::Change : Way::Copy, &part)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Multiplications
//===----------------------------------------------------------------------===//

FailureOr<Value> StreamScaler::makeProduct(OpBuilder &b, Value value, ArrayRef<int> exponents,
                                           StringRef suffix) {
  auto type = dyn_cast<TensorType>(value.getType());
  StringRef name = getStreamValueName(value);
  if (!type || !isScalable(type.getElementType()))
    return emitError(value.getLoc(), "value '")
           << name << "': expected f16, bf16, f32 or f64 in a residual stream, but got "
           << value.getType();
  Type element = type.getElementType();
  bool uniform = exponents.size() == 1;
  std::optional<std::vector<char>> powers = makePowersOfTwo(element, exponents);
  if (!powers)
    return emitError(value.getLoc(), "value '")
           << name << "': a scale leaves the normal range of " << element;
  SmallVector<int64_t, 1> shape;
  if (!uniform)
    shape.push_back(exponents.size());
  auto bytes = std::make_shared<std::vector<char>>(std::move(*powers));
  auto factorType = RankedTensorType::get(shape, element);
  std::string stem = (name.empty() ? "stream" : name).str() + suffix.str();
  auto factor =
      ConstantOp::create(b, value.getLoc(), factorType, ValueRange(),
                         b.getNamedAttr("value", makeElements(factorType, *bytes, bytes, "scale")));
  setValueName(factor->getResult(0), state->names.make(stem + ".factor"));
  NodeBuilder n(b, value.getLoc());
  Value product = n.node<MulOp>({value, factor->getResult(0)});
  if (uniform)
    product.setType(value.getType());
  setValueName(cast<OpResult>(product), state->names.make(stem));
  ++state->numProducts;
  return product;
}

/// If the only reader of a writer's value is a product by a constant, that constant takes the
/// scale. Returns whether it did.
bool StreamScaler::scaleFactor(Value value, ArrayRef<int> exponents) {
  if (!value.hasOneUse())
    return false;
  OpOperand &use = *value.use_begin();
  Operation *op = use.getOwner();
  if (!isa<MulOp, DivOp>(op) || getPassedThrough(op) != &use)
    return false;
  OpOperand &constant = op->getOpOperand(1 - use.getOperandNumber());
  OpBuilder b(op);
  Value scaled = makeScaledScalar(b, constant.get(),
                                  isa<DivOp>(op) ? negate(exponents) : Exponents(exponents));
  if (!scaled)
    return false;
  setValueName(cast<OpResult>(scaled),
               state->names.make((getStreamValueName(op->getResult(0)) + ".factor").str()));
  constant.set(scaled);
  return true;
}

/// Returns whether a use makes a graph's input an output of the graph. Such a value is not
/// changed, because the output has the input's name.
static bool goesThrough(OpOperand &use) {
  return isa<ReturnOp>(use.getOwner()) && isa<BlockArgument>(use.get());
}

/// If `value` is made by an f16 product with a matrix and is to be divided by one number, returns
/// the input of that product. Dividing the input is safer: a product that exceeds f16's largest
/// number before it is divided is infinite, and the product of the divided input is not.
static OpOperand *getDividedInput(Value value, ArrayRef<int> exponents) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<TensorType>(value.getType());
  if (!op || !type || !type.getElementType().isF16() || exponents.size() != 1 ||
      exponents.front() > 0)
    return nullptr;
  auto gemm = dyn_cast<GemmOp>(op);
  if (!isa<MatMulOp>(op) && !(gemm && !gemm.getC()))
    return nullptr;
  return isWeight(op->getOperand(1)) ? &op->getOpOperand(0) : nullptr;
}

/// Multiplies a writer's value by 2^exponents, for all of its uses or for some.
LogicalResult StreamScaler::write(const Writer &task) {
  OpBuilder b(task.value.getContext());
  if (task.uses.empty()) {
    if (scaleFactor(task.value, task.exponents))
      return success();
    if (OpOperand *input = getDividedInput(task.value, task.exponents)) {
      b.setInsertionPoint(input->getOwner());
      FailureOr<Value> product = makeProduct(b, input->get(), task.exponents, ".scaled");
      if (succeeded(product))
        input->set(*product);
      return success(succeeded(product));
    }
    b.setInsertionPointAfterValue(task.value);
    FailureOr<Value> product = makeProduct(b, task.value, task.exponents, ".scaled");
    if (failed(product))
      return failure();
    Value value = task.value;
    value.replaceUsesWithIf(*product, [&](OpOperand &use) {
      return use.getOwner() != product->getDefiningOp() && !goesThrough(use);
    });
    return success();
  }
  // The first use is the op's own operand. A reader may already have replaced it by the restored
  // value, so the value is taken from the use.
  b.setInsertionPoint(task.uses.front()->getOwner());
  Value value = task.uses.front()->get();
  FailureOr<Value> product = makeProduct(b, value, task.exponents, ".scaled");
  if (failed(product))
    return failure();
  for (OpOperand *use : task.uses)
    use->set(*product);
  return success();
}

/// Multiplies the pre-affine vector of a norm. A vector of the model's own takes the factors
/// itself if nothing else uses it.
LogicalResult StreamScaler::scaleVector(NormInterface norm, ArrayRef<int> exponents) {
  Value vector = norm.getPreAffine();
  if (!isWeight(vector))
    return setPreAffine(norm, exponents, state->names);
  OpOperand &use = norm.getPreAffineMutable()[0];
  WeightScale scale{vector, -1, Exponents(exponents)};
  std::optional<RoleUses> uses = state->roles.find(use);
  bool isOwn = uses && uses->size() ==
                           static_cast<size_t>(std::distance(vector.use_begin(), vector.use_end()));
  FailureOr<bool> fits = isOwn ? state->weights.canTake(scale) : FailureOr<bool>(false);
  if (failed(fits))
    return failure();
  if (!*fits)
    return setPreAffine(norm, exponents, state->names);
  return state->weights.change(scale);
}

/// Undoes, in the norm's eps or in its vector, the division of the value that it reads.
LogicalResult StreamScaler::readNorm(const Reader &r) {
  auto norm = cast<NormInterface>(r.op);
  return r.intoEpsilon ? scaleEpsilon(norm, -2 * r.exponents.front())
                       : scaleVector(norm, r.exponents);
}

/// A QuantizeLinear with a scale that is divided like its operand gives the same integers. Returns
/// whether the reader is one that can take the exponent.
FailureOr<bool> StreamScaler::restoreQuantized(const Reader &r) {
  auto quantize = dyn_cast<QuantizeLinearOp>(r.op);
  if (!quantize || r.use->getOperandNumber() != 0 || r.exponents.size() != 1)
    return false;
  OpOperand &use = r.op->getOpOperand(1);
  WeightScale scale{use.get(), -1, negate(r.exponents)};
  if (!isWeight(scale.weight) || !WeightScaler::isCopyable(scale))
    return false;
  FailureOr<bool> fits = state->weights.canTake(scale);
  if (failed(fits) || !*fits)
    return fits;
  FailureOr<Value> copy = state->weights.copy(scale);
  if (failed(copy))
    return failure();
  use.set(*copy);
  ++state->numWeights;
  return true;
}

LogicalResult StreamScaler::restore(const Reader &r) {
  FailureOr<bool> isQuantized = restoreQuantized(r);
  if (failed(isQuantized) || *isQuantized)
    return success(succeeded(isQuantized));
  OpBuilder b(r.op);
  FailureOr<Value> product = makeProduct(b, r.use->get(), r.exponents, ".restored");
  if (failed(product))
    return failure();
  r.use->set(*product);
  return success();
}

/// Divides the constants that limit the stream, as the stream is divided. If that is not possible,
/// the stream is restored for the op and divided again behind it.
LogicalResult StreamScaler::limit(const Limit &limit) {
  Operation *op = limit.op;
  OpOperand *passed = getPassedThrough(op);
  OpBuilder b(op);
  Exponents down = negate(limit.exponents);
  SmallVector<std::pair<OpOperand *, Value>> bounds;
  bool fits = llvm::all_equal(down) && !op->hasAttr("min") && !op->hasAttr("max");
  for (OpOperand &operand : op->getOpOperands())
    if (&operand != passed && fits && !isa<NoneType>(operand.get().getType())) {
      Value bound = makeScaledScalar(b, operand.get(), ArrayRef(down).take_front());
      fits = static_cast<bool>(bound);
      bounds.push_back({&operand, bound});
    }
  if (fits) {
    for (auto [operand, bound] : bounds) {
      setValueName(cast<OpResult>(bound),
                   state->names.make((getStreamValueName(op->getResult(0)) + ".limit").str()));
      operand->set(bound);
    }
    return success();
  }
  for (auto [operand, bound] : bounds)
    if (bound)
      bound.getDefiningOp()->erase();
  FailureOr<Value> restored = makeProduct(b, passed->get(), limit.exponents, ".restored");
  if (failed(restored))
    return failure();
  passed->set(*restored);
  b.setInsertionPointAfter(op);
  Value result = op->getResult(0);
  FailureOr<Value> product = makeProduct(b, result, down, ".scaled");
  if (failed(product))
    return failure();
  result.replaceAllUsesExcept(*product, product->getDefiningOp());
  return success();
}

//===----------------------------------------------------------------------===//
// Apply
//===----------------------------------------------------------------------===//

LogicalResult StreamScaler::apply() {
  if (failed(chooseFolds()))
    return failure();
  for (const Reader &reader : state->readers)
    if (!goesThrough(*reader.use) && failed(restore(reader)))
      return failure();
  for (const Writer &task : state->writers)
    if (!task.folds && failed(write(task)))
      return failure();
  for (const Limit &each : state->limits)
    if (failed(limit(each)))
      return failure();
  for (auto &[weight, entry] : state->folds) {
    auto &[way, parts] = entry;
    if (parts.empty() || way == Way::None)
      continue;
    if (failed(fold(weight, way, parts)))
      return failure();
    if (way == Way::Change)
      for (const Head &head : state->heads.lookup(weight))
        if (failed(compensate(head)))
          return failure();
  }
  // Norms come last. A new vector is a new operand and moves the others, so uses that were kept
  // are not valid any more.
  for (const Reader &norm : state->norms)
    if (failed(readNorm(norm)))
      return failure();
  if (double error = state->weights.getLargestError(); error > 0)
    state->module.emitWarning("weights were rounded: the largest relative error is ")
        << error << ", in '" << state->weights.getLargestErrorName() << "'";
  return success();
}
