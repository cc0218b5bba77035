//===- NodeBuilder.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace basin::onnx;

NodeBuilder::NodeBuilder(OpBuilder &b, Location loc, StringRef prefix)
    : b(b), loc(loc), prefix(prefix), opset(0) {
  if (Block *block = b.getInsertionBlock(); block && block->getParentOp())
    opset = getOpsetVersion(block->getParentOp());
}

//===----------------------------------------------------------------------===//
// Any node
//===----------------------------------------------------------------------===//

/// Sets the result types from the op's rule, or leaves `!onnx.unknown` if it gives none. Shape
/// inference reports operands that contradict each other, because it knows whether the op may run
/// at all.
static void inferTypes(Operation *op) {
  SmallVector<Type> types;
  {
    ScopedDiagnosticHandler silence(op->getContext(), [](Diagnostic &) { return success(); });
    if (failed(cast<InferTypesInterface>(op).inferResultTypes(types)))
      return;
  }
  for (auto [result, type] : llvm::zip(op->getResults(), types))
    if (type)
      result.setType(type);
}

void NodeBuilder::giveNames(Operation *op) {
  if (prefix.empty())
    return;
  StringRef type = cast<NodeInterface>(op).getOpType();
  unsigned count = ++counts[type];
  std::string name = (prefix + "_" + type).str();
  if (count > 1)
    name += "_" + std::to_string(count);
  op->setAttr(kNameAttr, b.getStringAttr(name));
  for (OpResult result : op->getResults())
    setValueName(result, result.getResultNumber() == 0
                             ? name
                             : name + "." + std::to_string(result.getResultNumber()));
}

Operation *NodeBuilder::createNode(StringRef opName, ValueRange inputs,
                                   ArrayRef<NamedAttribute> attrs, unsigned numResults) {
  OperationState state(loc, opName);
  state.addOperands(inputs);
  state.addAttributes(attrs);
  state.types.assign(numResults, UnknownType::get(b.getContext()));
  Operation *op = b.create(state);
  inferTypes(op);
  giveNames(op);
  return op;
}

Value NodeBuilder::named(Value value, StringRef suffix) {
  if (prefix.empty())
    return value;
  auto result = cast<OpResult>(value);
  std::string name = (prefix + "_" + suffix).str();
  result.getOwner()->setAttr(kNameAttr, b.getStringAttr(name));
  setValueName(result, name);
  return value;
}

NamedAttribute NodeBuilder::attr(StringRef name, int64_t value) {
  return b.getNamedAttr(name, b.getI64IntegerAttr(value));
}

NamedAttribute NodeBuilder::attr(StringRef name, ArrayRef<int64_t> value) {
  return b.getNamedAttr(name, b.getDenseI64ArrayAttr(value));
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value NodeBuilder::elements(TypedAttr value) {
  return node<ConstantOp>({}, b.getNamedAttr("value", value));
}

Value NodeBuilder::constant(ArrayRef<int64_t> values, int64_t rank) {
  assert((rank == 1 || (rank == 0 && values.size() == 1)) && "a vector or a scalar");
  SmallVector<int64_t, 1> shape(rank, values.size());
  auto type = RankedTensorType::get(shape, b.getI64Type());
  return elements(DenseElementsAttr::get(type, values));
}

Value NodeBuilder::scalar(double value, Type elementType) {
  auto type = RankedTensorType::get({}, elementType);
  if (auto real = dyn_cast<FloatType>(elementType)) {
    APFloat number(value);
    bool losesInfo;
    number.convert(real.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    return elements(DenseElementsAttr::get(type, number));
  }
  return elements(
      DenseElementsAttr::get(type, Attribute(b.getIntegerAttr(elementType, int64_t(value)))));
}

//===----------------------------------------------------------------------===//
// Nodes that changed with the opset
//===----------------------------------------------------------------------===//

template <typename OpTy>
Value NodeBuilder::withAxes(Value x, ArrayRef<int64_t> axes, int64_t operandSince,
                            ArrayRef<NamedAttribute> more) {
  SmallVector<NamedAttribute> attrs(more);
  if (opset >= operandSince)
    return node<OpTy>({x, constant(axes)}, attrs);
  attrs.push_back(attr("axes", axes));
  return node<OpTy>({x}, attrs);
}

Value NodeBuilder::reduceMean(Value x, ArrayRef<int64_t> axes) {
  return withAxes<ReduceMeanOp>(x, axes, 18, attr("keepdims", 1));
}

Value NodeBuilder::reduceSum(Value x, ArrayRef<int64_t> axes, bool keepDims) {
  return withAxes<ReduceSumOp>(x, axes, 13, attr("keepdims", keepDims));
}

Value NodeBuilder::reduceMax(Value x, ArrayRef<int64_t> axes, bool keepDims) {
  return withAxes<ReduceMaxOp>(x, axes, 18, attr("keepdims", keepDims));
}

Value NodeBuilder::unsqueeze(Value x, ArrayRef<int64_t> axes) {
  return withAxes<UnsqueezeOp>(x, axes, 13);
}

Value NodeBuilder::squeeze(Value x, ArrayRef<int64_t> axes) {
  return withAxes<SqueezeOp>(x, axes, 13);
}

SmallVector<Value> NodeBuilder::split(Value x, int64_t axis, unsigned parts) {
  SmallVector<NamedAttribute> attrs{attr("axis", axis)};
  // Before opset 18, a Split without sizes makes equal parts.
  if (opset >= 18)
    attrs.push_back(attr("num_outputs", parts));
  auto op = create<SplitOp>({x}, attrs, parts);
  return llvm::to_vector_of<Value>(op->getResults());
}

Value NodeBuilder::slice(Value x, int64_t axis, int64_t begin, int64_t end) {
  if (opset >= 10)
    return slice(x, axis, constant({begin}), constant({end}));
  return node<SliceOp>({x}, {attr("axes", ArrayRef<int64_t>(axis)),
                             attr("starts", ArrayRef<int64_t>(begin)),
                             attr("ends", ArrayRef<int64_t>(end))});
}

Value NodeBuilder::slice(Value x, int64_t axis, Value begins, Value ends) {
  assert(opset >= 10 && "bounds are attributes before opset 10");
  return node<SliceOp>({x, begins, ends, constant({axis})});
}

//===----------------------------------------------------------------------===//
// Other nodes
//===----------------------------------------------------------------------===//

Value NodeBuilder::cast(Value x, Type elementType) {
  if (auto type = dyn_cast<TensorType>(x.getType()); type && type.getElementType() == elementType)
    return x;
  return node<CastOp>({x}, attr("to", getElementTypeCode(elementType)));
}

Value NodeBuilder::transpose(Value x, ArrayRef<int64_t> perm) {
  return node<TransposeOp>({x}, attr("perm", perm));
}

Value NodeBuilder::concat(ValueRange parts, int64_t axis) {
  return parts.size() == 1 ? parts.front() : node<ConcatOp>(parts, attr("axis", axis));
}

Value NodeBuilder::reshape(Value x, ArrayRef<int64_t> shape) { return reshape(x, constant(shape)); }

Value NodeBuilder::reshape(Value x, Value shape) { return node<ReshapeOp>({x, shape}); }

Value NodeBuilder::expand(Value x, Value shape) { return node<ExpandOp>({x, shape}); }

Value NodeBuilder::softmax(Value x, int64_t axis) {
  return node<SoftmaxOp>({x}, attr("axis", axis));
}

Value NodeBuilder::dims(Value x, int64_t begin, int64_t end) {
  if (auto type = dyn_cast<RankedTensorType>(x.getType()); type && end <= type.getRank()) {
    ArrayRef<int64_t> shape = type.getShape().slice(begin, end - begin);
    if (llvm::none_of(shape, ShapedType::isDynamic))
      return constant(shape);
  }
  return slice(node<ShapeOp>({x}), 0, begin, end);
}

Value NodeBuilder::dim(Value x, int64_t axis) {
  if (auto type = dyn_cast<RankedTensorType>(x.getType());
      type && axis < type.getRank() && !type.isDynamicDim(axis))
    return constant({type.getDimSize(axis)}, /*rank=*/0);
  return squeeze(dims(x, axis, axis + 1), {0});
}
