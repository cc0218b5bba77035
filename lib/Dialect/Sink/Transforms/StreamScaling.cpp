//===- StreamScaling.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writers take the division in their weights where every use of the weight is
// covered by a writer of the same scales; a table that is also the head's
// matrix stays tied, the factor going into the norm before the head. All else
// gets an explicit multiplication, so that the rewrite is total. Weights are
// changed last, after everything that can be refused was.
//
//===----------------------------------------------------------------------===//

#include "StreamScaling.h"

#include "PowerOfTwo.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static SmallVector<int> negate(ArrayRef<int> exponents) {
  return llvm::map_to_vector(exponents, [](int k) { return -k; });
}

static bool isWeight(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  return op && isa<InitializerOp, ConstantOp>(op);
}

static bool isUniform(ArrayRef<int> exponents) { return llvm::all_equal(exponents); }

/// Uses of `weight` by `op` or inside its form.
static unsigned countUsesIn(Value weight, Operation *op) {
  return llvm::count_if(weight.getUsers(), [&](Operation *user) { return op->isAncestor(user); });
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

/// Whether `weight` is a constant that `norm` alone reads.
static bool isOwn(Value weight, Operation *norm) {
  return isWeight(weight) &&
         countUsesIn(weight, norm) ==
             static_cast<unsigned>(std::distance(weight.use_begin(), weight.use_end()));
}

/// Whether the elements of `weight` can take one exponent a position of `axis`.
static bool isFoldable(Value weight, int64_t axis, ArrayRef<int> exponents) {
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (!isWeight(weight) || !type || type.getRank() == 0 || !type.hasStaticShape() ||
      !isScalable(type.getElementType()))
    return false;
  if (auto init = weight.getDefiningOp<InitializerOp>(); init && isa<SparseAttr>(init.getValue()))
    return false;
  axis = axis < 0 ? axis + type.getRank() : axis;
  return isUniform(exponents) || type.getDimSize(axis) == static_cast<int64_t>(exponents.size());
}

/// A head's product with the table, h E^T: another use that a change of the
/// table's columns can cover, if h takes the factor.
void StreamScaler::planTied(Value table, ArrayRef<int> exponents) {
  if (tiedHeads.contains(table))
    return;
  auto &heads = tiedHeads[table];
  for (OpOperand &use : table.getUses()) {
    OpOperand *head = &use;
    if (auto transpose = dyn_cast<TransposeOp>(use.getOwner())) {
      if (!transpose->getResult(0).hasOneUse())
        continue;
      head = &*transpose->getResult(0).use_begin();
      if (!isa<MatMulOp>(head->getOwner()))
        continue;
    } else if (auto gemm = dyn_cast<GemmOp>(use.getOwner());
               !gemm || gemm.getTransB().value_or(0) == 0) {
      continue;
    }
    if (head->getOperandNumber() != 1)
      continue;
    heads.push_back(&head->getOwner()->getOpOperand(0));
    folds[table].push_back({table, -1, negate(exponents), 1, Value(), nullptr});
  }
}

/// h' = h 2^exponents for the head: in the norm that makes h where that is its
/// only reader, else by a multiplication.
LogicalResult StreamScaler::compensate(OpOperand &input, ArrayRef<int> exponents,
                                       SmallVectorImpl<Fold> &changes) {
  Operation *norm = input.get().getDefiningOp();
  bool readsNorm = norm && isa<RMSNormOp, LayerNormOp>(norm) && input.get() == norm->getResult(0) &&
                   input.get().hasOneUse();
  Value weight = readsNorm ? getNormWeight(norm) : Value();
  Value bias = readsNorm ? getNormBias(norm) : Value();
  SmallVector<int> up(exponents);
  if (weight && isOwn(weight, norm) && isFoldable(weight, -1, up) &&
      (!bias || (isOwn(bias, norm) && isFoldable(bias, -1, up)))) {
    for (Value v : {weight, bias})
      if (v)
        changes.push_back({v, -1, up, 0, Value(), nullptr});
    return success();
  }
  return multiply({Value(), -1, up, 1, input.get(), &input});
}

void StreamScaler::planWriter(const StreamWriter &writer, const ResidualStream &stream,
                              ArrayRef<int> exponents) {
  SmallVector<int> down = negate(exponents);
  Fold fold{writer.weight, writer.axis, down, 1, writer.value, writer.use};
  switch (writer.kind) {
  case StreamWriter::Embedding:
    folds[writer.weight].push_back(fold);
    planTied(writer.weight, exponents);
    return;
  case StreamWriter::Projection: {
    auto gemm = dyn_cast<GemmOp>(writer.value.getDefiningOp());
    Value bias = gemm ? gemm.getC() : Value();
    if (bias && !isWeight(bias))
      break;
    // A Gemm's bias is scaled with its matrix, or neither is.
    if (bias) {
      if (!bias.hasOneUse() || !writer.weight.hasOneUse() || !isFoldable(bias, -1, down) ||
          !isFoldable(writer.weight, writer.axis, down))
        break;
      folds[bias].push_back({bias, -1, down, 1, Value(), nullptr});
    }
    folds[writer.weight].push_back(fold);
    return;
  }
  case StreamWriter::Norm: {
    Operation *norm = writer.value.getDefiningOp();
    Value weight = getNormWeight(norm), bias = getNormBias(norm);
    if (!weight || !isOwn(weight, norm) || !isFoldable(weight, -1, down) ||
        (bias && (!isOwn(bias, norm) || !isFoldable(bias, -1, down))))
      break;
    for (Value v : {weight, bias})
      if (v)
        folds[v].push_back({v, -1, down, countUsesIn(v, norm), Value(), nullptr});
    return;
  }
  case StreamWriter::Constant:
    // A norm's form uses its residual bias once more.
    if (isa<RaisedInterface>(writer.use->getOwner()))
      fold.uses = countUsesIn(writer.weight, writer.use->getOwner());
    folds[writer.weight].push_back(fold);
    return;
  case StreamWriter::Other:
    break;
  }
  multiplications.push_back(std::move(fold));
}

void StreamScaler::plan(const ResidualStream &stream, ArrayRef<int> exponents, bool intoEpsilon) {
  for (const StreamWriter &writer : stream.writers)
    planWriter(writer, stream, exponents);
  for (const StreamReader &reader : stream.readers)
    readers.push_back({reader, SmallVector<int>(exponents), intoEpsilon});
}

//===----------------------------------------------------------------------===//
// Apply
//===----------------------------------------------------------------------===//

bool StreamScaler::canFold(ArrayRef<Fold> folds) const {
  const Fold &first = folds.front();
  unsigned uses = 0;
  for (const Fold &fold : folds) {
    uses += fold.uses;
    if (fold.exponents != first.exponents || fold.axis != first.axis)
      return false;
  }
  return isFoldable(first.weight, first.axis, first.exponents) &&
         uses ==
             static_cast<unsigned>(std::distance(first.weight.use_begin(), first.weight.use_end()));
}

LogicalResult StreamScaler::fold(const Fold &fold) {
  Operation *op = fold.weight.getDefiningOp();
  auto initializer = dyn_cast<InitializerOp>(op);
  Attribute value = initializer ? initializer.getValue() : op->getAttr("value");
  auto type = cast<RankedTensorType>(fold.weight.getType());
  FailureOr<TensorBytes> data = failure();
  if (value)
    data = getTensorBytes(value, op);
  if (failed(data))
    return op->emitError("weight '") << getValueName(fold.weight) << "' has no data to scale";
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.begin(), data->bytes.end());
  SmallVector<int> exponents(fold.exponents);
  if (isUniform(exponents))
    exponents.resize(1);
  if (auto loss =
          scaleByPowersOfTwo(*bytes, type.getElementType(), type.getShape(), fold.axis, exponents))
    return op->emitError("weight '")
           << getValueName(fold.weight) << "': element " << loss->index
           << (loss->overflows ? " would overflow " : " would fall below the normal range of ")
           << type.getElementType() << " when scaled; choose smaller scales";
  TypedAttr scaled = makeElements(type, *bytes, bytes, getValueName(fold.weight));
  OpBuilder b(op);
  if (!initializer) {
    op->setAttr("value", scaled);
    return success();
  }
  if (isa<ExternalAttr>(value)) {
    // The new data goes into a file of its own, as the old was.
    NamedAttrList info(initializer.getInfoAttr());
    info.set("spill", b.getUnitAttr());
    initializer.setInfoAttr(info.getDictionary(op->getContext()));
  }
  initializer.setValueAttr(scaled);
  return success();
}

FailureOr<Value> StreamScaler::makeProduct(OpBuilder &b, Value value, ArrayRef<int> exponents,
                                           StringRef suffix) {
  auto type = dyn_cast<TensorType>(value.getType());
  StringRef name = getStreamValueName(value);
  if (!type || !isScalable(type.getElementType()))
    return emitError(value.getLoc(), "value '")
           << name << "': expected f16, bf16, f32 or f64 in a residual stream, but got "
           << value.getType();
  Type element = type.getElementType();
  bool uniform = isUniform(exponents);
  SmallVector<int64_t> shape;
  if (!uniform)
    shape.push_back(exponents.size());
  uint64_t bits =
      APFloat(cast<FloatType>(element).getFloatSemantics(), 1).bitcastToAPInt().getZExtValue();
  auto bytes = std::make_shared<std::vector<char>>();
  for (size_t i = 0, e = uniform ? 1 : exponents.size(); i < e; ++i)
    bytes->insert(bytes->end(), reinterpret_cast<char *>(&bits),
                  reinterpret_cast<char *>(&bits) + element.getIntOrFloatBitWidth() / 8);
  if (scaleByPowersOfTwo(*bytes, element, shape, -1, uniform ? exponents.take_front() : exponents))
    return emitError(value.getLoc(), "value '") << name << "': a scale overflows " << element;
  auto factorType = RankedTensorType::get(shape, element);
  std::string stem = (name.empty() ? "stream" : name).str() + suffix.str();
  auto factor =
      ConstantOp::create(b, value.getLoc(), factorType, ValueRange(),
                         b.getNamedAttr("value", makeElements(factorType, *bytes, bytes, "scale")));
  setValueName(factor->getResult(0), names.make(stem + ".factor"));
  auto product =
      MulOp::create(b, value.getLoc(), value.getType(), ValueRange{value, factor->getResult(0)});
  setValueName(product->getResult(0), names.make(stem));
  return Value(product->getResult(0));
}

/// value' = value 2^exponents for all of its uses, or for one.
LogicalResult StreamScaler::multiply(const Fold &fold) {
  OpBuilder b(module.getContext());
  if (fold.use)
    b.setInsertionPoint(fold.use->getOwner());
  else
    b.setInsertionPointAfterValue(fold.value);
  FailureOr<Value> product = makeProduct(b, fold.value, fold.exponents, ".scaled");
  if (failed(product))
    return failure();
  Operation *mul = product->getDefiningOp();
  Value value = fold.value;
  if (fold.use) {
    fold.use->set(*product);
    Operation *owner = fold.use->getOwner();
    value.replaceUsesWithIf(
        *product, [&](OpOperand &use) { return owner->isProperAncestor(use.getOwner()); });
    return success();
  }
  value.replaceAllUsesExcept(*product, mul);
  return success();
}

LogicalResult StreamScaler::read(const Reader &r) {
  OpOperand &use = *r.reader.use;
  switch (r.reader.kind) {
  case StreamReader::Shape:
    return success();
  case StreamReader::Norm:
    if (r.intoEpsilon)
      return scaleEpsilon(use.getOwner(), -2 * r.exponents.front());
    // A vector of the model's own takes the factors itself.
    if (Value vector = getPreAffine(use.getOwner());
        vector && isOwn(vector, use.getOwner()) && isFoldable(vector, -1, r.exponents)) {
      vectors.push_back({vector, -1, r.exponents, 0, Value(), nullptr});
      return success();
    }
    return setPreAffine(use.getOwner(), r.exponents, names);
  case StreamReader::Output:
  case StreamReader::Other:
    break;
  }
  OpBuilder b(use.getOwner());
  FailureOr<Value> product = makeProduct(b, use.get(), r.exponents, ".restored");
  if (failed(product))
    return failure();
  use.set(*product);
  return success();
}

LogicalResult StreamScaler::apply() {
  for (const Reader &reader : readers)
    if (failed(read(reader)))
      return failure();
  SmallVector<Fold> changes(vectors);
  for (auto &[weight, list] : folds) {
    if (canFold(list)) {
      changes.push_back(list.front());
      SmallVector<int> up = negate(list.front().exponents);
      for (OpOperand *input : tiedHeads.lookup(weight))
        if (failed(compensate(*input, up, changes)))
          return failure();
      continue;
    }
    // A weight that has other uses stays; its writers are scaled instead.
    for (const Fold &fold : list)
      if (fold.value)
        multiplications.push_back(fold);
  }
  for (const Fold &fold : multiplications)
    if (failed(multiply(fold)))
      return failure();
  for (const Fold &change : changes)
    if (failed(fold(change)))
      return failure();
  return success();
}
