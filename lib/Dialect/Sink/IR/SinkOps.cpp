//===- SinkOps.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/IR/Parts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin::sink;

#include "basin/Dialect/Sink/IR/SinkDialect.cpp.inc"
#include "basin/Dialect/Sink/IR/SinkEnums.cpp.inc"
#include "basin/Dialect/Sink/IR/SinkInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/Sink/IR/SinkAttrs.cpp.inc"

void SinkDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "basin/Dialect/Sink/IR/SinkOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "basin/Dialect/Sink/IR/SinkAttrs.cpp.inc"
      >();
}

std::optional<unsigned> basin::sink::getHeadAxis(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
  case Layout::bhds:
    return 1;
  case Layout::bshd:
  case Layout::sbhd:
    return 2;
  case Layout::bsd:
  case Layout::hsd:
  case Layout::hds:
  case Layout::packed:
    return std::nullopt;
  }
  llvm_unreachable("a layout of no kind");
}

unsigned basin::sink::getSequenceAxis(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
  case Layout::hds:
    return 2;
  case Layout::bhds:
    return 3;
  case Layout::sbhd:
    return 0;
  case Layout::bshd:
  case Layout::bsd:
  case Layout::hsd:
  case Layout::packed:
    return 1;
  }
  llvm_unreachable("a layout of no kind");
}

unsigned basin::sink::getHeadDimAxis(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
  case Layout::bshd:
  case Layout::sbhd:
    return 3;
  case Layout::bhds:
  case Layout::bsd:
  case Layout::hsd:
  case Layout::packed:
    return 2;
  case Layout::hds:
    return 1;
  }
  llvm_unreachable("a layout of no kind");
}

std::optional<int64_t> basin::sink::getRankOf(Layout layout) {
  if (layout == Layout::packed)
    return std::nullopt;
  return getHeadAxis(layout) ? 4 : 3;
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

/// Checks that static sizes of the same axis do not differ. Unknown ranks pass.
static LogicalResult verifySameShape(Operation *op, Value a, Value b, StringRef what) {
  auto x = dyn_cast<RankedTensorType>(a.getType());
  auto y = dyn_cast<RankedTensorType>(b.getType());
  if (!x || !y || succeeded(verifyCompatibleShape(x, y)))
    return success();
  return op->emitOpError("expected ") << what << " of the shape of " << x << ", but got " << y;
}

/// Returns the number of elements of a tensor, or nothing if its shape is not static.
static std::optional<int64_t> countElements(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape())
    return std::nullopt;
  return type.getNumElements();
}

static std::optional<int64_t> lastDim(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return std::nullopt;
  return type.getShape().back();
}

static LogicalResult verifyVector(Operation *op, Value vector, Value x, StringRef what) {
  if (!vector)
    return success();
  std::optional<int64_t> have = countElements(vector), want = lastDim(x);
  if (!have || !want || *have == *want || *have == 1)
    return success();
  return op->emitOpError("expected ") << what << " of " << *want << " elements, but got " << *have;
}

/// Checks that the types of an op's operands or results do not contradict those in its form.
static LogicalResult verifyFormTypes(Operation *op, TypeRange outer, TypeRange inner,
                                     StringRef what) {
  for (auto [i, expected, type] : llvm::enumerate(outer, inner))
    if (!basin::onnx::mergeTypes(expected, type))
      return op->emitOpError("expected ")
             << what << " " << i << " of its form to be " << expected << ", but got " << type;
  return success();
}

static LogicalResult verifyForm(Operation *op, Region &form) {
  if (form.empty())
    return success();
  auto yield = form.hasOneBlock() && !form.front().empty() ? dyn_cast<YieldOp>(form.front().back())
                                                           : YieldOp();
  if (!yield)
    return op->emitOpError("expected its form to end in 'sink.yield'");
  if (form.getNumArguments() > op->getNumOperands())
    return op->emitOpError("expected its form to take at most ")
           << op->getNumOperands() << " arguments, but got " << form.getNumArguments();
  if (yield.getNumOperands() != op->getNumResults())
    return op->emitOpError("expected its form to yield ")
           << op->getNumResults() << " values, but got " << yield.getNumOperands();
  TypeRange operands = op->getOperands().take_front(form.getNumArguments()).getTypes();
  if (failed(verifyFormTypes(op, operands, form.getArgumentTypes(), "argument")))
    return failure();
  if (failed(verifyFormTypes(op, op->getResultTypes(), yield.getOperandTypes(), "value")))
    return failure();
  return Form(cast<RaisedInterface>(op)).verifySlots();
}

static LogicalResult verifyLayout(Operation *op, Value x, Layout layout, StringRef what) {
  auto type = dyn_cast<RankedTensorType>(x.getType());
  std::optional<int64_t> rank = getRankOf(layout);
  if (!type || !rank || type.getRank() == *rank)
    return success();
  return op->emitOpError("expected ") << what << " of rank " << *rank << " in layout "
                                      << stringifyLayout(layout) << ", but got " << type;
}

/// Checks that no stated result type contradicts the one that follows from the operands.
static LogicalResult verifyInferred(basin::onnx::InferTypesInterface op) {
  SmallVector<Type> types;
  if (failed(op.inferResultTypes(types)))
    return failure();
  for (auto [i, stated, inferred] : llvm::enumerate(op->getResultTypes(), types))
    if (inferred && !basin::onnx::mergeTypes(inferred, stated))
      return op->emitOpError("expected result ")
             << i << " to be " << inferred << ", but got " << stated;
  return success();
}

NormInterface basin::sink::getResidualNorm(Operation *op) {
  auto norm = dyn_cast_or_null<NormInterface>(op);
  return norm && norm.getResidual() ? norm : NormInterface();
}

/// Checks a form whose arguments are the op's first `count` operands.
static LogicalResult verifyFormOf(Operation *op, Region &form, unsigned count) {
  if (!form.empty() && form.getNumArguments() != count)
    return op->emitOpError("expected its form to take ")
           << count << " arguments, but got " << form.getNumArguments();
  return verifyForm(op, form);
}

static LogicalResult verifyNorm(NormInterface op) {
  if (op.getSum() && !op.getResidual())
    return op->emitOpError("expected a residual operand with a sum result");
  if (op.getResidualBias() && !op.getResidual())
    return op->emitOpError("expected a residual operand with a residual_bias");
  if (failed(verifySameShape(op, op.getX(), op.getResult(), "a result")) ||
      (op.getResidual() &&
       failed(verifySameShape(op, op.getX(), op.getResidual(), "a residual"))) ||
      (op.getSum() && failed(verifySameShape(op, op.getX(), op.getSum(), "a sum"))) ||
      failed(verifyVector(op, op.getPreAffine(), op.getX(), "a pre_affine")) ||
      failed(verifyVector(op, op.getWeight(), op.getX(), "a weight")) ||
      failed(verifyVector(op, op.getResidualBias(), op.getX(), "a residual_bias")))
    return failure();
  return verifyFormOf(op, op.getFormRegion(), op.getResidual() ? 2 : 1);
}

LogicalResult RMSNormOp::verify() { return verifyNorm(*this); }

LogicalResult LayerNormOp::verify() {
  if (failed(verifyVector(*this, getBias(), getX(), "a bias")))
    return failure();
  return verifyNorm(*this);
}

LogicalResult DyTOp::verify() {
  if (failed(verifySameShape(*this, getX(), getResult(), "a result")))
    return failure();
  if (auto count = countElements(getAlpha()); count && *count != 1)
    return emitOpError("expected an alpha of 1 element, but got ") << *count;
  if (auto count = getShift() ? countElements(getShift()) : std::nullopt; count && *count != 1)
    return emitOpError("expected a shift of 1 element, but got ") << *count;
  if (failed(verifyVector(*this, getGamma(), getX(), "a gamma")) ||
      failed(verifyVector(*this, getBeta(), getX(), "a beta")))
    return failure();
  return verifyFormOf(*this, getForm(), 1);
}

LogicalResult GateOp::verify() {
  if (failed(verifySameShape(*this, getX(), getResult(), "a result")) ||
      failed(verifyFormOf(*this, getForm(), 1)))
    return failure();
  auto down = dyn_cast<RankedTensorType>(getWDown().getType());
  auto up = dyn_cast<RankedTensorType>(getWUp().getType());
  if (!down || !up || !down.hasStaticShape() || !up.hasStaticShape())
    return success();
  if (down.getRank() != 2 || up.getRank() != 2)
    return emitOpError("expected matrices of rank 2, but got ") << down << " and " << up;
  int64_t d = lastDim(getX()).value_or(down.getDimSize(0));
  if (down.getDimSize(0) != d || up.getDimSize(0) != down.getDimSize(1) ||
      (up.getDimSize(1) != d && up.getDimSize(1) != 1))
    return emitOpError("expected w_down [d, r] and w_up [r, d] or [r, 1] with "
                       "d = ")
           << d << ", but got " << down << " and " << up;
  if (failed(verifyVector(*this, getBiasDown(), getWDown(), "a bias_down")))
    return failure();
  return verifyVector(*this, getBiasUp(), getWUp(), "a bias_up");
}

LogicalResult ParameterOp::verify() {
  auto typed = dyn_cast<TypedAttr>(getValue());
  if (!typed || typed.getType() != getResult().getType())
    return emitOpError("expected a value of type ")
           << getResult().getType() << ", but got " << getValue();
  return success();
}

LogicalResult RotaryOp::verify() {
  if (failed(verifySameShape(*this, getX(), getResult(), "a result")))
    return failure();
  std::optional<int64_t> headDim = lastDim(getX());
  if (getLayout() == Layout::bsd) {
    std::optional<uint64_t> heads = getNumHeads();
    bool divides = headDim && heads && *heads != 0 && *headDim % int64_t(*heads) == 0;
    if (getForm().empty() && headDim && heads && !divides)
      return emitOpError("expected a last axis that divides by ")
             << *heads << " heads, but got " << *headDim;
    headDim = divides ? std::optional(*headDim / int64_t(*heads)) : std::nullopt;
  }
  if (std::optional<uint64_t> dim = getRotaryDim()) {
    if (headDim && (*dim % 2 != 0 || *dim > uint64_t(*headDim)))
      return emitOpError("expected an even rotary_dim of at most ")
             << *headDim << ", but got " << *dim;
    if (*dim % 2 != 0)
      return emitOpError("expected an even rotary_dim, but got ") << *dim;
  }
  if (getDeinterleaves() && !(getInterleaved() && (getHalfTables() || getPositions())))
    return emitOpError("expected deinterleaves only with interleaved and tables of half width");
  if (std::optional<uint64_t> offset = getOffset();
      offset && (!getRotaryDim() || (headDim && *offset + *getRotaryDim() > uint64_t(*headDim))))
    return emitOpError(
        "expected an offset only with rotary_dim, and both together at most the head "
        "dim");
  if (getForm().empty() && failed(verifyLayout(*this, getX(), getLayout(), "an x")))
    return failure();
  return verifyForm(*this, getForm());
}

/// Checks the shapes of an attention without a form against its layouts.
static LogicalResult verifyShapes(AttentionOp op) {
  if (failed(verifyLayout(op, op.getQuery(), op.getQueryLayout(), "a query")) ||
      failed(verifyLayout(op, op.getKey(), op.getKeyLayout(), "a key")) ||
      failed(verifyLayout(op, op.getValue(), op.getValueLayout(), "a value")))
    return failure();
  return verifyInferred(op);
}

/// Checks that the gate broadcasts to the result, and not the result to the gate.
static LogicalResult verifyGate(AttentionOp op) {
  if (!op.getGate())
    return success();
  auto gate = dyn_cast<RankedTensorType>(op.getGate().getType());
  auto result = dyn_cast<RankedTensorType>(op.getResult().getType());
  if (!gate || !result)
    return success();
  bool fits = gate.getRank() <= result.getRank();
  for (int64_t i = 1; fits && i <= gate.getRank(); ++i) {
    int64_t have = gate.getDimSize(gate.getRank() - i);
    int64_t want = result.getDimSize(result.getRank() - i);
    fits = have == 1 || have == want || ShapedType::isDynamic(have) || ShapedType::isDynamic(want);
  }
  if (!fits)
    return op.emitOpError("expected a gate that is broadcast to ")
           << result << ", but got " << gate;
  return success();
}

/// Checks the rank of the score factor and its axis of heads.
static LogicalResult verifyScoreFactor(AttentionOp op) {
  Value factor = op.getScoreFactor();
  auto type = factor ? dyn_cast<RankedTensorType>(factor.getType()) : RankedTensorType();
  if (!type)
    return success();
  std::optional<uint64_t> heads = op.getNumHeads();
  // In a rank of 3, batch and heads may be one axis.
  bool hasHeads =
      heads && (type.getRank() == 4 || (type.getRank() == 3 && op.getQueryLayout() != Layout::hsd));
  int64_t size = hasHeads ? type.getDimSize(type.getRank() - 3) : 1;
  bool fits = size == 1 || ShapedType::isDynamic(size) || size == static_cast<int64_t>(*heads);
  if (type.getRank() <= 4 && fits)
    return success();
  InFlightDiagnostic diag = op.emitOpError("expected a score_factor that is broadcast to scores");
  if (heads)
    diag << " of " << *heads << " heads";
  return diag << ", but got " << type;
}

StringRef AttentionOp::getHiddenRows() {
  if (!getMask() || getSinkLogit() || getSinkKey() || getMaskKind() == MaskKind::lengths ||
      getBiasAfterMask())
    return "";
  if (getMaskFill())
    return "uniform";
  if (getMaskKind() == MaskKind::additive && !getZeroHiddenRows())
    return "";
  return getZeroHiddenRows() ? "zero" : "nan";
}

LogicalResult AttentionOp::verify() {
  std::optional<uint64_t> heads = getNumHeads(), kvHeads = getKvNumHeads();
  if (heads && kvHeads && (*kvHeads == 0 || *heads % *kvHeads != 0))
    return emitOpError("expected num_heads to be a multiple of kv_num_heads, "
                       "but got ")
           << *heads << " and " << *kvHeads;
  if (getSinkLogit() && heads)
    if (auto count = countElements(getSinkLogit()); count && *count != static_cast<int64_t>(*heads))
      return emitOpError("expected a sink logit for each of ")
             << *heads << " heads, but got " << *count;
  if (failed(verifyScoreFactor(*this)))
    return failure();
  if (getMaskScale() && getMaskKind() != MaskKind::additive)
    return emitOpError("expected mask_scale only with an additive mask");
  for (auto [key, value, what] :
       {std::tuple(getPastKey(), getPastValue(), "past_key and past_value"),
        std::tuple(getSinkKey(), getSinkValue(), "sink_key and sink_value")})
    if (static_cast<bool>(key) != static_cast<bool>(value))
      return emitOpError("expected both of ") << what << " or neither";
  if (static_cast<bool>(getMask()) != getMaskKind().has_value())
    return emitOpError("expected mask_kind if and only if there is a mask");
  if (getCausalInMask() && !(getCausal() && (getMask() || getBias())))
    return emitOpError("expected causal_in_mask only with causal and a mask or a bias");
  if (getWindowInMask() && !((getWindow() || getRightWindow()) && (getMask() || getBias())))
    return emitOpError("expected window_in_mask only with a window and a mask or a bias");
  if ((getBiasScale() && !getBias()) || (getBiasAfterMask() && !(getBias() && getMask())))
    return emitOpError("expected bias_scale only with a bias, and bias_after_mask only with a bias "
                       "and a mask");
  bool isBoolean = getMaskKind() == MaskKind::keep || getMaskKind() == MaskKind::drop;
  bool hides = isBoolean || (getMask() && (appliesCausal() || appliesWindow()));
  if (getMaskFill() && (!hides || !getMaskFill()->isFinite()))
    return emitOpError(
        "expected a finite mask_fill only with a mask of kind keep or drop, or beside "
        "causal or window with a mask");
  if (getHasPresent() && getNumResults() < 3)
    return emitOpError("expected a present key and value after the output, but got ")
           << getNumResults() - 1 << " more results";
  if (failed(verifyGate(*this)))
    return failure();
  if (!getForm().empty())
    return verifyForm(*this, getForm());
  return verifyShapes(*this);
}

#define GET_OP_CLASSES
#include "basin/Dialect/Sink/IR/SinkOps.cpp.inc"
